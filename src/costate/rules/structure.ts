import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, type RuleCall, rule, unary } from '../call.ts';
import { balancedSum, ints, knownSizes, reshapeTo, sizeOf, zerosLike } from '../pieces.ts';

/** Operators that lay the same numbers out in another way. */
export const structureRules: Readonly<Record<string, Rule>> = {
  Reshape: unary('g reshaped back', (g, x) => reshapeTo(g, x)),
  Flatten: unary('g reshaped back', (g, x) => reshapeTo(g, x)),
  Squeeze: unary('g with the axes of one back', (g, x, _, call) => {
    const axes = call.maybe(1);
    return axes === undefined ? reshapeTo(g, x) : op.unsqueeze(g, axes);
  }),
  Unsqueeze: unary('g without the axes of one', (g, _x, _y, call) => op.squeeze(g, call.x(1))),
  Transpose: unary('g transposed back', (g, _x, _y, call) => {
    const perm = call.ints('perm');
    if (perm === undefined) return op.transpose(g);
    const back = new Array<number>(perm.length).fill(0);
    perm.forEach((from, to) => {
      back[from] = to;
    });
    return op.transpose(g, { perm: back });
  }),
  DepthToSpace: unary('g back into depth', (g, x, _, call) => {
    const block = call.int('blocksize', 1);
    if (call.text('mode', 'DCR') === 'DCR') return op.spaceToDepth(g, { blocksize: block });
    // The first two sizes are there already.
    const parts = op.concat([ints(0, 0), sizeOf(x, 2), ints(block), sizeOf(x, 3), ints(block)], { axis: 0 });
    return reshapeTo(op.transpose(op.reshape(g, parts), { perm: [0, 1, 3, 5, 2, 4] }), x);
  }),
  SpaceToDepth: unary('g back into space', (g, _x, _y, call) =>
    op.depthToSpace(g, { blocksize: call.int('blocksize', 1), mode: call.text('mode', 'DCR') }),
  ),
  Expand: unary('g summed over what was spread', (g, x) => summedTo(g, x)),
  Concat: rule('the parts of g', (call) => {
    const given = call.int('axis', 0);
    const axis = given < 0 ? call.axis('axis', 0, call.y()) : given;
    const parts = call.node.inputs.map((_, index) => call.x(index));
    const [one, another] = parts.flatMap((_, index) => (call.wants(index) ? [index] : []));
    if (parts.length === 1) return [call.g()];
    if (one !== undefined && another === undefined)
      return parts.map((_, index) => call.to(index, () => partOf(call.g(), parts, one, axis)));
    const known: readonly Dim[] = parts.map(({ shape }) => shape?.[axis]);
    if (parts.length > mostParts && knownSizes(known))
      return parts.map((_, index) => call.to(index, () => partOf(call.g(), parts, index, axis)));
    const sizes = knownSizes(known)
      ? ints(...known)
      : op.concat(
          parts.map((x) => sizeOf(x, axis)),
          { axis: 0 },
        );
    return op.split(call.g(), sizes, { axis, numOutputs: parts.length });
  }),
  Split: rule('the co-states of the parts put together', (call) => [call.to(0, () => joined(call))]),
};

/** A Split into more parts than a GPU has bindings for (8 storage buffers at the least) fails on WebGPU. */
const mostParts = 7;

/** One part of g alone, by a Slice. */
function partOf(g: Value, parts: readonly Value[], index: number, axis: number): Value {
  const own = parts[index]?.shape?.[axis];
  const start = totalOf(parts.slice(0, index), axis);
  const from = constantIntegers(start)?.[0];
  const end = (): Value =>
    from !== undefined && typeof own === 'number' ? ints(from + own) : totalOf(parts.slice(0, index + 1), axis);
  return op.slice(g, start, index === parts.length - 1 ? ints(Number.MAX_SAFE_INTEGER) : end(), ints(axis));
}

/** How long values are together along an axis: a vector of one number. */
function totalOf(values: readonly Value[], axis: number): Value {
  const total = sumOf(values.map(({ shape }) => shape?.[axis]));
  return total === undefined ? (balancedSum(values.map((value) => sizeOf(value, axis))) ?? ints(0)) : ints(total);
}

function sumOf(sizes: readonly Dim[]): number | undefined {
  return knownSizes(sizes) ? sizes.reduce((sum, size) => sum + size, 0) : undefined;
}

/** The parts' co-states in one row; zeros for parts without. */
function joined(call: RuleCall): Value | undefined {
  const { outputs } = call.node;
  const axis = call.int('axis', 0);
  const [only, another] = outputs.flatMap((_, index) => (call.bars[index] === undefined ? [] : [index]));
  if (outputs.length === 1) return call.bars[0];
  if (only !== undefined && another === undefined) {
    const sizes = outputs.map(({ shape }) => shape?.at(axis));
    const [before, after] = [sumOf(sizes.slice(0, only)), sumOf(sizes.slice(only + 1))];
    if (before !== undefined && after !== undefined)
      return op.pad(call.g(only), ints(before, after), undefined, ints(axis));
  }
  return op.concat(
    outputs.map((y, index) => call.bars[index] ?? zerosLike(y)),
    { axis },
  );
}
