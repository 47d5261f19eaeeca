import { ints } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import { makeNode } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Module, makerOf } from '../module.ts';

/**
 * `steps` (time on axis 0, made of `x`), refused at run time where there are none: ONNX Runtime's GRU ends the process then, its LSTM forgets
 * the initial state. PyTorch refuses too. A look at the sizes; the numbers are not touched.
 * @throws SHAPE_MISMATCH now, where the shape says that there are none.
 */
export function withSteps(module: Module, steps: Value, x: Value): Value {
  const { shape } = steps;
  if (shape?.[0] === 0)
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} expects a sequence of at least one step, but ${makerOf(x)} gives length 0`,
      {},
      'Change the input shape or the layer before',
    );
  if (shape === undefined || typeof shape[0] === 'number') return steps;
  const sizes = op.shape(steps);
  const none = op.cast(op.equal(op.shape(steps, { start: 0, end: 1 }), ints(0)), { to: 'int64' });
  // The sizes in their order; with no steps the first is looked for beyond them, which ONNX Runtime refuses.
  const places = op.add(
    ints(...shape.keys()),
    op.mul(none, ints(...shape.map((_, axis) => (axis === 0 ? shape.length : 0)))),
  );
  const checked = op.reshape(steps, op.gather(sizes, places));
  if (checked.source.kind !== 'output') return checked;
  // The shape is that of `steps`: the look-up hides it from inference.
  const { outputs } = makeNode({ ...checked.source.node, outputCount: 1, inferred: [{ type: steps.type }] });
  return outputs[0] ?? checked;
}
