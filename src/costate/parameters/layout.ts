import type { Tensor } from '../../files/tensor.ts';

/** How one tensor is another laid out anew. */
export type Layout =
  | { readonly kind: 'same' | 'reshape' | 'expand' }
  | { readonly kind: 'transpose'; readonly perm: readonly number[] };

const highestRank = 5;

/** The layout that makes `to` of `from`, bit for bit; undefined where none does. */
export function laidOut(from: Tensor, to: Tensor): Layout | undefined {
  if (from.dtype !== to.dtype || from.dtype === 'string') return undefined;
  const [here, there] = [sizeOf(from), sizeOf(to)];
  if (here === there) {
    if (equal(from.bytes, to.bytes)) return { kind: String(from.shape) === String(to.shape) ? 'same' : 'reshape' };
    const perm = permutations(from.shape.length).find(
      (order) =>
        order.every((axis, at) => from.shape[axis] === to.shape[at]) && isMoved(from, to, strided(from.shape, order)),
    );
    return perm === undefined ? undefined : { kind: 'transpose', perm };
  }
  const strides = spread(from.shape, to.shape);
  return strides !== undefined && isMoved(from, to, strides) ? { kind: 'expand' } : undefined;
}

function sizeOf({ shape }: Tensor): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function permutations(rank: number): readonly (readonly number[])[] {
  if (rank < 2 || rank > highestRank) return [];
  let orders: readonly (readonly number[])[] = [[]];
  for (let axis = 0; axis < rank; axis++)
    orders = orders.flatMap((order) =>
      Array.from({ length: order.length + 1 }, (_, at) => order.toSpliced(at, 0, axis)),
    );
  return orders;
}

function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

/** For each axis of the result, how far apart its neighbours lie in the source. */
function strided(shape: readonly number[], perm: readonly number[]): readonly number[] {
  const strides = stridesOf(shape);
  return perm.map((axis) => strides[axis] ?? 1);
}

function spread(from: readonly number[], to: readonly number[]): readonly number[] | undefined {
  if (from.length > to.length) return undefined;
  const strides = stridesOf(from);
  const extra = to.length - from.length;
  const found = to.map((dim, axis) => {
    const own = axis < extra ? 1 : (from[axis - extra] ?? 1);
    if (own !== dim && own !== 1) return undefined;
    return own === 1 ? 0 : (strides[axis - extra] ?? 1);
  });
  return found.includes(undefined) ? undefined : (found as number[]);
}

/** Whether reading `from` with these strides gives `to`. */
function isMoved(from: Tensor, to: Tensor, strides: readonly number[]): boolean {
  const count = sizeOf(to);
  if (count === 0) return false;
  const width = to.bytes.length / count;
  const index = new Array<number>(to.shape.length).fill(0);
  let at = 0;
  for (let position = 0; position < count; position++) {
    for (let byte = 0; byte < width; byte++)
      if (from.bytes[at * width + byte] !== to.bytes[position * width + byte]) return false;
    for (let axis = to.shape.length - 1; axis >= 0; axis--) {
      const dim = to.shape[axis] ?? 1;
      const stride = strides[axis] ?? 0;
      at += stride;
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < dim) break;
      at -= stride * dim;
      index[axis] = 0;
    }
  }
  return true;
}
