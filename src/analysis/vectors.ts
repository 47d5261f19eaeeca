/** Plain arithmetic on rows of numbers, for the float64 references. */
type Row = ArrayLike<number>;

export function dot(a: Row, b: Row): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

export function norm(a: Row): number {
  return Math.sqrt(dot(a, a));
}

/** The largest finite magnitude; 0 of none. */
export function largest(a: Row): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const size = Math.abs(a[i] ?? 0);
    if (Number.isFinite(size) && size > most) most = size;
  }
  return most;
}

/** Fixed numbers in [-1, 1] that no symmetry of a network shares. */
export function wave(count: number, seed = 0): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => Math.cos(0.3 + 2.3 * i + 1.1 * seed));
}

/** At most `most` of the first `count` whole numbers, the first and the last among them. */
export function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
}
