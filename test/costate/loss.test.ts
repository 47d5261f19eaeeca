import { expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import type { LossKind } from '../../src/costate/loss.ts';
import type { DType } from '../../src/files/dtype.ts';
import { fromNumbers, type Tensor } from '../../src/files/tensor.ts';
import { constant, input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Dim } from '../../src/graph/type.ts';
import { normal } from '../ops/run.ts';
import { type Compared, compared } from './compare.ts';

interface Sort {
  readonly loss: LossKind;
  readonly shape: readonly number[];
  readonly target: Tensor;
  /** PyTorch's loss of y and target. */
  readonly torch: string;
  readonly dtype?: DType;
  readonly classAxis?: number;
  readonly symbolic?: boolean;
  readonly tolerance?: number;
}

const classes = (shape: readonly number[], values: readonly number[]) => fromNumbers('int64', shape, values);

/** The loss of y = x + x^3/10 (through log-softmax for nll), its co-state and its Hessian along a direction. */
function sort({ loss, shape, target, torch, dtype = 'float32', classAxis, symbolic, tolerance }: Sort): Compared {
  const axis = classAxis ?? Math.min(1, shape.length - 1);
  const declared: readonly Dim[] = symbolic === true ? shape.map((_, index) => `d${index}`) : shape;
  const make = () => {
    const x = input('x', dtype, declared);
    const cube = op.mul(op.mul(x, op.mul(x, x)), constant(fromNumbers(dtype, [], [0.1])));
    const z = op.add(x, cube);
    const y = loss === 'nll' ? op.logSoftmax(z, { axis }) : z;
    return costate(model({ inputs: [x], outputs: { y } }), {
      loss,
      order: 2,
      ...(classAxis === undefined ? {} : { classAxis }),
    }).model;
  };
  const name = `${loss} of ${dtype}[${(symbolic === true ? declared : shape).join(', ')}]`;
  return {
    name: `${name}${classAxis === undefined ? '' : `, classes on axis ${classAxis}`}, target [${target.shape.join(', ')}]`,
    make,
    feeds: {
      x: normal(dtype, shape, 1),
      target,
      direction_x: normal(dtype, shape, 3),
    },
    torch: `
x.requires_grad_()
y = x + 0.1 * x ** 3
${loss === 'nll' ? `y = F.log_softmax(y, ${axis})` : ''}
loss = ${torch}
(bar,) = torch.autograd.grad(loss, x, create_graph=True)
(hvp,) = torch.autograd.grad((bar * direction_x).sum(), x)
return {"loss": loss, "costate_x": bar, "hvp_x": hvp}`,
    ...(tolerance === undefined ? {} : { tolerance }),
  };
}

const entropy = 'F.cross_entropy(y, target)';
const mse = 'F.mse_loss(y, target)';

compared('losses as PyTorch has them', [
  ...[[], [3], [4, 5], [2, 3, 4], [2, 3, 2, 2]].flatMap((shape) =>
    (['float32', 'float64'] as const).map((dtype) =>
      sort({ loss: 'mse', shape, dtype, target: normal(dtype, shape, 2), torch: mse }),
    ),
  ),
  sort({ loss: 'mse', shape: [4, 5], symbolic: true, target: normal('float32', [4, 5], 2), torch: mse }),
  sort({
    loss: 'mse',
    shape: [64, 65],
    dtype: 'float16',
    target: normal('float16', [64, 65], 2),
    torch: mse,
    tolerance: 2e-3,
  }),
  sort({ loss: 'cross-entropy', shape: [4, 5], target: classes([4], [0, 4, 2, 2]), torch: entropy }),
  sort({ loss: 'cross-entropy', shape: [4, 5], symbolic: true, target: classes([4], [0, 4, 2, 2]), torch: entropy }),
  sort({
    loss: 'cross-entropy',
    shape: [4, 5],
    dtype: 'float64',
    target: classes([4], [0, 4, -100, 2]),
    torch: entropy,
  }),
  sort({ loss: 'cross-entropy', shape: [5], target: classes([], [3]), torch: entropy }),
  sort({ loss: 'cross-entropy', shape: [2, 5, 3], target: classes([2, 3], [0, 1, 2, 3, -100, 4]), torch: entropy }),
  sort({ loss: 'cross-entropy', shape: [1, 3, 2, 2], target: classes([1, 2, 2], [0, 1, 2, 0]), torch: entropy }),
  sort({
    loss: 'cross-entropy',
    shape: [2, 3, 5],
    classAxis: -1,
    symbolic: true,
    target: classes([2, 3], [0, 1, 2, -100, 3, 4]),
    torch: 'F.cross_entropy(y.flatten(0, 1), target.flatten())',
  }),
  sort({
    loss: 'cross-entropy',
    shape: [8, 50],
    dtype: 'float16',
    target: classes([8], [0, 1, 2, 3, 4, 5, 49, 7]),
    torch: entropy,
    tolerance: 2e-3,
  }),
  sort({ loss: 'cross-entropy', shape: [2, 3], target: classes([2], [-100, -100]), torch: entropy }),
  sort({ loss: 'nll', shape: [4, 5], target: classes([4], [0, 4, -100, 2]), torch: 'F.nll_loss(y, target)' }),
  sort({
    loss: 'nll',
    shape: [2, 5, 3],
    symbolic: true,
    target: classes([2, 3], [0, 1, 2, 3, 3, 4]),
    torch: 'F.nll_loss(y, target)',
  }),
  {
    name: 'cross-entropy where a class is impossible',
    make: () => {
      const x = input('x', 'float32', ['n', 3]);
      const mask = constant(fromNumbers('float32', [3], [0, Number.NEGATIVE_INFINITY, 0]));
      return costate(model({ inputs: [x], outputs: { y: op.add(x, mask) } }), { loss: 'cross-entropy' }).model;
    },
    feeds: { x: normal('float32', [2, 3], 1), target: classes([2], [0, 2]) },
    torch: `
x.requires_grad_()
loss = F.cross_entropy(x + torch.tensor([0, -np.inf, 0]), target)
return {"loss": loss, "costate_x": torch.autograd.grad(loss, x)[0]}`,
  },
]);

it('the target is declared as what it is compared with', () => {
  const x = input('x', 'float16', ['batch', 'time', 7]);
  const made = model({ inputs: [x], outputs: { y: op.relu(x) } });
  const target = (loss: LossKind, classAxis?: number) =>
    costate(made, { loss, ...(classAxis === undefined ? {} : { classAxis }) }).model.graph.inputs.at(-1);
  expect(target('mse')).toMatchObject({ name: 'target', dtype: 'float16', shape: ['batch', 'time', 7] });
  expect(target('nll')).toMatchObject({ dtype: 'int64', shape: ['batch', 7] });
  expect(target('cross-entropy', -1)).toMatchObject({ dtype: 'int64', shape: ['batch', 'time'] });
});
