import { compareDims, multiplyDims, sameDim } from '../../graph/dim.ts';
import type { Dim } from '../../graph/type.ts';
import type { Call } from '../lower/call.ts';

/** Whether a tensor's elements lie in order without gaps. */
export function isContiguous(sizes: readonly Dim[], strides: readonly Dim[]): boolean {
  if (sizes.includes(0)) return true;
  let expected: Dim = 1;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    if (sizes[axis] === 1) continue;
    if (!sameDim(strides[axis], expected)) return false;
    expected = multiplyDims(expected, sizes[axis]);
  }
  return true;
}

/**
 * Whether torch.reshape gives a view of its input: where strides of the new sizes exist for its elements as they lie. The axes are taken in groups
 * that lie without gaps among themselves, and new axes must not reach across two groups (PyTorch's computeStride). What is not known is a copy.
 */
export function staysView(call: Call): boolean {
  const meta = call.meta('self');
  if (meta === undefined) return false;
  const wanted = call.outMeta().sizes;
  if (isContiguous(meta.sizes, meta.strides)) return true;
  let at = wanted.length - 1;
  for (const group of groups(meta.sizes, meta.strides)) {
    let size: Dim = 1;
    while (at >= 0 && (wanted[at] === 1 || compareDims(size, group) === -1)) size = multiplyDims(size, wanted[at--]);
    if (!sameDim(size, group)) return false;
  }
  return at < 0;
}

/** Element counts of the groups of axes, the last group first. */
function groups(sizes: readonly Dim[], strides: readonly Dim[]): Dim[] {
  const found: Dim[] = [];
  let count: Dim = 1;
  let base: Dim = strides.at(-1) ?? 1;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    count = multiplyDims(count, sizes[axis]);
    const ends = axis === 0 || (sizes[axis - 1] !== 1 && !sameDim(strides[axis - 1], multiplyDims(count, base)));
    if (!ends) continue;
    found.push(count);
    count = 1;
    base = axis === 0 ? base : strides[axis - 1];
  }
  return found;
}
