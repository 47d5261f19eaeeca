import { HopfcoleError } from '../files/error.ts';
import type { ByteRange, ByteSource, Folder } from '../files/source.ts';
import { onnx, type TensorInit } from './messages.ts';
import { sha1 } from './sha1.ts';

/** Where a tensor's external data are, by its own words. */
export interface ExternalData {
  /** Path relative to the model's folder; not checked yet. */
  readonly location: string;
  readonly offset: number;
  /** Undefined where the file is silent: all that the shape needs. */
  readonly length: number | undefined;
  /** SHA-1 of the whole file in lower-case hexadecimal, where it is given. */
  readonly checksum: string | undefined;
}

export function isExternal(proto: TensorInit): boolean {
  return proto.dataLocation === onnx.TensorProto.DataLocation.EXTERNAL;
}

/** @throws BAD_EXTERNAL_DATA for a missing or repeated key, and for numbers and checksums that are none. */
export function externalData(proto: TensorInit): ExternalData {
  const where = { tensor: proto.name ?? '' };
  const entries = new Map<string, string>();
  for (const { key, value } of proto.externalData ?? []) {
    if (entries.has(key ?? '')) throw bad(`the key '${key ?? ''}' stands twice`, where);
    entries.set(key ?? '', value ?? '');
  }
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
      throw bad(`expected ${key} to be a non-negative integer, got ${JSON.stringify(text.slice(0, 40))}`, where);
    return value;
  };
  const location = entries.get('location');
  if (location === undefined || location === '') throw bad("the key 'location' is missing", where);
  const checksum = entries.get('checksum');
  if (checksum !== undefined && !/^[0-9a-fA-F]{40}$/.test(checksum))
    throw bad('expected checksum to be 40 hexadecimal digits of SHA-1', where);
  return { location, offset: number('offset') ?? 0, length: number('length'), checksum: checksum?.toLowerCase() };
}

/**
 * The range of a tensor's external data, which lies inside its file. Nothing of it is read.
 * @throws BAD_EXTERNAL_DATA, NO_FOLDER, PATH_OUTSIDE_MODEL, FILE_NOT_FOUND, TRUNCATED.
 */
export async function externalRange(
  proto: TensorInit,
  expected: { readonly dtype: string; readonly count: number; readonly byteLength: number },
  folder: Folder | undefined,
): Promise<ByteRange> {
  const where = { tensor: proto.name ?? '' };
  const { location, offset, length = expected.byteLength } = externalData(proto);
  if (expected.dtype === 'string') throw bad('strings cannot be external', where);
  if (length !== expected.byteLength)
    throw bad(
      `a ${expected.dtype} tensor of ${expected.count} elements takes ${expected.byteLength} bytes, length is ${length}`,
      where,
    );
  const source = await openExternal(location, folder, where);
  if (offset + length > source.size)
    throw new HopfcoleError(
      'TRUNCATED',
      `expected ${length} bytes at offset ${offset}, but the file has ${source.size}`,
      { file: source.name, ...where },
      'The file of external data is cut short or belongs to another model: fetch it again',
    );
  return { source, offset, length };
}

/**
 * Compares the SHA-1 of a tensor's external file with the one the model gives, where it gives one; reads the whole file.
 * @throws BAD_CHECKSUM, and what `externalRange` does about the place.
 */
export async function verifyChecksum(proto: TensorInit, folder: Folder): Promise<void> {
  const { location, checksum } = externalData(proto);
  if (checksum === undefined) return;
  const where = { tensor: proto.name ?? '' };
  const source = await openExternal(location, folder, where);
  const actual = await sha1(source);
  if (actual !== checksum)
    throw new HopfcoleError(
      'BAD_CHECKSUM',
      `expected SHA-1 ${checksum}, got ${actual}`,
      { file: source.name, ...where },
      'The file of external data was changed or damaged: fetch it again',
    );
}

/** Each file is opened once for a folder object, however many tensors are in it. */
const opened = new WeakMap<Folder, Map<string, Promise<ByteSource>>>();

async function openExternal(
  location: string,
  folder: Folder | undefined,
  where: { tensor: string },
): Promise<ByteSource> {
  if (folder === undefined)
    throw new HopfcoleError(
      'NO_FOLDER',
      `the data are in ${JSON.stringify(location.slice(0, 200))}, and no folder is known to look in`,
      where,
      'Read the model from its file, with its folder',
    );
  const files = opened.get(folder) ?? new Map<string, Promise<ByteSource>>();
  opened.set(folder, files);
  const file = files.get(location) ?? folder.open(location);
  files.set(location, file);
  try {
    return await file;
  } catch (error) {
    files.delete(location);
    throw error instanceof HopfcoleError ? error.at(where) : error;
  }
}

/** Closes the external files that were opened through a folder object. */
export async function closeExternal(folder: Folder): Promise<void> {
  const files = [...(opened.get(folder)?.values() ?? [])];
  opened.delete(folder);
  for (const file of files) await (await file).close?.();
}

function bad(what: string, where: { tensor: string }): HopfcoleError {
  return new HopfcoleError('BAD_EXTERNAL_DATA', what, where, 'Export the model again');
}
