import { type DType, dtypes } from '../files/dtype.ts';
import { lazySource } from '../files/lazy.ts';
import { swapped } from '../files/npy.ts';
import type { ByteSource } from '../files/source.ts';
import { elementCount } from '../files/tensor.ts';

/** A view of a storage: strides in elements, the span [begin, end) of it in bytes. */
export interface Layout {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly begin: number;
  readonly end: number;
  /** Lazy bits of PyTorch: the values are the conjugate or the negative of what is stored. */
  readonly conjugate: boolean;
  readonly negative: boolean;
}

/** Whether the span is the tensor as it stands: row-major, nothing skipped, nothing repeated. */
export function isPlain(layout: Layout): boolean {
  if (layout.conjugate || layout.negative) return false;
  if (layout.shape.includes(0)) return true;
  let stride = 1;
  for (let axis = layout.shape.length - 1; axis >= 0; axis--) {
    const dim = layout.shape[axis] ?? 1;
    if (dim !== 1 && layout.strides[axis] !== stride) return false;
    stride *= dim;
  }
  return true;
}

/** The elements of a view in row-major order and little-endian, gathered when they are read. */
export function strided(source: ByteSource, layout: Layout, order: 'little' | 'big'): ByteSource {
  const { bits, kind } = dtypes[layout.dtype];
  const width = bits / 8;
  return lazySource(source.name, elementCount(layout.shape) * width, async () => {
    const span = await source.read(layout.begin, layout.end - layout.begin);
    const gathered = isPlain({ ...layout, conjugate: false, negative: false }) ? span : gather(span, layout, width);
    const part = kind === 'complex' ? width / 2 : width;
    const native = order === 'big' && part > 1 ? swapped(gathered, part) : gathered;
    return layout.conjugate || layout.negative ? signed(native, layout, part, kind === 'complex') : native;
  });
}

function gather(span: Uint8Array, { shape, strides }: Layout, width: number): Uint8Array {
  const out = new Uint8Array(elementCount(shape) * width);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.byteLength; to += width) {
    for (let i = 0; i < width; i++) out[to + i] = span[from + i] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      const step = (strides[axis] ?? 0) * width;
      from += step;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      from -= next * step;
      index[axis] = 0;
    }
  }
  return out;
}

/** Flips sign bits: of imaginary parts for a conjugate, of all parts for a negative. */
function signed(bytes: Uint8Array, layout: Layout, part: number, isComplex: boolean): Uint8Array {
  const out = bytes.slice();
  for (let at = 0, index = 0; at < out.byteLength; at += part, index++) {
    const flipped = layout.negative !== (layout.conjugate && isComplex && index % 2 === 1);
    if (flipped) out[at + part - 1] = (out[at + part - 1] as number) ^ 0x80;
  }
  return out;
}
