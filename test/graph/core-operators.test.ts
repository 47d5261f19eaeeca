import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as opset13 from '../../src/graph/generated/opset13.ts';
import * as opset14 from '../../src/graph/generated/opset14.ts';
import * as opset15 from '../../src/graph/generated/opset15.ts';
import * as opset16 from '../../src/graph/generated/opset16.ts';
import * as opset17 from '../../src/graph/generated/opset17.ts';
import * as opset18 from '../../src/graph/generated/opset18.ts';
import * as opset19 from '../../src/graph/generated/opset19.ts';
import * as opset20 from '../../src/graph/generated/opset20.ts';
import * as opset21 from '../../src/graph/generated/opset21.ts';
import * as opset22 from '../../src/graph/generated/opset22.ts';
import * as opset23 from '../../src/graph/generated/opset23.ts';
import * as opset24 from '../../src/graph/generated/opset24.ts';
import { constant, input, inputValue } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import { newestOpset, type Schema, schemaOf, versionsOf } from '../../src/graph/schema.ts';
import type { Value } from '../../src/graph/value.ts';
import { hasPython, python } from '../support/python.ts';

const modules: Readonly<Record<number, Readonly<Record<string, unknown>>>> = {
  13: opset13,
  14: opset14,
  15: opset15,
  16: opset16,
  17: opset17,
  18: opset18,
  19: opset19,
  20: opset20,
  21: opset21,
  22: opset22,
  23: opset23,
  24: opset24,
};
type Constructor = (...given: unknown[]) => unknown;

/** opset -> operator -> [since version, inputs as `name:option`, outputs, required attributes as `name:kind`], from the onnx package. */
type Facts = Record<string, Record<string, [number, string[], string[], string[]]>>;

const facts: Facts = hasPython
  ? JSON.parse(
      python(`
import json, onnx.defs as d
newest = {}
for s in d.get_all_schemas_with_history():
    if s.domain == '':
        for n in range(13, 25):
            if s.since_version <= n and s.since_version > newest.get((n, s.name), (0,))[0]:
                newest[n, s.name] = (s.since_version, s)
out = {}
for (n, name), (v, s) in newest.items():
    if not s.deprecated:
        out.setdefault(n, {})[name] = [v, [p.name + ':' + p.option.name for p in s.inputs], [p.name for p in s.outputs],
            [a.name + ':' + a.type.name for a in s.attributes.values() if a.required]]
print(json.dumps(out))`),
    )
  : {};

const attributeValues: Readonly<Record<string, unknown>> = {
  INT: 1,
  INTS: [1, 1],
  FLOAT: 0.5,
  FLOATS: [0.5],
  STRING: 'a',
  STRINGS: ['a'],
  TENSOR: fromNumbers('float32', [1], [0]),
};
/** Where a rule is strict about what a word may be. */
const words: Readonly<Record<string, string>> = { equation: 'ab->ba', direction: 'LEFT' };
const byHand = ['If', 'Loop', 'Scan', 'SequenceMap', 'Split'];

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function firstOf(result: unknown): Value {
  return (Array.isArray(result) ? result[0] : result) as Value;
}

function nodeOf(value: Value) {
  if (value.source.kind !== 'output') throw new Error('expected the output of a node');
  return value.source.node;
}

describe.skipIf(!hasPython)('the generated constructors', () => {
  for (const [opset, operators] of Object.entries(facts)) {
    it(`make every operator of opset ${opset} at its version`, () => {
      const constructors = modules[Number(opset)] ?? {};
      const made = new Map<string, number | undefined>();
      for (const [opType, [version, inputs, outputs, required]] of Object.entries(operators)) {
        if (byHand.includes(opType)) continue;
        const name = Object.keys(constructors).find((key) => key.toLowerCase() === opType.toLowerCase());
        expect(name, opType).toBeDefined();
        const make = constructors[name ?? ''] as Constructor;
        const given = inputs.map((parameter) => {
          const value = inputValue(parameter, undefined);
          return parameter.endsWith(':Variadic') ? [value] : value;
        });
        const attributes = Object.fromEntries(
          required.map((attribute) => {
            const [key = '', kind = ''] = attribute.split(':');
            return [camel(key), words[key] ?? attributeValues[kind]];
          }),
        );
        const result = make(...given, attributes);
        expect(Array.isArray(result) ? result.length : 1, opType).toBe(outputs.length);
        const node = nodeOf(firstOf(result));
        expect(node.opType).toBe(opType);
        made.set(opType, node.version);
        expect(node.version, opType).toBe(version);
        expect(node.inputs.map((value) => value?.name)).toEqual(inputs);
      }
      expect(made.size).toBe(Object.keys(operators).filter((opType) => !byHand.includes(opType)).length);
      expect(Object.keys(constructors).length).toBe(Object.keys(operators).length);
    });

    it(`make the control flow of opset ${opset} at its version`, () => {
      const constructors = modules[Number(opset)] ?? {};
      const x = input('x', 'float32', [2]);
      const call = (name: string, ...given: unknown[]) => {
        const make = constructors[name];
        return make === undefined ? undefined : nodeOf(firstOf((make as Constructor)(...given))).version;
      };
      const versions = {
        If: call('if', constant(true), { thenBranch: () => [x], elseBranch: () => [x] }),
        Loop: call('loop', undefined, undefined, [x], () => ({ carried: [x] })),
        Scan: call('scan', [x], [x], (state: Value[]) => ({ carried: state })),
        Split: call('split', x, undefined, { numOutputs: 2 }),
        SequenceMap: call('sequenceMap', inputValue('s', undefined), [], (item: Value) => [item]),
      };
      expect(versions).toEqual(
        Object.fromEntries(Object.keys(versions).map((opType) => [opType, operators[opType]?.[0]])),
      );
    });
  }

  it('rests on a schema table equal to the onnx package in every version of every operator', () => {
    const theirs = JSON.parse(
      python(`
import json, onnx.defs as d
print(json.dumps([[s.domain, s.name, s.since_version, s.deprecated, s.min_input, s.min_output,
  [[p.name, p.option.name.lower(), not p.is_homogeneous] for p in s.inputs],
  [[p.name, p.option.name.lower(), not p.is_homogeneous] for p in s.outputs],
  {c.type_param_str: len(set(c.allowed_type_strs)) for c in s.type_constraints},
  {a.name: a.required for a in s.attributes.values()}] for s in d.get_all_schemas_with_history()]))`),
    ) as [string, string, number, ...unknown[]][];
    const parameters = (list: Schema['inputs']) => list.map((p) => [p.name, p.option, p.heterogeneous]);
    for (const [domain, opType, since, ...rest] of theirs) {
      const ours = schemaOf(opType, since, domain);
      expect([ours?.sinceVersion, versionsOf(opType, domain).includes(since)]).toEqual([since, true]);
      if (ours === undefined) continue;
      expect([
        ours.deprecated,
        ours.minInputs,
        ours.minOutputs,
        parameters(ours.inputs),
        parameters(ours.outputs),
        Object.fromEntries([...ours.constraints].map(([name, set]) => [name, set.size])),
        Object.fromEntries([...ours.attributes].map(([name, { required }]) => [name, required])),
      ]).toEqual(rest);
    }
    expect(theirs.length).toBeGreaterThan(600);
  });
});

describe('a constructor', () => {
  const x = input('x', 'float32', ['batch', 4]);
  const w = input('w', 'float32', [4, 3]);

  function errorOf(make: () => unknown): HopfcoleError {
    try {
      make();
    } catch (error) {
      if (error instanceof HopfcoleError) return error;
      throw error;
    }
    throw new Error('expected an error');
  }

  it('takes attributes in natural types', () => {
    const node = nodeOf(op.gemm(x, w, undefined, { alpha: 0.5, transB: false }));
    expect([...node.attributes]).toEqual([
      ['alpha', { kind: 'float', value: 0.5 }],
      ['transB', { kind: 'int', value: 0 }],
    ]);
    expect(nodeOf(op.cast(x, { to: 'int64' })).attributes.get('to')).toEqual({ kind: 'int', value: 7 });
  });

  it('gives a tuple where there are several outputs', () => {
    const [values, indices] = op.topK(x, constant([2n]));
    expect([values.dtype, indices.dtype]).toEqual(['float32', 'int64']);
  });

  it('gives as many parts as a split is asked for', () => {
    expect(op.split(x, undefined, { axis: 1, numOutputs: 2 })).toHaveLength(2);
    expect(op.split(x, constant([1n, 1n, 2n]), { axis: 1 })).toHaveLength(3);
    expect(errorOf(() => op.split(x)).code).toBe('MISSING_ATTRIBUTE');
  });

  it('throws at the line of its caller, naming operator, argument, expected and got', () => {
    const error = errorOf(() => op.add(x, constant(1n)));
    expect(error.code).toBe('DTYPE_MISMATCH');
    expect(error.where).toMatchObject({ operator: 'Add (version 14)', argument: 'B' });
    expect(error.message).toBe("expected the type of 'A', float32, got int64[]");
    expect(error.stack?.split('\n')[1]).toContain('core-operators.test.ts');
  });

  it('refuses what is no value, no array and no attribute of its own', () => {
    expect(errorOf(() => op.sigmoid(constant(1n))).code).toBe('DTYPE_MISMATCH');
    expect(errorOf(() => (op.relu as Constructor)(3)).code).toBe('BAD_ARGUMENT');
    expect(errorOf(() => (op.concat as Constructor)(x, { axis: 0 })).code).toBe('BAD_ARGUMENT');
    expect(errorOf(() => (op.softmax as Constructor)(x, { axes: 1 })).message).toContain(
      "no attribute 'axes'; it has axis",
    );
    expect(errorOf(() => (op.softmax as Constructor)(x, { axis: 'last' })).code).toBe('BAD_ATTRIBUTE');
    expect(errorOf(() => (op.concat as Constructor)([x], {})).code).toBe('MISSING_ATTRIBUTE');
    expect(errorOf(() => (op.matMul as Constructor)(x)).code).toBe('WRONG_ARITY');
    expect(errorOf(() => (op.add as Constructor)(undefined, x)).code).toBe('MISSING_INPUT');
    expect(errorOf(() => op.concat([], { axis: 0 })).code).toBe('WRONG_ARITY');
  });

  it('refuses branches that differ and bodies that lose their state', () => {
    const unequal = errorOf(() => op.if(constant(true), { thenBranch: () => [x], elseBranch: () => [] }));
    expect(unequal.where).toMatchObject({ operator: 'If', argument: 'elseBranch' });
    expect(errorOf(() => op.loop(undefined, undefined, [x], () => ({ carried: [] }))).code).toBe('WRONG_ARITY');
  });
});

describe('the schema table', () => {
  it('knows what is in force at an opset', () => {
    expect(schemaOf('Relu', 13)?.sinceVersion).toBe(13);
    expect(schemaOf('Relu', 21)?.sinceVersion).toBe(14);
    expect(schemaOf('Gelu', 19)).toBeUndefined();
    expect(schemaOf('Upsample', 21)?.deprecated).toBe(true);
    expect(schemaOf('Relu', 21, 'ai.onnx')).toBe(schemaOf('Relu', 21));
    expect(schemaOf('TreeEnsemble', 5, 'ai.onnx.ml')?.domain).toBe('ai.onnx.ml');
    expect(schemaOf('constructor', 21)).toBeUndefined();
    expect(newestOpset()).toBeGreaterThanOrEqual(26);
  });

  it('knows defaults', () => {
    expect(schemaOf('Gemm', 21)?.attributes.get('alpha')).toEqual({ kind: 'float', required: false, defaultValue: 1 });
    expect(schemaOf('LeakyRelu', 21)?.attributes.get('alpha')?.defaultValue).toBe(0.01);
  });
});
