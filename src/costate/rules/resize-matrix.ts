/** How one axis is resampled, by the attributes of Resize. */
export interface Lattice {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  readonly mode: string;
  readonly coordinates: string;
  /** Of the nearest neighbour. */
  readonly rounding: string;
  /** cubic_coeff_a. */
  readonly coefficient: number;
  /** Taps outside have no weight, and the others are made to sum to 1. */
  readonly excludes: boolean;
}

/**
 * The interpolation matrix R [to][from] of one axis without antialias: y = R x. Coordinates and taps as the specification of Resize gives
 * them; taps beyond the border count for the element at the border.
 */
export function interpolation(lattice: Lattice): number[][] {
  return Array.from({ length: lattice.to }, (_, index) => {
    const row = new Array<number>(lattice.from).fill(0);
    const taps = tapsAt(coordinate(index, lattice), lattice);
    const outside = (at: number): boolean => lattice.excludes && (at < 0 || at >= lattice.from);
    const total = lattice.excludes ? taps.reduce((sum, [at, weight]) => (outside(at) ? sum : sum + weight), 0) : 1;
    for (const [at, weight] of taps) {
      if (outside(at)) continue;
      const held = Math.min(Math.max(at, 0), lattice.from - 1);
      row[held] = (row[held] ?? 0) + weight / total;
    }
    return row;
  });
}

/** Where element `index` of the output lies on the input's axis. */
function coordinate(index: number, { from, to, scale, coordinates }: Lattice): number {
  const half = (index + 0.5) / scale - 0.5;
  switch (coordinates) {
    case 'align_corners':
      return to === 1 ? 0 : (index * (from - 1)) / (to - 1);
    case 'asymmetric':
      return index / scale;
    case 'pytorch_half_pixel':
      return to === 1 ? 0 : half;
    case 'half_pixel_symmetric':
      return (from / 2) * (1 - to / (scale * from)) + half;
    default:
      return half;
  }
}

type Tap = readonly [at: number, weight: number];

function tapsAt(x: number, { mode, rounding, coefficient }: Lattice): readonly Tap[] {
  const low = Math.floor(x);
  const part = x - low;
  if (mode === 'nearest') return [[nearest(x, rounding), 1]];
  if (mode === 'linear')
    return [
      [low, 1 - part],
      [low + 1, part],
    ];
  return [-1, 0, 1, 2].map((step) => [low + step, cubic(Math.abs(part - step), coefficient)]);
}

function nearest(x: number, rounding: string): number {
  switch (rounding) {
    case 'floor':
      return Math.floor(x);
    case 'ceil':
      return Math.ceil(x);
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5);
    default:
      return Math.ceil(x - 0.5);
  }
}

/** Keys' kernel of cubic convolution. */
function cubic(distance: number, a: number): number {
  return distance <= 1
    ? ((a + 2) * distance - (a + 3)) * distance * distance + 1
    : ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a;
}
