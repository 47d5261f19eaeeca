import { readNpy } from '../files/npy.ts';
import { readNpz } from '../files/npz.ts';
import { readSafetensors } from '../files/safetensors.ts';
import type { ByteSource, Folder } from '../files/source.ts';
import { openZip } from '../files/zip/read.ts';
import type { Contents, OnProblem } from './contents.ts';
import { readGguf } from './gguf/read.ts';
import { readLegacy } from './legacy/read.ts';
import { readLegacyTar } from './legacy/read-tar.ts';
import { type Format, isTar, notCheckpoint } from './recognise.ts';
import { refuseSelect } from './select.ts';
import type { StateOptions } from './state.ts';
import { readTorch } from './torch.ts';
import { readTorchScript } from './torchscript.ts';

/**
 * The tensors of one file of the format it was recognised as; a single array has the name ''. `folder` is where the other parts of a split GGUF model lie.
 * @throws UNSUPPORTED_FORMAT with what to do, and what the formats' own readers throw.
 */
export async function readSingle(
  format: Format,
  source: ByteSource,
  options: StateOptions,
  onProblem: OnProblem,
  folder?: Folder,
): Promise<Contents> {
  if (format === 'torch-zip') return readTorch(await openZip(source), options, onProblem);
  if (format === 'torch-legacy')
    return (await isTar(source)) ? readLegacyTar(source, options, onProblem) : readLegacy(source, options, onProblem);
  switch (format) {
    case 'torchscript':
      refuseSelect(options, source.name);
      return readTorchScript(await openZip(source), onProblem);
    case 'safetensors':
      refuseSelect(options, source.name);
      return readSafetensors(source, onProblem);
    case 'npz':
      refuseSelect(options, source.name);
      return { tensors: await readNpz(source, onProblem), metadata: new Map() };
    case 'npy':
      refuseSelect(options, source.name);
      return { tensors: new Map([['', await readNpy(source)]]), metadata: new Map() };
    case 'gguf':
      refuseSelect(options, source.name);
      return readGguf(source, folder, onProblem);
    default:
      throw notCheckpoint(format, source.name);
  }
}
