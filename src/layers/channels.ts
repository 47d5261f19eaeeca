import { ints } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { ones, zeros } from './initial.ts';
import type { Module } from './module.ts';

/** unit * weight + bias along axis 1. */
export function scaled(module: Module, unit: Value, channels: number, rank: number): Value {
  const along = (value: Value) => op.reshape(value, ints(channels, ...Array<number>(rank - 2).fill(1)));
  const weight = along(module.parameter('weight', [channels], ones));
  return op.add(op.mul(unit, weight), along(module.parameter('bias', [channels], zeros)));
}

/** Axis 1 of `x`. @throws SHAPE_MISMATCH naming both layers where it is not what is said. */
export function channelsOf(module: Module, x: Value, said: number | undefined): number {
  module.atLeast(x, 2, '[batch, channels, ..]');
  rankOf(x);
  const own = x.shape?.[1];
  const channels =
    said ?? (typeof own === 'number' ? own : (module.shapeOf('weight') ?? module.shapeOf('running_mean'))?.[0]);
  if (channels === undefined)
    throw new HopfcoleError('BAD_SPEC', `${module.describe()} does not say "channels"`, {}, 'Add "channels"');
  if (typeof own === 'number' && own !== channels) throw module.misfit(x, `${channels} channels on axis 1`);
  return channels;
}

export function rankOf(x: Value): number {
  if (x.shape !== undefined) return x.shape.length;
  throw new HopfcoleError('SHAPE_MISMATCH', 'expected an input whose rank is known', { argument: 'x' });
}

export function checked(eps: number): number {
  if (eps >= 0 && Number.isFinite(eps)) return eps;
  throw new HopfcoleError('BAD_ARGUMENT', `expected eps of at least 0, got ${eps}`, { argument: 'eps' });
}

export function constantOnes(module: Module, shape: readonly number[]): Value {
  return filledWith(module, shape, 1);
}

export function filledWith(module: Module, shape: readonly number[], value: number): Value {
  const count = shape.reduce((a, b) => a * b, 1);
  return constant(fromNumbers(module.dtype, shape, new Float64Array(count).fill(value)));
}
