import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { dtypeOfCode } from '../../src/files/dtype.ts';
import type { Dim } from '../../src/graph/type.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { type GraphFacts, valuesOfFacts } from './inference-facts.ts';

/** A random node that onnxruntime ran, and the shapes it gave. */
interface Ran {
  readonly name: string;
  readonly graph: GraphFacts;
  readonly shapes: readonly (readonly number[])[];
  readonly codes: readonly number[];
}

/** Value of a canonical dimension over symbols `d3` that stand for 3: floors, minima and maxima read as JavaScript. */
function evaluate(dim: number | string): number {
  if (typeof dim === 'number') return dim;
  const code = dim.replace(/d(\d+)_\d+/g, '$1').replace(/\b(floor|min|max)\(/g, 'Math.$1(');
  return new Function(`return 0 + (${code})`)();
}

/** The same graph with every size of its inputs a symbol that names the size. Equal symbols are used only where `shared`. */
function symbolic(graph: GraphFacts, shared: boolean): GraphFacts {
  let count = 0;
  const inputs = graph.inputs.map(({ name, type }) => {
    if (type === null) return { name, type };
    const shape = type.shape?.map((dim) => `d${dim}_${shared ? 0 : count++}`) ?? null;
    return { name, type: { ...type, shape } };
  });
  return { ...graph, inputs };
}

describe.skipIf(!hasPython)('inference on random nodes that onnxruntime ran', () => {
  const ran: Ran[] = [];
  const failed: string[] = [];

  beforeAll(() => {
    const script = join(import.meta.dirname, 'inference-cases.py');
    for (const line of pythonFile(script, [import.meta.dirname, '20261123', '1480'])
      .trim()
      .split('\n')) {
      const facts = JSON.parse(line);
      if ('failed' in facts) failed.push(facts.failed);
      else ran.push(facts);
    }
  }, 120_000);

  const outputs = (graph: GraphFacts): readonly (readonly Dim[] | undefined)[] => {
    const values = valuesOfFacts(graph);
    return graph.outputs.map(({ name }) => values.get(name)?.shape);
  };

  it('has cases of every kind that ran', () => {
    expect(ran.length).toBeGreaterThan(1200);
    expect(new Set(ran.map(({ name }) => name.split(' ')[0])).size).toBeGreaterThan(40);
  });

  it('finds the shape that came out', () => {
    for (const { name, graph, shapes, codes } of ran) {
      expect([name, outputs(graph)]).toEqual([name, shapes]);
      const values = valuesOfFacts(graph);
      const dtypes = graph.outputs.map((output) => values.get(output.name)?.dtype);
      expect([name, dtypes]).toEqual([name, codes.map(dtypeOfCode)]);
    }
  });

  /** What is cut off a symbolic axis is taken to be there: an axis that is cut away whole comes out negative. */
  const sizeOf = (name: string, dim: number | string): number =>
    name.startsWith('Slice') ? Math.max(0, evaluate(dim)) : evaluate(dim);

  it.each([true, false])('says nothing wrong of symbolic sizes (equal sizes are one symbol: %s)', (shared) => {
    let said = 0;
    let all = 0;
    for (const { name, graph, shapes } of ran) {
      const inferred = outputs(symbolic(graph, shared));
      for (const [index, shape] of inferred.entries()) {
        const actual = shapes[index] ?? [];
        all += actual.length;
        if (shape === undefined) continue;
        expect([name, shape.length]).toEqual([name, actual.length]);
        for (const [axis, dim] of shape.entries()) {
          if (dim === undefined) continue;
          said++;
          expect([name, axis, dim, sizeOf(name, dim)]).toEqual([name, axis, dim, actual[axis]]);
        }
      }
    }
    expect(said / all).toBeGreaterThan(shared ? 0.85 : 0.7);
  });
});
