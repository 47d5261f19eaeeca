import type { DType } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, int, ints, isHalf, scalarLike, shapeOf, sizeOf, sumOver } from '../pieces.ts';
import { greatestBack } from './roi-greatest.ts';
import { type Samples, samplesOf } from './roi-samples.ts';

/**
 * RoiAlign of X [n, c, h, w] and boxes [r, 4] to y [r, c, i, j]. Its mean is linear in X and acts on each axis alone: y_r = A_r X_b(r) B_r^T
 * with A_r [i, h] and B_r [j, w] the mean weights of the samples of a bin.
 */
export const roiAlignRule: Rule = rule(
  'to X the sum over boxes of A_r^T g_r B_r; of mode max g to the greatest product of a weight and an element',
  (call) => [
    call.to(0, () => {
      const g = isHalf(call.g()) ? cast(call.g(), 'float32') : call.g();
      const dtype = g.dtype ?? 'float32';
      const [rows, columns] = [samplesOf(call, 2, dtype), samplesOf(call, 3, dtype)];
      const bar =
        call.text('mode', 'avg') === 'max' ? greatestBack(call, g, rows, columns) : meanBack(call, g, rows, columns);
      return cast(bar, call.x(0).dtype ?? 'float32');
    }),
  ],
  { note: 'the boxes pass nothing, as in torchvision; ties of max are shared evenly' },
);

/** Without a scatter: the sum over boxes and rows of bins is one matrix product, the boxes of an image told by zeros. */
function meanBack(call: RuleCall, g: Value, rows: Samples, columns: Samples): Value {
  const x = call.x(0);
  const dtype = g.dtype ?? 'float32';
  // [r, c, i, w] -> [r i, c w]
  const wide = op.matMul(g, op.unsqueeze(weights(columns, dtype), ints(1)));
  const [channels, width] = [sizeOf(x, 1), sizeOf(x, 3)];
  const flat = op.reshape(
    op.transpose(wide, { perm: [0, 2, 1, 3] }),
    op.concat([ints(-1), op.mul(channels, width)], { axis: 0 }),
  );
  // [r, i, n, h] -> [r i, n h]
  const own = op.unsqueeze(weights(rows, dtype), ints(2));
  const placed = x.shape?.[0] === 1 ? own : op.mul(own, imageOf(call, dtype));
  const tall = op.reshape(placed, op.concat([ints(-1), op.mul(sizeOf(x, 0), sizeOf(x, 2))], { axis: 0 }));
  const sum = op.gemm(tall, flat, undefined, { transA: 1 });
  const order = [0, 2, 1, 3];
  return op.transpose(op.reshape(sum, op.gather(shapeOf(x), ints(...order))), { perm: order });
}

/** The mean weight of every element in every bin [r, bins, elements]. */
function weights({ at, inside, counted, count, size }: Samples, dtype: DType): Value {
  const elements = cast(op.range(int(0), cast(size, 'int64'), int(1)), dtype);
  const distance = op.abs(op.sub(op.unsqueeze(at, ints(3)), elements));
  const near = op.relu(op.sub(scalarLike(at, 1), distance));
  const taken = counted === undefined ? inside : op.and(inside, counted);
  const each = op.where(op.unsqueeze(taken, ints(3)), near, scalarLike(at, 0));
  const sum = sumOver(each, ints(2), false);
  return op.div(sum, counted === undefined ? count : op.unsqueeze(count, ints(2)));
}

/** 1 where a box is of that image [r, 1, n, 1]. */
function imageOf(call: RuleCall, dtype: DType): Value {
  const images = op.range(int(0), op.squeeze(sizeOf(call.x(0), 0)), int(1));
  const same = op.equal(op.unsqueeze(call.x(2), ints(1)), images);
  return op.unsqueeze(cast(same, dtype), ints(1, 3));
}
