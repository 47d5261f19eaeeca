import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addDims,
  broadcastDims,
  broadcastFails,
  canonicalDim,
  ceilDivideDims,
  compareDims,
  divideExactly,
  floorDivideDims,
  joinDims,
  maxDim,
  minDim,
  multiplyDims,
  productOf,
  sameDim,
  subtractDims,
  unifyDims,
} from '../../src/graph/dim.ts';
import type { Dim } from '../../src/graph/type.ts';

/** An expression over T and B beside its value: the arithmetic must keep them together. */
interface Pair {
  readonly dim: Dim;
  readonly value: number;
}

const sizes = { T: 7, B: 12, 'head count': 5 };

/** The value of a canonical dimension, by a reader of its own: floors, minima and symbols become JavaScript. */
function evaluate(dim: Dim): number {
  if (typeof dim === 'number') return dim;
  if (dim === undefined) throw new Error('unknown');
  if (dim === 'head count') return sizes['head count'];
  const code = dim
    .replaceAll('"head count"', '5')
    .replace(/floor\(/g, 'Math.floor(')
    .replace(/\b(min|max)\(/g, 'Math.$1(');
  return new Function('T', 'B', `return 0 + (${code})`)(sizes.T, sizes.B);
}

const operations: Record<string, [(a: Dim, b: Dim) => Dim, (a: number, b: number) => number]> = {
  add: [addDims, (a, b) => a + b],
  subtract: [subtractDims, (a, b) => a - b],
  multiply: [multiplyDims, (a, b) => a * b],
  floor: [(a, b) => floorDivideDims(a, b), (a, b) => Math.floor(a / b)],
  ceil: [(a, b) => ceilDivideDims(a, b), (a, b) => Math.ceil(a / b)],
  max: [maxDim, Math.max],
  min: [minDim, Math.min],
};

const leaf = fc.oneof(
  fc.integer({ min: -4, max: 6 }).map((value): Pair => ({ dim: value, value })),
  fc.constantFrom(...Object.entries(sizes)).map(([dim, value]): Pair => ({ dim, value })),
);

const expression: fc.Arbitrary<Pair> = fc.letrec<{ node: Pair }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.tuple(fc.constantFrom(...Object.keys(operations)), tie('node'), tie('node')).map(([name, a, b]): Pair => {
      const [symbolic, numeric] = operations[name] ?? [addDims, (): number => Number.NaN];
      /** Symbolic divisors are taken as positive. */
      if ((name === 'floor' || name === 'ceil') && b.value <= 0) return a;
      return { dim: symbolic(a.dim, b.dim), value: numeric(a.value, b.value) };
    }),
  ),
})).node;

describe('dimensions', () => {
  it('compute canonical expressions', () => {
    expect(multiplyDims(2, 'T')).toBe('2*T');
    expect(multiplyDims('T', 'B')).toBe('B*T');
    expect(addDims('T', 1)).toBe('T + 1');
    expect(subtractDims(1, 'T')).toBe('-T + 1');
    expect(subtractDims(addDims('T', 'B'), 'T')).toBe('B');
    expect(floorDivideDims('T', 2)).toBe('floor(T/2)');
    expect(floorDivideDims(floorDivideDims('T', 2), 2)).toBe('floor(T/4)');
    expect(floorDivideDims(addDims(multiplyDims(4, 'T'), 3), 2)).toBe('2*T + 1');
    expect(ceilDivideDims('T', 2)).toBe('floor((T + 1)/2)');
    expect(minDim(5, 'T')).toBe('min(5, T)');
    expect(maxDim('T', addDims('T', 2))).toBe('T + 2');
    expect(multiplyDims(2, 'head count')).toBe('2*"head count"');
    expect(divideExactly(multiplyDims(2, 'head count'), 2)).toBe('head count');
  });

  it('cancel what divides exactly', () => {
    expect(divideExactly(productOf(['B', 'T', 64]), productOf(['B', 8, 8]))).toBe('T');
    expect(divideExactly(addDims(multiplyDims('B', 'T'), 'B'), addDims('T', 1))).toBe('B');
    expect(divideExactly('T', 2)).toBe(undefined);
    expect(divideExactly(6, 4)).toBe(undefined);
  });

  it('read what exporters write', () => {
    const cases: [string, Dim][] = [
      ['s0*s1', 's0*s1'],
      ['1 + s77', 's77 + 1'],
      ['2 * s0', '2*s0'],
      ['floor(s0/2)', 'floor(s0/2)'],
      ['floor(s0/2 - 1/2)', 'floor((s0 + 1)/2) - 1'],
      ['(s0 - 1)//2 + 1', 'floor((s0 + 1)/2)'],
      ['ceiling(s0/2)', 'floor((s0 + 1)/2)'],
      ['Max(1, s0)', 'max(1, s0)'],
      ['Mod(s0, 2)', '-2*floor(s0/2) + s0'],
      ['s0**2', 's0*s0'],
      ['-(s0 - 3)', '-s0 + 3'],
      ['4', 4],
      ['batch', 'batch'],
      ['batch-size', 'batch-size'],
      ['batch size', 'batch size'],
      ['s0/2', 's0/2'],
      ['', ''],
      ['((((', '(((('],
      ['floor', 'floor'],
    ];
    for (const [text, canonical] of cases) expect([text, canonicalDim(text)]).toEqual([text, canonical]);
  });

  it('know when two are the same, or in order', () => {
    expect(sameDim('2*T', multiplyDims('T', 2))).toBe(true);
    expect(sameDim('T', 'B')).toBe(false);
    expect(sameDim(undefined, undefined)).toBe(false);
    expect(compareDims('T', -1)).toBe(1);
    expect(compareDims('T', 0)).toBe(undefined);
    expect(compareDims('T + 3', 'T')).toBe(1);
  });

  it('broadcast, unify and join', () => {
    expect(broadcastDims(1, 'N')).toBe('N');
    expect(broadcastDims('N', 5)).toBe(5);
    expect(broadcastDims('N', 'M')).toBe(undefined);
    expect(broadcastDims('N', 'N')).toBe('N');
    expect(broadcastDims('N', minDim(64, 'N'))).toBe('N');
    expect(broadcastDims(minDim(64, 'N'), 'N')).toBe('N');
    expect(broadcastDims('N', minDim(64, 'M'))).toBe(undefined);
    expect(unifyDims(minDim(64, 'N'), 'N')).toBe('N');
    expect(broadcastDims(undefined, 1)).toBe(undefined);
    expect(broadcastFails(3, 4)).toBe(true);
    expect(broadcastFails(3, 'N')).toBe(false);
    expect(unifyDims('N', 5)).toBe(5);
    expect(unifyDims(undefined, 'N')).toBe('N');
    expect(joinDims('N', 5)).toBe(undefined);
    expect(joinDims('2*N', 'N*2')).toBe('2*N');
  });

  it('give up beyond 2^53 and on expressions without bound', () => {
    expect(multiplyDims(2 ** 30, 2 ** 30)).toBe(undefined);
    expect(multiplyDims(multiplyDims(2 ** 40, 'T'), 2 ** 40)).toBe(undefined);
    let dim: Dim = 'T';
    for (let i = 0; i < 100; i++) dim = multiplyDims(dim, addDims(`s${i}`, 1));
    expect(dim).toBe(undefined);
    const deep = `${'('.repeat(200)}T${')'.repeat(200)}`;
    expect(canonicalDim(deep)).toBe(deep);
    for (const quoted of ['"2"', '"T + 1"', '"head count"', '""2""'])
      expect(canonicalDim(canonicalDim(quoted))).toBe(canonicalDim(quoted));
  });

  it('keep the value of any expression, and its canonical form when read again', () => {
    fc.assert(
      fc.property(expression, ({ dim, value }) => {
        if (dim === undefined) return;
        expect(evaluate(dim)).toBe(value + 0);
        expect(canonicalDim(dim)).toBe(dim);
      }),
      { numRuns: 2000 },
    );
  });

  it('read any text in bounded time, and the same way twice', () => {
    const piece = fc.constantFrom(
      'T',
      'floor(',
      '(',
      ')',
      '/',
      '//',
      '+',
      '-',
      '*',
      '**',
      '2',
      '9999999999',
      ',',
      ' ',
      '"',
      '%',
      'max(',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
        ),
        (text) => {
          const once = canonicalDim(text);
          expect(canonicalDim(once)).toBe(once);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
