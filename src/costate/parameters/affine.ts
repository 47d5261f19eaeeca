import type { DType } from '../../files/dtype.ts';
import { makeTensor, type Tensor, toNumbers } from '../../files/tensor.ts';

/** Elements that are looked at: that all of them lie on one line is no accident. */
const most = 64;

/** How far apart neighbouring numbers of a dtype lie, as a part of them. */
const spacing: Partial<Record<DType, number>> = {
  float64: 2 ** -52,
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

/**
 * Whether `to` is `a * from + b` for some numbers a and b, as far as rounding lets them be told: what the TorchScript exporter's constant
 * folding makes of `1 - p` or `2 * p`, and says nothing of. Few or too equal elements tell nothing.
 */
export function isAffine(from: Tensor, to: Tensor): boolean {
  const step = spacing[from.dtype];
  if (step === undefined || from.dtype !== to.dtype || from.bytes.length !== to.bytes.length) return false;
  const [x, y] = [beginning(from), beginning(to)];
  if (new Set(x).size < 4 || x.length !== y.length) return false;
  const low = x.indexOf(Math.min(...x));
  const high = x.indexOf(Math.max(...x));
  const [x0 = 0, x1 = 0, y0 = 0, y1 = 0] = [x[low], x[high], y[low], y[high]];
  const slope = (y1 - y0) / (x1 - x0);
  if (!Number.isFinite(slope) || slope === 0) return false;
  const scale = Math.max(...y.map(Math.abs), Math.abs(slope) * Math.max(...x.map(Math.abs)));
  return y.every((value, index) => Math.abs(value - y0 - slope * ((x[index] ?? 0) - x0)) <= 4 * step * scale);
}

function beginning({ dtype, shape, bytes }: Tensor): readonly number[] {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const taken = Math.min(count, most);
  return Array.from(
    toNumbers(makeTensor(dtype, [taken], bytes.subarray(0, (bytes.length / Math.max(count, 1)) * taken))),
  );
}
