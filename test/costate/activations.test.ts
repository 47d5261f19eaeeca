import { fromNumbers } from '../../src/files/tensor.ts';
import * as op24 from '../../src/graph/generated/opset24.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { away, type Case, judged } from './judge.ts';

function unary(name: string, build: (x: Value) => Value, torch: string, more: Partial<Case> = {}): Case {
  return { name, inputs: { x: away([3, 5], 1, 0.05) }, build: (v) => build(v.x as Value), torch, ...more };
}

const yes = fromNumbers('bool', [], [1]);
const sevenths = fromNumbers('float64', [3, 4], [0, 1, -1, 0.5, 2, -2, 3, -3, 0.25, 4, -4, 1]);

judged('co-states of activations', [
  unary('Relu', op.relu, 'F.relu(x)'),
  unary('LeakyRelu', (x) => op.leakyRelu(x, { alpha: 0.3 }), 'F.leaky_relu(x, 0.3)'),
  unary('LeakyRelu of its default slope', (x) => op.leakyRelu(x), 'F.leaky_relu(x, 0.01)', {
    tolerance: { torch: 1e-7 },
  }),
  {
    name: 'PRelu by channel',
    inputs: { x: away([2, 3, 4], 1), slope: [3, 1] },
    build: (v) => op.pRelu(v.x as Value, v.slope as Value),
    torch: 'F.prelu(x, slope[:, 0])',
  },
  {
    name: 'PRelu of one slope',
    inputs: { x: away([2, 3], 1), slope: [1] },
    build: (v) => op.pRelu(v.x as Value, v.slope as Value),
    torch: 'F.prelu(x, slope)',
  },
  unary('Elu', (x) => op.elu(x, { alpha: 1.5 }), 'F.elu(x, 1.5)'),
  {
    // The operator is of float32 alone.
    name: 'Celu',
    inputs: { x: away([3, 5], 1, 0.05) },
    build: (v, dtype) => op.cast(op.celu(op.cast(v.x as Value, { to: 'float32' }), { alpha: 0.5 }), { to: dtype }),
    torch: 'F.celu(x, 0.5)',
    step: 1e-2,
    tolerance: { torch: 1e-6, differences: 1e-3, second: 1e-2 },
  },
  unary('Selu', (x) => op.selu(x), 'F.selu(x)', { tolerance: { torch: 1e-6 } }),
  unary('Sigmoid', op.sigmoid, 'x.sigmoid()'),
  unary('HardSigmoid', (x) => op.hardSigmoid(x, { alpha: 0.25, beta: 0.5 }), '(0.25 * x + 0.5).clamp(0, 1)'),
  unary('HardSwish', op.hardSwish, 'F.hardswish(x)', {
    inputs: { x: away([4, 6], 3, 1.5) },
    tolerance: { torch: 1e-6 },
  }),
  unary('Softplus', op.softplus, 'F.softplus(x)'),
  unary('Softsign', op.softsign, 'F.softsign(x)'),
  unary('Mish', op.mish, 'F.mish(x)'),
  unary('Gelu', (x) => op.gelu(x), 'F.gelu(x)', { tolerance: { torch: 1e-6 } }),
  unary('Gelu by tanh', (x) => op.gelu(x, { approximate: 'tanh' }), 'F.gelu(x, approximate="tanh")', {
    tolerance: { torch: 1e-6 },
  }),
  unary('ThresholdedRelu', (x) => op.thresholdedRelu(x, { alpha: 0.4 }), 'F.threshold(x, 0.4, 0.0)'),
  unary('Shrink', (x) => op.shrink(x, { lambd: 0.4, bias: 0.4 }), 'F.softshrink(x, 0.4)', {
    // Its float64 kernel rounds to float32.
    step: 1e-3,
    tolerance: { torch: 1e-6, differences: 1e-3 },
  }),
  unary('Swish', (x) => op24.swish(x, { alpha: 1.7 }), 'x * (1.7 * x).sigmoid()', {
    opset: 24,
    tolerance: { torch: 1e-6 },
  }),
  unary('Dropout at inference', (x) => op.mul(op.dropout(x)[0], x), 'x * x'),
  {
    name: 'Relu at zero, and far out',
    inputs: { x: sevenths },
    build: (v) => op.relu(v.x as Value),
    torch: 'F.relu(x)',
    second: false,
    tolerance: { differences: 10 },
  },
  unary('Softplus far out', op.softplus, 'F.softplus(x, threshold=1000)', {
    inputs: { x: fromNumbers('float64', [4], [-90, 90, -30, 30]) },
  }),
  {
    name: 'Dropout in training keeps what its mask kept',
    inputs: { x: [200] },
    // All outputs are x / (1 - ratio) or 0: y times the constant makes the mask visible to the judge through y itself.
    build: (v) => {
      const [y] = op.dropout(v.x as Value, op.constant({ valueFloat: 0 }), op.constant({ value: yes }), { seed: 3 });
      return y;
    },
    torch: 'x * 1.0',
  },
]);
