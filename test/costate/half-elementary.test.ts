import { beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import type { DType } from '../../src/files/dtype.ts';
import { fromNumbers, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant, input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Dim } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { normal } from '../ops/run.ts';
import { hasPython } from '../support/python.ts';
import { get, scalar } from './cases.ts';
import type { Values } from './judge.ts';
import { ran } from './run.ts';

interface Network {
  readonly name: string;
  readonly inputs: Readonly<
    Record<string, readonly [dims: readonly Dim[], shape: readonly number[], numbers: readonly number[]]>
  >;
  readonly build: (v: Values) => Value;
  readonly output: readonly number[];
  /** Of the output's co-state. Random without it. */
  readonly cotangent?: (index: number) => number;
  /** Of the largest entry. */
  readonly within?: number;
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
const filled = (n: number, number: (index: number) => number): number[] =>
  Array.from({ length: n }, (_, i) => number(i));
const random = (seed: number, ...shape: number[]) =>
  [shape, shape, [...toNumbers(normal('float32', shape, seed))]] as const;

/** Numbers that one half-precision accumulator could not sum: more than it counts, or more than it holds. */
const networks: readonly Network[] = [
  {
    name: 'a sum of 6,000 numbers by broadcasting that is only seen at run time',
    inputs: {
      x: [['n', 'd'], [6000, 2], filled(12000, (i) => 0.5 + (i % 7) / 8)],
      w: [
        ['m', 'd'],
        [1, 2],
        [1, 1.25],
      ],
    },
    build: (v) => op.mul(get(v, 'x'), get(v, 'w')),
    output: [6000, 2],
    cotangent: () => 1,
  },
  {
    name: 'a sum whose parts would overflow',
    inputs: { x: [['n'], [4096], filled(4096, (i) => (i < 2000 ? 30 : i < 4000 ? -30 : 2))], w: [[], [], [1]] },
    build: (v) => op.mul(get(v, 'x'), get(v, 'w')),
    output: [4096],
    cotangent: () => 30,
  },
  {
    name: 'the mean of more numbers than half precision can count',
    inputs: { x: [['n'], [70000], filled(70000, (i) => (i % 9) / 4)] },
    build: (v) => op.reduceMean(get(v, 'x')),
    output: [1],
    cotangent: () => 30000,
  },
  {
    name: 'more ties than half precision can count',
    inputs: { x: [['n'], [70000], filled(70000, () => 1)] },
    build: (v) => op.reduceMax(get(v, 'x')),
    output: [1],
    cotangent: () => 30000,
  },
  {
    name: 'a running sum of 5,000 numbers',
    inputs: { x: random(3, 2, 5000) },
    build: (v) => op.cumSum(get(v, 'x'), constant(fromNumbers('int64', [], [1]))),
    output: [2, 5000],
    cotangent: () => 1,
  },
  {
    name: 'norms and logarithms, with what masks put in',
    inputs: {
      x: [
        ['n', 3],
        [2, 3],
        [0.5, -1, -65504, -65504, -65504, -65504],
      ],
    },
    build: (v) => op.reduceLogSumExp(get(v, 'x'), constant(fromNumbers('int64', [1], [1]))),
    output: [2, 1],
  },
  {
    name: 'activations',
    inputs: { x: random(5, 40, 3), s: [[3], [3], [0.25, 0.5, -0.5]] },
    build: (v) => {
      const x = get(v, 'x');
      // Kinds that ONNX Runtime has in float64 too.
      const all = [
        op.relu(x),
        op.sigmoid(x),
        op.tanh(x),
        op.abs(x),
        op.clip(x, scalar(-1, x), scalar(1, x)),
        op.sqrt(op.exp(x)),
      ];
      return op.mul(op.sum(all), get(v, 's'));
    },
    output: [40, 3],
    within: 4e-3,
  },
  {
    name: 'quotients and powers',
    inputs: { a: [['n', 1], [30, 1], filled(30, (i) => 0.5 + i / 16)], b: [[4], [4], [0.5, 1, 2, 3]] },
    build: (v) => op.div(op.pow(get(v, 'a'), get(v, 'b')), get(v, 'b')),
    output: [30, 4],
    within: 4e-3,
  },
  // Between two nodes that it computes in float32 ONNX Runtime rounds nothing, but its Clip is given and gives half precision.
  {
    name: 'both bounds of numbers that are not rounded before',
    inputs: { x: random(6, 40, 3), s: [[3], [3], [0.3, 1.7, -1.1]] },
    build: (v) => {
      const x = op.mul(get(v, 'x'), get(v, 's'));
      return op.clip(x, scalar(-0.5, x), scalar(0.75, x));
    },
    output: [40, 3],
    within: 4e-3,
  },
  {
    name: 'one bound of numbers that are not rounded before',
    inputs: { x: random(7, 40, 3), s: [[3], [3], [0.3, 1.7, -1.1]] },
    build: (v) => {
      const x = op.mul(get(v, 'x'), get(v, 's'));
      return op.clip(x, scalar(0.1, x));
    },
    output: [40, 3],
    within: 4e-3,
  },
  {
    name: 'the greatest of three that are not rounded before',
    inputs: { x: random(8, 40, 3), s: [[3], [3], [0.3, 1.7, -1.1]] },
    build: (v) => {
      const x = op.mul(get(v, 'x'), get(v, 's'));
      return op.max([x, op.mul(x, get(v, 's')), op.neg(x)]);
    },
    output: [40, 3],
    within: 4e-3,
  },
  {
    name: 'the range of what is quantised that was not rounded before',
    inputs: { x: random(9, 40, 3), s: [[3], [3], [0.3, 1.7, -1.1]] },
    build: (v) => {
      const x = op.mul(get(v, 'x'), get(v, 's'));
      // No quantisation of float64.
      const given = x.dtype === 'float64' ? op.cast(x, { to: 'float32' }) : x;
      const [step, zero] = [scalar(1 / 128, given), constant(fromNumbers('int8', [], [3]))];
      return op.castLike(op.dequantizeLinear(op.quantizeLinear(given, step, zero), step, zero), x);
    },
    output: [40, 3],
    within: 2e-2,
  },
];

function gradients({ inputs, build }: Network, dtype: DType): { readonly made: Model; readonly given: number } {
  const values = Object.fromEntries(Object.entries(inputs).map(([name, [dims]]) => [name, input(name, dtype, dims)]));
  const plain = model({ inputs: Object.values(values), outputs: { y: build(values) } });
  return { made: costate(plain, { seed: 'input' }).model, given: plain.graph.nodes.length };
}

/** ONNX Runtime's CPU sums half precision in float32 whatever the graph says; other providers do as it says. */
describe('sums of elementary co-states in graphs of half precision', () => {
  it.each(networks.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const { made, given } = gradients(one, 'float16');
    for (const { opType, inputs, outputs } of made.graph.nodes.slice(given)) {
      if (opType === 'ReduceSum' || opType === 'CumSum') expect(inputs[0]?.dtype, opType).toBe('float32');
      if (opType === 'Cast' && inputs[0]?.dtype === 'int64') expect(outputs[0]?.dtype, 'a count').toBe('float32');
    }
  });
});

describe.skipIf(!hasPython)('elementary co-states in half precision against float64', () => {
  let found: ReturnType<typeof ran> = [];
  beforeAll(() => {
    const runs = networks.flatMap((one) =>
      (['float16', 'float64'] as const).map((dtype) => {
        // Both from the numbers as half precision has them.
        const given = Object.entries(one.inputs).map(
          ([name, [, shape, numbers]]) => [name, half(dtype, shape, numbers)] as const,
        );
        const shape = one.output;
        const seeds = filled(count(shape), one.cotangent ?? ((i) => Math.sin(i + 1)));
        return {
          model: gradients(one, dtype).made,
          inputs: { ...Object.fromEntries(given), cotangent_y: half(dtype, shape, seeds) },
        };
      }),
    );
    found = ran(runs);
  }, 60_000);

  it.each(networks.map((one, index) => [one.name, one, index] as const))('%s', (_, { within = 2e-3 }, index) => {
    const [narrow, wide] = [found[2 * index] ?? {}, found[2 * index + 1] ?? {}];
    const names = Object.keys(wide).filter((name) => name.startsWith('costate_'));
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const [got, want] = [narrow[name] ?? [], wide[name] ?? []];
      const largest = Math.max(...want.slice(0, 5000).map(Math.abs));
      expect(largest).toBeGreaterThan(0);
      const worst = want.reduce((most, value, at) => Math.max(most, Math.abs((got[at] ?? Number.NaN) - value)), 0);
      expect(worst / largest, name).toBeLessThan(within);
    }
  });
});

function half(dtype: DType, shape: readonly number[], numbers: readonly number[]) {
  return fromNumbers(dtype, shape, [...toNumbers(fromNumbers('float16', shape, numbers))]);
}
