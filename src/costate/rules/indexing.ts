import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type Rule, type RuleCall, rule, unary } from '../call.ts';
import { paddingKey } from '../padding.ts';
import { cast, int, ints, shapeOf, sizeOf, sumOver, zerosLike } from '../pieces.ts';
import { added, addedRows } from './adding.ts';
import { alongAxis, numbered, putBack } from './places.ts';
import { distinct, spread } from './spread.ts';

/** Operators that read by index. */
export const indexingRules: Readonly<Record<string, Rule>> = {
  Gather: unary(
    'g added where it was read',
    (g, x, _, call) => gatherBar(call, withoutPadding(call, g), x),
    'of an embedding with padding_idx, which files of torch.export and our own tell, nothing is added to that row, as in PyTorch',
  ),
  GatherElements: unary('g added where it was read', (g, x, _, call) =>
    added(shapeOf(x), call.x(1), g, call.int('axis', 0)),
  ),
  GatherND: unary('g added where it was read', (g, x, _, call) =>
    putBack(g, x, op.gatherND(numbered(x), call.x(1), { batchDims: call.int('batch_dims', 0) }), true),
  ),
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

/** g with zeros where an embedding read its padding, which PyTorch does not train. The node's metadata keep the call it was made for. */
function withoutPadding(call: RuleCall, g: Value): Value {
  const { metadata } = call.node;
  const made = metadata.get('pkg.torch.onnx.fx_node') ?? '';
  const padding =
    /^\d+$/.exec(metadata.get(paddingKey) ?? '')?.[0] ??
    /aten\.embedding\.default\]?\(args = \(%\w+, %\w+, (\d+)/.exec(made)?.[1];
  if (padding === undefined) return g;
  const indices = call.x(1);
  const kept = cast(
    op.not(op.equal(indices, cast(int(Number(padding)), indices.dtype ?? 'int64'))),
    g.dtype ?? 'float32',
  );
  return op.mul(g, op.unsqueeze(kept, ints(-1)));
}

function gatherBar(call: RuleCall, g: Value, x: Value): Value {
  const indices = call.x(1);
  const [rank, depth] = [x.shape?.length, indices.shape?.length];
  const axis = rank === undefined ? call.int('axis', 0) : fromFront(call.int('axis', 0), rank);
  if (rank === undefined || depth === undefined || depth > 1)
    return axis === 0 ? addedRows(x, indices, g) : putBack(g, x, op.gather(numbered(x), indices, { axis }), true);
  // The axis that was read has one for each index.
  const parts = depth === 0 ? op.unsqueeze(g, ints(axis)) : g;
  const size = x.shape?.[axis];
  const places = distinct(indices, size);
  if (places !== undefined) return spread(parts, axis, places, Number(size));
  const [only, another] = constantIntegers(indices) ?? [];
  if (only !== undefined && another === undefined) return op.pad(parts, around(only, x, axis), undefined, ints(axis));
  if (axis === 0) return addedRows(x, indices, g);
  return added(shapeOf(x), alongAxis(cast(indices, 'int64'), axis, parts, rank), parts, axis);
}

/** How much of x lies before and behind one constant index. */
function around(index: number, x: Value, axis: number): Value {
  const size = sizeOf(x, axis);
  return index < 0
    ? op.concat([op.sub(size, ints(-index)), ints(-index - 1)], { axis: 0 })
    : op.concat([ints(index), op.sub(size, ints(index + 1))], { axis: 0 });
}

/** The operator itself says where it found its numbers. */
function uniqueBar(call: RuleCall, g: Value, x: Value): Value {
  const axis = call.node.attributes.has('axis') ? call.axis('axis', 0, x) : undefined;
  const where = axis === undefined ? {} : { axis };
  const firsts = call.node.outputs[1] ?? op.unique(x, { ...where, sorted: call.int('sorted', 1) })[1];
  if (axis === undefined) return putBack(g, x, firsts, false);
  return op.scatterElements(zerosLike(x), alongAxis(firsts, axis, g, call.rank(x)), g, { axis });
}
