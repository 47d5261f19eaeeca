import type { HopfcoleError } from '../files/error.ts';
import { readNpz } from '../files/npz.ts';
import { readSafetensors } from '../files/safetensors.ts';
import type { ByteSource, Folder } from '../files/source.ts';
import { openZip } from '../files/zip/read.ts';
import { readGguf } from './gguf/read.ts';
import { type Format, notCheckpoint, recogniseFormat } from './recognise.ts';
import { readSharded } from './sharded.ts';
import type { StateOptions } from './state.ts';
import { type Checkpoint, type OnProblem, readTorch } from './torch.ts';

export type { Checkpoint } from './torch.ts';

export interface CheckpointOptions extends StateOptions {
  /** Describe what can be described and collect what is wrong in `problems`; otherwise the first problem is thrown. */
  readonly forgiving?: boolean;
}

/**
 * Opens a checkpoint of any format that is read (`torch-zip`, `safetensors`, `safetensors-sharded`, `npz`, `gguf`), told by its content.
 * Headers only are read; tensors are ranges of the file, under the names they have there. No code of it is ever run.
 * `folder` is where the shards of a sharded one are looked for.
 * @throws UNSUPPORTED_FORMAT with what to do, and what the formats' own readers throw.
 */
export async function openCheckpoint(
  source: ByteSource,
  folder?: Folder,
  options: CheckpointOptions = {},
): Promise<Checkpoint> {
  const format = await recogniseFormat(source);
  const problems: HopfcoleError[] = [];
  const onProblem: OnProblem = (problem) => {
    if (options.forgiving !== true) throw problem;
    problems.push(problem);
  };
  const { tensors, metadata, changed } = await readAs(format, source, folder, options, onProblem);
  return { format, tensors, metadata, problems, ...(changed === undefined ? {} : { changed }) };
}

async function readAs(
  format: Format,
  source: ByteSource,
  folder: Folder | undefined,
  options: CheckpointOptions,
  onProblem: OnProblem,
): Promise<Omit<Checkpoint, 'problems' | 'format'>> {
  switch (format) {
    case 'torch-zip':
      return readTorch(await openZip(source), options, onProblem);
    case 'safetensors':
      return readSafetensors(source, onProblem);
    case 'safetensors-sharded':
      return readSharded(source, folder, onProblem);
    case 'npz':
      return { tensors: await readNpz(source, onProblem), metadata: new Map() };
    case 'gguf':
      return readGguf(source, onProblem);
    default:
      throw notCheckpoint(format, source.name);
  }
}
