import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import Long from 'long';
import { afterAll, describe, expect, it } from 'vitest';
import { editDistance, nearest } from '../../src/files/nearest.ts';
import { memorySource } from '../../src/files/source.ts';
import { type Problem, validate, validateStructure } from '../../src/graph/validate/validate.ts';
import type { ModelProto, onnx } from '../../src/onnx/messages.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { modelsIn, readProto } from './pass-support.ts';

const firstError = (problems: readonly Problem[]) => problems.find(({ severity }) => severity === 'error');

const fixtures = join(import.meta.dirname, '../../fixtures');

describe.skipIf(!hasPython)('the validator beside the onnx checker', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-broken-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Broken models that the checker lets pass: calls and files that runtimes refuse. */
  const stricter: Readonly<Record<string, string>> = {
    'conv-misfit': 'SHAPE_MISMATCH',
    'function-called-with-too-much': 'WRONG_ARITY',
    'function-in-old-ir': 'BAD_IR_VERSION',
    'function-with-unmade-output': 'UNDEFINED_NAME',
    'opset-twice': 'BAD_OPSET',
    'reshape-misfit': 'SHAPE_MISMATCH',
    'tensor-too-long': 'BAD_TENSOR',
  };

  /** What is told of some of the others. */
  const told: Readonly<Record<string, string>> = {
    'axis-out-of-range': 'BAD_ATTRIBUTE',
    'billion-laughs': 'INLINE_TOO_LARGE',
    cycle: 'GRAPH_CYCLE',
    'deprecated-operator': 'DEPRECATED_OPERATOR',
    'external-absolute': 'PATH_OUTSIDE_MODEL',
    'external-outside': 'PATH_OUTSIDE_MODEL',
    'function-calling-itself': 'RECURSIVE_FUNCTION',
    'function-of-other-opset': 'OPSET_MISMATCH',
    'functions-calling-each-other': 'RECURSIVE_FUNCTION',
    'made-twice': 'DUPLICATE_NAME',
    'no-graph': 'NO_GRAPH',
    'node-of-unknown-operator': 'UNKNOWN_OPERATOR',
    'operator-of-the-future': 'UNKNOWN_OPERATOR',
    'output-of-other-shape': 'TYPE_CONFLICT',
    'tensor-too-short': 'BAD_TENSOR',
    'too-few-inputs': 'WRONG_ARITY',
    'undefined-input': 'UNDEFINED_NAME',
    unsorted: 'UNSORTED_NODES',
  };

  it('refuses what the checker refuses, and says what', async () => {
    const verdicts: Record<string, string | null> = JSON.parse(
      pythonFile(join(import.meta.dirname, 'broken_models.py'), [folder]),
    );
    const wrong: string[] = [];
    for (const [name, verdict] of Object.entries(verdicts)) {
      const error = firstError(await validate(await readProto(folder, name)));
      const expected = stricter[name] ?? told[name];
      if (expected !== undefined && error?.code !== expected) wrong.push(`${name}: ${error?.code}, not ${expected}`);
      if (stricter[name] === undefined && (error === undefined) !== (verdict === null))
        wrong.push(`${name}: ${error?.code ?? 'accepted'}; the checker: ${verdict ?? 'accepted'}`);
    }
    expect(wrong).toEqual([]);
    expect(Object.values(verdicts).filter((verdict) => verdict !== null).length).toBeGreaterThan(100);
    const misspelt = firstError(await validate(await readProto(folder, 'node-of-unknown-operator')));
    expect(misspelt?.hint).toBe("Did you mean 'Relu'?");
  }, 300_000);

  it('accepts the whole backend corpus', async () => {
    const corpus = mkdtempSync(join(tmpdir(), 'hopfcole-valid-'));
    pythonFile(join(import.meta.dirname, 'models.py'), ['all', corpus]);
    const refused: string[] = [];
    for (const name of modelsIn(corpus)) {
      const error = firstError(await validate(await readProto(corpus, name)));
      if (error !== undefined) refused.push(`${name}: ${error.code} ${error.message}`);
    }
    const count = modelsIn(corpus).length;
    rmSync(corpus, { recursive: true });
    expect(refused).toEqual([]);
    expect(count).toBeGreaterThan(1900);
  }, 300_000);

  it('accepts what both exporters of PyTorch write', async () => {
    const zoo = mkdtempSync(join(tmpdir(), 'hopfcole-zoo-'));
    pythonFile(join(fixtures, 'zoo.py'), [zoo, '--only', 'shapes,indexing,activations', '--jobs', '1']);
    const refused: string[] = [];
    for (const name of modelsIn(zoo)) {
      const error = firstError(await validate(await readProto(zoo, name)));
      if (error !== undefined) refused.push(`${name}: ${error.code} ${error.message}`);
    }
    const count = modelsIn(zoo).length;
    rmSync(zoo, { recursive: true });
    expect(refused).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(5);
  }, 300_000);
});

describe('the validator on hostile models', () => {
  const model = (nodes: onnx.NodeProto.$Properties[], more: onnx.ModelProto.$Properties = {}) => ({
    irVersion: 10,
    opsetImport: [
      { domain: '', version: Long.fromNumber(21) },
      { domain: 'd', version: Long.fromNumber(1) },
    ],
    graph: { name: 'g', node: nodes, input: [], output: [] },
    ...more,
  });

  it('takes time in proportion to a graph of 200,000 nodes in a row, in the wrong order', () => {
    const nodes = Array.from({ length: 200_000 }, (_, i) => ({
      opType: 'Relu',
      input: [`v${i}`],
      output: [`v${i + 1}`],
    }));
    const problems = validateStructure(model(nodes.toReversed()) as onnx.ModelProto.$Properties);
    expect(problems.length).toBeLessThanOrEqual(100);
    expect(firstError(problems)?.code).toBe('UNSORTED_NODES');
  });

  it('counts a chain of doubling functions without building it', () => {
    const functions = Array.from(
      { length: 5000 },
      (_, i): onnx.FunctionProto.$Properties => ({
        name: `f${i}`,
        domain: 'd',
        input: ['a'],
        output: ['b'],
        opsetImport: [
          { domain: '', version: Long.fromNumber(21) },
          { domain: 'd', version: Long.fromNumber(1) },
        ],
        node:
          i === 0
            ? [{ opType: 'Relu', input: ['a'], output: ['b'] }]
            : [
                { opType: `f${i - 1}`, domain: 'd', input: ['a'], output: ['m'] },
                { opType: `f${i - 1}`, domain: 'd', input: ['m'], output: ['b'] },
              ],
      }),
    );
    const call = { opType: 'f4999', domain: 'd', input: [''], output: ['y'] };
    const problems = validateStructure(model([call], { functions }) as onnx.ModelProto.$Properties);
    expect(problems.map(({ code }) => code)).toContain('INLINE_TOO_LARGE');
  });

  it('gives problems or none, never anything else, for files with flipped bytes', async () => {
    const names = ['test_if', 'test_loop11', 'test_constant', 'test_sequence_map_add_2_sequences_expanded'];
    const files = names.map((name) => new Uint8Array(readFileSync(join(fixtures, 'backend', `${name}.onnx`))));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(files.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (which, changes) => {
          const bytes = new Uint8Array(files[which] ?? []);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          let read: ModelProto;
          try {
            read = await readModel(memorySource(bytes));
          } catch {
            return;
          }
          for (const problem of await validate(read)) expect(problem.code).toMatch(/^[A-Z0-9_]+$/);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('looks at models that were built as at those that were read', async () => {
    const built = model([{ opType: 'Relu', input: ['nowhere'], output: ['y'] }]) as onnx.ModelProto.$Properties;
    const read = await readModel(memorySource(encodeModel(built)));
    expect(validateStructure(built)).toEqual(validateStructure(read));
    expect(firstError(validateStructure(built))?.code).toBe('UNDEFINED_NAME');
  });
});

describe('the validator on what is valid but not everywhere', () => {
  const tensor = (name: string, dim?: onnx.TensorShapeProto.Dimension.$Properties[]) => ({
    name,
    type: { tensorType: { elemType: 1, ...(dim === undefined ? {} : { shape: { dim } }) } },
  });
  const message = (node: onnx.NodeProto.$Properties[], shape?: onnx.TensorShapeProto.Dimension.$Properties[]) =>
    ({
      irVersion: Long.fromNumber(10),
      opsetImport: [{ domain: '', version: Long.fromNumber(21) }],
      graph: {
        name: 'g',
        node,
        input: [tensor('x', []), { name: 'c', type: { tensorType: { elemType: 9, shape: { dim: [] } } } }],
        output: [tensor('z', shape)],
      },
    }) as onnx.ModelProto.$Properties;
  const relu = (input: string, output: string) => ({ opType: 'Relu', input: [input], output: [output] });

  it('tells of a shape that is not given', () => {
    expect(validateStructure(message([relu('x', 'z')], []))).toEqual([]);
    expect(validateStructure(message([relu('x', 'z')]))).toMatchObject([
      { code: 'MISSING_SHAPE', severity: 'info', where: { tensor: 'z' } },
    ]);
  });

  it('tells of a name that a subgraph made before', () => {
    const branch = (name: string, output: string) => ({
      name,
      type: 5,
      g: { name, node: [relu('x', output)], output: [{ name: output }] },
    });
    const choice = (first: string, second: string) => ({
      opType: 'If',
      input: ['c'],
      output: ['y'],
      attribute: [branch('then_branch', first), branch('else_branch', second)],
    });
    expect(validateStructure(message([choice('q', 'r'), relu('y', 's'), relu('s', 'z')], []))).toEqual([]);
    expect(validateStructure(message([choice('q', 's'), relu('y', 's'), relu('s', 'z')], []))).toMatchObject([
      { code: 'SHADOWED_NAME', severity: 'info', where: { tensor: 's' } },
    ]);
  });
});

describe('a call that leaves an input of a function empty', () => {
  const model = (opType: string) => {
    const opsetImport = ['', 'd'].map((domain) => ({ domain, version: Long.fromNumber(domain === '' ? 18 : 1) }));
    const tensor = (name: string) => ({ name, type: { tensorType: { elemType: 1, shape: { dim: [] } } } });
    const node = [{ opType, input: ['a', 'b'], output: ['c'] }];
    return {
      irVersion: Long.fromNumber(8),
      opsetImport,
      functions: [{ name: 'F', domain: 'd', input: ['a', 'b'], output: ['c'], node, opsetImport }],
      graph: {
        name: 'g',
        node: [{ opType: 'F', domain: 'd', input: ['x', ''], output: ['y'] }],
        input: [tensor('x')],
        output: [tensor('y')],
      },
    };
  };

  it('is held against what the body makes of it', async () => {
    expect(firstError(await validate(model('Clip')))).toBeUndefined();
    expect(firstError(await validate(model('Add')))).toMatchObject({ code: 'WRONG_ARITY', where: { operator: 'Add' } });
  });
});

describe('the nearest name', () => {
  it('is the one meant, or none', () => {
    expect(nearest('Rleu', ['Relu', 'Reshape', 'Elu'])).toBe('Relu');
    expect(nearest('softmax', ['Softmax', 'Softplus'])).toBe('Softmax');
    expect(nearest('Quantum', ['Relu', 'Add'])).toBeUndefined();
    expect(nearest('x'.repeat(1e6), ['Relu'])).toBeUndefined();
  });

  it('goes by a symmetric distance of at most the longer length', () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(editDistance(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});
