import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import * as op24 from '../../src/graph/generated/opset24.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { normal } from '../ops/run.ts';
import { hasPython } from '../support/python.ts';
import { get, kinked, tensor } from './cases.ts';
import { away, type Case, judged } from './judge.ts';
import { ran } from './run.ts';

/** Numbers as float32 attributes hold them. */
const f32 = Math.fround;

interface Activation {
  readonly build: (x: Value) => Value;
  readonly torch: string;
  readonly more?: Partial<Case>;
}

const inFloat32 = (make: (x: Value) => Value) => (x: Value) =>
  op.cast(make(op.cast(x, { to: 'float32' })), { to: x.dtype ?? 'float32' });

/** Each with the derivative at 0, at its other kinks and far out. */
const activations: Readonly<Record<string, Activation>> = {
  Relu: { build: op.relu, torch: 'F.relu(x)' },
  LeakyRelu: { build: (x) => op.leakyRelu(x, { alpha: 0.25 }), torch: 'F.leaky_relu(x, 0.25)' },
  'LeakyRelu with the usual slope': { build: (x) => op.leakyRelu(x), torch: `F.leaky_relu(x, ${f32(0.01)})` },
  Elu: { build: (x) => op.elu(x), torch: 'F.elu(x)' },
  'Elu with alpha 1.5': { build: (x) => op.elu(x, { alpha: 1.5 }), torch: 'F.elu(x, 1.5)' },
  'Elu with alpha -0.5': {
    build: (x) => op.elu(x, { alpha: -0.5 }),
    torch: 'torch.where(x > 0, x, -0.5 * (torch.where(x > 0, 0.0, x).exp() - 1))',
  },
  Celu: {
    // The operator is of float32 alone.
    build: inFloat32((x) => op.celu(x, { alpha: 0.5 })),
    torch: 'F.celu(x, 0.5)',
    more: { step: 1e-2, tolerance: { torch: 1e-6, differences: 1e-3, second: 1e-2 } },
  },
  Selu: { build: (x) => op.selu(x), torch: 'F.selu(x)', more: { tolerance: { torch: 1e-7 } } },
  'Selu with other numbers': {
    build: (x) => op.selu(x, { alpha: 0.5, gamma: 2 }),
    torch: '2 * torch.where(x > 0, x, 0.5 * (torch.where(x > 0, 0.0, x).exp() - 1))',
  },
  Sigmoid: { build: op.sigmoid, torch: 'x.sigmoid()' },
  HardSigmoid: {
    build: (x) => op.hardSigmoid(x),
    torch: `F.hardsigmoid(${6 * f32(0.2)} * x)`,
    more: { tolerance: { torch: 1e-7 } },
  },
  'HardSigmoid that falls': {
    build: (x) => op.hardSigmoid(x, { alpha: -0.25, beta: 0.75 }),
    torch: 'F.hardsigmoid(1.5 - 1.5 * x)',
    // PyTorch's own sixth is rounded.
    more: { tolerance: { torch: 1e-7 } },
  },
  HardSwish: { build: op.hardSwish, torch: 'F.hardswish(x)', more: { tolerance: { torch: 1e-7 } } },
  Softplus: { build: op.softplus, torch: 'F.softplus(x, threshold=1000)' },
  Softsign: { build: op.softsign, torch: 'F.softsign(x)' },
  Mish: { build: op.mish, torch: 'F.mish(x)' },
  Gelu: { build: (x) => op.gelu(x), torch: 'F.gelu(x)', more: { tolerance: { torch: 1e-6 } } },
  'Gelu by tanh': {
    build: (x) => op.gelu(x, { approximate: 'tanh' }),
    torch: 'F.gelu(x, approximate="tanh")',
    more: { tolerance: { torch: 1e-6 } },
  },
  ThresholdedRelu: { build: (x) => op.thresholdedRelu(x, { alpha: 0.5 }), torch: 'F.threshold(x, 0.5, 0.0)' },
  'ThresholdedRelu below 0': {
    build: (x) => op.thresholdedRelu(x, { alpha: -0.5 }),
    torch: 'F.threshold(x, -0.5, 0.0)',
  },
  Shrink: {
    build: (x) => op.shrink(x, { lambd: 0.5, bias: 0.5 }),
    torch: 'F.softshrink(x, 0.5)',
    // Its float64 kernel rounds to float32.
    more: { step: 1e-3, tolerance: { torch: 1e-6, differences: 1e-3 } },
  },
  'Shrink without a bias': {
    build: (x) => op.shrink(x, { lambd: 0.5 }),
    torch: 'F.hardshrink(x, 0.5)',
    more: { step: 1e-3, tolerance: { torch: 1e-6, differences: 1e-3 } },
  },
  Swish: { build: (x) => op24.swish(x), torch: 'F.silu(x)', more: { opset: 24 } },
  'Swish with alpha 1.7': {
    build: (x) => op24.swish(x, { alpha: 1.5 }),
    torch: 'x * (1.5 * x).sigmoid()',
    more: { opset: 24 },
  },
};

function cases(suffix: string, x: Tensor | readonly number[], more: Partial<Case> = {}): Case[] {
  return Object.entries(activations).map(([name, { build, torch, more: own }]) => ({
    name: `${name}${suffix}`,
    inputs: { x },
    build: (v) => build(get(v, 'x')),
    torch,
    ...own,
    ...more,
    tolerance: { ...own?.tolerance, ...more.tolerance },
  }));
}

const nonzero = away([3, 5], 1, 0.05);
/** Kinks, and what would overflow. */
const special = tensor([15], [0, 0.5, -0.5, 1, -1, 2.5, -2.5, 3, -3, 4, -4, 30, -30, 90, -90]);

judged('co-states of activations', cases('', nonzero));
judged(
  'co-states of activations at their kinks and far out',
  cases(' at kinks', special, { second: false, ...kinked }),
);
judged('co-states of activations of rank 0', cases(' of rank 0', tensor([], [0.7])));

judged('co-states of PRelu and Dropout', [
  ...(
    [
      ['of one slope', [2, 3], [1]],
      ['by channel', [2, 3, 4], [3, 1]],
      ['of each element', [2, 3], [2, 3]],
      ['of rank 0', [2, 3], []],
      ['of an empty batch', [0, 3], [3]],
    ] as const
  ).map(
    ([name, x, slope], index): Case => ({
      name: `PRelu ${name}`,
      inputs: { x: away(x, index + 1), slope },
      build: (v) => op.pRelu(get(v, 'x'), get(v, 'slope')),
      torch: 'torch.where(x > 0, x, x * slope)',
    }),
  ),
  {
    name: 'PRelu at 0',
    inputs: { x: tensor([3], [0, 1, -1]), slope: [1] },
    build: (v) => op.pRelu(get(v, 'x'), get(v, 'slope')),
    torch: 'F.prelu(x, slope)',
    // PyTorch's second derivative takes 0 for positive, its first for negative.
    second: false,
    ...kinked,
  },
  {
    name: 'a root of Relu',
    inputs: { x: away([6], 2) },
    build: (v) => op.sqrt(op.relu(get(v, 'x'))),
    torch: 'F.relu(x).sqrt()',
  },
  { name: 'Relu of nothing', inputs: { x: [0, 3] }, build: (v) => op.relu(get(v, 'x')), torch: 'F.relu(x)' },
  {
    name: 'Dropout at inference',
    inputs: { x: [3, 4] },
    build: (v) => op.mul(op.dropout(get(v, 'x'))[0], get(v, 'x')),
    torch: 'x * x',
  },
  {
    name: 'Dropout with a flag that says inference',
    inputs: { x: [3, 4], training: fromNumbers('bool', [], [0]) },
    build: (v, dtype) =>
      op.mul(
        op.dropout(get(v, 'x'), op.constant({ value: fromNumbers(dtype, [], [0.3]) }), v.training)[0],
        get(v, 'x'),
      ),
    torch: 'x * x',
  },
  {
    // The reference evaluator draws the same mask in every run.
    name: 'Dropout in training',
    inputs: { x: [4, 5], training: fromNumbers('bool', [], [1]), ratio: fromNumbers('float32', [], [0.4]) },
    build: (v) => op.mul(op.dropout(get(v, 'x'), v.ratio, v.training, { seed: 3 })[0], get(v, 'x')),
    fixed: ['ratio'],
    engines: ['reference'],
    float32: false,
  },
]);

describe.skipIf(!hasPython)('Dropout in ONNX Runtime', () => {
  it.each([
    ['a ratio', 0.25, undefined],
    ['the usual ratio', undefined, undefined],
    ['no ratio', 0, undefined],
    ['all', 0.999, undefined],
    ['a mask that the network uses', 0.5, 'mask'],
  ] as const)('keeps what its mask kept: %s', (_, ratio, mask) => {
    const x = input('x', 'float32', ['n', 50]);
    const yes = op.constant({ value: fromNumbers('bool', [], [1]) });
    const given = ratio === undefined ? undefined : op.constant({ value: fromNumbers('float32', [], [ratio]) });
    const [y, kept] = op.dropout(x, given, yes);
    const plain = model({ inputs: [x], outputs: mask === undefined ? { y } : { y, kept } });
    const data = normal('float32', [20, 50], 5);
    const cotangent = normal('float32', [20, 50], 6);
    const full = costate(plain, { of: ['y'], seed: 'input' }).model;
    const [result] = ran([{ model: full, inputs: { x: data, cotangent_y: cotangent } }]);
    const [out, bar] = [result?.y ?? [], result?.costate_x ?? []];
    const [xs, gs] = [toNumbers(data), toNumbers(cotangent)];
    expect(bar).toHaveLength(1000);
    for (const [index, value] of bar.entries())
      expect(value).toBeCloseTo(((gs[index] ?? 0) * (out[index] ?? 0)) / (xs[index] ?? 1), 3);
    expect(bar.filter((value) => value === 0).length / 1000).toBeCloseTo(ratio ?? 0.5, 0.9);
  });
});
