import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, ints, isHalf, knownSizes, sumOver, tensorLike } from '../pieces.ts';

/** Grids with no more numbers than this are written into the graph; larger ones are made in it. */
const largestConstant = 1 << 14;

/** AffineGrid is linear in theta [n, d, d+1]: every point of y [n, spatial .., d] is theta (x, y, (z,) 1), x the last spatial axis. */
export const affineGridRule: Rule = rule('to theta the sum over points of g (x, y, (z,) 1)^T', (call) => [
  call.to(0, () => {
    const g = isHalf(call.g()) ? cast(call.g(), 'float32') : call.g();
    const dims = call.rank(call.y()) - 2;
    // [n, d, points]
    const rows = op.transpose(op.reshape(g, ints(0, -1, dims)), { perm: [0, 2, 1] });
    const known = knownPoints(call, rows, dims);
    const bar =
      known === undefined
        ? op.concat([op.matMul(rows, points(call, rows, dims)), sumOver(rows, ints(2), true)], { axis: 2 })
        : op.matMul(rows, known);
    return cast(bar, call.x(0).dtype ?? 'float32');
  }),
]);

/** (x, y, (z,) 1) of every point [points, d+1], where they are few and known. */
function knownPoints(call: RuleCall, like: Value, dims: number): Value | undefined {
  const spatial: readonly Dim[] | undefined = call.y().shape?.slice(1, -1);
  if (!knownSizes(spatial)) return undefined;
  const aligned = call.int('align_corners', 0) !== 0;
  const count = spatial.reduce((product, size) => product * size, 1);
  // What the middle of one element is where corners are aligned, runtimes say.
  if (count * (dims + 1) > largestConstant || (aligned && spatial.includes(1))) return undefined;
  const place = (index: number, size: number): number =>
    aligned ? (2 * index) / (size - 1) - 1 : (2 * index + 1) / size - 1;
  const sizes = [...spatial].reverse();
  const rows = Array.from({ length: count }, (_, at) => {
    let rest = at;
    const row = sizes.map((size) => {
      const index = rest % size;
      rest = Math.floor(rest / size);
      return place(index, size);
    });
    return [...row, 1];
  });
  return tensorLike(like, [count, dims + 1], rows.flat());
}

/** (x, y(, z)) of every point [points, d]: the grid of the identity. */
function points(call: RuleCall, like: Value, dims: number): Value {
  const identity = Array.from({ length: dims * (dims + 1) }, (_, at) => (at % (dims + 2) === 0 ? 1 : 0));
  const size = op.concat([ints(1), op.slice(call.x(1), ints(1), ints(dims + 2))], { axis: 0 });
  const grid = op.affineGrid(tensorLike(like, [1, dims, dims + 1], identity), size, {
    ...(call.int('align_corners', 0) === 0 ? {} : { alignCorners: 1 }),
  });
  return op.reshape(grid, ints(-1, dims));
}
