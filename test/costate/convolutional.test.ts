import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op22 from '../../src/graph/generated/opset22.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Dim } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, positive, type Values } from './judge.ts';

/** Convolution, normalisation, rectifier and pool, twice; then the mean of each channel and a linear layer. */
function network(v: Values): Value {
  const block = (x: Value, at: number): Value => {
    const get = (name: string): Value => v[`${name}${at}`] as Value;
    const convolved = op.conv(x, get('w'), get('b'), { pads: [1, 1, 1, 1] });
    const [normal] = op.batchNormalization(convolved, get('scale'), get('shift'), get('mean'), get('variance'));
    return at === 1
      ? op.maxPool(op.softplus(normal), { kernelShape: [2, 2], strides: [2, 2] })[0]
      : op.averagePool(op.softplus(normal), { kernelShape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  };
  const pooled = op.globalAveragePool(block(block(v.x as Value, 1), 2));
  return op.gemm(op.flatten(pooled), v.head as Value, v.bias as Value, { transB: 1 });
}

const torch = `
def block(x, w, b, s, t, m, v, at):
    y = F.softplus(F.batch_norm(F.conv2d(x, w, b, padding=1), m, v, s, t, False, 0.0, 1e-5))
    return F.max_pool2d(y, 2) if at == 1 else F.avg_pool2d(y, 3, 2, 1, count_include_pad=False)
y = block(block(x, w1, b1, scale1, shift1, mean1, variance1, 1), w2, b2, scale2, shift2, mean2, variance2, 2)
return F.linear(y.mean((2, 3)), head, bias)`;

const inputs: Case['inputs'] = {
  x: [2, 3, 8, 6],
  w1: [4, 3, 3, 3],
  b1: [4],
  scale1: [4],
  shift1: [4],
  mean1: [4],
  variance1: positive([4], 1),
  w2: [5, 4, 3, 3],
  b2: [5],
  scale2: [5],
  shift2: [5],
  mean2: [5],
  variance2: positive([5], 2),
  head: [3, 5],
  bias: [3],
};
const rest = Object.keys(inputs).filter((name) => name !== 'x');
const fixed = ['mean1', 'variance1', 'mean2', 'variance2'];
const common = { inputs, fixed, torch, build: network, engines: ['reference'] } as const;

judged('co-states of a convolutional network', [
  { ...common, name: 'any batch', static: rest, dims: { x: ['n', 3, 8, 6] } },
  { ...common, name: 'any batch and image', static: rest, dims: { x: ['n', 3, 'h', 'w'] } },
  { ...common, name: 'any sizes' },
  {
    name: 'operators of opset 22',
    inputs: { x: [2, 3, 8, 6], w: [4, 3, 3, 3], t: [4, 2, 2, 2] },
    build: (v) => {
      const convolved = op22.conv(v.x as Value, v.w as Value, undefined, { pads: [1, 1, 1, 1] });
      const [greatest] = op22.maxPool(convolved, { kernelShape: [2, 2], strides: [2, 2] });
      const mean = op22.averagePool(greatest, { kernelShape: [2, 2] });
      return op22.globalMaxPool(op22.convTranspose(mean, v.t as Value, undefined, { strides: [2, 2] }));
    },
    torch: `
y = F.avg_pool2d(F.max_pool2d(F.conv2d(x, w, padding=1), 2), 2, 1)
return F.adaptive_max_pool2d(F.conv_transpose2d(y, t, stride=2), 1)`,
    opset: 22,
    engines: ['reference'],
  },
]);

describe('co-states of convolutions', () => {
  const operators = (shape: readonly Dim[], attributes: Parameters<typeof op.conv>[3], kernel: readonly number[]) => {
    const x = input('x', 'float32', shape);
    const count = kernel.reduce((a, b) => a * b, 1);
    const w = parameter('w', fromNumbers('float32', kernel, new Array<number>(count).fill(0.5)));
    const made = costate(
      model({ inputs: [x], outputs: [{ name: 'y', value: op.conv(x, w, undefined, attributes) }] }),
      {
        wrt: ['x', 'w'],
        seed: 'input',
      },
    );
    return made.model.graph.nodes.map(({ opType }) => opType);
  };

  it('take few nodes', () => {
    const reversed = ['Slice', 'Transpose', 'Conv'];
    const kernel = ['Transpose', 'Reshape', 'Transpose', 'Conv', 'Reshape', 'Transpose'];
    const pads = [1, 1, 1, 1];
    const sorted = (list: readonly string[]): readonly string[] => [...list].sort();
    expect(sorted(operators([8, 4, 9, 9], { pads }, [6, 4, 3, 3]))).toEqual(sorted(['Conv', ...reversed, ...kernel]));
    // 7x7 as few as 3x3; nothing more for a symbolic batch.
    expect(operators(['n', 4, 9, 9], { pads }, [6, 4, 7, 7])).toHaveLength(10);
    expect(sorted(operators([8, 4, 9, 9], { pads, strides: [2, 2] }, [6, 4, 3, 3]))).toEqual(
      sorted(['Conv', 'ConvTranspose', ...kernel]),
    );
    expect(sorted(operators([1, 4, 9, 9], {}, [6, 4, 1, 1]))).toEqual(
      sorted(['Conv', 'Conv', 'Transpose', 'Reshape', 'Reshape', 'Gemm', 'Reshape']),
    );
  });

  it('are zero for images of none', () => {
    expect(operators([0, 4, 9, 9], {}, [6, 4, 3, 3])).not.toContain('ConvTranspose');
  });
});
