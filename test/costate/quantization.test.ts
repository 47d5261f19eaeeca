import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { type DType, dtypes } from '../../src/files/dtype.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { constant, input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { get, kinked, tensor } from './cases.ts';
import { between, type Case, inFloat32, judged, whole } from './judge.ts';

/** The operators have no float64 form; differences see the steps of the rounding. */
function quantised(one: Omit<Case, 'tolerance'>): Case {
  return inFloat32({ ...one, tolerance: { ...kinked.tolerance, torch: 1e-5 } });
}

/** Rounding straight through, in PyTorch: what fake_quantize computes, also by block and with a co-state for the scale. */
const straight = `def fq(x, s, z, low, high):
  r = x / s
  r = r + (torch.round(r) - r).detach()
  return (torch.clamp(r + z, low, high) - z) * s
`;

const vector = (dtype: DType, ...values: number[]): Value => constant(fromNumbers(dtype, [values.length], values));
const number = (dtype: DType, value: number): Value => constant(fromNumbers(dtype, [], [value]));
const ints = (...values: number[]): Value => vector('int64', ...values);

const x = between([4, 6], 3, -1.5, 1.5);

const byTensor = (
  [
    ['uint8', 'uint8', 128, 0, 255],
    ['int8', 'int8', 0, -128, 127],
    ['int8 with an odd zero point', 'int8', 5, -128, 127],
    ['uint16', 'uint16', 40000, 0, 65535],
    ['int4', 'int4', 1, -8, 7],
  ] as const
).map(([name, dtype, zero, low, high]): Case => {
  const scale = Math.fround(2 / (high - low));
  return quantised({
    name: `QuantizeLinear to ${name}, and back`,
    inputs: { x },
    build: (v) => {
      const [s, z] = [number('float32', scale), number(dtype, zero)];
      return op.dequantizeLinear(op.quantizeLinear(get(v, 'x'), s, z), s, z);
    },
    torch: `torch.fake_quantize_per_tensor_affine(x.float(), ${scale}, ${zero}, ${low}, ${high})`.concat('.double()'),
  });
});

const byAxis = [0, 1, -1].map((axis): Case => {
  const count = axis === 0 ? 4 : 6;
  const scales = Array.from({ length: count }, (_, index) => 0.004 + 0.002 * index);
  const zeros = Array.from({ length: count }, (_, index) => 3 * index - 4);
  return quantised({
    name: `QuantizeLinear by the axis ${axis}`,
    inputs: { x: between([4, 6, ...(axis === 1 ? [2] : [])], 5, -1.5, 1.5) },
    build: (v) => {
      const [s, z] = [vector('float32', ...scales), vector('int8', ...zeros)];
      const q = op.quantizeLinear(get(v, 'x'), s, z, { axis });
      // The same numbers once more, as exporters write them.
      return op.dequantizeLinear(q, vector('float32', ...scales), z, { axis });
    },
    torch: `torch.fake_quantize_per_channel_affine(x.float(), torch.tensor([${scales}]), torch.tensor([${zeros}], dtype=torch.int32), ${axis === -1 ? 1 : axis}, -128, 127).double()`,
  });
});

judged('co-states of quantisation', [
  ...byTensor,
  ...byAxis,
  quantised({
    name: 'without a zero point',
    inputs: { x },
    build: (v) => {
      const s = number('float32', 0.005);
      return op.dequantizeLinear(op.quantizeLinear(get(v, 'x'), s), s);
    },
    torch: 'torch.fake_quantize_per_tensor_affine(x.float(), 0.005, 0, 0, 255).double()',
  }),
  quantised({
    name: 'with a scale that is differentiated, as the learnable fake_quantize',
    inputs: { x, s: tensor([1], [0.01]) },
    build: (v) => {
      const z = vector('int8', 3);
      return op.dequantizeLinear(op.quantizeLinear(get(v, 'x'), get(v, 's'), z), get(v, 's'), z);
    },
    torch:
      'torch._fake_quantize_learnable_per_tensor_affine(x.float(), s.float(), torch.tensor([3.0]), -128, 127, 1.0).double()',
    second: false,
  }),
  quantised({
    name: 'with scales by axis that are differentiated, as the learnable fake_quantize',
    inputs: { x, s: tensor([6], [0.01, 0.004, 0.02, 0.008, 0.01, 0.03]) },
    build: (v) => {
      const z = vector('int8', 3, 0, -5, 7, 1, 1);
      return op.dequantizeLinear(op.quantizeLinear(get(v, 'x'), get(v, 's'), z), get(v, 's'), z);
    },
    torch:
      'torch._fake_quantize_learnable_per_channel_affine(x.float(), s.float(), torch.tensor([3.0, 0, -5, 7, 1, 1]), 1, -128, 127, 1.0).double()',
    second: false,
  }),
  quantised({
    name: 'with a zero point that is given, times a number',
    inputs: { x, s: tensor([], [0.01]), z: whole('uint8', [], [90]) },
    build: (v) => {
      const y = op.dequantizeLinear(op.quantizeLinear(get(v, 'x'), get(v, 's'), get(v, 'z')), get(v, 's'), get(v, 'z'));
      return op.mul(y, get(v, 'x'));
    },
    torch: `${straight}return fq(x, s, z.double(), 0, 255) * x`,
    second: false,
  }),
  ...[2, 4].map((block) =>
    quantised({
      name: `by blocks of ${block}`,
      inputs: { x, s: between([4, Math.ceil(6 / block)], 8, 0.01, 0.03) },
      build: (v) => {
        const how = { axis: 1, blockSize: block };
        const z = constant(
          fromNumbers(
            'int8',
            [4, Math.ceil(6 / block)],
            Array.from({ length: 4 * Math.ceil(6 / block) }, (_, i) => i - 3),
          ),
        );
        return op.dequantizeLinear(op.quantizeLinear(get(v, 'x'), get(v, 's'), z, how), get(v, 's'), z, how);
      },
      torch: `${straight}b = lambda a: a.repeat_interleave(${block}, 1)[:, :6]
z = torch.arange(${4 * Math.ceil(6 / block)}).reshape(4, -1) - 3.0
return fq(x, b(s), b(z), -128, 127)`,
      second: false,
    }),
  ),
  quantised({
    name: 'with another scale on the way back',
    inputs: { x, s: tensor([], [0.01]), t: tensor([6], [0.02, 0.01, 0.03, 0.01, 0.01, 0.04]) },
    build: (v) =>
      op.dequantizeLinear(
        op.quantizeLinear(get(v, 'x'), get(v, 's'), number('int8', 0)),
        get(v, 't'),
        vector('int8', 0, 0, 0, 0, 0, 0),
      ),
    torch: `${straight}return fq(x, s, 0, -128, 127) / s * t`,
    second: false,
  }),
  quantised({
    name: 'with a narrower range and another layout in between, as exporters write it',
    inputs: { x },
    build: (v) => {
      const [s, z] = [number('float32', 0.01), number('uint8', 60)];
      const narrow = op.clip(op.quantizeLinear(get(v, 'x'), s, z), number('uint8', 0), number('uint8', 127));
      const turned = op.reshape(op.transpose(narrow, { perm: [1, 0] }), ints(3, 8));
      return op.dequantizeLinear(turned, s, z);
    },
    torch:
      'torch.fake_quantize_per_tensor_affine(x.float(), float(np.float32(0.01)), 60, 0, 127).double().T.reshape(3, 8)',
  }),
  quantised({
    name: 'DynamicQuantizeLinear',
    inputs: { x },
    build: (v) => {
      const [q, s, z] = op.dynamicQuantizeLinear(get(v, 'x'));
      return op.dequantizeLinear(q, s, z);
    },
    torch: `low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
s = np.float32((high - low) / 255)
z = int(np.clip(np.rint(-low / s), 0, 255))
return torch.fake_quantize_per_tensor_affine(x.float(), float(s), z, 0, 255).double()`,
  }),
  quantised({
    name: 'a product of quantised matrices',
    inputs: { x, w: between([6, 3], 9, -1, 1) },
    build: (v) => {
      const there = (a: Value, s: number): Value => {
        const [scale, zero] = [number('float32', s), number('int8', 0)];
        return op.dequantizeLinear(op.quantizeLinear(a, scale, zero), scale, zero);
      };
      return op.matMul(there(get(v, 'x'), 0.01), there(get(v, 'w'), 0.008));
    },
    torch: `${straight}return fq(x, float(np.float32(0.01)), 0, -128, 127) @ fq(w, float(np.float32(0.008)), 0, -128, 127)`,
  }),
  {
    ...inFloat32({
      name: 'DequantizeLinear alone, to its scales',
      inputs: { s: tensor([3], [0.5, 1.5, 2]), q: whole('int8', [2, 3], [1, -2, 3, 100, 5, -128]) },
      build: (v) => op.mul(op.dequantizeLinear(get(v, 'q'), get(v, 's'), vector('int8', 1, 2, 3)), get(v, 's')),
      torch: '(q.double() - torch.tensor([1.0, 2.0, 3.0])) * s * s',
    }),
  },
  quantised({
    name: 'from inside a branch',
    inputs: { x, c: whole('bool', [], [1]) },
    build: (v) => {
      const [s, z] = [number('float32', 0.01), number('int8', 0)];
      const q = op.quantizeLinear(get(v, 'x'), s, z);
      const [y] = op.if(get(v, 'c'), {
        thenBranch: () => [op.dequantizeLinear(q, s, z)],
        elseBranch: () => [op.neg(get(v, 'x'))],
      });
      return y as Value;
    },
    torch: 'torch.fake_quantize_per_tensor_affine(x.float(), float(np.float32(0.01)), 0, -128, 127).double()',
  }),
  quantised({
    name: 'float8',
    inputs: { x: between([4, 6], 3, -1500, 1500) },
    build: (v) => {
      const s = number('float32', 1);
      const q = op.quantizeLinear(get(v, 'x'), s, undefined, { outputDtype: dtypes.float8e4m3fn.code });
      return op.add(op.dequantizeLinear(q, s), get(v, 'x'));
    },
    torch: `r = x.clamp(-448, 448)
return r + (r.to(torch.float8_e4m3fn).double() - r).detach() + x`,
  }),
]);

/** The operators that a first co-state adds to a graph. */
function added(build: (x: Value) => Value): string[] {
  const x = input('x', 'float32', ['n', 6]);
  const plain = model({ inputs: [x], outputs: { y: build(x) } });
  const { graph } = costate(plain, { seed: 'input' }).model;
  return graph.nodes.slice(plain.graph.nodes.length).map(({ opType }) => opType);
}

describe('the number of operators of quantisation', () => {
  it('is a mask and a product', () => {
    const there = (x: Value): Value => {
      const [s, z] = [number('float32', 0.01), number('int8', 0)];
      return op.dequantizeLinear(op.quantizeLinear(x, s, z), number('float32', 0.01), z);
    };
    expect(added(there)).toEqual(['Clip', 'Equal', 'Cast', 'Mul']);
  });

  it('ends where integers are used as integers', () => {
    const x = input('x', 'float32', ['n', 6]);
    const q = op.quantizeLinear(x, number('float32', 0.01), number('uint8', 0));
    const y = op.cast(op.matMulInteger(q, constant(fromNumbers('uint8', [6, 2], new Array(12).fill(1)))), {
      to: 'float32',
    });
    expect(() => costate(model({ inputs: [x], outputs: { y } }))).toThrow(/MatMulInteger/);
  });
});
