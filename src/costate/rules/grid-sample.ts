import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, ints, isHalf, knownSizes, reshapeTo, scalarLike, sizeOf, sumOver } from '../pieces.ts';
import { combined, type Lattice, latticeOf, pick, tapWeights } from './grid-lattice.ts';

/**
 * GridSample: y = sum over taps k of w_k X[i_k], the taps of a point being the elements around it and w_k a product of one weight per
 * axis. X [n, c, spatial ..], grid [n, points .., d], y [n, c, points ..].
 */
export const gridSampleRule: Rule = rule(
  'to X w_k g, added at i_k; to the grid the sum over taps of <X[i_k], g> dw_k',
  (call) => {
    const g = call.g();
    const wide = isHalf(g) ? cast(g, 'float32') : g;
    const lattice = latticeOf(call, wide.dtype ?? 'float32');
    // [n, points, c], so that what one tap reads or gives is a row.
    const points = op.transpose(op.reshape(wide, ints(0, 0, -1)), { perm: [0, 2, 1] });
    return [
      call.to(0, () => cast(toImage(call, lattice, points), call.x(0).dtype ?? 'float32')),
      call.to(1, () => {
        if (lattice.mode === 'nearest') return undefined;
        return reshapeTo(cast(toGrid(call, lattice, points), call.x(1).dtype ?? 'float32'), call.x(1));
      }),
    ];
  },
  {
    note: 'nearest passes nothing to the grid; nor does linear at the first element of a padded border, as in PyTorch',
  },
);

function toImage(call: RuleCall, lattice: Lattice, g: Value): Value {
  const { dims } = lattice;
  const x = call.x(0);
  const shape = channelsLast(x, dims);
  const channels = op.slice(shape, ints(-1), ints(dims + 2));
  const rows = op.concat([op.reduceProd(op.slice(shape, ints(0), ints(-1))), channels], { axis: 0 });
  const zeros = op.expand(scalarLike(g, 0), rows);
  const sum = op.scatterND(zeros, op.unsqueeze(lattice.rows, ints(-1)), updates(lattice, g), { reduction: 'add' });
  return op.transpose(op.reshape(sum, shape), { perm: [0, dims + 1, ...axesFrom(1, dims)] });
}

/** What every tap gives to its element [taps .., n, points, c]. */
function updates(lattice: Lattice, g: Value): Value {
  const weights = combined(pick(tapWeights(lattice, false), lattice.dims), (a, b) => op.mul(a, b));
  return op.mul(op.unsqueeze(weights, ints(-1)), g);
}

function toGrid(call: RuleCall, lattice: Lattice, g: Value): Value {
  const { dims } = lattice;
  const x = wideLike(call.x(0), g);
  const rows = op.reshape(op.transpose(x, { perm: [0, ...axesFrom(2, dims), 1] }), rowShape(x));
  // <X[i_k], g> [taps .., n, points]
  const products = sumOver(op.mul(op.gather(rows, lattice.rows), g), ints(-1), false);
  const weights = pick(tapWeights(lattice, false), dims);
  const slopes = pick(tapWeights(lattice, true), dims);
  const parts = slopes.map((slope, axis) => {
    const factors = combined(weights.with(axis, slope), (a, b) => op.mul(a, b));
    return sumOver(op.mul(products, factors), ints(...axesFrom(0, dims)), false);
  });
  const bar = op.mul(
    op.concat(
      parts.map((part) => op.unsqueeze(part, ints(-1))),
      { axis: -1 },
    ),
    lattice.pace,
  );
  const held = heldBack(call, lattice);
  return held === undefined ? bar : op.where(held, scalarLike(g, 0), bar);
}

/** Points on the very border of padding that is not zero, where the derivative from outside is none. */
function heldBack(call: RuleCall, { mode, at, last }: Lattice): Value | undefined {
  const padding = call.text('padding_mode', 'zeros');
  if (padding === 'zeros' || mode !== 'linear') return undefined;
  const zero = scalarLike(at, 0);
  // At the last element of a border both taps are the same one; reflection turns back there.
  return op.equal(padding === 'border' ? at : op.mul(at, op.sub(at, last)), zero);
}

function wideLike(x: Value, g: Value): Value {
  return cast(x, g.dtype ?? 'float32');
}

function rowShape(x: Value): Value {
  return op.concat([ints(-1), sizeOf(x, 1)], { axis: 0 });
}

/** The shape of x with the channels last. */
function channelsLast(x: Value, dims: number): Value {
  const order = [0, ...axesFrom(2, dims), 1];
  return knownSizes(x.shape)
    ? ints(...order.map((axis) => Number(x.shape?.[axis])))
    : op.gather(op.shape(x), ints(...order));
}

function axesFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, axis) => first + axis);
}
