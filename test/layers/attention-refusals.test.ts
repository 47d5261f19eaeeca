import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers, type Tensor } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import {
  type AttendOptions,
  attend,
  type MultiHeadAttentionOptions,
  multiHeadAttention,
} from '../../src/layers/attention.ts';
import { hopfield } from '../../src/layers/hopfield.ts';
import { fresh } from '../../src/layers/module.ts';
import { importNetwork } from '../../src/layers/network.ts';
import { learnedPositions, sinusoidalPositions } from '../../src/layers/positions.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';

function refusal(make: () => unknown): HopfcoleError {
  try {
    make();
  } catch (error) {
    if (error instanceof HopfcoleError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

function drawn(shape: readonly number[], seed: number, dtype: 'float32' | 'float64' | 'float16' = 'float32'): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return fromNumbers(
    dtype,
    shape,
    Float64Array.from({ length: size }, (_, i) => Math.sin(12.9898 * (i + 1) + seed)),
  );
}

const x = input('x', 'float32', ['batch', 'time', 8]);
const k = input('k', 'float32', ['batch', 'keys', 8]);
const net = () => fresh().at('net');
const read = (options: Omit<AttendOptions, 'heads'>, key = x) => attend(net(), x, key, key, { heads: 4, ...options });
const heads = (options: Omit<MultiHeadAttentionOptions, 'heads'>) =>
  multiHeadAttention(net(), x, { heads: 4, ...options });
const floats = (name: string, ...shape: (string | number)[]) => input(name, 'float32', shape);
const bools = (...shape: (string | number)[]) => input('mask', 'bool', shape);

describe('what does not fit', () => {
  it.each<[string, () => unknown, string, RegExp]>([
    [
      'heads that do not divide',
      () => attend(net(), x, x, x, { heads: 3 }),
      'SHAPE_MISMATCH',
      /layer 'net' \(attention\) divides 8 features of input 'x' among 3 heads/,
    ],
    ['no heads', () => attend(net(), x, x, x, { heads: 0 }), 'BAD_ARGUMENT', /"heads" of 1 or more, got 0/],
    ['heads that do not share', () => read({ keyValueHeads: 3 }), 'BAD_ARGUMENT', /shares 3 heads of keys among 4/],
    [
      'keys of other features',
      () => read({}, floats('k', 'batch', 'keys', 16)),
      'SHAPE_MISMATCH',
      /4 heads of queries of 2 features, but 4 heads of keys of 4: input 'x' gives 8, input 'k' 16/,
    ],
    [
      'fewer values than keys',
      () => attend(net(), x, floats('k', 'batch', 5, 8), floats('v', 'batch', 6, 8), { heads: 4 }),
      'SHAPE_MISMATCH',
      /as many values as keys, 5, but input 'v' gives \[batch, 6, 8\]/,
    ],
    [
      'another batch',
      () => attend(net(), floats('x', 2, 5, 8), floats('k', 3, 5, 8), floats('v', 3, 5, 8), { heads: 4 }),
      'SHAPE_MISMATCH',
      /a batch of 2, but input 'k' gives \[3, 5, 8\]/,
    ],
    [
      'no axis of time',
      () => attend(net(), floats('x', 'batch', 8), x, x, { heads: 4 }),
      'SHAPE_MISMATCH',
      /\[batch, time, features\], but input 'x' gives \[batch, 8\]/,
    ],
    [
      'no steps',
      () => attend(net(), floats('x', 'batch', 0, 8), x, x, { heads: 4 }),
      'SHAPE_MISMATCH',
      /a sequence of at least one step, but input 'x'/,
    ],
    [
      'a mask of one axis',
      () => read({ mask: bools('time') }),
      'SHAPE_MISMATCH',
      /a mask \[time, keys\] or \[batch, heads, time, keys\].*, but input 'mask' gives \[time\]/,
    ],
    [
      'a mask of three axes',
      () => read({ mask: bools('batch', 'time', 'time') }),
      'SHAPE_MISMATCH',
      /but input 'mask' gives \[batch, time, time\]/,
    ],
    [
      'a mask of other heads',
      () => read({ mask: bools('batch', 3, 'time', 'time') }),
      'SHAPE_MISMATCH',
      /\[batch, 4, time, time\], but input 'mask' gives \[batch, 3, time, time\]/,
    ],
    [
      'a mask of other keys',
      () => read({ mask: bools(5, 6) }, floats('k', 'batch', 7, 8)),
      'SHAPE_MISMATCH',
      /gives \[5, 6\]/,
    ],
    [
      'a mask of integers',
      () => read({ mask: input('mask', 'int64', ['time', 'time']) }),
      'DTYPE_MISMATCH',
      /a mask of booleans, or of numbers that are added, but input 'mask' gives int64/,
    ],
    [
      'a mask of keys by query',
      () => read({ keyMask: bools('batch', 1, 'time', 'time'), causal: true, mask: bools('time', 'time', 3) }),
      'SHAPE_MISMATCH',
      /gives \[time, time, 3\]/,
    ],
    [
      'a mask of too few keys',
      () => read({ keyMask: bools('batch', 5) }, floats('k', 'batch', 6, 8)),
      'SHAPE_MISMATCH',
      /a mask of keys \[batch, 6\], but input 'mask' gives \[batch, 5\]/,
    ],
    [
      'padding by query',
      () => read({ keyPaddingMask: bools('batch', 'time', 'time') }),
      'SHAPE_MISMATCH',
      /a mask of keys \[batch, (keys|time)\].*gives \[batch, time, time\]/,
    ],
    [
      'a cache of other heads',
      () => read({ past: { key: floats('pk', 'batch', 2, 'past', 2), value: floats('pv', 'batch', 4, 'past', 2) } }),
      'SHAPE_MISMATCH',
      /a cache \[batch, 4, past, 2\], but input 'pk' gives \[batch, 2, past, 2\]/,
    ],
    [
      'a cache of three axes',
      () => read({ past: { key: floats('pk', 'batch', 'past', 8), value: floats('pv', 'batch', 'past', 8) } }),
      'SHAPE_MISMATCH',
      /but input 'pk' gives \[batch, past, 8\]/,
    ],
    [
      'a cache of other features',
      () => read({ past: { key: floats('pk', 'batch', 4, 'past', 2), value: floats('pv', 'batch', 4, 'past', 3) } }),
      'SHAPE_MISMATCH',
      /but input 'pv' gives/,
    ],
    [
      'a cache of another batch',
      () =>
        attend(net(), floats('x', 2, 5, 8), floats('k', 2, 5, 8), floats('v', 2, 5, 8), {
          heads: 4,
          past: { key: floats('pk', 3, 4, 'past', 2), value: floats('pv', 3, 4, 'past', 2) },
        }),
      'SHAPE_MISMATCH',
      /a cache \[2, 4, past, 2\]/,
    ],
    [
      'an odd number of turning features',
      () => read({ rope: { dims: 1 } }),
      'BAD_ARGUMENT',
      /an even number of turning features of at most 2, those of a head, got 1/,
    ],
    ['more turning features than a head has', () => read({ rope: { dims: 4 } }), 'BAD_ARGUMENT', /at most 2/],
    [
      'positions of three axes',
      () => read({ rope: { positions: input('p', 'int64', ['batch', 1, 'time']) } }),
      'SHAPE_MISMATCH',
      /positions \[time\] or \[batch, time\], but input 'p'/,
    ],
    ['a window without causal', () => read({ window: 3 }), 'BAD_ARGUMENT', /expected "causal" with "window"/],
    [
      'a window of no keys',
      () => read({ window: 0, causal: true }),
      'BAD_ARGUMENT',
      /a window of 1 or more keys, got 0/,
    ],
    [
      'slopes of other heads',
      () => read({ alibi: { slopes: [1, 2] } }),
      'BAD_ARGUMENT',
      /expected 4 slopes of ALiBi, got 2/,
    ],
    [
      'a sink of other heads',
      () => read({ sink: floats('s', 3) }),
      'SHAPE_MISMATCH',
      /a sink \[4\], one score per head, got \[3\]/,
    ],
    ['epsilons of other heads', () => read({ epsilon: [1, 2] }), 'BAD_EPSILON', /4 epsilons > 0, one per head, got 2/],
    ['an epsilon of 0', () => read({ epsilon: 0 }), 'BAD_EPSILON', /expected epsilon > 0/],
    ['an epsilon below 0 among four', () => read({ epsilon: [1, 2, -1, 3] }), 'BAD_EPSILON', /got -1/],
    [
      'an epsilon of a wrong shape',
      () => read({ epsilon: floats('e', 3) }),
      'SHAPE_MISMATCH',
      /an epsilon of one number or of 4, one per head, got \[3\]/,
    ],
    [
      'grouped heads in nn.MultiheadAttention',
      () => heads({ keyValueHeads: 2 }),
      'BAD_SPEC',
      /knows neither "keyValueHeads" nor "headDim"/,
    ],
    [
      'memory for a fused projection',
      () => heads({ layout: 'fused', key: k }),
      'BAD_SPEC',
      /can read nothing but its query/,
    ],
    [
      'a head that does not divide',
      () => multiHeadAttention(net(), x, { heads: 3 }),
      'BAD_SPEC',
      /layer 'net' \(multi-head-attention\) divides 8 features among 3 heads/,
    ],
    [
      'a query of four axes',
      () => multiHeadAttention(net(), floats('x', 1, 2, 3, 8), { heads: 4 }),
      'SHAPE_MISMATCH',
      /\[batch, time, features\] or \[time, features\], but input 'x'/,
    ],
    [
      'a batch of keys without one of queries',
      () => multiHeadAttention(net(), floats('x', 'time', 8), { heads: 4, key: k }),
      'SHAPE_MISMATCH',
      /\[time, features\], as the query, but input 'k'/,
    ],
    [
      'patterns of other features',
      () => hopfield(net(), x, { patterns: floats('y', 5, 7) }),
      'SHAPE_MISMATCH',
      /a state of 8 features with patterns of 7 from input 'y'/,
    ],
    ['no retrieval', () => hopfield(net(), x, { count: 3, steps: 0 }), 'BAD_ARGUMENT', /1 or more steps, got 0/],
    ['patterns of nobody', () => hopfield(net(), x), 'BAD_SPEC', /layer 'net' \(hopfield\) does not say "count"/],
    [
      'more tokens than positions',
      () => learnedPositions(net(), floats('x', 1, 9, 8), { length: 8 }),
      'SHAPE_MISMATCH',
      /at most 8 tokens, as many as it has positions, but input 'x' gives \[1, 9, 8\]/,
    ],
    [
      'an odd number of waves',
      () => sinusoidalPositions(net(), floats('x', 1, 9, 7)),
      'SHAPE_MISMATCH',
      /an even number of features/,
    ],
  ])('%s', (_, make, code, message) => {
    const error = refusal(make);
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    expect(error.where.argument ?? error.where.node).toBeDefined();
  });

  it('names parameters that a checkpoint lacks, all at once', () => {
    const stored = new Map([['attn.in_proj_weight', drawn([24, 8], 1)]]);
    const spec = parseSpec({
      inputs: [{ name: 'x', shape: ['batch', 'time', 8] }],
      layers: [{ kind: 'attention', name: 'attn', heads: 4, bias: true }],
    });
    const error = refusal(() => importNetwork(spec, stored));
    expect(error.code).toBe('MISSING_PARAMETERS');
    for (const name of ['in_proj_bias', 'out_proj.weight', 'out_proj.bias'])
      expect(error.message).toContain(`attn.${name}`);
  });
});
