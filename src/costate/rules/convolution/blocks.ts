import * as op from '../../../graph/op.ts';
import { type Rule, unary } from '../../call.ts';
import { int, ints, reshapeTo, sizeOf } from '../../pieces.ts';
import { listOf } from './windows.ts';

/** Col2Im adds blocks into an image; its co-state reads them there: element t of block l along an axis is at l stride + t dilation - begin. */
export const col2ImRule: Rule = unary('the blocks of g', (g, x, y, call) => {
  const dims = call.rank(y) - 2;
  const [strides, dilations] = [listOf(call, 'strides', dims, 1), listOf(call, 'dilations', dims, 1)];
  const pads = listOf(call, 'pads', 2 * dims, 0);
  const framed = pads.every((pad) => pad === 0)
    ? g
    : op.pad(g, ints(0, 0, ...pads.slice(0, dims), 0, 0, ...pads.slice(dims)));
  const axes = Array.from({ length: dims }, (_, axis) => axis);
  const read = axes.reduce((image, axis) => {
    const [stride, dilation] = [strides[axis] ?? 1, dilations[axis] ?? 1];
    const block = op.gather(call.x(2), int(axis));
    const reach = op.add(op.mul(op.sub(block, int(1)), int(dilation)), int(1));
    const room = op.sub(op.squeeze(sizeOf(framed, axis + 2)), reach);
    const count = op.add(op.div(room, int(stride)), int(1));
    const within = op.mul(op.range(int(0), block, int(1)), int(dilation));
    const first = op.mul(op.range(int(0), count, int(1)), int(stride));
    // The axes before are two each by now.
    return op.gather(image, op.add(op.unsqueeze(within, ints(1)), first), { axis: 2 + 2 * axis });
  }, framed);
  const perm = [0, 1, ...axes.map((axis) => 2 + 2 * axis), ...axes.map((axis) => 3 + 2 * axis)];
  return reshapeTo(op.transpose(read, { perm }), x);
});
