import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeType } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { difference, type ModelFacts, typeOfFacts, valuesOfFacts } from './inference-facts.ts';

/** A network that PyTorch exported with dynamic axes, and the shapes of one run. */
interface Exported extends ModelFacts {
  readonly failed?: string;
  readonly input: readonly number[];
  readonly shapes: readonly (readonly number[])[];
}

function evaluate(dim: number | string, sizes: Readonly<Record<string, number>>): number {
  if (typeof dim === 'number') return dim;
  const code = dim.replace(/\b(floor|min|max)\(/g, 'Math.$1(');
  return new Function(...Object.keys(sizes), `return ${code}`)(...Object.values(sizes));
}

describe.skipIf(!hasPython)('inference on networks exported by PyTorch with dynamic axes', () => {
  const exported: (Exported & { readonly values: ReadonlyMap<string, Value> })[] = [];

  beforeAll(() => {
    for (const line of pythonFile(join(import.meta.dirname, 'inference-exports.py'))
      .trim()
      .split('\n')) {
      const facts: Exported = JSON.parse(line);
      exported.push({ ...facts, values: facts.failed === undefined ? valuesOfFacts(facts.graph) : new Map() });
    }
  }, 300_000);

  it('has all networks by both exporters', () => {
    expect(exported.filter(({ failed }) => failed !== undefined).map(({ name, failed }) => [name, failed])).toEqual([]);
    expect(exported.length).toBe(8);
  });

  it('knows every rank, dtype and dimension', () => {
    for (const { name, graph, values } of exported) {
      const outputs = graph.nodes.flatMap(({ outputs }) => outputs).filter((output) => output !== '');
      const open = outputs
        .map((output) => values.get(output))
        .filter((value) => value?.dtype === undefined || value.shape === undefined || value.shape.includes(undefined))
        .map((value) => `${value?.name}: ${describeType(value?.type)}`);
      expect([name, open]).toEqual([name, []]);
    }
  });

  it('gives the outputs the sizes of the run, as expressions of the dynamic axes', () => {
    for (const { name, graph, values, input, shapes } of exported) {
      const declared = graph.inputs[0]?.type?.shape ?? [];
      const sizes = Object.fromEntries(
        declared.flatMap((dim, axis) => (typeof dim === 'string' ? [[dim, input[axis] ?? 0]] : [])),
      );
      const ours = graph.outputs.map((output) =>
        values.get(output.name)?.shape?.map((dim) => evaluate(dim ?? Number.NaN, sizes)),
      );
      expect([name, ours]).toEqual([name, shapes]);
    }
  });

  it('contradicts neither the declared outputs nor onnx.shape_inference', () => {
    for (const { name, graph, values, inferred } of exported) {
      for (const output of graph.outputs)
        expect([name, difference(values.get(output.name)?.type, typeOfFacts(output.type)).wrong]).toEqual([name, '']);
      for (const [value, type] of Object.entries(inferred))
        expect([name, value, difference(values.get(value)?.type, typeOfFacts(type))]).toEqual([
          name,
          value,
          { wrong: '', less: '' },
        ]);
    }
  });
});
