import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import type { Tensor } from '../../src/files/tensor.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Dim } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { normal } from '../ops/run.ts';
import { get, scalar } from './cases.ts';
import { type Case, judged, positive, type Values } from './judge.ts';

/** Shapes of a few inputs that broadcast with each other: some sizes are 1, some leading axes are left out. */
const shapes = (count: number): fc.Arbitrary<readonly (readonly number[])[]> =>
  fc
    .array(fc.constantFrom(1, 2, 3, 4), { maxLength: 4 })
    .chain((full) =>
      fc.tuple(
        ...Array.from({ length: count }, () =>
          fc
            .tuple(fc.integer({ min: 0, max: full.length }), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }))
            .map(([from, ones]) => full.slice(from).map((size, axis) => (ones[axis] === true ? 1 : size))),
        ),
      ),
    );

/** How the inputs' dims are declared: each by a symbol of its own, equal sizes at one axis by one symbol, or some of both and sizes. */
function declared(all: readonly (readonly number[])[], how: 'own' | 'shared' | 'mixed'): readonly (readonly Dim[])[] {
  return all.map((shape, index) =>
    shape.map((size, axis): Dim => {
      const fromEnd = shape.length - axis;
      const own = how === 'own' || (how === 'mixed' && (index + fromEnd) % 3 === 0);
      if (own) return `own_${index}_${axis}`;
      if (how === 'mixed' && (index + fromEnd) % 3 === 1) return size;
      return size === 1 ? 1 : `shared_${fromEnd}`;
    }),
  );
}

const operators: readonly (readonly [string, (a: Value, b: Value) => Value, string, 'positive'?])[] = [
  ['Add', (a, b) => op.mul(op.add(a, b), a), '(a + b) * a'],
  ['Sub', (a, b) => op.mul(op.sub(a, b), b), '(a - b) * b'],
  ['Mul', op.mul, 'a * b'],
  ['Div', op.div, 'a / b', 'positive'],
  ['Pow', op.pow, 'a ** b', 'positive'],
  ['Max', (a, b) => op.max([a, b]), 'torch.maximum(a, b)'],
  ['Mod', (a, b) => op.mod(a, b, { fmod: 1 }), 'torch.fmod(a, b)', 'positive'],
];

const drawn = fc.sample(
  fc.record({
    operator: fc.nat(operators.length + 1),
    shapes: shapes(3),
    how: fc.constantFrom('own', 'shared', 'mixed'),
  }),
  { numRuns: 60, seed: 17 },
);

judged(
  'broadcasting of random shapes',
  drawn.map(({ operator, shapes, how }, index): Case => {
    const [a, b, c] = shapes as [readonly number[], readonly number[], readonly number[]];
    const [name, build, torch, sign] = operators[operator] ?? [operator === operators.length ? 'Where' : 'Sum'];
    const real = (shape: readonly number[], seed: number): Tensor =>
      sign === 'positive' ? positive(shape, seed, 0.6) : normal('float64', shape, seed);
    const two = build !== undefined;
    const dims = declared(two ? [a, b] : [a, b, c], how);
    return {
      name: `${index}: ${name} of ${dims.map((one) => `[${one.join(', ')}]`).join(' and ')}`,
      inputs: {
        a: real(a, 2 * index),
        b: real(b, 2 * index + 1),
        ...(two ? {} : { c: real(c, index) }),
      },
      dims: Object.fromEntries(dims.map((one, at) => ['abc'[at] ?? '', one])),
      ...(name === 'Where' ? { fixed: ['c'] } : {}),
      build: (v) => {
        const [x, y] = [get(v, 'a'), get(v, 'b')];
        if (build !== undefined) return build(x, y);
        const z = get(v, 'c');
        return name === 'Sum' ? op.mul(op.sum([x, y, z]), x) : op.mul(op.where(op.greater(z, scalar(0, z)), x, y), y);
      },
      torch: torch ?? (name === 'Sum' ? '(a + b + c) * a' : 'torch.where(c > 0, a, b) * b'),
    };
  }),
);

/** The operators that a first co-state adds to a graph. */
function added(build: (v: Values) => Value, inputs: Readonly<Record<string, readonly Dim[]>>): string[] {
  const values = Object.fromEntries(Object.entries(inputs).map(([name, dims]) => [name, input(name, 'float32', dims)]));
  const plain = model({ inputs: Object.values(values), outputs: { y: build(values) } });
  const { graph } = costate(plain, { seed: 'input' }).model;
  return graph.nodes.slice(plain.graph.nodes.length).map(({ opType }) => opType);
}

describe('the number of operators', () => {
  it('adds none for broadcasting where shapes are known to be equal', () => {
    for (const dims of [[2, 3], ['n', 'd'], ['n', 3], []] as const) {
      const shapes = { a: [...dims], b: [...dims] };
      expect(added((v) => op.add(get(v, 'a'), get(v, 'b')), shapes)).toEqual([]);
      expect(added((v) => op.mul(get(v, 'a'), get(v, 'b')), shapes)).toEqual(['Mul', 'Mul']);
      expect(added((v) => op.div(get(v, 'a'), get(v, 'b')), shapes).toSorted()).toEqual(['Div', 'Mul', 'Neg']);
    }
  });

  it('adds one sum where one input is known to be smaller', () => {
    const sums = (shapes: Readonly<Record<string, readonly Dim[]>>): string[] =>
      added((v) => op.add(get(v, 'a'), get(v, 'b')), shapes);
    expect(sums({ a: ['n', 'd'], b: ['d'] })).toEqual(['ReduceSum']);
    expect(sums({ a: ['n', 'd'], b: ['n', 1] })).toEqual(['ReduceSum']);
    expect(sums({ a: ['n', 'd'], b: [] })).toEqual(['ReduceSum']);
    expect(sums({ a: ['n', 'd'], b: [1, 1] })).toEqual(['ReduceSum', 'Reshape']);
    expect(sums({ a: ['n', 4], b: ['n', 'm'] })).toContain('NonZero');
  });

  it('multiplies by a mask where the co-state is finite, and selects where it may not be', () => {
    const weight = parameter('w', normal('float32', [3, 2], 1));
    const clipped = (x: Value): Value => op.clip(x, scalar(0, x));
    expect(added((v) => op.matMul(clipped(get(v, 'x')), weight), { x: ['n', 3] })).toEqual([
      'Gemm',
      'GreaterOrEqual',
      'Cast',
      'Mul',
    ]);
    const rooted = added((v) => op.sqrt(clipped(get(v, 'x'))), { x: ['n', 3] });
    expect(rooted).toEqual(expect.arrayContaining(['GreaterOrEqual', 'Where']));
  });
});
