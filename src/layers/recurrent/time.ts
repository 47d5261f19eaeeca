import { ints } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import { makeNode } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Module, makerOf } from '../module.ts';

/**
 * The value, refused at run time where it has no steps on axis 0 (time): ONNX Runtime's GRU ends the process on none, its LSTM forgets the
 * initial state. PyTorch refuses too. Costs nothing that grows: the sizes are looked at, the numbers are not touched.
 * @throws SHAPE_MISMATCH now, where the shape says that there are none.
 */
export function withSteps(module: Module, x: Value): Value {
  const steps = x.shape?.[0];
  if (steps === 0)
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} expects a sequence of at least one step, but ${makerOf(x)} gives length 0`,
      {},
      'Change the input shape or the layer before',
    );
  if (typeof steps === 'number') return x;
  const size = op.shape(x, { start: 0, end: 1 });
  // With no steps this asks for place 1 of one number, which ONNX Runtime refuses.
  const place = op.cast(op.equal(size, ints(0)), { to: 'int64' });
  const rest = ints(...Array<number>((x.shape?.length ?? 3) - 1).fill(0));
  const checked = op.reshape(x, op.concat([op.gather(size, place), rest], { axis: 0 }));
  if (checked.source.kind !== 'output') return x;
  const { node } = checked.source;
  // The shape is that of x: the look-up hides it from inference.
  const known = makeNode({ ...node, outputCount: 1, inferred: [{ type: x.type }] });
  return known.outputs[0] ?? checked;
}
