/** The float64 references in TypeScript that the ONNX bodies are judged by: plain loops over one row of logits. */
export type Vector = ArrayLike<number>;
export type Matrix = readonly Vector[];

export interface GibbsRow {
  readonly f: number;
  readonly weights: Float64Array;
  readonly entropy: number;
  readonly max: number;
}

/** f, pi and H of one row of logits: f = eps log sum exp(z/eps). An empty row (all -inf) has f = -inf, pi = 0, H = 0. */
export function gibbsRow(z: Vector, eps: number): GibbsRow {
  let max = -Infinity;
  for (let j = 0; j < z.length; j++) max = Math.max(max, at(z, j));
  const weights = new Float64Array(z.length);
  if (max === -Infinity) return { f: -Infinity, weights, entropy: 0, max };
  let sum = 0;
  for (let j = 0; j < z.length; j++) {
    weights[j] = Math.exp((at(z, j) - max) / eps);
    sum += at(weights, j);
  }
  let mean = 0;
  for (let j = 0; j < z.length; j++) {
    weights[j] = at(weights, j) / sum;
    if (at(weights, j) > 0) mean += (at(weights, j) * (at(z, j) - max)) / eps;
  }
  return { f: max + eps * Math.log(sum), weights, entropy: Math.log(sum) - mean, max };
}

export function at(values: Vector, index: number): number {
  return values[index] ?? Number.NaN;
}

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += at(a, i) * at(b, i);
  return sum;
}

/** z_j = W_j . x + b_j. */
export function logitsRow(x: Vector, w: Matrix, b: Vector): Float64Array {
  return Float64Array.from(w, (row, j) => dot(row, x) + at(b, j));
}

/** E_pi of the rows. */
export function average(weights: Vector, rows: Matrix): Float64Array {
  const mean = new Float64Array(rows[0]?.length ?? 0);
  rows.forEach((row, j) => {
    const weight = at(weights, j);
    if (weight > 0) for (let i = 0; i < mean.length; i++) mean[i] = at(mean, i) + weight * at(row, i);
  });
  return mean;
}
