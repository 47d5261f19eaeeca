import { describe, expect, it } from 'vitest';
import type { DType } from '../../src/files/dtype.ts';
import { dtypes } from '../../src/files/dtype.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import type { Attribute } from '../../src/graph/attribute.ts';
import { knownDims } from '../../src/graph/inference/constant.ts';
import { inferenceRules } from '../../src/graph/inference/table.ts';
import { inputValue, makeNode, parameter } from '../../src/graph/make.ts';
import { operatorsOf, schemaOf } from '../../src/graph/schema.ts';
import { describeType, type Shape, tensorType } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';

type Plain = number | string | readonly number[] | Attribute;

function x(shape: Shape, dtype: DType | undefined = 'float32'): Value {
  return inputValue(undefined, tensorType(dtype, shape));
}

function ints(...values: number[]): Value {
  return parameter('c', fromNumbers('int64', [values.length], values));
}

function scalar(value: number, dtype: DType = 'int64'): Value {
  return parameter('c', fromNumbers(dtype, [], [value]));
}

function attribute(value: Plain): Attribute {
  if (typeof value === 'number') return { kind: 'int', value };
  if (typeof value === 'string') return { kind: 'string', value };
  return 'kind' in value ? value : { kind: 'ints', value };
}

function call(
  opType: string,
  inputs: readonly (Value | undefined)[],
  attributes: Record<string, Plain> = {},
  version = 24,
  outputCount = 1,
): readonly Value[] {
  const since = schemaOf(opType, version)?.sinceVersion ?? version;
  const named = new Map(
    Object.entries(attributes).map(([name, value]): [string, Attribute] => [name, attribute(value)]),
  );
  return makeNode({ opType, version: since, inputs, attributes: named, outputCount }).outputs;
}

function one(...parameters: Parameters<typeof call>): Value {
  const [value] = call(...parameters);
  if (value === undefined) throw new Error('no output');
  return value;
}

function types(...parameters: Parameters<typeof call>): readonly string[] {
  return call(...parameters).map(({ type }) => describeType(type));
}

describe('shape arithmetic', () => {
  it('carries sizes from Shape to Reshape', () => {
    const value = x(['B', 'T', 64]);
    const shape = one('Shape', [value]);
    const batch = one('Gather', [shape, scalar(0)]);
    const tail = one('Slice', [shape, ints(1), ints(2)]);
    const target = one('Concat', [one('Unsqueeze', [batch, ints(0)]), tail, ints(8, -1)], { axis: 0 });
    expect(target.known).toEqual(['B', 'T', 8, -1]);
    expect(one('Reshape', [value, target]).shape).toEqual(['B', 'T', 8, 8]);
    expect(one('Reshape', [value, ints(0, -1, 8, 8)]).shape).toEqual(['B', 'T', 8, 8]);
    expect(one('Reshape', [value, ints(-1, 64)]).shape).toEqual(['B*T', 64]);
    expect(one('Reshape', [x(['B', undefined, 64]), ints(0, 0, 8, -1)]).shape).toEqual(['B', undefined, 8, 8]);
  });

  it('computes with them', () => {
    const size = one('Size', [x(['N', 6])]);
    expect(size.known).toEqual(['6*N']);
    const n = one('Div', [size, scalar(6)]);
    expect(n.known).toEqual(['N']);
    expect(one('Mul', [n, scalar(2)]).known).toEqual(['2*N']);
    expect(one('Div', [scalar(-7), scalar(2)]).known).toEqual([-3]);
    expect(one('Mod', [scalar(-7), scalar(2)]).known).toEqual([1]);
    expect(one('Mod', [scalar(-7), scalar(2)], { fmod: 1 }).known).toEqual([-1]);
    expect(one('Range', [scalar(0), n, scalar(1)]).shape).toEqual(['N']);
    expect(one('Range', [scalar(2), scalar(9), scalar(3)]).known).toEqual([2, 5, 8]);
    expect(one('ReduceProd', [one('Shape', [x(['N', 2, 3])])], { keepdims: 0 }).known).toEqual(['6*N']);
    expect(one('ConstantOfShape', [one('Shape', [x(['N', 2])])]).shape).toEqual(['N', 2]);
    const float = one('Cast', [n], { to: dtypes.float32.code });
    const doubled = one('Floor', [one('Mul', [float, scalar(2, 'float32')])]);
    expect(one('Cast', [doubled], { to: dtypes.int64.code }).known).toEqual(['2*N']);
  });

  it('reduces all axes where the list of axes is only known to be empty', () => {
    const none = x([0], 'int64');
    expect(one('ReduceMax', [x([2, 3]), none], { keepdims: 0 }).shape).toEqual([]);
    expect(one('ReduceMax', [x([2, 3]), none], { keepdims: 0, noop_with_empty_axes: 1 }).shape).toEqual([2, 3]);
  });

  it('does not take an unknown size for one when contents are repeated', () => {
    const repeated = one('Expand', [ints(1), x([1], 'int64')]);
    expect(repeated.shape).toEqual([undefined]);
    expect(repeated.known).toBe(undefined);
  });

  it('follows the expand idiom of the exporters', () => {
    const target = one('Concat', [one('Shape', [x(['N'])]), ints(-1, 4)], { axis: 0 });
    const isOpen = one('Equal', [target, ints(-1, -1, -1)]);
    expect(isOpen.known).toEqual([0, 1, 0]);
    const resolved = one('Where', [isOpen, ints(1, 1, 1), target]);
    expect(resolved.known).toEqual(['N', 1, 4]);
    expect(one('Expand', [x([3, 1]), resolved]).shape).toEqual(['N', 3, 4]);
  });

  it('slices to the end, from the end, and backwards', () => {
    const max = parameter('max', fromNumbers('int64', [1], [2n ** 63n - 1n]));
    const min = parameter('min', fromNumbers('int64', [1], [-(2n ** 63n)]));
    const value = x(['T', 8]);
    const cut = (start: Value, end: Value, step = 1): Shape =>
      one('Slice', [value, start, end, ints(0), ints(step)]).shape;
    expect(cut(ints(0), max)).toEqual(['T', 8]);
    expect(cut(ints(1), max)).toEqual(['T - 1', 8]);
    expect(cut(ints(0), ints(-1))).toEqual(['T - 1', 8]);
    expect(cut(ints(-1), max)).toEqual([1, 8]);
    expect(cut(ints(0), ints(5))).toEqual(['min(5, T)', 8]);
    expect(cut(ints(0), max, 2)).toEqual(['floor((T + 1)/2)', 8]);
    expect(cut(ints(-1), min, -1)).toEqual(['T', 8]);
    const written = (bound: bigint): Value => one('Constant', [], { value_ints: { kind: 'ints', value: [bound] } });
    expect(cut(ints(1), written(2n ** 63n - 1n))).toEqual(['T - 1', 8]);
    expect(cut(written(-(2n ** 63n)), ints(-1))).toEqual(['T - 1', 8]);
    const joined = one('Concat', [one('Unsqueeze', [scalar(0), ints(0)]), max], { axis: 0 });
    expect(one('Slice', [value, ints(0, 0), one('Concat', [max, ints(3)], { axis: 0 })]).shape).toEqual(['T', 3]);
    expect(joined.known).toEqual([0, undefined]);
  });

  it('holds back on long, unread and replaceable contents', () => {
    expect(knownDims(ints(...new Array<number>(65).fill(1)))).toBe(undefined);
    expect(knownDims(inputValue('x', tensorType('int64', [2])))).toBe(undefined);
    const huge = one('ConstantOfShape', [ints(2 ** 40, 2 ** 40)]);
    expect(huge.shape).toEqual([2 ** 40, 2 ** 40]);
    expect(one('Flatten', [huge], { axis: 0 }).shape).toEqual([1, undefined]);
    expect(one('Range', [scalar(0), scalar(2 ** 50), scalar(1)]).shape).toEqual([2 ** 50]);
    expect(one('Reshape', [x(undefined, undefined), ints(2, -1)]).shape).toEqual([2, undefined]);
  });
});

describe('symbolic sizes', () => {
  it('pass through convolutions and pools', () => {
    const image = x(['N', 3, 'H', 'W']);
    const convolved = one('Conv', [image, x([8, 3, 3, 3])], { strides: [2, 2], pads: [1, 1, 1, 1] });
    expect(convolved.shape).toEqual(['N', 8, 'floor((H + 1)/2)', 'floor((W + 1)/2)']);
    const pooled = one('MaxPool', [convolved], { kernel_shape: [2, 2], strides: [2, 2] });
    expect(pooled.shape).toEqual(['N', 8, 'floor((H + 1)/4)', 'floor((W + 1)/4)']);
    expect(one('ConvTranspose', [image, x([3, 8, 2, 2])], { strides: [2, 2] }).shape).toEqual(['N', 8, '2*H', '2*W']);
    const scales = parameter('s', fromNumbers('float32', [4], [1, 1, 2, 0.5]));
    expect(one('Resize', [image, undefined, scales]).shape).toEqual(['N', 3, '2*H', 'floor(W/2)']);
  });

  it('pass through matrix products, splits and joins', () => {
    expect(one('MatMul', [x(['B', 1, 'T', 64]), x([8, 64, 'S'])]).shape).toEqual(['B', 8, 'T', 'S']);
    expect(one('Einsum', [x(['B', 'T', 4]), x(['B', 'S', 4])], { equation: 'bik,bjk->bij' }).shape).toEqual([
      'B',
      'T',
      'S',
    ]);
    expect(types('Split', [x(['T', 6])], { axis: 1, num_outputs: 4 }, 18, 4)).toEqual([
      ...new Array(3).fill('float32[T, 2]'),
      'float32[T, 0]',
    ]);
    expect(one('Concat', [x(['P', 4]), x(['T', undefined])], { axis: 0 }).shape).toEqual(['P + T', 4]);
    expect(one('Attention', [x(['B', 8, 'T', 64]), x(['B', 2, 'S', 64]), x(['B', 2, 'S', 32])]).shape).toEqual([
      'B',
      8,
      'T',
      32,
    ]);
    expect(
      types(
        'LSTM',
        [x(['T', 'B', 5]), x([2, 28, 5]), x([2, 28, 7])],
        { hidden_size: 7, direction: 'bidirectional' },
        22,
        3,
      ),
    ).toEqual(['float32[T, 2, B, 7]', 'float32[2, B, 7]', 'float32[2, B, 7]']);
  });
});

describe('operators without a node test in the corpus', () => {
  it('are inferred', () => {
    expect(types('Multinomial', [x(['B', 10])], { sample_size: 5, dtype: 7 })).toEqual(['int64[B, 5]']);
    expect(types('RandomNormal', [], { shape: [2, 3], dtype: 11 })).toEqual(['float64[2, 3]']);
    expect(types('RandomUniform', [], { shape: [2, 3] })).toEqual(['float32[2, 3]']);
    expect(types('RandomNormalLike', [x(['N'], 'float16')])).toEqual(['float16[N]']);
    expect(types('GlobalLpPool', [x(['N', 3, 8, 'W'])])).toEqual(['float32[N, 3, 1, 1]']);
    expect(types('MaxRoiPool', [x([1, 3, 8, 8]), x(['R', 5])], { pooled_shape: [2, 2] })).toEqual([
      'float32[R, 3, 2, 2]',
    ]);
    const sequence = one('SequenceConstruct', [x(['A', 4]), x(['B', 4])]);
    expect(describeType(sequence.type)).toBe('sequence(float32[?, 4])');
    expect(types('SequenceErase', [sequence])).toEqual(['sequence(float32[?, 4])']);
    expect(types('SequenceAt', [sequence, scalar(0)])).toEqual(['float32[?, 4]']);
    expect(types('ConcatFromSequence', [sequence], { axis: 1, new_axis: 1 })).toEqual(['float32[?, ?, 4]']);
    expect(types('Optional', [x([2])])).toEqual(['optional(float32[2])']);
    expect(types('RandomUniformLike', [x([2])], { dtype: 11 })).toEqual(['float64[2]']);
  });
});

describe('mistakes', () => {
  const shapeMistakes: [string, readonly (Value | undefined)[], Record<string, Plain>?][] = [
    ['MatMul', [x([2, 3]), x([4, 5])]],
    ['MatMul', [x([2, 3, 4]), x([5, 4, 6])]],
    ['Add', [x([3]), x([4])]],
    ['Where', [x([2], 'bool'), x([3]), x([1])]],
    ['Concat', [x([2, 3]), x([2])], { axis: 0 }],
    ['Concat', [x([2, 3]), x([2, 4])], { axis: 0 }],
    ['Gemm', [x([2, 3]), x([3, 4])], { transB: 1 }],
    ['Gemm', [x([2, 3]), x([3, 4]), x([5])]],
    ['Reshape', [x([2, 3]), ints(4, 2)]],
    ['Reshape', [x([2, 3]), ints(4, -1)]],
    ['Reshape', [x([2, 3]), ints(-1, -1)]],
    ['Expand', [x([3, 4]), ints(3, 5)]],
    ['Tile', [x([3, 4]), ints(2)]],
    ['Squeeze', [x([3, 4]), ints(0)]],
    ['Slice', [x([3]), ints(0), ints(1), ints(0), ints(0)]],
    ['Split', [x([6]), ints(2, 3)]],
    ['Pad', [x([6]), ints(-4, -4)]],
    ['Conv', [x([1, 3, 8, 8]), x([4, 2, 3, 3])]],
    ['Conv', [x([1, 3, 2, 2]), x([4, 3, 3, 3])]],
    ['Conv', [x([1, 3, 8, 8]), x([4, 3, 3, 3]), x([5])]],
    ['ConvTranspose', [x([1, 3, 8, 8]), x([4, 2, 3, 3])]],
    ['BatchNormalization', [x([1, 3, 8]), x([4]), x([4]), x([4]), x([4])]],
    ['LayerNormalization', [x([2, 8]), x([7])]],
    ['GatherElements', [x([2, 3]), x([2], 'int64')]],
    ['GatherND', [x([2, 3]), x([4, 3], 'int64')]],
    ['ScatterND', [x([4]), x([2, 1], 'int64'), x([3])]],
    ['TopK', [x([4]), ints(5)]],
    ['LSTM', [x([5, 2, 3]), x([1, 16, 4]), x([1, 16, 4])]],
    ['Attention', [x([1, 8, 4, 64]), x([1, 8, 4, 32]), x([1, 8, 4, 64])]],
    ['Einsum', [x([2, 3]), x([4, 5])], { equation: 'ij,jk->ik' }],
    ['Det', [x([2, 3])]],
    ['DepthToSpace', [x([1, 6, 2, 2])], { blocksize: 2 }],
    ['NonMaxSuppression', [x([1, 6, 4]), x([1, 1, 7])]],
    ['GridSample', [x([1, 3, 8, 8]), x([1, 4, 4, 3])]],
    ['Range', [scalar(0), scalar(4), scalar(0)]],
    ['SoftmaxCrossEntropyLoss', [x([4, 10]), x([5], 'int64')]],
  ];

  it.each(shapeMistakes)('of shape in %s name operator, argument, expected and got', (opType, inputs, attributes) => {
    expect(() => call(opType, inputs, attributes)).toThrow(HopfcoleError);
    try {
      call(opType, inputs, attributes);
    } catch (error) {
      const { code, message, where, hint } = error as HopfcoleError;
      expect([code, where.operator]).toEqual(['SHAPE_MISMATCH', opType]);
      expect(where.argument).toBeTruthy();
      expect(message).toMatch(new RegExp(`^${opType}: expected .* to be .*, got .+`));
      expect(hint).not.toBe('');
    }
  });

  const attributeMistakes: [string, readonly Value[], Record<string, Plain>][] = [
    ['Softmax', [x([2, 3])], { axis: 2 }],
    ['Transpose', [x([2, 3])], { perm: [0, 0] }],
    ['Transpose', [x([2, 3])], { perm: [0, 1, 2] }],
    ['Concat', [x([2])], {}],
    ['Concat', [x([2])], { axis: 'last' }],
    ['Flatten', [x([2, 3])], { axis: 3 }],
    ['Conv', [x([1, 4, 8]), x([3, 2, 3])], { group: 2 }],
    ['MaxPool', [x([1, 4, 8])], {}],
    ['MaxPool', [x([1, 4, 8])], { kernel_shape: [2], strides: [0] }],
    ['Cast', [x([1])], { to: 99 }],
    ['Einsum', [x([2, 3])], { equation: 'ij->k' }],
    ['Mod', [x([2]), x([2])], { fmod: 0 }],
    ['LSTM', [x([5, 2, 3]), x([1, 16, 3]), x([1, 16, 4])], { hidden_size: 5 }],
    ['RNN', [x([5, 2, 3]), x([1, 4, 3]), x([1, 4, 4])], { direction: 'sideways' }],
    ['GroupNormalization', [x([1, 6, 4]), x([6]), x([6])], { num_groups: 4 }],
  ];

  it.each(attributeMistakes)('of attributes in %s are told', (opType, inputs, attributes) => {
    expect(() => call(opType, inputs, attributes)).toThrow(expect.objectContaining({ code: 'BAD_ATTRIBUTE' }));
  });

  it('of dtype name both', () => {
    const mixed = (): unknown => call('Add', [x([2]), x([2], 'float64')]);
    expect(mixed).toThrow(expect.objectContaining({ code: 'DTYPE_MISMATCH' }));
    expect(mixed).toThrow('Add: expected B to be float32 like A, got float64');
    expect(() => call('Gemm', [x([2, 2]), x([2, 2], 'float16')])).toThrow('Gemm');
    expect(() => call('Where', [x([2], 'bool'), x([2], 'int32'), x([2], 'int64')])).toThrow('Where');
  });
});

describe('what is not known', () => {
  const reference: Attribute = { kind: 'reference', value: 'axis', of: 'int' };

  it('never makes a rule throw', () => {
    for (const opType of Object.keys(inferenceRules)) {
      const needed: Record<string, Plain> =
        {
          Concat: { axis: 0 },
          DepthToSpace: { blocksize: 2 },
          SpaceToDepth: { blocksize: 2 },
          MaxRoiPool: { pooled_shape: [1, 1] },
          BitShift: { direction: 'LEFT' },
          Einsum: { equation: 'i,j,k,l,m,n,o,p->i' },
        }[opType] ?? {};
      const inputs = new Array(8).fill(inputValue(undefined, undefined));
      expect(() =>
        inferenceRules[opType]?.({
          opType,
          domain: '',
          version: 24,
          inputs,
          attributes: new Map(Object.entries(needed).map(([name, value]) => [name, attribute(value)])),
          outputCount: 1,
        }),
      ).not.toThrow();
    }
  });

  it('includes references to the attributes of a function', () => {
    expect(one('Softmax', [x(['N', 4])], { axis: reference }).shape).toEqual(['N', 4]);
    expect(one('Concat', [x(['N', 4]), x(['N', 5])], { axis: reference }).shape).toEqual([undefined, undefined]);
    expect(one('ReduceSum', [x(['N', 4]), ints(0)], { keepdims: reference }).shape).toEqual(undefined);
    expect(one('Transpose', [x(['N', 4])], { perm: { kind: 'reference', value: 'p', of: 'ints' } }).shape).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('is no prototype', () => {
    for (const opType of ['constructor', 'toString', '__proto__'])
      expect(makeNode({ opType, version: 1, inputs: [], outputCount: 1 }).outputs[0]?.type).toBe(undefined);
  });
});

describe('the table', () => {
  it('has a rule for every operator of ai.onnx, opset 13 to 24 and newer', () => {
    const missing = operatorsOf('').filter((opType) => inferenceRules[opType] === undefined);
    expect(missing).toEqual([]);
    expect(operatorsOf('').length).toBeGreaterThan(190);
  });

  it('has no rule for what is no operator', () => {
    const known = new Set(operatorsOf(''));
    expect(Object.keys(inferenceRules).filter((opType) => !known.has(opType))).toEqual([]);
  });
});
