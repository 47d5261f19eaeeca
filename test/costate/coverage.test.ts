import { expect, it } from 'vitest';
import { subgraphRules } from '../../src/costate/control/table.ts';
import { exempt } from '../../src/costate/exempt.ts';
import { families } from '../../src/costate/table.ts';
import { operatorsOf, schemaOf } from '../../src/graph/schema.ts';

const ruled = [...Object.values(families).flatMap((family) => Object.keys(family)), ...Object.keys(subgraphRules)];

it('every operator of ai.onnx has a rule or a stated reason, and not both', () => {
  const known = new Set([...ruled, ...Object.keys(exempt)]);
  expect(operatorsOf().filter((name) => !known.has(name))).toEqual([]);
  expect(ruled.filter((name) => name in exempt)).toEqual([]);
  expect(ruled.filter((name, index) => ruled.indexOf(name) !== index)).toEqual([]);
});

it('what gives floating-point numbers of floating-point numbers has a rule', () => {
  const floats = (name: string, side: 'inputs' | 'outputs'): boolean => {
    // The newest that ONNX Runtime runs.
    const schema = schemaOf(name, 26);
    if (schema === undefined || schema.deprecated) return false;
    return schema[side].some(({ type }) => {
      const types = schema.constraints.get(type) ?? new Set([type]);
      return types.has('float32') || types.has('float16');
    });
  };
  expect(Object.keys(exempt).filter((name) => floats(name, 'inputs') && floats(name, 'outputs'))).toEqual([]);
});
