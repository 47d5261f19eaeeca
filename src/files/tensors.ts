import { readCsv, writeCsv } from './csv.ts';
import { HopfcoleError } from './error.ts';
import { readNpy } from './npy.ts';
import { type Change, readNpz, writeNpy, writeNpz } from './npz.ts';
import { readParquet, writeParquet } from './parquet.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import type { ByteSink } from './sink.ts';
import type { ByteSource } from './source.ts';
import { type AnyTensor, load } from './tensor.ts';

export type { Change } from './npz.ts';

/** Formats of tensor files, by the ending of their names. */
export const tensorFormats = ['npz', 'npy', 'safetensors', 'csv', 'parquet'] as const;
export type TensorFormat = (typeof tensorFormats)[number];

/** The format a path's ending names, or undefined. */
export function tensorFormatOf(path: string): TensorFormat | undefined {
  const ending = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase();
  return tensorFormats.find((format) => format === ending);
}

/**
 * The tensors of a file by name; an array that has none (.npy, .csv, .parquet) stands under ''.
 * The format is told by the first bytes, and by the ending for .csv, which has no mark.
 * @throws UNSUPPORTED_FORMAT, and what the formats' own readers throw.
 */
export async function readTensors(source: ByteSource, format?: TensorFormat): Promise<Map<string, AnyTensor>> {
  switch (format ?? (await recognised(source))) {
    case 'npz':
      return readNpz(source);
    case 'npy':
      return new Map([['', await readNpy(source)]]);
    case 'safetensors':
      return (await readSafetensors(source)).tensors;
    case 'csv':
      return new Map([['', await readCsv(source)]]);
    case 'parquet':
      return new Map([['', await readParquet(source)]]);
  }
}

/**
 * Writes tensors in a format. Nothing is lost: a type that the format lacks is widened, and said in what is returned.
 * @throws BAD_COUNT when several tensors are to go into a format of one; UNSUPPORTED_DTYPE, BAD_SHAPE.
 */
export async function writeTensors(
  format: TensorFormat,
  tensors: ReadonlyMap<string, AnyTensor>,
  sink: ByteSink,
): Promise<readonly Change[]> {
  if (format === 'npz') return writeNpz(tensors, sink);
  if (format === 'safetensors') {
    await writeSafetensors(tensors, sink);
    return [];
  }
  const [only, ...others] = tensors;
  if (only === undefined || others.length > 0)
    throw new HopfcoleError(
      'BAD_COUNT',
      `.${format} holds one array, got ${tensors.size}: ${[...tensors.keys()].slice(0, 10).join(', ')}`,
      {},
      'Write an .npz or .safetensors',
    );
  const [name, tensor] = only;
  if (format === 'npy') return writeNpy(name, tensor, sink);
  const loaded = await load(tensor);
  await (format === 'csv' ? writeCsv(loaded, sink) : writeParquet(loaded, sink));
  return [];
}

async function recognised(source: ByteSource): Promise<TensorFormat> {
  const head = await source.read(0, Math.min(16, source.size));
  const text = String.fromCharCode(...head);
  if (text.startsWith('\x93NUMPY')) return 'npy';
  if (text.startsWith('PK')) return 'npz';
  if (text.startsWith('PAR1')) return 'parquet';
  if (text[8] === '{') return 'safetensors';
  const named = tensorFormatOf(source.name);
  if (named === 'csv') return 'csv';
  throw new HopfcoleError(
    'UNSUPPORTED_FORMAT',
    named === undefined ? 'it is no file of tensors' : `it is called .${named}, but is none`,
    { file: source.name },
    'Tensors come as .npz, .npy, .safetensors, .csv or .parquet',
  );
}
