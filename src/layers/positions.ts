import { as, ints, scalar, workType } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { normal } from './initial.ts';
import { counted, scalarOf, sizeOf } from './masks.ts';
import { layer, type Module } from './module.ts';

/** Where tokens stand: [time] of int64 from `past` on. */
export function placesFrom(time: Value, past: Value | undefined): Value {
  if (past === undefined) return counted(time);
  return op.range(scalarOf(past), scalarOf(op.add(past, time)), scalar(1, 'int64'));
}

export interface PositionOptions {
  /** int64 [time] or [batch, time]: where the tokens stand. Default: one after the other, after `past`. */
  readonly positions?: Value | undefined;
  /** How many tokens stand before the first (int64, a scalar or [1]). */
  readonly past?: Value | undefined;
}

export interface LearnedPositionOptions extends PositionOptions {
  /** The longest sequence; may be left out where a checkpoint says it. */
  readonly length?: number | undefined;
  /** Rows before that of position 0 (2 in OPT and BART). Default 0. */
  readonly offset?: number | undefined;
  /** Name of the table: [length, d], or [1, length, d] as in ViT. Default `weight` (nn.Embedding). */
  readonly parameter?: string | undefined;
  /** Standard deviation of a fresh table; default 1, as nn.Embedding's. */
  readonly std?: number | undefined;
}

/**
 * x [batch, time, d] plus the learned vectors of its positions. A sequence longer than the table is refused: here where its length is known,
 * by ONNX Runtime (Gather out of range) where it is not.
 */
export function learnedPositions(module: Module, x: Value, options: LearnedPositionOptions = {}): Value {
  return layer(learnedPositions, module, 'learned-positions', () => {
    const { parameter: name = 'weight', offset = 0, std = 1 } = options;
    module.rank(x, [3], '[batch, time, features]');
    const stored = module.shapeOf(name);
    const lead = stored?.length === 3 ? [1] : [];
    const rows = module.size(options.length === undefined ? undefined : options.length + offset, 'length', name, -2);
    const features = module.features(x, undefined, 'features', stored?.at(-1));
    const time = x.shape?.[1];
    if (typeof time === 'number' && time > rows - offset)
      throw module.misfit(x, `at most ${rows - offset} tokens, as many as it has positions`);
    const own = module.parameter(name, [...lead, rows, features], normal(std));
    const table = lead.length === 0 ? own : op.squeeze(own, ints(0));
    const places = options.positions ?? placesFrom(sizeOf(x, 1), options.past);
    const at = offset === 0 ? places : op.add(places, scalar(offset, 'int64'));
    // ONNX Runtime makes a Slice of a Gather by a Range, and a Slice beyond its table is no error: with one more axis it stays a Gather, which refuses.
    const indices = at.shape?.length === 1 ? op.unsqueeze(at, ints(0)) : at;
    return op.add(x, module.mark(op.gather(table, indices, { axis: 0 }), 'embedding'));
  });
}

export interface SinusoidOptions extends PositionOptions {
  /** Wave lengths run from 2 pi to 2 pi theta. Default 10000. */
  readonly theta?: number | undefined;
  /** sin and cos take turns (default), or all sines stand before all cosines. */
  readonly layout?: 'interleaved' | 'halves' | undefined;
  /** x is multiplied by this first (sqrt(d) in the first transformers). Default 1. */
  readonly scale?: number | undefined;
}

/** x [batch, time, d] plus the sine and cosine waves of its positions (d even): no parameters, no longest sequence. */
export function sinusoidalPositions(module: Module, x: Value, options: SinusoidOptions = {}): Value {
  return layer(sinusoidalPositions, module, 'sinusoidal-positions', () => {
    const { theta = 10_000, layout = 'interleaved', scale = 1 } = options;
    module.rank(x, [3], '[batch, time, features]');
    const features = module.features(x, undefined, 'features');
    if (features % 2 !== 0) throw module.misfit(x, 'an even number of features');
    const places = options.positions ?? placesFrom(sizeOf(x, 1), options.past);
    const angles = anglesOf(places, inverseFrequencies(features, { theta }), module);
    const waves = [op.sin(angles), op.cos(angles)];
    const table =
      layout === 'halves'
        ? op.concat(waves, { axis: -1 })
        : op.reshape(
            op.concat(
              waves.map((wave) => op.unsqueeze(wave, ints(-1))),
              { axis: -1 },
            ),
            ints(...Array<number>(places.shape?.length ?? 1).fill(0), features),
          );
    const scaled = scale === 1 ? x : op.mul(x, as(scalar(scale), module.dtype));
    return op.add(scaled, as(table, module.dtype));
  });
}

/** How the frequencies of a rotary embedding are stretched for sequences longer than those it was trained on. */
export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalLength: number;
    };

export interface RopeOptions {
  /** Default 10000. */
  readonly theta?: number | undefined;
  /** How many of a head's features turn, the first ones; default: all. */
  readonly dims?: number | undefined;
  /** Pairs are neighbours (GPT-J, the first Llama code), not the two halves (Llama, GPT-NeoX). Default false. */
  readonly interleaved?: boolean | undefined;
  /** int64 [time] or [batch, time]; default: one after the other, after the cache. */
  readonly positions?: Value | undefined;
  readonly scaling?: RopeScaling | undefined;
}

/** cos and sin of every position's angles, [time, dims/2] or [batch, 1, time, dims/2]. */
export interface RotaryTables {
  readonly cos: Value;
  readonly sin: Value;
}

const made = new WeakMap<Value, Map<string, RotaryTables>>();

/** The tables of a rotary embedding: made once per graph for the same `positions`, which all layers of a model share. */
export function rotaryTables(module: Module, positions: Value, dims: number, options: RopeOptions): RotaryTables {
  const { theta = 10_000, scaling } = options;
  const key = JSON.stringify([dims, theta, scaling, module.dtype]);
  const known = made.get(positions)?.get(key);
  if (known !== undefined) return known;
  module.rank(positions, [1, 2], 'positions [time] or [batch, time]');
  const angles = anglesOf(positions, inverseFrequencies(dims, { theta, scaling }), module);
  const byHead = positions.shape?.length === 2 ? op.unsqueeze(angles, ints(1)) : angles;
  const tables = { cos: as(op.cos(byHead), module.dtype), sin: as(op.sin(byHead), module.dtype) };
  made.set(positions, (made.get(positions) ?? new Map<string, RotaryTables>()).set(key, tables));
  return tables;
}

/** x [batch, heads, time, d] (or [batch, shared, group, time, d]) with its first `dims` features turned by their positions' angles. */
export function rotated(x: Value, given: RotaryTables, dims: number, features: number, interleaved: boolean): Value {
  const rank = x.shape?.length ?? 4;
  const tables =
    rank === 5 && given.cos.shape?.length === 4 ? mapped(given, (table) => op.unsqueeze(table, ints(1))) : given;
  const rest = features - dims;
  if (!interleaved) {
    const [a, b, ...more] = op.split(x, ints(dims / 2, dims / 2, ...(rest > 0 ? [rest] : [])), { axis: -1 });
    if (a === undefined || b === undefined) return x;
    return op.concat([...turned(a, b, tables), ...more], { axis: -1 });
  }
  const lead = Array<number>(rank - 1).fill(0);
  const [front = x, ...more] = rest > 0 ? op.split(x, ints(dims, rest), { axis: -1 }) : [x];
  const [a, b] = op.split(op.reshape(front, ints(...lead, dims / 2, 2)), ints(1, 1), { axis: -1 });
  if (a === undefined || b === undefined) return x;
  const columns = mapped(tables, (table) => op.unsqueeze(table, ints(-1)));
  const back = op.reshape(op.concat(turned(a, b, columns), { axis: -1 }), ints(...lead, dims));
  return more.length === 0 ? back : op.concat([back, ...more], { axis: -1 });
}

function mapped({ cos, sin }: RotaryTables, change: (table: Value) => Value): RotaryTables {
  return { cos: change(cos), sin: change(sin) };
}

function turned(a: Value, b: Value, { cos, sin }: RotaryTables): readonly [Value, Value] {
  return [op.sub(op.mul(a, cos), op.mul(b, sin)), op.add(op.mul(b, cos), op.mul(a, sin))];
}

/** position times frequency in the work type, [.., dims/2]. */
function anglesOf(positions: Value, frequencies: readonly number[], module: Module): Value {
  const work = workType(module.dtype);
  const row = constant(fromNumbers(work, [frequencies.length], frequencies));
  return op.mul(op.unsqueeze(op.cast(positions, { to: work }), ints(-1)), row);
}

/** theta^(-2i/dims), stretched. */
function inverseFrequencies(dims: number, { theta = 10_000, scaling }: RopeOptions): number[] {
  const plain = Array.from({ length: dims / 2 }, (_, index) => theta ** (-(2 * index) / dims));
  if (scaling === undefined) return plain;
  if (scaling.type === 'linear') return plain.map((frequency) => frequency / scaling.factor);
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalLength } = scaling;
  return plain.map((frequency) => {
    const turns = (originalLength * frequency) / (2 * Math.PI);
    if (turns > high) return frequency;
    if (turns < low) return frequency / factor;
    const smooth = (turns - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  });
}

/** ALiBi's slopes of the heads: 2^(-8/n), 2^(-16/n), .. for n heads; between powers of two as in the authors' code. */
export function alibiSlopes(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads));
  const slopes = (count: number) => Array.from({ length: count }, (_, index) => 2 ** ((-8 * (index + 1)) / count));
  const more = slopes(2 * power).filter((_, index) => index % 2 === 0);
  return [...slopes(power), ...more.slice(0, heads - power)];
}

export interface AlibiOptions {
  /** One per head; default: `alibiSlopes`. */
  readonly slopes?: readonly number[] | undefined;
  /** Both ways: -slope |i - j|. Default: slope (j - i), for causal attention. */
  readonly symmetric?: boolean | undefined;
}

/**
 * What ALiBi adds to the scaled scores, [heads, 1 or time, keys]. One way it is slope (j - last key): up to a constant of each row, which the
 * softmax does not see, slope (j - i), and a row instead of a square for each head.
 */
export function alibiBias(
  heads: number,
  time: Value,
  keys: Value,
  past: Value | undefined,
  given: AlibiOptions,
): Value {
  const { slopes = alibiSlopes(heads), symmetric = false } = given;
  if (slopes.length !== heads)
    throw new HopfcoleError('BAD_ARGUMENT', `expected ${heads} slopes of ALiBi, got ${slopes.length}`, {
      argument: 'alibi',
    });
  const slope = constant(fromNumbers('float32', [heads, 1, 1], slopes));
  const other = counted(keys);
  const real = (value: Value) => op.cast(value, { to: 'float32' });
  if (!symmetric) return op.mul(slope, real(op.sub(other, op.sub(keys, ints(1)))));
  const rows = past === undefined ? counted(time) : op.add(counted(time), past);
  return op.mul(slope, op.neg(real(op.abs(op.sub(other, op.unsqueeze(rows, ints(1)))))));
}
