import type { DType } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { openFile } from '../files/node/file.ts';
import { atomicWrite } from '../files/node/write.ts';
import { fromNumbers, load, type Tensor, toNumbers } from '../files/tensor.ts';
import { readTensors, type TensorFormat, tensorFormatOf, tensorFormats, writeTensors } from '../files/tensors.ts';
import type { TensorDescription } from '../runtime/session.ts';

/** The format an output path asks for. @throws BAD_USAGE for an ending that names none. */
export function tensorFormat(path: string): TensorFormat {
  const format = tensorFormatOf(path);
  if (format !== undefined) return format;
  const endings = tensorFormats.map((name) => `.${name}`).join(', ');
  throw new HopfcoleError('BAD_USAGE', `expected a file ending in ${endings}, got ${path}`, { argument: '--output' });
}

/**
 * What a model is fed from a file: one array per input by name; a file of one unnamed array serves a model of one input.
 * Arrays the model does not need are ignored. @throws MISSING_INPUT listing what is missing with dtype and shape.
 */
export async function readInputs(path: string, wanted: readonly TensorDescription[]): Promise<Map<string, Tensor>> {
  const source = await openFile(path);
  try {
    const arrays = new Map<string, Tensor>();
    for (const [name, array] of await readTensors(source, tensorFormatOf(path))) {
      const needed = wanted.some((one) => one.name === name) || (name === '' && wanted.length === 1);
      if (needed) arrays.set(name, await load(array));
      else arrays.set(name, { dtype: array.dtype, shape: array.shape, bytes: none });
    }
    return feedsOf(arrays, wanted, path);
  } finally {
    await source.close?.();
  }
}

const none = new Uint8Array(0);

/** The same of arrays in memory that were read from `path`. */
export function feedsOf(
  arrays: ReadonlyMap<string, Tensor>,
  wanted: readonly TensorDescription[],
  path: string,
): Map<string, Tensor> {
  const fromText = tensorFormatOf(path) === 'csv';
  const feeds = new Map<string, Tensor>();
  for (const { name, dtype } of wanted) {
    const array = arrays.get(name) ?? (wanted.length === 1 ? arrays.get('') : undefined);
    if (array !== undefined) feeds.set(name, fromText ? asDeclared(array, dtype) : widened(array, dtype));
  }
  const missing = wanted.filter(({ name }) => !feeds.has(name));
  if (missing.length === 0) return feeds;
  const has = [...arrays.keys()].map((name) => name || 'one unnamed array').join(', ');
  throw new HopfcoleError(
    'MISSING_INPUT',
    `missing ${missing.map(described).join('; ')}`,
    { file: path },
    `The file has ${has === '' ? 'nothing' : has}`,
  );
}

/** bfloat16 programs compute in float32, which holds every number of theirs. */
function widened(tensor: Tensor, dtype: DType): Tensor {
  if (tensor.dtype !== 'bfloat16' || dtype !== 'float32') return tensor;
  return fromNumbers(dtype, tensor.shape, toNumbers(tensor));
}

/** Text names no element type: its numbers become what the model takes, where that holds them. */
function asDeclared(tensor: Tensor, dtype: DType): Tensor {
  if (tensor.dtype === dtype || tensor.strings !== undefined || dtype === 'string') return tensor;
  const values = toNumbers(tensor);
  if (!floats.has(dtype) && !values.every((value) => Number.isInteger(value))) return tensor;
  const cast = fromNumbers(dtype, tensor.shape, values);
  return floats.has(dtype) || toNumbers(cast).every((value, i) => value === values[i]) ? cast : tensor;
}

const floats: ReadonlySet<DType> = new Set<DType>(['float16', 'bfloat16', 'float32', 'float64']);

function described({ name, dtype, shape }: TensorDescription): string {
  return `${name} ${dtype}${shape === undefined ? '' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`}`;
}

/** Every array of a file, in memory. */
export async function readArrays(path: string): Promise<Map<string, Tensor>> {
  const source = await openFile(path);
  try {
    const arrays = new Map<string, Tensor>();
    for (const [name, array] of await readTensors(source, tensorFormatOf(path))) arrays.set(name, await load(array));
    return arrays;
  } finally {
    await source.close?.();
  }
}

/** Writes arrays by name in the format of the path's ending; the file appears whole or not at all. */
export async function writeOutputs(path: string, arrays: ReadonlyMap<string, Tensor>): Promise<void> {
  const format = tensorFormat(path);
  await atomicWrite(path, async (sink) => {
    await writeTensors(format, arrays, sink);
  });
}
