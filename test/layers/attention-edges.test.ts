import { describe, expect, it } from 'vitest';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import type { Value } from '../../src/graph/value.ts';
import { attend, multiHeadAttention } from '../../src/layers/attention.ts';
import { fresh, fromCheckpoint } from '../../src/layers/module.ts';
import { errorOf, ran } from './judge.ts';

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
const floats = (name: string, ...shape: (string | number)[]) => input(name, 'float32', shape);

describe('attention at the edges', () => {
  const sizes = { heads: 4, causal: true } as const;
  const feeds = { x: drawn([2, 5, 8], 1), k: drawn([2, 5, 8], 2), v: drawn([2, 5, 8], 3) };
  const inputs = (dtype: 'float32' | 'float64' | 'float16' = 'float32') =>
    (['x', 'k', 'v'] as const).map((name) => input(name, dtype, ['batch', `t${name === 'x' ? '' : 2}`, 8])) as [
      Value,
      Value,
      Value,
    ];
  const outputOf = async (values: readonly Value[], output: Value, given: Record<string, Tensor>) => {
    const found = await ran(model({ inputs: values, outputs: { output } }), new Map(Object.entries(given)));
    return found.get('output') as Tensor;
  };

  it('computes in half precision, widened, and in double', async () => {
    const answers: Tensor[] = [];
    for (const dtype of ['float64', 'float32', 'float16'] as const) {
      const own = inputs(dtype);
      const module = fresh({ dtype }).at('net');
      const { output } = attend(module, ...own, { ...sizes, rope: {}, alibi: true, epsilon: [1, 2, 3, 4] });
      const given = Object.fromEntries(
        Object.entries(feeds).map(([name, { shape }], i) => [name, drawn(shape, i + 1, dtype)]),
      );
      answers.push(await outputOf(own, output, given));
    }
    const [double, single, half] = answers as [Tensor, Tensor, Tensor];
    expect(errorOf(single, double)).toBeLessThan(1e-6);
    expect(errorOf(half, double)).toBeLessThan(3e-3);
    expect(half.dtype).toBe('float16');
  });

  it.each([
    ['no batch', [0, 5], [0, 5]],
    ['no queries', [2, 0], [2, 5]],
    ['no keys', [2, 5], [2, 0]],
  ])('takes %s at run time', async (_, own, other) => {
    for (const options of [{}, { keyValueHeads: 2 }, { causal: true }]) {
      const [q, key, value] = [
        input('x', 'float32', ['batch', 'time', 8]),
        k,
        input('v', 'float32', ['batch', 'keys', 8]),
      ];
      const half = 'keyValueHeads' in options ? 4 : 8;
      const values =
        half === 8 ? [key, value] : ['k', 'v'].map((name) => input(name, 'float32', ['batch', 'keys', half]));
      const { output } = attend(net(), q, values[0] as Value, values[1] as Value, { heads: 4, ...options });
      const given = { x: drawn([...own, 8], 1), k: drawn([...other, half], 2), v: drawn([...other, half], 3) };
      const found = await outputOf([q, ...values], output, given);
      expect(found.shape).toEqual([...own, 8]);
      expect([...toNumbers(found)].every((entry) => entry === 0)).toBe(true);
    }
  });

  it.each(['bool', 'float32'] as const)(
    'gives 0 where a %s mask leaves nothing, and what it gives otherwise elsewhere',
    async (dtype) => {
      const [q, key, value] = inputs();
      const mask = input('mask', dtype, [5, 5]);
      const last = dtype === 'bool' ? 1 : 0;
      const none = dtype === 'bool' ? 0 : Number.NEGATIVE_INFINITY;
      const of = (allowed: (i: number, j: number) => boolean) =>
        fromNumbers(
          dtype,
          [5, 5],
          Array.from({ length: 25 }, (_, at) => (allowed(Math.floor(at / 5), at % 5) ? last : none)),
        );
      for (const outputs of [[], ['weights']] as const) {
        const { output } = attend(net(), q, key, value, { heads: 4, mask, outputs });
        const all = await outputOf([q, key, value, mask], output, { ...feeds, mask: of(() => true) });
        const some = await outputOf([q, key, value, mask], output, { ...feeds, mask: of((i) => i !== 2) });
        const rows = [...toNumbers(some)];
        expect(rows.every((entry, at) => entry === (Math.floor(at / 8) % 5 === 2 ? 0 : toNumbers(all)[at]))).toBe(true);
      }
    },
  );

  it('drops weights in training alone', async () => {
    const [q, key, value] = inputs();
    const training = input('training', 'bool', []);
    const ones = fromNumbers('float32', [2, 5, 8], new Float64Array(80).fill(1));
    const { output } = attend(net(), q, key, value, { ...sizes, training, dropout: 0.5 });
    const of = async (on: number) => {
      const given = { ...feeds, v: ones, training: fromNumbers('bool', [], [on]) };
      return toNumbers(await outputOf([q, key, value, training], output, given));
    };
    expect((await of(0)).every((entry) => Math.abs(entry - 1) < 1e-6)).toBe(true);
    // The first row reads one key: 0, or doubled.
    const first = [...(await of(1))]
      .filter((_, at) => Math.floor(at / 8) % 5 === 0)
      .map((entry) => Math.round(entry * 1e5) / 1e5);
    expect(first.every((entry) => entry === 0 || entry === 2)).toBe(true);
  });

  it('continues from an empty cache', async () => {
    const [q, key, value] = inputs();
    const past = { key: floats('pk', 'batch', 4, 'past', 2), value: floats('pv', 'batch', 4, 'past', 2) };
    const { output } = attend(net(), q, key, value, { ...sizes, past, rope: {} });
    const nothing = { pk: drawn([2, 4, 0, 2], 1), pv: drawn([2, 4, 0, 2], 1) };
    const got = await outputOf([q, key, value, past.key, past.value], output, { ...feeds, ...nothing });
    const whole = attend(net(), q, key, value, { ...sizes, rope: {} }).output;
    expect(errorOf(got, await outputOf([q, key, value], whole, feeds))).toBeLessThan(1e-6);
  });

  it('shares the tables of a rotary embedding among layers that share positions', async () => {
    const positions = input('p', 'int64', ['time']);
    let state: Value = x;
    for (let i = 0; i < 3; i++)
      state = attend(fresh().at(`l${i}`), state, state, state, { heads: 2, rope: { positions } }).output;
    const { nodes } = model({ inputs: [x, positions], outputs: { state } }).graph;
    expect(nodes.filter(({ opType }) => opType === 'Sin')).toHaveLength(1);
  });

  it('starts as nn.MultiheadAttention does', () => {
    const root = fresh({ seed: 3 });
    multiHeadAttention(root.at('attn'), input('x', 'float32', ['batch', 'time', 64]), { heads: 4 });
    const packed = root.at('attn').parameter('in_proj_weight', [192, 64], () => () => 0);
    const source = packed.source.kind === 'parameter' ? packed.source.tensor : undefined;
    const numbers = toNumbers(source as Tensor);
    const bound = Math.sqrt(6 / (4 * 64));
    expect(Math.max(...numbers)).toBeLessThanOrEqual(Math.fround(bound));
    expect(Math.max(...numbers)).toBeGreaterThan(0.99 * bound);
    const mean = numbers.reduce((a, b) => a + b * b, 0) / numbers.length;
    expect(Math.abs(mean / (bound ** 2 / 3) - 1)).toBeLessThan(0.05);
  });

  it('takes a parameter of one epsilon per head from the checkpoint', () => {
    const stored = new Map([['tau', drawn([4], 1)]]);
    const module = fromCheckpoint(stored);
    const { output } = attend(module.at('net'), x, x, x, {
      heads: 4,
      epsilon: { parameter: 'tau', transform: 'softplus' },
    });
    expect(output.shape?.[2]).toBe(8);
    expect(module.finish().parameters.unused).toEqual([]);
  });
});
