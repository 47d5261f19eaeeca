import { as, ints } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { dropout } from '../dropout.ts';
import { fanInUniform, normal } from '../initial.ts';
import { layer, type Module } from '../module.ts';
import { withSteps } from '../recurrent/time.ts';
import { byBlocks } from './blocks.ts';
import { byConvolution } from './convolution.ts';
import { discretise } from './discretise.ts';
import { byRounds, bySteps, type SsmFormula } from './steps.ts';

/** How the same numbers are computed; see docs of each: blocks.ts, steps.ts, convolution.ts, associative.ts. */
export const ssmForms = ['blocks', 'recurrence', 'convolution', 'associative'] as const;
export type SsmForm = (typeof ssmForms)[number];

const formulas = {
  blocks: byBlocks,
  recurrence: bySteps,
  convolution: byConvolution,
  associative: byRounds,
} as const satisfies Record<SsmForm, SsmFormula>;

export interface S4dOptions {
  /** H; default: the features of `x`. */
  readonly in?: number | undefined;
  /** N, twice the modes; default: as the checkpoint has, or 64. Even. */
  readonly state?: number | undefined;
  /** Default: 'recurrence' for a single step, 'blocks' otherwise. */
  readonly form?: SsmForm | undefined;
  /** h before the first step, [batch, H, N/2, 2]; default 0. */
  readonly initial?: Value | undefined;
  /** Whether GELU and `output_linear` (with its GLU) follow, as in the reference's S4D. Default true. */
  readonly block?: boolean | undefined;
  /** After the GELU, where `training` is true. Default 0. */
  readonly dropout?: number | undefined;
  readonly training?: Value | undefined;
}

export interface S4dValues {
  /** [batch, time, H] */
  readonly output: Value;
  /** h after the last step, [batch, H, N/2, 2]: the next call's `initial`. */
  readonly state: Value;
}

/**
 * S4D: x [batch, time, H] -> y of dh/dt = Ah + x, y = Re(Ch) + Dx, A diagonal, x held over each step of dt (exact), then GELU, a linear layer to 2H and a
 * GLU. Parameters as the reference code: `kernel.log_dt` [H], `kernel.C` [H, N/2, 2], `kernel.log_A_real` and `kernel.A_imag` [H, N/2],
 * `D` [H], `output_linear.0.weight` [2H, H, 1] and `.bias` [2H].
 */
export function s4d(module: Module, x: Value, options: S4dOptions = {}): S4dValues {
  return layer(s4d, module, 's4d', () => {
    module.rank(x, [3], '[batch, time, features]');
    const channels = module.features(x, options.in, 'in', module.shapeOf('D')?.[0]);
    const discrete = discretise(module.at('kernel'), channels, options.state);
    const { work, modes } = discrete;
    const initial = stateOf(module, options.initial, [channels, modes, 2]);
    const steps = as(withSteps(module, op.transpose(x, { perm: [1, 0, 2] }), x), work);
    const form = options.form ?? (x.shape?.[1] === 1 ? 'recurrence' : 'blocks');
    const D = as(module.parameter('D', [channels], normal()), work);
    const pair = initial && {
      re: part(as(initial, work), 0),
      im: part(as(initial, work), 1),
    };
    const { y, state } = formulas[form](discrete, steps, pair);
    const through = op.add(y, op.mul(D, steps));
    const marked = module.mark(through, 'ssm', { step: 'dt = exp(log_dt)' });
    const output = as(op.transpose(marked, { perm: [1, 0, 2] }), module.dtype);
    const stacked = op.concat([op.unsqueeze(state.re, ints(3)), op.unsqueeze(state.im ?? state.re, ints(3))], {
      axis: 3,
    });
    return {
      output: options.block === false ? output : mixed(module, output, channels, options),
      state: as(stacked, module.dtype),
    };
  });
}

function part(pairs: Value, index: number): Value {
  return op.squeeze(op.slice(pairs, ints(index), ints(index + 1), ints(3)), ints(3));
}

/** A state that was given. @throws SHAPE_MISMATCH where it is known not to be [batch, ...sizes]. */
export function stateOf(module: Module, given: Value | undefined, sizes: readonly number[]): Value | undefined {
  if (given === undefined) return undefined;
  const own = given.shape;
  const fits =
    own === undefined ||
    (own.length === sizes.length + 1 &&
      sizes.every((size, axis) => typeof own[axis + 1] !== 'number' || own[axis + 1] === size));
  if (!fits) throw module.misfit(given, `a state of the shape [batch, ${sizes.join(', ')}]`);
  return given;
}

/** GLU(W gelu(y) + b) over the channels: the reference's output_linear, a convolution of width 1. */
function mixed(module: Module, y: Value, channels: number, options: S4dOptions): Value {
  const active = dropout(module, op.gelu(y), { p: options.dropout ?? 0, training: options.training });
  const place = module.at('output_linear.0');
  const weight = place.parameter('weight', [2 * channels, channels, 1], fanInUniform(channels));
  const bias = place.parameter('bias', [2 * channels], fanInUniform(channels));
  const W = op.transpose(op.squeeze(weight, ints(2)), { perm: [1, 0] });
  const [value = y, gate = y] = op.split(op.add(op.matMul(active, W), bias), undefined, { axis: 2, numOutputs: 2 });
  return op.mul(value, op.sigmoid(gate));
}
