import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { isStored, toNumbers } from '../../src/files/tensor.ts';
import { buildNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';
import { hasPython, pythonFile } from '../support/python.ts';

type Statistics = readonly [mean: number, deviation: number, largest: number, count: number];

const floats = (shape: (number | string)[]) => [{ name: 'x', shape }];
const tokens = [{ name: 'x', dtype: 'int64', shape: ['batch', 'time'] }];

/** The same modules as specifications. */
const specs: Readonly<Record<string, object>> = {
  linear: { inputs: floats(['batch', 40]), layers: [{ kind: 'linear', out: 30 }] },
  embedding: { inputs: tokens, layers: [{ kind: 'embedding', entries: 50, features: 40, paddingIdx: 3 }] },
  conv2d: {
    inputs: floats(['batch', 6, 8, 8]),
    layers: [{ kind: 'conv2d', out: 8, kernel: 3, groups: 2 }],
  },
  rnn: { inputs: floats(['batch', 'time', 20]), layers: [{ kind: 'rnn', name: '.', hidden: 24, layers: 2 }] },
  gru: {
    inputs: floats(['batch', 'time', 20]),
    layers: [{ kind: 'gru', name: '.', hidden: 24, layers: 1, bidirectional: true }],
  },
  lstm: { inputs: floats(['batch', 'time', 20]), layers: [{ kind: 'lstm', name: '.', hidden: 24, layers: 2 }] },
  'multihead-attention': {
    inputs: floats(['batch', 'time', 32]),
    layers: [{ kind: 'attention', name: '.', heads: 4 }],
  },
  'layer-norm': { inputs: floats(['batch', 40]), layers: [{ kind: 'layer-norm' }] },
  'batch-norm': { inputs: floats(['batch', 40, 4, 4]), layers: [{ kind: 'batch-norm' }] },
  'group-norm': { inputs: floats(['batch', 40, 4]), layers: [{ kind: 'group-norm', groups: 4 }] },
  encoder: {
    inputs: floats(['batch', 'time', 32]),
    layers: [{ kind: 'transformer-encoder', name: '.', heads: 4, layers: 2, feedForward: 64 }],
  },
};

describe.skipIf(!hasPython)('fresh weights are of PyTorch distributions', () => {
  let torch: Readonly<Record<string, Readonly<Record<string, Statistics>>>> = {};
  beforeAll(() => {
    torch = JSON.parse(pythonFile(join(import.meta.dirname, 'initial.py')));
  }, 120_000);

  it.each(Object.keys(specs))('%s', (name) => {
    const spec = parseSpec(specs[name]);
    const pooled = new Map<string, number[]>();
    for (let seed = 0; seed < 24; seed++)
      for (const [key, tensor] of stateDictOf(buildNetwork(spec, seed).model)) {
        if (isStored(tensor)) throw new Error(`${key} is stored`);
        pooled.set(key, [...(pooled.get(key) ?? []), ...toNumbers(tensor)]);
      }
    const expected = torch[name] ?? {};
    expect([...pooled.keys()].sort()).toEqual(Object.keys(expected).sort());
    const wrong = Object.entries(expected).filter(([key, theirs]) => !alike(pooled.get(key) ?? [], theirs));
    expect(wrong.map(([key, theirs]) => [key, statisticsOf(pooled.get(key) ?? []), theirs])).toEqual([]);
  });
});

function statisticsOf(values: readonly number[]): Statistics {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return [mean, Math.sqrt(variance), largest, values.length];
}

/** Within five standard errors; the largest entry tells a uniform distribution from a normal one. */
function alike(values: readonly number[], [mean, deviation, largest, count]: Statistics): boolean {
  const [ownMean, ownDeviation, ownLargest, ownCount] = statisticsOf(values);
  const error = deviation / Math.sqrt(count);
  return (
    ownCount === count &&
    Math.abs(ownMean - mean) <= 8 * error + 1e-7 &&
    Math.abs(ownDeviation - deviation) <= 8 * error + 1e-7 &&
    (deviation === 0 || Math.abs(ownLargest / largest - 1) < 0.35)
  );
}
