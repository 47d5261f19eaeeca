import { beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers, type Tensor } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { normal } from '../ops/run.ts';
import { hasPython, python } from '../support/python.ts';
import { get } from './cases.ts';
import type { Values } from './judge.ts';
import { ran } from './run.ts';

/** Sums of ones by repeated indices, on several threads, by what counting says. */
const counting = `
import base64, json, sys
import numpy as np, onnxruntime as ort
case = json.load(sys.stdin)
rows, width, count = 3, 64, 60000
index = np.random.default_rng(0).integers(0, rows, count)
o = ort.SessionOptions()
o.intra_op_num_threads = 4
s = ort.InferenceSession(base64.b64decode(case["model"]), o, providers=["CPUExecutionProvider"])
feeds = {"x": np.zeros((rows, width), np.float32), "i": index.reshape(case["shape"]), "cotangent_y": np.ones(case["shape"][:1] + [width], np.float32)}
expected = np.bincount(index, minlength=rows)[:, None].repeat(width, 1)
worst = 0
for _ in range(5):
    worst = max(worst, float(np.abs(s.run(["costate_x"], feeds)[0] - expected).max()))
print(worst)
`;

function gradient(inputs: readonly Value[], y: Value) {
  return costate(model({ inputs, outputs: [{ name: 'y', value: y }] }), { wrt: ['x'], seed: 'input' }).model;
}

describe.skipIf(!hasPython)('sums of co-states by repeated indices', () => {
  it.each([
    ['Gather', [60_000], (x: Value, i: Value) => op.gather(x, i)],
    ['GatherND', [60_000, 1], (x: Value, i: Value) => op.gatherND(x, i)],
  ] as const)('lose none to threads: %s', (_, shape, read) => {
    const x = input('x', 'float32', ['rows', 64]);
    const i = input('i', 'int64', ['count', ...shape.slice(1)]);
    const bytes = encodeModel(toProto(gradient([x, i], read(x, i))));
    const request = JSON.stringify({ model: Buffer.from(bytes).toString('base64'), shape });
    expect(Number(python(counting, [], request))).toBe(0);
  });
});

const ints = (...values: readonly number[]): Value => op.constant({ valueInts: values });
const int64 = (shape: readonly number[], ...values: readonly number[]): Tensor => fromNumbers('int64', shape, values);

interface Half {
  readonly name: string;
  readonly shape: readonly number[];
  readonly build: (x: Value, v: Values) => Value;
  readonly inputs?: Readonly<Record<string, Tensor>>;
  /** The output's shape, where only the run tells it. */
  readonly to?: readonly number[];
}

const rows = { i: int64([2, 3], 1, 3, 1, 0, 1, 2) };
const halves: readonly Half[] = [
  { name: 'Reshape', shape: [2, 6], build: (x) => op.reshape(x, ints(3, -1)) },
  { name: 'Transpose', shape: [2, 6], build: (x) => op.transpose(x) },
  { name: 'Expand', shape: [3, 1], build: (x) => op.expand(x, ints(2, 3, 4)) },
  { name: 'Concat', shape: [2, 3], build: (x) => op.concat([x, op.exp(x), x], { axis: 1 }) },
  { name: 'Split', shape: [2, 7], build: (x) => op.split(x, ints(3, 4), { axis: 1 })[1] as Value },
  { name: 'Slice', shape: [2, 7], build: (x) => op.slice(x, ints(1), ints(5), ints(1)) },
  { name: 'Slice with steps', shape: [2, 7], build: (x) => op.slice(x, ints(1), ints(7), ints(1), ints(2)) },
  {
    name: 'Slice with steps only known at run time',
    shape: [2, 7],
    inputs: { n: int64([1], 2) },
    to: [2, 3],
    build: (x, v) => op.slice(x, ints(1), ints(7), ints(1), get(v, 'n')),
  },
  { name: 'Pad', shape: [2, 3], build: (x) => op.pad(x, ints(1, 0, 2, 1)) },
  {
    name: 'Pad by reflection',
    shape: [2, 4],
    build: (x) => op.pad(x, ints(0, 2, 0, 3), undefined, undefined, { mode: 'reflect' }),
  },
  { name: 'Tile', shape: [2, 3], build: (x) => op.tile(x, ints(2, 3)) },
  { name: 'Trilu', shape: [3, 3], build: (x) => op.trilu(x) },
  { name: 'DepthToSpace', shape: [1, 4, 2, 2], build: (x) => op.depthToSpace(x, { blocksize: 2 }) },
  { name: 'Gather', shape: [4, 3], inputs: rows, build: (x, v) => op.gather(x, get(v, 'i')) },
  { name: 'Gather of columns', shape: [3, 4], inputs: rows, build: (x, v) => op.gather(x, get(v, 'i'), { axis: 1 }) },
  { name: 'Gather of constants', shape: [3, 4], build: (x) => op.gather(x, ints(2, 0, 2), { axis: 1 }) },
  { name: 'GatherElements', shape: [4, 3], inputs: rows, build: (x, v) => op.gatherElements(x, get(v, 'i')) },
  {
    name: 'GatherND',
    shape: [4, 3],
    inputs: { i: int64([3, 1], 1, -1, 1) },
    build: (x, v) => op.gatherND(x, get(v, 'i')),
  },
  { name: 'TopK', shape: [3, 5], build: (x) => op.topK(x, ints(2))[0] },
  {
    name: 'ScatterElements',
    shape: [4, 3],
    inputs: { i: int64([2, 3], 1, 3, 0, 0, 1, 2) },
    build: (x, v) => op.scatterElements(x, get(v, 'i'), op.slice(x, ints(1), ints(3), ints(0))),
  },
  {
    name: 'ScatterND',
    shape: [4, 3],
    inputs: { i: int64([2, 1], 3, 0) },
    build: (x, v) => op.scatterND(x, get(v, 'i'), op.slice(x, ints(1), ints(3), ints(0))),
  },
  {
    name: 'Compress',
    shape: [3, 2],
    inputs: { i: fromNumbers('bool', [3], [1, 0, 1]) },
    to: [2, 2],
    build: (x, v) => op.compress(x, get(v, 'i'), { axis: 0 }),
  },
  { name: 'CenterCropPad', shape: [3, 4], build: (x) => op.centerCropPad(x, ints(5, 3)) },
  { name: 'MatMul', shape: [2, 3, 4], build: (x) => op.matMul(x, op.transpose(x, { perm: [0, 2, 1] })) },
  { name: 'Gemm', shape: [3, 3], build: (x) => op.gemm(x, x, x, { transA: 1, alpha: 0.5 }) },
];

describe.skipIf(!hasPython)('co-states of movements in float16', () => {
  const made = (one: Half, dtype: 'float16' | 'float32') => {
    const x = normal('float32', one.shape, 1);
    const v: Record<string, Value> = { x: input('x', dtype, one.shape) };
    for (const [name, tensor] of Object.entries(one.inputs ?? {})) v[name] = input(name, tensor.dtype, tensor.shape);
    const y = one.build(get(v, 'x'), v);
    const bar = normal('float32', one.to ?? (y.shape ?? []).map(Number), 2);
    const as = ({ shape, bytes }: Tensor): Tensor =>
      fromNumbers(dtype, shape, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
    return {
      model: gradient(Object.values(v), op.mul(y, y)),
      inputs: { x: as(x), ...one.inputs, cotangent_y: as(bar) },
    };
  };
  let got: ReturnType<typeof ran> = [];
  beforeAll(() => {
    got = ran(halves.flatMap((one) => [made(one, 'float16'), made(one, 'float32')]));
  });
  it.each(halves.map(({ name }, index) => [name, index] as const))('%s', (_, index) => {
    const [half, full] = [got[2 * index]?.costate_x ?? [], got[2 * index + 1]?.costate_x ?? [Number.NaN]];
    const scale = Math.max(...full.map(Math.abs), 1);
    expect(half).toHaveLength(full.length);
    half.forEach((value, at) => {
      expect(Math.abs(value - (full[at] ?? Number.NaN)) / scale).toBeLessThan(5e-3);
    });
  });
});
