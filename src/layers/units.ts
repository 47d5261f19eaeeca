import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { filled } from './initial.ts';
import { viscosityOf } from './lse.ts';
import { type Epsilon, layer, type Module } from './module.ts';

/** Units that act on each entry, by PyTorch's names. */
export const activations = [
  'relu',
  'softplus',
  'gelu',
  'gelu-tanh',
  'silu',
  'tanh',
  'sigmoid',
  'elu',
  'selu',
  'leaky-relu',
  'prelu',
  'relu6',
  'hardswish',
  'hardsigmoid',
  'mish',
  'quick-gelu',
  'identity',
] as const;

export type Activation = (typeof activations)[number];

export interface ActivationOptions {
  /** leaky-relu: slope below 0 (default 0.01); elu: alpha (default 1); prelu: the start of the learned slope (default 0.25). */
  readonly alpha?: number | undefined;
  /** softplus: its viscosity (= 1/beta, default 1). */
  readonly epsilon?: Epsilon | undefined;
  /** prelu: how many slopes the parameter `weight` has (default 1; otherwise one per channel, axis 1). */
  readonly parameters?: number | undefined;
}

/** ReLU unit, z -> max(z, 0): the limit eps -> 0 of softplus; exact, two atoms (theory.md section 4). */
export function relu(module: Module, z: Value): Value {
  return layer(relu, module, 'relu', () => module.mark(op.relu(z), 'relu'));
}

/** Softplus unit, z -> eps log(exp(z/eps) + 1), exact with two atoms; nn.Softplus(beta = 1/eps) without its threshold. */
export function softplus(module: Module, z: Value, options: { readonly epsilon?: Epsilon | undefined } = {}): Value {
  return layer(softplus, module, 'softplus', () => {
    const epsilon = options.epsilon ?? 1;
    const details = { viscosity: viscosityOf(epsilon) };
    // ONNX Runtime's CPU has no float64 Softplus; max(z, 0) + eps log(1 + exp(-|z|/eps)) is the same, and stable.
    if (epsilon === 1 && module.dtype !== 'float64') return module.mark(op.softplus(z), 'softplus', details);
    const stored = module.epsilon(epsilon);
    const eps = z.dtype === 'float32' ? stored : op.cast(stored, { to: z.dtype ?? 'float32' });
    const tail = op.log(op.add(op.exp(op.neg(op.div(op.abs(z), eps))), one(z)));
    return module.mark(op.add(op.relu(z), op.mul(eps, tail)), 'softplus', details);
  });
}

/** An activation by name. All but relu, softplus and identity are open: no Hamilton-Jacobi equation is known for them. */
export function activation(module: Module, z: Value, name: Activation, options: ActivationOptions = {}): Value {
  if (name === 'relu') return relu(module, z);
  if (name === 'softplus') return softplus(module, z, options);
  if (name === 'identity') return z;
  return layer(activation, module, name, () => {
    const made = pointwise(module, z, name, options);
    return module.mark(made, 'activation', { equation: `${name}(z), no log-sum-exp of two atoms` });
  });
}

/** The value of an activation, without a reading: for blocks that have one of their own. */
export function pointwise(module: Module, z: Value, name: Activation, options: ActivationOptions): Value {
  switch (name) {
    case 'gelu':
      return op.gelu(z);
    case 'gelu-tanh':
      return op.gelu(z, { approximate: 'tanh' });
    case 'silu':
      return gatedBy(z, op.sigmoid(z));
    case 'quick-gelu':
      return gatedBy(z, op.sigmoid(op.mul(z, constant(fromNumbers(z.dtype ?? 'float32', [], [1.702])))));
    case 'tanh':
      return op.tanh(z);
    case 'sigmoid':
      return op.sigmoid(z);
    case 'elu':
      return op.elu(z, { alpha: options.alpha ?? 1 });
    case 'selu':
      return op.selu(z);
    case 'leaky-relu':
      return op.leakyRelu(z, { alpha: options.alpha ?? 0.01 });
    case 'relu6':
      return op.clip(z, number(z, 0), number(z, 6));
    case 'hardswish':
      return op.hardSwish(z);
    case 'hardsigmoid':
      return op.hardSigmoid(z, { alpha: 1 / 6, beta: 0.5 });
    case 'mish':
      return op.mish(z);
    case 'prelu': {
      const count = options.parameters ?? module.shapeOf('weight')?.[0] ?? 1;
      const slope = module.parameter('weight', [count], filled(options.alpha ?? 0.25));
      const rank = z.shape?.length ?? 2;
      const shape = [count, ...Array<number>(Math.max(0, rank - 2)).fill(1)];
      const spread =
        count === 1 || rank <= 2 ? slope : op.reshape(slope, constant(fromNumbers('int64', [shape.length], shape)));
      return op.pRelu(z, spread);
    }
    default:
      return z;
  }
}

/** z times its gate. ONNX Runtime fuses z * sigmoid(z) into an operator that its CPU has for float32 alone; -(-z * gate) it leaves. */
function gatedBy(z: Value, gate: Value): Value {
  return z.dtype === 'float64' ? op.neg(op.mul(op.neg(z), gate)) : op.mul(z, gate);
}

function one(z: Value): Value {
  return number(z, 1);
}

function number(z: Value, value: number): Value {
  return constant(fromNumbers(z.dtype ?? 'float32', [], [value]));
}
