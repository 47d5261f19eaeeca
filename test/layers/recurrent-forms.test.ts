import { describe, expect, it } from 'vitest';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { fresh, fromCheckpoint } from '../../src/layers/module.ts';
import { gruCell, lstmCell } from '../../src/layers/recurrent/cells.ts';
import type { AnyRecurrentOptions, LstmValues } from '../../src/layers/recurrent/options.ts';
import { gru, lstm, rnn } from '../../src/layers/recurrent/recurrent.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { errorOf, ran } from './judge.ts';

type Float = 'float32' | 'float16' | 'float64';
const layers = { rnn, gru, lstm } as const;
const kinds = ['rnn', 'gru', 'lstm'] as const;
type Kind = (typeof kinds)[number];

const noise = (dtype: Float, shape: readonly number[], seed: number) =>
  fromNumbers(
    dtype,
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + 12.9898 * (i + 1)) * 1.5),
  );

const [B, T, IN, H] = [3, 7, 4, 5];
const lead = 4;

/** Two layers in both directions with states and lengths: everything there is to get wrong. */
function network(kind: Kind, options: AnyRecurrentOptions, dtype: Float = 'float32') {
  const root = fresh({ seed: 3, dtype });
  const x = input('x', dtype, ['batch', 'time', IN]);
  const h0 = input('h0', dtype, [lead, 'batch', H]);
  const c0 = input('c0', dtype, [lead, 'batch', H]);
  const lengths = input('lengths', 'int64', ['batch']);
  const given = { hidden: H, layers: 2, bidirectional: true, initial: h0, lengths, ...options };
  const values: Partial<LstmValues> & { readonly output: Value; readonly h: Value } = layers[kind](root.at('net'), x, {
    ...given,
    ...(kind === 'lstm' ? { initialCell: c0 } : {}),
  });
  const { output, h, c } = values;
  return {
    readings: root.finish().readings,
    model: model({
      inputs: kind === 'lstm' ? [x, h0, c0, lengths] : [x, h0, lengths],
      outputs: { output, h_n: h, ...(c === undefined ? {} : { c_n: c }) },
    }),
  };
}

const feeds = (dtype: Float, lengths: readonly number[] = [T, 2, 5], steps = T) =>
  new Map([
    ['x', noise(dtype, [B, steps, IN], 1)],
    ['h0', noise(dtype, [lead, B, H], 2)],
    ['c0', noise(dtype, [lead, B, H], 3)],
    ['lengths', fromNumbers('int64', [B], lengths)],
  ]);

const tensorIn = (outputs: ReadonlyMap<string, Tensor>, name: string): Tensor => outputs.get(name) as Tensor;

describe.each(kinds)('%s', (kind) => {
  it('is the same by its operator and by a Scan of the Hamilton-Jacobi step, to 1e-6', async () => {
    const [operator, scan] = [
      await ran(network(kind, { form: 'operator' }).model, feeds('float32')),
      await ran(network(kind, { form: 'scan' }).model, feeds('float32')),
    ];
    expect([...scan.keys()]).toEqual([...operator.keys()]);
    for (const [name, tensor] of operator) expect(errorOf(scan.get(name), tensor)).toBeLessThan(1e-6);
  });

  it.each(['operator', 'scan'] as const)('keeps the initial state of a sequence of length 0 (%s)', async (form) => {
    const given = feeds('float32', [0, T, 0]);
    const outputs = await ran(network(kind, { form }).model, given);
    const rows = (name: string, from: ReadonlyMap<string, Tensor>) =>
      [...Array(lead).keys()].flatMap((place) =>
        [0, 2].map((b) => [...toNumbers(tensorIn(from, name)).slice((place * B + b) * H, (place * B + b + 1) * H)]),
      );
    expect(rows('h_n', outputs)).toEqual(rows('h0', given));
    if (kind === 'lstm') expect(rows('c_n', outputs)).toEqual(rows('c0', given));
    const y = toNumbers(tensorIn(outputs, 'output'));
    expect(y.slice(0, T * 2 * H).every((value) => value === 0)).toBe(true);
    expect(y.slice(T * 2 * H, 2 * T * 2 * H).every((value) => value !== 0)).toBe(true);
  });

  it.each(['operator', 'scan'] as const)('refuses a sequence of no steps at run time (%s)', async (form) => {
    await expect(ran(network(kind, { form }).model, feeds('float32', [0, 0, 0], 0))).rejects.toThrow(
      /out of data bounds/,
    );
  });

  it('computes in float16 and float64', async () => {
    const wide = await ran(network(kind, {}, 'float64').model, feeds('float64'));
    const narrow = await ran(network(kind, {}).model, feeds('float32'));
    const half = await ran(network(kind, {}, 'float16').model, feeds('float16'));
    for (const [name, tensor] of wide) {
      expect(errorOf(narrow.get(name), tensor)).toBeLessThan(2e-6);
      expect(half.get(name)?.dtype).toBe('float16');
      expect(errorOf(half.get(name), tensor)).toBeLessThan(3e-3);
    }
  });

  it('says which equation each layer is', () => {
    for (const [form, names] of [
      ['operator', ['net.l0', 'net.l1']],
      ['scan', ['net.l0', 'net.l0_reverse', 'net.l1', 'net.l1_reverse']],
    ] as const) {
      const { readings } = network(kind, { form });
      expect(readings.map(({ name }) => name)).toEqual(names);
      expect(
        readings.every((reading) => reading.kind === kind && reading.status === 'structural' && reading.step === 1),
      ).toBe(true);
    }
  });

  it('is one step of its cell', async () => {
    if (kind === 'rnn') return;
    const root = fresh({ seed: 3 });
    const x = input('x', 'float32', ['batch', IN]);
    const cell =
      kind === 'gru' ? { h: gruCell(root.at('cell'), x, { hidden: H }) } : lstmCell(root.at('cell'), x, { hidden: H });
    const single = model({ inputs: [x], outputs: { ...cell } });
    const weights = new Map(
      [...stateDictOf(single)].map(([name, tensor]) => [`${name.replace('cell.', 'net.')}_l0`, tensor]),
    );
    const sequence = input('x', 'float32', ['batch', 'time', IN]);
    const whole = layers[kind](fromCheckpoint(weights).at('net'), sequence);
    const row = noise('float32', [B, IN], 5);
    const one = await ran(single, new Map([['x', row]]));
    const all = await ran(
      model({ inputs: [sequence], outputs: { h: whole.h } }),
      new Map([['x', { ...row, shape: [B, 1, IN] }]]),
    );
    expect(errorOf({ ...tensorIn(one, 'h'), shape: [1, B, H] }, tensorIn(all, 'h'))).toBeLessThan(1e-6);
  });

  it('draws fresh parameters from U(-1/sqrt H, 1/sqrt H), as PyTorch', () => {
    const x = input('x', 'float32', ['batch', 'time', 64]);
    const { output } = layers[kind](fresh({ seed: 9 }).at('net'), x, { hidden: 64 });
    for (const tensor of stateDictOf(model({ inputs: [x], outputs: { output } })).values()) {
      const values = toNumbers(tensor as Tensor);
      const spread = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(1 / 8);
      expect(spread * 8 * Math.sqrt(3)).toBeGreaterThan(0.85);
      expect(spread * 8 * Math.sqrt(3)).toBeLessThan(1.15);
    }
  });
});

it('drops between the layers only in training', async () => {
  const [x, training] = [input('x', 'float32', ['batch', 'time', IN]), input('training', 'bool', [])];
  const made = (layerCount: number, options: object) => {
    const { output } = gru(fresh({ seed: 4 }).at('net'), x, { hidden: H, layers: layerCount, ...options });
    return model({ inputs: [x, training], outputs: { output } });
  };
  const run = async (layerCount: number, options: object, on: number) => {
    const given = new Map([
      ['x', noise('float32', [B, T, IN], 1)],
      ['training', fromNumbers('bool', [], [on])],
    ]);
    // ONNX Runtime's optimiser takes every Dropout for one at inference.
    const open = { provider: 'cpu', home: 'process', optimization: 'disabled' } as const;
    const session = await openSession(encodeModel(toProto(made(layerCount, options))), open);
    const { outputs } = await session.run(given);
    await session.close();
    return tensorIn(outputs, 'output');
  };
  const plain = await run(2, {}, 0);
  expect(errorOf(await run(2, { dropout: 0.5, training }, 0), plain)).toBe(0);
  expect(errorOf(await run(2, { dropout: 0.5, training }, 1), plain)).toBeGreaterThan(1e-2);
  // Not after the last, as in PyTorch.
  expect(errorOf(await run(1, { dropout: 0.5, training }, 1), await run(1, {}, 0))).toBe(0);
});

describe('lstm as an equation', () => {
  it('has in its cell the exact flow of dc/dt = s - lambda c over one step, with the gates held', async () => {
    const root = fresh({ seed: 3, dtype: 'float64' });
    const [x, h0, c0] = [input('x', 'float64', [1, IN]), input('h', 'float64', [1, H]), input('c', 'float64', [1, H])];
    const { h, c } = lstmCell(root.at('cell'), x, { hidden: H, h: h0, c: c0 });
    const cell = model({ inputs: [x, h0, c0], outputs: { h_n: h, c_n: c } });
    const given = [noise('float64', [1, IN], 1), noise('float64', [1, H], 2), noise('float64', [1, H], 3)] as const;
    const outputs = await ran(cell, new Map(['x', 'h', 'c'].map((name, i) => [name, given[i] as Tensor])));
    const [xs, hs, cs] = given.map((tensor) => toNumbers(tensor)) as [Float64Array, Float64Array, Float64Array];
    const weights = stateDictOf(cell);
    const part = (name: string) => toNumbers(weights.get(`cell.${name}`) as Tensor);
    const [W, R, bW, bR] = [part('weight_ih'), part('weight_hh'), part('bias_ih'), part('bias_hh')];
    const dot = (rows: Float64Array, row: number, v: Float64Array) =>
      v.reduce((sum, value, k) => sum + value * (rows[row * v.length + k] ?? 0), 0);
    const z = (row: number) => dot(W, row, xs) + dot(R, row, hs) + (bW[row] ?? 0) + (bR[row] ?? 0);
    const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
    const flow = Array.from(cs, (start, k) => {
      const [i, f, g] = [sigmoid(z(k)), sigmoid(z(H + k)), Math.tanh(z(2 * H + k))];
      const lambda = -Math.log(f);
      const s = (i * g * lambda) / (1 - f);
      const rate = (value: number) => s - lambda * value;
      const [steps, dt] = [200, 1 / 200];
      let now = start;
      for (let step = 0; step < steps; step++) {
        const a = rate(now);
        const b = rate(now + (dt / 2) * a);
        const d = rate(now + (dt / 2) * b);
        now += (dt / 6) * (a + 2 * b + 2 * d + rate(now + dt * d));
      }
      return now;
    });
    const found = toNumbers(tensorIn(outputs, 'c_n'));
    expect(Math.max(...flow.map((value, k) => Math.abs(value - (found[k] ?? Number.NaN))))).toBeLessThan(1e-11);
  });
});
