import { describe, expect, it } from 'vitest';
import {
  attribution,
  chooseForm,
  coState,
  costateRuleOf,
  gibbsAttention,
  gibbsWeights,
  hopfCole,
  logSumExp,
  operators,
  recognise,
} from '../../ops/index.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers, isStored } from '../../src/files/tensor.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import type { Node, Value } from '../../src/graph/value.ts';
import { normal } from './run.ts';

const X = input('X', 'float32', ['B', 3]);
const W = input('W', 'float32', [6, 3]);
const b = input('b', 'float32', [6]);
const epsilon = input('epsilon', 'float32', []);

function nodeOf(value: Value): Node {
  if (value.source.kind !== 'output') throw new Error('not a call');
  return value.source.node;
}

function errorOf(make: () => unknown): HopfcoleError {
  try {
    make();
  } catch (error) {
    if (error instanceof HopfcoleError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

describe('calls of the operators', () => {
  it('infer shapes and element types', () => {
    expect(logSumExp(X, W, b, epsilon).shape).toEqual(['B']);
    expect(coState(X, input('W', 'float32', [2, 6, 3]), input('b', 'float32', [2, 6]), epsilon).shape).toEqual([
      'B',
      2,
      3,
    ]);
    const k = constant(fromNumbers('int64', [], [9]));
    expect(attribution(X, W, b, epsilon, k).indices).toMatchObject({ dtype: 'int64', shape: ['B', 6] });
    const [q, v] = [input('q', 'float16', ['B', 4, 'T', 8]), input('v', 'float16', ['B', 4, 'S', 5])];
    const o = gibbsAttention(q, input('k', 'float16', ['B', 4, 'S', 8]), v, epsilon);
    expect(o).toMatchObject({ dtype: 'float16', shape: ['B', 4, 'T', 5] });
  });

  it.each([
    [
      'a wrong number of features',
      () => logSumExp(X, input('W', 'float32', [6, 4]), b, epsilon),
      'SHAPE_MISMATCH',
      "d = 3 as in 'X'",
    ],
    [
      'a wrong number of biases',
      () => coState(X, W, input('b', 'float32', [5]), epsilon),
      'SHAPE_MISMATCH',
      "N = 6 as in 'W'",
    ],
    ['a wrong rank', () => hopfCole(input('x', 'float32', [3]), W, b, epsilon, epsilon), 'SHAPE_MISMATCH', 'of rank 2'],
    [
      'mixed element types',
      () => logSumExp(X, input('W', 'float64', [6, 3]), b, epsilon),
      'DTYPE_MISMATCH',
      'expected float32',
    ],
    ['integers', () => gibbsWeights(input('z', 'int64', [2, 3]), epsilon), 'DTYPE_MISMATCH', 'got int64'],
    ['an epsilon of float16', () => gibbsWeights(W, input('e', 'float16', [])), 'DTYPE_MISMATCH', 'expected float32'],
    ['an epsilon of 0', () => gibbsWeights(W, constant(fromNumbers('float32', [], [0]))), 'BAD_EPSILON', 'got 0'],
    [
      'an epsilon of NaN',
      () => logSumExp(X, W, b, constant(fromNumbers('float32', [], [Number.NaN]))),
      'BAD_EPSILON',
      'got NaN',
    ],
    [
      'no atoms',
      () => logSumExp(X, input('W', 'float32', [0, 3]), input('b', 'float32', [0]), epsilon),
      'EMPTY_ATOMS',
      'at least one',
    ],
    ['k = 0', () => attribution(X, W, b, epsilon, constant(fromNumbers('int64', [], [0]))), 'BAD_COUNT', 'got 0'],
    [
      'a mask that does not fit',
      () => logSumExp(X, W, b, epsilon, { mask: input('m', 'bool', [5]) }),
      'SHAPE_MISMATCH',
      "'mask'",
    ],
    [
      'a bank in blocks',
      () => logSumExp(X, input('W', 'float32', [2, 6, 3]), input('b', 'float32', [2, 6]), epsilon, { form: 'blocked' }),
      'BAD_FORM',
      'a bank',
    ],
  ])('refuse %s, at the caller', (_, make, code, text) => {
    const error = errorOf(make);
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(error.where.operator).toBeDefined();
    expect(error.stack?.split('\n').find((line) => /^\s+at /.test(line))).toContain('calls.test.ts');
  });

  it('cut a large parameter into views of its bytes, the same at every call, and say which rows they are', () => {
    const [w, bias] = [
      parameter('head.weight', normal('float32', [70000, 2], 1)),
      parameter('head.bias', normal('float32', [70000], 2)),
    ];
    const x = input('X', 'float32', ['B', 2]);
    const [f, p] = [logSumExp(x, w, bias, epsilon), coState(x, w, bias, epsilon)];
    const node = nodeOf(f);
    expect(node.metadata.get('hopfcole.form')).toBe('blocked');
    const said: unknown = JSON.parse(node.metadata.get('hopfcole.blocks') ?? '');
    expect(said).toMatchObject({ W: 'head.weight', b: 'head.bias' });
    const blocks = node.inputs.filter((value) => value?.source.kind === 'parameter');
    expect(model({ inputs: [x, epsilon], outputs: { f, p } }).graph.parameters.length).toBe(blocks.length);
    const whole = w.source.kind === 'parameter' ? w.source.tensor : undefined;
    for (const block of blocks.slice(0, blocks.length / 2)) {
      const tensor = block?.source.kind === 'parameter' ? block.source.tensor : undefined;
      if (tensor === undefined || whole === undefined || isStored(tensor) || isStored(whole))
        throw new Error('not in memory');
      expect(tensor.bytes.buffer).toBe(whole.bytes.buffer);
    }
  });

  it('choose the form by size', () => {
    expect(chooseForm({ B: 32, N: 100, d: 8 }).form).toBe('dense');
    expect(chooseForm({ B: 'B', N: 262144, d: 64 }).form).toBe('blocked');
    expect(chooseForm({ B: 'B', N: 'N', d: 64 }).form).toBe('streamed');
    for (const B of [0, 1, 64, 1024, 1e6])
      expect(chooseForm({ B, N: 1 << 20, d: 32 }).blockSize).toBeGreaterThanOrEqual(1024);
  });

  it('have a co-state rule when all that is left of them is name and overload', () => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => input(name, 'float32', [2, 4, 3, 8])) as [Value, Value, Value];
    const mask = input('mask', 'bool', ['B', 12]);
    const calls = [
      logSumExp(X, W, b, epsilon),
      coState(X, [W, W], [b, b], epsilon, { mask }),
      hopfCole(X, W, b, epsilon, epsilon)[0],
      gibbsAttention(q, k, v, epsilon),
      attribution(X, W, b, epsilon, constant(fromNumbers('int64', [], [2]))).f,
    ];
    for (const call of calls) {
      const node = nodeOf(call);
      const read: Node = { ...node, callee: undefined };
      const seeds = node.outputs.map((output) => (output === call ? output : undefined));
      const wanted = node.inputs.map(() => true);
      const built = node.callee?.costate?.(node, seeds, wanted);
      const recalled = costateRuleOf(read)?.(read, seeds, wanted);
      expect(recalled?.map((value) => value?.type)).toEqual(built?.map((value) => value?.type));
      expect(recalled?.[0]?.shape).toEqual(node.inputs[0]?.shape);
    }
  });

  it('are recognised by name, with the place of epsilon', () => {
    const blocks = logSumExp(X, [W, W], [b, b], epsilon);
    const found = [
      logSumExp(X, W, b, epsilon),
      blocks,
      gibbsWeights(W, epsilon),
      hopfCole(X, W, b, epsilon, epsilon)[0],
    ].map(nodeOf);
    for (const node of found) {
      const known = recognise(node);
      expect(known?.operator.name).toBe(node.opType);
      expect(node.inputs[known?.epsilonInput ?? -1]).toBe(epsilon);
    }
    expect(new Set(operators.map(({ name }) => name)).size).toBe(operators.length);
    expect(recognise({ ...(found[0] as Node), domain: 'other' })).toBeUndefined();
  });
});
