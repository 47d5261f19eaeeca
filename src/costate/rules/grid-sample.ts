import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, ints, isHalf, layoutOf, reshapeTo, scalarLike, sizeOf, sumOver } from '../pieces.ts';
import { added, sizeOfAll } from './adding.ts';
import { combined, type Lattice, latticeOf, pick, placesOf, rowsOf, tapWeights } from './grid-lattice.ts';

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
    // [n, c, points]
    const points = op.reshape(wide, ints(0, 0, -1));
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
  const x = call.x(0);
  const weights = combined(pick(tapWeights(lattice, false), lattice.dims), (a, b) => op.mul(a, b));
  const updates = op.mul(op.unsqueeze(weights, ints(-2)), g);
  const flat = added(sizeOfAll(x), op.reshape(placesOf(x, lattice), ints(-1)), op.reshape(updates, ints(-1)));
  return op.reshape(flat, layoutOf(x), { allowzero: 1 });
}

function toGrid(call: RuleCall, lattice: Lattice, g: Value): Value {
  const { dims } = lattice;
  const x = cast(call.x(0), g.dtype ?? 'float32');
  // With the channels last what a tap reads is a row, which runtimes copy at once.
  const spatial = Array.from({ length: dims }, (_, axis) => axis + 2);
  const rows = op.reshape(
    op.transpose(x, { perm: [0, ...spatial, 1] }),
    op.concat([ints(-1), sizeOf(x, 1)], { axis: 0 }),
  );
  const read = op.gather(rows, rowsOf(x, lattice));
  // <X[i_k], g> [taps .., n, points]
  const products = sumOver(op.mul(read, op.transpose(g, { perm: [0, 2, 1] })), ints(-1), false);
  const weights = pick(tapWeights(lattice, false), dims);
  const slopes = pick(tapWeights(lattice, true), dims);
  const parts = slopes.map((slope, axis) => {
    const factors = combined(weights.with(axis, slope), (a, b) => op.mul(a, b));
    return sumOver(op.mul(products, factors), ints(...Array(dims).keys()), false);
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
