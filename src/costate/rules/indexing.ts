import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule, unary } from '../call.ts';
import { cast, int, ints, knownSizes, sumOver, zerosLike } from '../pieces.ts';
import { alongAxis, putBack, shapeFrom, sizesOf } from './places.ts';

/** Operators that read by index. */
export const indexingRules: Readonly<Record<string, Rule>> = {
  Gather: unary('g added where it was read', (g, x, _, call) => gatherBar(call, g, x)),
  GatherElements: unary('g added where it was read', (g, x, _, call) =>
    op.scatterElements(zerosLike(x), call.x(1), g, { axis: call.int('axis', 0), reduction: 'add' }),
  ),
  GatherND: unary('g added where it was read', (g, x, _, call) => {
    const batch = call.int('batch_dims', 0);
    if (batch === 0) return op.scatterND(zerosLike(x), call.x(1), g, { reduction: 'add' });
    const indices = withBatch(call, batch);
    return op.scatterND(zerosLike(x), indices, g, { reduction: 'add' });
  }),
  TopK: rule('g put back where the values came from', (call) => [
    call.to(0, () => op.scatterElements(zerosLike(call.x(0)), call.y(1), call.g(), { axis: call.int('axis', -1) })),
  ]),
  Unique: unary(
    'g put where each number is first',
    (g, x, _, call) => uniqueBar(call, g, x),
    'PyTorch has no derivative',
  ),
  OneHot: rule('the sums of g where it is off, and on', (call) => [
    undefined,
    undefined,
    call.to(2, () => {
      const g = call.g();
      const marks = constant(fromNumbers(g.dtype ?? 'float32', [2], [0, 1]));
      const on = op.oneHot(call.x(0), call.x(1), marks, { axis: call.int('axis', -1) });
      const sum = sumOver(op.mul(g, on), undefined, false);
      const rest = op.sub(sumOver(g, undefined, false), sum);
      return op.concat([op.reshape(rest, ints(1)), op.reshape(sum, ints(1))], { axis: 0 });
    }),
  ]),
  Range: rule('sum g; 0; sum i g_i', (call) => {
    const g = call.g();
    return [
      call.to(0, () => sumOver(g, undefined, false)),
      undefined,
      call.to(2, () => {
        const steps = cast(op.range(int(0), op.size(g), int(1)), g.dtype ?? 'float32');
        return sumOver(op.mul(g, steps), undefined, false);
      }),
    ];
  }),
};

function gatherBar(call: RuleCall, g: Value, x: Value): Value {
  const rank = call.rank(x);
  const axis = call.axis('axis', 0, x);
  const indices = call.x(1);
  const depth = indices.shape?.length;
  const [place, size] = [constantIntegers(indices), x.shape?.[axis]];
  if (place?.length === 1 && typeof size === 'number' && (depth === 0 || depth === 1)) {
    const at = (place[0] ?? 0) < 0 ? (place[0] ?? 0) + size : (place[0] ?? 0);
    const row = depth === 0 ? op.unsqueeze(g, ints(axis)) : g;
    return op.pad(row, ints(at, size - 1 - at), undefined, ints(axis));
  }
  // One axis of indices; the axis that was read has one for each of them.
  const list = depth === 1 ? indices : op.reshape(indices, ints(-1));
  const rows =
    depth === 1
      ? g
      : depth === 0
        ? op.unsqueeze(g, ints(axis))
        : op.reshape(g, shapeFrom(sizesOf(x, 0, axis), countOf(indices), sizesOf(x, axis + 1, rank)), { allowzero: 1 });
  if (axis === 0)
    return op.scatterND(zerosLike(x), op.unsqueeze(cast(list, 'int64'), ints(-1)), rows, { reduction: 'add' });
  return op.scatterElements(zerosLike(x), alongAxis(cast(list, 'int64'), axis, rows, rank), rows, {
    axis,
    reduction: 'add',
  });
}

/** The operator itself says where it found its numbers. */
function uniqueBar(call: RuleCall, g: Value, x: Value): Value {
  const axis = call.node.attributes.has('axis') ? call.axis('axis', 0, x) : undefined;
  const where = axis === undefined ? {} : { axis };
  const firsts = call.node.outputs[1] ?? op.unique(x, { ...where, sorted: call.int('sorted', 1) })[1];
  if (axis === undefined) return putBack(g, x, firsts, false);
  return op.scatterElements(zerosLike(x), alongAxis(firsts, axis, g, call.rank(x)), g, { axis });
}

/** How many elements there are: -1, for the runtime to find, where that is not known. */
function countOf(indices: Value): Value {
  const sizes = indices.shape;
  return ints(knownSizes(sizes) ? sizes.reduce((product, size) => product * size, 1) : -1);
}

/** The indices of GatherND with those of the batch axes before them. */
function withBatch(call: RuleCall, batch: number): Value {
  const [x, indices] = [call.x(0), call.x(1)];
  const rank = call.rank(indices);
  const shape = shapeFrom(sizesOf(indices, 0, rank - 1), ints(1));
  const columns = Array.from({ length: batch }, (_, axis) => {
    const size = op.reshape(sizesOf(x, axis, axis + 1) ?? ints(1), op.constant({ valueInts: [] }));
    const own = op.range(int(0), size, int(1));
    const laid = op.reshape(own, ints(...Array.from({ length: rank }, (_unused, at) => (at === axis ? -1 : 1))));
    return op.expand(laid, shape);
  });
  return op.concat([...columns, indices], { axis: rank - 1 });
}
