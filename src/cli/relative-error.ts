import { elementCount, type Tensor, toNumbers } from '../files/tensor.ts';

/** Tolerances by element type, relative to the largest expected value. */
const tolerances: Readonly<Record<string, number>> = { float64: 1e-9, float32: 1e-4, float16: 1e-2, bfloat16: 4e-2 };

export interface Compared {
  readonly name: string;
  readonly error: number;
  readonly tolerance: number;
  readonly ok: boolean;
}

/** What is expected against what came; the tolerance is the given one, or that of the coarsest element type the values went through. */
export function compare(
  name: string,
  expected: Tensor,
  got: Tensor,
  given: number | undefined,
  through: string = got.dtype,
): Compared {
  const types = [expected.dtype, got.dtype, through];
  const tolerance = given ?? Math.max(...types.map((dtype) => tolerances[dtype] ?? 0));
  const sameShape =
    elementCount(expected.shape) === elementCount(got.shape) && String(expected.shape) === String(got.shape);
  const error = sameShape ? relativeError(expected, got) : Infinity;
  return { name, error, tolerance, ok: error <= tolerance };
}

/** Largest difference relative to the largest finite expected value; equal infinities and NaNs agree. */
export function relativeError(expected: Tensor, got: Tensor): number {
  if (expected.strings !== undefined || got.strings !== undefined)
    return String(expected.strings) === String(got.strings) ? 0 : Infinity;
  const a = toNumbers(expected);
  const b = toNumbers(got);
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
    if (Object.is(x, y) || x === y) continue;
    const difference = Math.abs(x - y);
    worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
  }
  return worst === 0 ? 0 : worst / Math.max(scale, Number.MIN_VALUE);
}
