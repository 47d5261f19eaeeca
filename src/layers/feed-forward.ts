import { logSumExp } from '../../ops/log-sum-exp.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { normal } from './initial.ts';
import { type LinearOptions, linear } from './linear.ts';
import { viscosityOf } from './lse.ts';
import { type Epsilon, layer, type Module } from './module.ts';
import { type Activation, activation, pointwise } from './units.ts';

export interface FeedForwardOptions {
  /** Features between the two linear layers; may be left out where a checkpoint says them. */
  readonly hidden?: number | undefined;
  /** Output features; default: those of `x`. */
  readonly out?: number | undefined;
  /** Default gelu. */
  readonly activation?: Activation | undefined;
  readonly bias?: boolean | undefined;
  /** Weights are stored [in, out] (GPT-2's Conv1D). */
  readonly transposed?: boolean | undefined;
  /** Names of the two linear layers; default `linear1`, `linear2` as in nn.TransformerEncoderLayer. */
  readonly names?: readonly [first: string, second: string] | undefined;
  /** How fresh linear layers start. */
  readonly initial?: LinearOptions['initial'];
}

/** Activations whose block has an equation of its own: every unit is exact, and the second layer combines solutions. */
const solved: readonly Activation[] = ['relu', 'softplus', 'identity'];

/**
 * Feed-forward block: x [.., in] -> V phi(W x + b) + c, [.., out]. Exact by unit for ReLU and softplus; GELU, SiLU and the rest are open (theory.md
 * section 4), and say so.
 */
export function feedForward(module: Module, x: Value, options: FeedForwardOptions = {}): Value {
  return layer(feedForward, module, 'feed-forward', () => {
    const { activation: unit = 'gelu', names = ['linear1', 'linear2'], bias, transposed, initial } = options;
    const out = options.out ?? featuresOf(x) ?? options.hidden;
    const z = linear(module.at(names[0]), x, { out: options.hidden, bias, transposed, initial });
    return linear(module.at(names[1]), unitOf(module, z, unit), { out, bias, transposed, initial });
  });
}

function unitOf(module: Module, z: Value, unit: Activation): Value {
  if (solved.includes(unit)) return activation(module.at('activation'), z, unit);
  const equation = `V ${unit}(Wx + b) + c`;
  return module.mark(pointwise(module.at('activation'), z, unit, {}), 'feed-forward', { equation });
}

function featuresOf(x: Value): number | undefined {
  const features = x.shape?.at(-1);
  return typeof features === 'number' ? features : undefined;
}

export interface GatedFeedForwardOptions {
  readonly hidden?: number | undefined;
  readonly out?: number | undefined;
  /** Of the gate; default silu (SwiGLU). sigmoid is GLU, gelu is GEGLU, relu is ReGLU. */
  readonly activation?: Activation | undefined;
  /** Default false, as in Llama. */
  readonly bias?: boolean | undefined;
  /** Default `gate_proj`, `up_proj`, `down_proj`. */
  readonly names?: readonly [gate: string, up: string, down: string] | undefined;
  readonly initial?: LinearOptions['initial'];
}

/** Gated feed-forward block (SwiGLU and its kin): x [.., in] -> D(phi(G x) * U x), [.., out]. Open: no Hamilton-Jacobi equation is known. */
export function gatedFeedForward(module: Module, x: Value, options: GatedFeedForwardOptions = {}): Value {
  return layer(gatedFeedForward, module, 'feed-forward', () => {
    const { activation: unit = 'silu', bias = false, names = ['gate_proj', 'up_proj', 'down_proj'], initial } = options;
    const out = options.out ?? featuresOf(x);
    const gate = linear(module.at(names[0]), x, { out: options.hidden, bias, initial });
    const up = linear(module.at(names[1]), x, { out: options.hidden, bias, initial });
    const gated = op.mul(pointwise(module.at('activation'), gate, unit, {}), up);
    const equation = `D(${unit}(Gx) * Ux)`;
    return linear(module.at(names[2]), module.mark(gated, 'feed-forward', { equation }), { out, bias, initial });
  });
}

export interface LseFeedForwardOptions {
  /** K, the units between. */
  readonly hidden?: number | undefined;
  /** N, the atoms of each unit. */
  readonly atoms?: number | undefined;
  readonly out?: number | undefined;
  /** Default 1. */
  readonly epsilon?: Epsilon | undefined;
  readonly bias?: boolean | undefined;
  /** Default `linear1` (weight [K, N, in], bias [K, N]) and `linear2`. */
  readonly names?: readonly [units: string, second: string] | undefined;
}

/**
 * Log-sum-exp feed-forward block: x [.., in] -> V LSE_eps(W x + b) + c, [.., out]. Exact: every unit solves the viscous equation for its own initial
 * data, and V combines solutions (theory.md section 4).
 */
export function lseFeedForward(module: Module, x: Value, options: LseFeedForwardOptions = {}): Value {
  return layer(lseFeedForward, module, 'lse-feed-forward', () => {
    const { epsilon = 1, names = ['linear1', 'linear2'], bias } = options;
    module.atLeast(x, 1, '[.., features]');
    const units = module.at(names[0]);
    const hidden = units.size(options.hidden, 'hidden', 'weight', 0);
    const atoms = units.size(options.atoms, 'atoms', 'weight', 1);
    const features = module.features(x, undefined, 'in', units.shapeOf('weight')?.at(-1));
    const W = units.parameter('weight', [hidden, atoms, features], normal(0.5 / Math.sqrt(features)));
    const b = units.parameter('bias', [hidden, atoms], normal(0.3));
    const rows = op.reshape(x, constant(fromNumbers('int64', [2], [-1, features])));
    const solutions = module.mark(logSumExp(rows, W, b, module.epsilon(epsilon)), 'lse-feed-forward', {
      viscosity: viscosityOf(epsilon),
    });
    const out = options.out ?? features;
    return linear(module.at(names[1]), x.shape?.length === 2 ? solutions : backTo(solutions, x, hidden), { out, bias });
  });
}

/** [rows, K] with the leading axes of `x` again. */
function backTo(rows: Value, x: Value, features: number): Value {
  const lead = op.shape(x, { start: 0, end: -1 });
  return op.reshape(rows, op.concat([lead, constant(fromNumbers('int64', [1], [features]))], { axis: 0 }));
}
