import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import type { Value } from '../../src/graph/value.ts';
import { fresh, fromCheckpoint, type Module } from '../../src/layers/module.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { linearRecurrence } from '../../src/layers/ssm/linear-recurrence.ts';
import { s4d, ssmForms } from '../../src/layers/ssm/s4d.ts';
import { selectiveForms } from '../../src/layers/ssm/selective.ts';
import { mambaMixer } from '../../src/layers/ssm/selective-scan.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';
import { errorOf, ran } from './judge.ts';

type Float = 'float32' | 'float16' | 'float64';

const noise = (dtype: Float, shape: readonly number[], seed: number): Tensor =>
  fromNumbers(
    dtype,
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + 12.9898 * (i + 1)) * 1.5),
  );

const B = 2;
const H = 5;

interface Scanned {
  readonly output: Value;
  readonly states: Readonly<Record<string, Value>>;
}

/** An S4D layer or a mixer with its states as inputs and outputs. */
const layers = {
  s4d: {
    forms: ssmForms,
    states: { h: ['batch', H, 16, 2] },
    make: (root: Module, x: Value, { h }: Record<string, Value>, form: string): Scanned => {
      const { output, state } = s4d(root, x, { form: form as 'blocks', state: 32, initial: h, block: false });
      return { output, states: { h_n: state } };
    },
  },
  'selective-scan': {
    forms: selectiveForms,
    states: { conv: ['batch', 2 * H, 3], ssm: ['batch', 2 * H, 16] },
    make: (root: Module, x: Value, { conv, ssm }: Record<string, Value>, form: string): Scanned => {
      const past = conv && ssm && { conv, ssm };
      const { output, present } = mambaMixer(root, x, { form: form as 'blocks', past });
      return { output, states: { conv_n: present.conv, ssm_n: present.ssm } };
    },
  },
} as const;

type Kind = keyof typeof layers;

function network(
  kind: Kind,
  form: string,
  dtype: Float = 'float32',
  time: number | string = 'time',
  carried = true,
  root = fresh({ seed: 3, dtype }),
) {
  const x = input('x', dtype, ['batch', time, H]);
  const given = carried
    ? Object.entries(layers[kind].states).map(([name, shape]) => [name, input(name, dtype, shape)] as const)
    : [];
  const { output, states } = layers[kind].make(root, x, Object.fromEntries(given), form);
  const inputs = [x, ...given.map(([, value]) => value)];
  return { model: model({ inputs, outputs: { output, ...states } }), ...root.finish() };
}

function feeds(kind: Kind, time: number, dtype: Float = 'float32'): Map<string, Tensor> {
  const states = Object.entries(layers[kind].states).map(([name, [, ...sizes]], index) => {
    return [name, noise(dtype, [B, ...(sizes as number[])], 7 + index)] as const;
  });
  return new Map([['x', noise(dtype, [B, time, H], 1)], ...states]);
}

/** Steps [from, to) of x [B, time, H]. */
function steps(x: Tensor, from: number, to: number): Tensor {
  const [, time = 0] = x.shape;
  const numbers = toNumbers(x);
  const rows = Array.from({ length: B }, (_, b) => [...numbers.slice((b * time + from) * H, (b * time + to) * H)]);
  return fromNumbers(x.dtype as Float, [B, to - from, H], rows.flat());
}

const kinds = Object.keys(layers) as Kind[];
const others = kinds.flatMap((kind) =>
  layers[kind].forms.filter((form) => form !== 'recurrence').map((form) => [kind, form] as const),
);

describe('forms', () => {
  it.each(others)('%s by %s is the recurrence: 1e-5 in float32, 1e-11 in float64', async (kind, form) => {
    for (const [dtype, tolerance] of [
      ['float32', 1e-5],
      ['float64', 1e-11],
    ] as const) {
      const [made, recurrence] = [network(kind, form, dtype).model, network(kind, 'recurrence', dtype).model];
      for (const time of [1, 2, 64, 65, 129, 500]) {
        const given = feeds(kind, time, dtype);
        const [found, expected] = [await ran(made, given), await ran(recurrence, given)];
        for (const [name, tensor] of expected) expect(errorOf(found.get(name), tensor)).toBeLessThan(tolerance);
      }
    }
  });

  it.each(others)('%s by %s has the co-states of the recurrence', async (kind, form) => {
    const both = await Promise.all(
      [form, 'recurrence'].map(async (own) => {
        const made = network(kind, own, 'float64').model;
        const seed = [['cotangent_output', noise('float64', [B, 40, H], 5)]] as const;
        const of = { of: ['output'], wrt: ['all'], seed: 'input' } as const;
        return await ran(costate(made, of).model, new Map([...feeds(kind, 40, 'float64'), ...seed]));
      }),
    );
    const [found, expected] = both as [Map<string, Tensor>, Map<string, Tensor>];
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, tensor] of expected) expect(errorOf(found.get(name), tensor), name).toBeLessThan(1e-10);
  });

  it.each(kinds)('%s goes on from the state of the steps before', async (kind) => {
    for (const form of layers[kind].forms) {
      const made = network(kind, form).model;
      const given = feeds(kind, 50);
      const x = given.get('x') as Tensor;
      const whole = await ran(made, given);
      const output = whole.get('output') as Tensor;
      let states = [...given].slice(1);
      for (const [from, to] of [
        [0, 33],
        [33, 34],
        [34, 50],
      ] as const) {
        const part = await ran(made, new Map([['x', steps(x, from, to)], ...states]));
        expect(errorOf(part.get('output'), steps(output, from, to))).toBeLessThan(1e-5);
        states = states.map(([name]) => [name, part.get(`${name}_n`) as Tensor] as const);
      }
    }
  });

  it.each(kinds)('%s takes sequences of a known length, and no state', async (kind) => {
    for (const form of layers[kind].forms)
      for (const time of [1, 48, 70]) {
        const given = new Map([['x', noise('float32', [B, time, H], 1)]]);
        const known = await ran(network(kind, form, 'float32', time, false).model, given);
        const open = await ran(network(kind, 'recurrence', 'float32', 'time', false).model, given);
        for (const [name, tensor] of open) expect(errorOf(known.get(name), tensor)).toBeLessThan(1e-5);
      }
  });

  it.each(kinds)('%s in float16 carries its state in float32', async (kind) => {
    for (const form of layers[kind].forms) {
      const half = network(kind, form, 'float16').model;
      const rounded = fromCheckpoint(stateDictOf(half));
      const narrow = await ran(half, feeds(kind, 100, 'float16'));
      const single = await ran(network(kind, form, 'float32', 'time', true, rounded).model, feeds(kind, 100));
      for (const [name, tensor] of single) expect(errorOf(narrow.get(name), tensor), form).toBeLessThan(3e-3);
    }
  });

  it.each(kinds)('%s refuses a sequence of no steps at run time', async (kind) => {
    for (const form of layers[kind].forms)
      await expect(ran(network(kind, form).model, feeds(kind, 0))).rejects.toThrow();
  });

  it('say what is exact', () => {
    const [exact] = network('s4d', 'blocks').readings.filter((reading) => reading.kind === 'ssm');
    expect(exact).toMatchObject({ status: 'exact', viscosity: 0, hamiltonian: 'p.(Ah + Bx)' });
    const [mixed] = network('selective-scan', 'blocks').readings.filter((reading) => reading.kind === 'ssm');
    expect(mixed?.status).toBe('structural');
    expect(mixed?.discretisation).toMatch(/zero-order hold for A \(exact\).*structural/);
  });
});

describe('a Mamba language model', () => {
  const spec = (cache: boolean) =>
    parseSpec({
      inputs: [{ name: 'tokens', dtype: 'int64', shape: ['batch', 'time'] }],
      layers: [{ kind: 'mamba', vocabulary: 13, features: 8, layers: 2, cache }],
    });

  const best = (output: Tensor): number => {
    const scores = [...toNumbers(output)].slice(-13);
    return scores.indexOf(Math.max(...scores));
  };

  it('gives the same tokens with its states as without', async () => {
    const [whole, cached] = [false, true].map((cache) => buildNetwork(spec(cache), 4).model) as [Model, Model];
    const start = [3, 1, 12];
    const tokens = (all: readonly number[]) => fromNumbers('int64', [1, all.length], all);
    const slow = [...start];
    for (let i = 0; i < 24; i++)
      slow.push(best((await ran(whole, new Map([['tokens', tokens(slow)]]))).get('output') as Tensor));
    const fast = [...start];
    let states = [0, 1].flatMap((layer) => [
      [`past.${layer}.conv`, fromNumbers('float32', [1, 16, 3], new Float64Array(48))] as const,
      [`past.${layer}.ssm`, fromNumbers('float32', [1, 16, 16], new Float64Array(256))] as const,
    ]);
    let next: readonly number[] = start;
    for (let i = 0; i < 24; i++) {
      const outputs = await ran(cached, new Map([['tokens', tokens(next)], ...states]));
      next = [best(outputs.get('output') as Tensor)];
      fast.push(...next);
      states = states.map(([name]) => [name, outputs.get(name.replace('past', 'present')) as Tensor] as const);
    }
    expect(fast).toEqual(slow);
    expect(new Set(fast).size).toBeGreaterThan(2);
  });

  it('is read without its head too, as MambaModel is stored', async () => {
    const whole = { ...spec(false), outputs: { hidden: 'hidden' } };
    const made = buildNetwork(whole, 4).model;
    const weights = [...stateDictOf(made)].map(([name, tensor]) => [name.replace('backbone.', ''), tensor] as const);
    const layers = [{ kind: 'mamba', task: 'features' }];
    const bare = importNetwork(parseSpec({ inputs: whole.inputs, layers }), new Map(weights));
    expect(bare.parameters.unused).toEqual([]);
    const tokens = new Map([['tokens', fromNumbers('int64', [2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])]]);
    const [hidden, expected] = [await ran(bare.model, tokens), await ran(made, tokens)];
    expect(errorOf(hidden.get('output'), expected.get('hidden') as Tensor)).toBe(0);
  });

  it('starts as mamba_ssm does', () => {
    const weights = stateDictOf(buildNetwork(spec(false), 4).model);
    const numbers = (name: string) => [...toNumbers(weights.get(name) as Tensor)];
    const mixer = 'backbone.layers.0.mixer';
    expect([...weights.keys()].sort()).toEqual(
      [
        'backbone.embeddings.weight',
        'backbone.norm_f.weight',
        ...[0, 1].flatMap((layer) =>
          [
            'norm.weight',
            ...['A_log', 'D', 'conv1d.bias', 'conv1d.weight', 'dt_proj.bias', 'dt_proj.weight'].map(
              (own) => `mixer.${own}`,
            ),
            ...['in_proj.weight', 'out_proj.weight', 'x_proj.weight'].map((own) => `mixer.${own}`),
          ].map((own) => `backbone.layers.${layer}.${own}`),
        ),
      ].sort(),
    );
    expect(numbers(`${mixer}.A_log`).slice(0, 16)).toEqual(
      Array.from({ length: 16 }, (_, n) => Math.fround(Math.log(n + 1))),
    );
    const steps = numbers(`${mixer}.dt_proj.bias`).map((bias) => Math.log1p(Math.exp(bias)));
    expect(Math.min(...steps)).toBeGreaterThan(0.00099);
    expect(Math.max(...steps)).toBeLessThan(0.101);
    expect(Math.max(...numbers(`${mixer}.out_proj.weight`).map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(16 * 2));
  });

  it('S4D starts as S4D-Lin', () => {
    const { model: made } = network('s4d', 'blocks');
    const weights = stateDictOf(made);
    const numbers = (name: string) => [...toNumbers(weights.get(name) as Tensor)];
    expect(numbers('kernel.A_imag').slice(16, 19)).toEqual([0, Math.PI, 2 * Math.PI].map(Math.fround));
    expect(new Set(numbers('kernel.log_A_real'))).toEqual(new Set([Math.fround(Math.log(0.5))]));
    const dt = numbers('kernel.log_dt').map(Math.exp);
    expect(Math.min(...dt)).toBeGreaterThanOrEqual(0.00099);
    expect(Math.max(...dt)).toBeLessThanOrEqual(0.101);
  });
});

it('an S4 classifier drops features in training alone', async () => {
  const spec = (options: object) =>
    parseSpec({
      inputs: [{ name: 'x', shape: ['batch', 'time', 2] }],
      layers: [{ kind: 's4-classifier', features: 4, layers: 1, classes: 3, state: 4, ...options }],
    });
  const x = noise('float32', [2, 9, 2], 1);
  const plain = await ran(buildNetwork(spec({}), 1).model, new Map([['x', x]]));
  const made = buildNetwork(spec({ dropout: 0.5, training: 'training' }), 1).model;
  const [off, on] = await Promise.all(
    [0, 1].map((training) =>
      ran(
        made,
        new Map([
          ['x', x],
          ['training', fromNumbers('bool', [], [training])],
        ]),
      ),
    ),
  );
  const expected = plain.get('output') as Tensor;
  expect(errorOf(off?.get('output'), expected)).toBeLessThan(1e-6);
  expect(errorOf(on?.get('output'), expected)).toBeGreaterThan(1e-3);
});

describe('a diagonal linear recurrence', () => {
  const T = 37;
  const shape = [B, T, 3];
  const complex = (name: string, own: (string | number)[]) => ({
    re: input(`${name}_re`, 'float64', own),
    im: input(`${name}_im`, 'float64', own),
  });
  const small = (own: readonly number[], seed: number) =>
    fromNumbers(
      'float64',
      own,
      [...toNumbers(noise('float64', own, seed))].map((value) => 0.6 * value),
    );

  it.each([
    ['recurrence', false],
    ['recurrence', true],
    ['associative', false],
    ['associative', true],
  ] as const)('is h = a h + b, by %s, a held: %s', async (form, held) => {
    const aShape = held ? [3] : shape;
    const [a, b] = [complex('a', held ? [3] : ['batch', 'time', 3]), complex('b', ['batch', 'time', 3])];
    const first = complex('h', ['batch', 3]);
    const { states, last } = linearRecurrence(fresh().at('net'), b, { a, initial: first, form });
    const made = model({
      inputs: [a.re, a.im, b.re, b.im, first.re, first.im],
      outputs: { re: states.re, im: states.im as Value, last: last.im as Value },
    });
    const given = new Map([
      ['a_re', small(aShape, 1)],
      ['a_im', small(aShape, 2)],
      ['b_re', small(shape, 3)],
      ['b_im', small(shape, 4)],
      ['h_re', small([B, 3], 5)],
      ['h_im', small([B, 3], 6)],
    ]);
    const at = (name: string, index: number) => toNumbers(given.get(name) as Tensor)[index] ?? Number.NaN;
    const [re, im, end] = [new Float64Array(B * T * 3), new Float64Array(B * T * 3), new Float64Array(B * 3)];
    for (let row = 0; row < B; row++)
      for (let k = 0; k < 3; k++) {
        let [x, y] = [at('h_re', row * 3 + k), at('h_im', row * 3 + k)];
        for (let t = 0; t < T; t++) {
          const place = (row * T + t) * 3 + k;
          const [ar, ai] = [at('a_re', held ? k : place), at('a_im', held ? k : place)];
          [x, y] = [ar * x - ai * y + at('b_re', place), ar * y + ai * x + at('b_im', place)];
          [re[place], im[place]] = [x, y];
        }
        end[row * 3 + k] = y;
      }
    const outputs = await ran(made, given);
    expect(errorOf(outputs.get('re'), fromNumbers('float64', shape, re))).toBeLessThan(1e-12);
    expect(errorOf(outputs.get('im'), fromNumbers('float64', shape, im))).toBeLessThan(1e-12);
    expect(errorOf(outputs.get('last'), fromNumbers('float64', [B, 3], end))).toBeLessThan(1e-12);
  });

  it('may be real', async () => {
    const b = input('b', 'float32', ['batch', 'time', 2]);
    const a = input('a', 'float32', [2]);
    const { states } = linearRecurrence(fresh().at('net'), { re: b }, { a: { re: a }, form: 'associative' });
    const ones = fromNumbers('float32', [1, 4, 2], new Float64Array(8).fill(1));
    const outputs = await ran(
      model({ inputs: [b, a], outputs: { y: states.re } }),
      new Map([
        ['b', ones],
        ['a', fromNumbers('float32', [2], [0.5, 2])],
      ]),
    );
    expect([...toNumbers(outputs.get('y') as Tensor)]).toEqual([1, 1, 1.5, 3, 1.75, 7, 1.875, 15]);
  });
});
