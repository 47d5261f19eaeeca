import { type DType, dtypes } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { lazySource } from '../files/lazy.ts';
import { countOf } from '../files/safetensors.ts';
import { type AnyTensor, elementCount, fromNumbers, load, toNumbers } from '../files/tensor.ts';
import type { PySparse, PyTensor } from './pickle/value.ts';
import type { Storages } from './storages.ts';
import type { Given } from './tensors.ts';

const denseLimit = 64 * 2 ** 20;

/**
 * A sparse tensor (COO with dense dimensions; CSR and CSC of two) as the dense one, made when it is read, as `Tensor.to_dense` makes it.
 * @throws UNSUPPORTED_TENSOR where the dense one would be large or it comes in batches; BAD_CHECKPOINT where indices do not fit.
 */
export function dense(sparse: PySparse, view: (tensor: PyTensor) => AnyTensor, storages: Storages): Given {
  const { layout, shape, values } = sparse;
  if (values.dtype === 'complex32') throw refused('a sparse tensor of complex32');
  const dtype = values.dtype;
  const width = dtypes[dtype].bits / 8;
  const length = (countOf(shape) ?? Number.POSITIVE_INFINITY) * width;
  if (length > denseLimit) throw refused(`a sparse tensor (${layout}) that would take ${length} bytes as a dense one`);
  if (layout !== 'coo' && (shape.length !== 2 || values.shape.length !== 1))
    throw refused(`a sparse tensor (${layout}) in batches or of blocks`);
  checkShapes(sparse);
  storages.repeat(length);
  const indices = sparse.indices.map(view);
  const content = view(values);
  const source = lazySource('storage' in values ? values.storage.key : 'sparse', length, async () => {
    const numbers = await Promise.all(indices.map(async (tensor) => toNumbers(await load(tensor))));
    const places = layout === 'coo' ? cooPlaces(sparse, numbers) : compressedPlaces(sparse, numbers);
    return scatter((await load(content)).bytes, places, dtype, length);
  });
  return {
    tensor: { dtype, shape, range: { source, offset: 0, length } },
    changed: `sparse (${layout}), given as a dense tensor`,
  };
}

function checkShapes({ layout, shape, indices, values }: PySparse): void {
  const [first, second] = indices.map((tensor) => tensor.shape);
  const count = values.shape[0];
  const sound =
    layout === 'coo'
      ? first?.length === 2 &&
        first[1] === count &&
        (first[0] ?? 0) + values.shape.length - 1 === shape.length &&
        values.shape.slice(1).every((dim, axis) => dim === shape[(first[0] ?? 0) + axis])
      : first?.length === 1 &&
        first[0] === (shape[layout === 'csr' ? 0 : 1] ?? 0) + 1 &&
        second?.length === 1 &&
        second[0] === count;
  if (!sound) throw bad('its indices and values do not fit its shape');
}

/** Where each value (or block of the dense dimensions) goes, counted in values. */
function cooPlaces({ shape, indices }: PySparse, [numbers]: readonly Float64Array[]): number[] {
  const [axes = 0, count = 0] = indices[0]?.shape ?? [];
  const places: number[] = [];
  for (let i = 0; i < count; i++) {
    let place = 0;
    for (let axis = 0; axis < axes; axis++) {
      const index = numbers?.[axis * count + i] ?? -1;
      const dim = shape[axis] ?? 0;
      if (index < 0 || index >= dim) throw bad(`an index ${index} lies outside axis ${axis} of ${dim}`);
      place = place * dim + index;
    }
    places.push(place);
  }
  return places;
}

function compressedPlaces({ layout, shape, values }: PySparse, numbers: readonly Float64Array[]): number[] {
  const [pointers, others] = numbers as [Float64Array, Float64Array];
  const [rows, columns] = shape as [number, number];
  const [lines, width] = layout === 'csr' ? [rows, columns] : [columns, rows];
  const count = values.shape[0] ?? 0;
  if (pointers[0] !== 0 || pointers[lines] !== count) throw bad('its pointers do not span its values');
  const places: number[] = [];
  for (let line = 0; line < lines; line++) {
    const [begin, end] = [pointers[line] as number, pointers[line + 1] as number];
    if (end < begin || end > count) throw bad('its pointers do not rise');
    for (let i = begin; i < end; i++) {
      const other = others[i] as number;
      if (!(other >= 0 && other < width)) throw bad(`an index ${other} lies outside ${width}`);
      places.push(layout === 'csr' ? line * columns + other : other * columns + line);
    }
  }
  return places;
}

/** Values at the same place are added, as in PyTorch. */
function scatter(values: Uint8Array, places: readonly number[], dtype: DType, length: number): Uint8Array {
  const out = new Uint8Array(length);
  const block = places.length === 0 ? 0 : values.byteLength / places.length;
  const written = new Set<number>();
  places.forEach((place, index) => {
    const value = values.subarray(index * block, (index + 1) * block);
    const target = out.subarray(place * block, (place + 1) * block);
    target.set(written.has(place) ? sum(target, value, dtype) : value);
    written.add(place);
  });
  return out;
}

function sum(a: Uint8Array, b: Uint8Array, dtype: DType): Uint8Array {
  if (dtype === 'int64' || dtype === 'uint64')
    throw refused(`a sparse tensor of ${dtype} with values at the same place`);
  const parts = dtype === 'complex64' ? 'float32' : dtype === 'complex128' ? 'float64' : dtype;
  const shape = [(a.byteLength * 8) / dtypes[parts].bits];
  const added = toNumbers({ dtype: parts, shape, bytes: b });
  const values = toNumbers({ dtype: parts, shape, bytes: a }).map((value, index) => value + (added[index] as number));
  return fromNumbers(parts, [elementCount(shape)], values).bytes;
}

function bad(message: string): HopfcoleError {
  return new HopfcoleError('BAD_CHECKPOINT', `a sparse tensor: ${message}`);
}

function refused(what: string): HopfcoleError {
  return new HopfcoleError('UNSUPPORTED_TENSOR', `it is ${what}, which is not read`, {}, 'Save it as a dense tensor');
}
