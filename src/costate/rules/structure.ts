import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, rule, unary } from '../call.ts';
import { ints, reshapeTo, sizeOf, zerosLike } from '../pieces.ts';

/** Operators that lay the same numbers out in another way. */
export const structureRules: Readonly<Record<string, Rule>> = {
  Reshape: unary('g reshaped back', (g, x) => reshapeTo(g, x)),
  Flatten: unary('g reshaped back', (g, x) => reshapeTo(g, x)),
  Squeeze: unary('g reshaped back', (g, x) => reshapeTo(g, x)),
  Unsqueeze: unary('g reshaped back', (g, x) => reshapeTo(g, x)),
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
    const own = (axis: number): Value => sizeOf(x, axis);
    const depth = x.shape?.[1];
    const channels = typeof depth === 'number' ? ints(depth / (block * block)) : op.div(own(1), ints(block * block));
    const parts = op.concat([own(0), channels, own(2), ints(block), own(3), ints(block)], { axis: 0 });
    return reshapeTo(op.transpose(op.reshape(g, parts), { perm: [0, 1, 3, 5, 2, 4] }), x);
  }),
  SpaceToDepth: unary('g back into space', (g, _x, _y, call) =>
    op.depthToSpace(g, { blocksize: call.int('blocksize', 1), mode: call.text('mode', 'DCR') }),
  ),
  Expand: unary('g summed over what was spread', (g, x) => summedTo(g, x)),
  Concat: rule('the parts of g', (call) => {
    const { inputs } = call.node;
    const axis = call.axis('axis', 0, call.y());
    const parts = inputs.map((x) => x as Value);
    if (parts.length === 1) return [call.g()];
    const known = parts.map(({ shape }) => shape?.[axis]);
    const sizes = known.every((dim) => typeof dim === 'number')
      ? ints(...(known as number[]))
      : op.concat(
          parts.map((x) => sizeOf(x, axis)),
          { axis: 0 },
        );
    return op.split(call.g(), sizes, { axis, numOutputs: parts.length });
  }),
  Split: rule('the co-states of the parts put together', (call) => [
    call.to(0, () => {
      const parts = call.node.outputs.map((y, index) => call.bars[index] ?? zerosLike(y));
      const axis = call.int('axis', 0);
      return parts.length === 1 ? parts[0] : op.concat(parts, { axis });
    }),
  ]),
};
