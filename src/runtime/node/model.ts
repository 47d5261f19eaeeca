import { closeSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { HopfcoleError } from '../../files/error.ts';
import { openFile } from '../../files/node/file.ts';
import { fileFolder } from '../../files/node/folder.ts';
import { checkRelativePath } from '../../files/path.ts';
import { type Folder, memorySource } from '../../files/source.ts';
import { suffix, widenBoundary } from '../boundary.ts';
import { checkLoadable, type ModelHeader, memoryBytes, readHeader } from '../header.ts';
import { widenModel } from '../widen.ts';
import type { RandomBytes } from '../wire.ts';
import type { ExternalData, ModelSource } from './options.ts';
import { checkDtypes } from './ort-tensor.ts';

/** A model that was looked at and may be given to ONNX Runtime. */
export interface PreparedModel {
  readonly name: string;
  readonly header: ModelHeader;
  /** A path, or bytes. */
  readonly load: string | Uint8Array;
  /** Where bytes that came from a file find their external data. */
  readonly folder: string | undefined;
  readonly externalData: readonly ExternalData[];
  /** Inputs and outputs that are bfloat16 outside and float32 at the boundary, with the names they have there. */
  readonly widened: ReadonlyMap<string, string>;
}

/**
 * Reads a model's header and checks it: version, element types at the boundary, and that its external data is there
 * and in the model's own folder (for bytes: among the data given), so that the runtime is never led anywhere else.
 * `wide`: its bfloat16 arithmetic becomes float32.
 * @throws MODEL_TOO_NEW, UNSUPPORTED_DTYPE, PATH_OUTSIDE_MODEL, FILE_NOT_FOUND, MISSING_EXTERNAL_DATA, BAD_PROTOBUF.
 */
export async function prepareModel(source: ModelSource, wide = false): Promise<PreparedModel> {
  if (typeof source === 'string') return prepareFile(resolve(source), source, wide);
  const { bytes, name = 'model', externalData = [] } = source instanceof Uint8Array ? { bytes: source } : source;
  const model = memoryBytes(bytes, name);
  const header = checked(model);
  const given = new Set(externalData.map(({ path }) => path));
  for (const location of header.external) {
    checkRelativePath(location, name);
    if (!given.has(location))
      throw new HopfcoleError(
        'MISSING_EXTERNAL_DATA',
        `the model keeps weights in '${location}', which was not given`,
        { file: name },
        'Give it in externalData, or open the model by its path',
      );
  }
  const files = new Map(externalData.map(({ path, data }) => [path, data]));
  const load = await mended(model, header, memoryFolder(files, name), wide);
  return { name, header, load, folder: undefined, externalData, widened: boundaryNames(header, wide) };
}

async function prepareFile(path: string, name: string, wide: boolean): Promise<PreparedModel> {
  const file = await openFile(path);
  await file.close?.();
  const header = withFile(path, name, file.size, checked);
  const folder = dirname(path);
  for (const location of header.external) await (await fileFolder(folder).open(location)).close?.();
  const widened = boundaryNames(header, wide);
  if (widened.size === 0 && !header.emptyCalls && !wide)
    return { name, header, load: path, folder, externalData: [], widened };
  const load = await mended(memoryBytes(await readFile(path), name), header, fileFolder(folder), wide);
  return { name, header, load, folder, externalData: [], widened };
}

/** The model as ONNX Runtime bears it: no function call with an empty input, no bfloat16 at the boundary. The same bytes where all is well. */
async function mended(model: RandomBytes, header: ModelHeader, folder: Folder, wide: boolean): Promise<Uint8Array> {
  const bytes = model.read(0, model.size);
  // Only such models pay for loading the graph's code.
  const filled = header.emptyCalls ? await (await import('../mend.ts')).fillCalls(bytes, model.name, folder) : bytes;
  if (wide) return widenModel(memoryBytes(filled, model.name));
  return boundaryNames(header, wide).size > 0 ? widenBoundary(memoryBytes(filled, model.name)) : filled;
}

/** External data that was given in memory. */
function memoryFolder(files: ReadonlyMap<string, Uint8Array>, name: string): Folder {
  return {
    name,
    open: async (path) => {
      const data = files.get(path);
      if (data === undefined) throw new HopfcoleError('FILE_NOT_FOUND', `'${path}' was not given`, { file: name });
      return memorySource(data, path);
    },
  };
}

function checked(model: RandomBytes): ModelHeader {
  const header = readHeader(model);
  checkLoadable(header, model.name);
  checkDtypes([...header.inputs, ...header.outputs], model.name);
  return header;
}

function boundaryNames(header: ModelHeader, wide: boolean): Map<string, string> {
  const names = [...header.inputs, ...header.outputs]
    .filter(({ dtype }) => dtype === 'bfloat16')
    .map(({ name }) => name);
  return new Map(names.map((name) => [name, wide ? name : `${name}${suffix}`]));
}

/** Reads a file through one window, so that long fields (weights) are stepped over. */
function withFile<T>(path: string, name: string, size: number, use: (bytes: RandomBytes) => T): T {
  const fd = openSync(path, 'r');
  let window: Uint8Array = new Uint8Array(0);
  let from = 0;
  const fill = (offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = readSync(fd, bytes, done, length - done, offset + done);
      if (count === 0)
        throw new HopfcoleError('TRUNCATED', 'the file became shorter while it was read', { file: name });
      done += count;
    }
    return bytes;
  };
  try {
    return use({
      name,
      size,
      read(offset, length) {
        if (offset < from || offset + length > from + window.length) {
          window = fill(offset, Math.min(size - offset, Math.max(length, 65536)));
          from = offset;
        }
        return window.subarray(offset - from, offset - from + length);
      },
    });
  } finally {
    closeSync(fd);
  }
}
