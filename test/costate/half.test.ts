import { beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import type { DType } from '../../src/files/dtype.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, makeNode } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { hasPython, python } from '../support/python.ts';

interface Network {
  readonly name: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Integers below this. */
  readonly labels?: { readonly shape: readonly number[]; readonly below: number };
  readonly build: (v: Readonly<Record<string, Value>>) => Value;
  readonly opset?: number;
}

const of = (v: Readonly<Record<string, Value>>, ...names: string[]) => names.map((name) => v[name]) as Value[];

/** Rows long enough that sums of squares or of thousands of numbers would leave half precision. */
const networks: readonly Network[] = [
  { name: 'Softmax', inputs: { x: [4, 3000] }, build: (v) => op.softmax(v.x as Value) },
  { name: 'LogSoftmax', inputs: { x: [4, 3000] }, build: (v) => op.logSoftmax(v.x as Value) },
  {
    name: 'LayerNormalization',
    inputs: { x: [6, 2000], s: [2000], b: [2000] },
    build: (v) => {
      const [x, s, b] = of(v, 'x', 's', 'b') as [Value, Value, Value];
      return op.layerNormalization(x, s, b)[0];
    },
  },
  {
    name: 'BatchNormalization',
    inputs: { x: [80, 3, 50], s: [3], b: [3], m: [3], v: [3] },
    build: (v) => {
      const [x, s, b, m, variance] = of(v, 'x', 's', 'b', 'm', 'v') as [Value, Value, Value, Value, Value];
      return op.batchNormalization(x, s, b, m, variance)[0];
    },
  },
  {
    name: 'InstanceNormalization',
    inputs: { x: [2, 3, 3000], s: [3], b: [3] },
    build: (v) => {
      const [x, s, b] = of(v, 'x', 's', 'b') as [Value, Value, Value];
      return op.instanceNormalization(x, s, b);
    },
  },
  {
    name: 'GroupNormalization',
    inputs: { x: [2, 4, 3000], s: [4], b: [4] },
    build: (v) => {
      const [x, s, b] = of(v, 'x', 's', 'b') as [Value, Value, Value];
      return op.groupNormalization(x, s, b, { numGroups: 2 });
    },
  },
  {
    name: 'SoftmaxCrossEntropyLoss',
    inputs: { x: [3000, 5] },
    labels: { shape: [3000], below: 5 },
    build: (v) => op.softmaxCrossEntropyLoss(v.x as Value, v.labels as Value)[0],
  },
  {
    name: 'Attention',
    inputs: { q: [2, 2, 30, 8], k: [2, 2, 40, 8], v: [2, 2, 40, 8] },
    build: (v) =>
      makeNode({ opType: 'Attention', version: 23, inputs: of(v, 'q', 'k', 'v'), outputCount: 1 }).outputs[0] as Value,
    opset: 23,
  },
];

function gradients({ inputs, labels, build, opset }: Network, dtype: DType): Model {
  const real = Object.entries(inputs).map(([name, shape]) => [name, input(name, dtype, shape)] as const);
  const more = labels === undefined ? [] : [['labels', input('labels', 'int64', labels.shape)] as const];
  const all = [...real, ...more];
  const y = build(Object.fromEntries(all));
  const plain = model({
    inputs: all.map(([, value]) => value),
    outputs: { y },
    ...(opset === undefined ? {} : { opset }),
  });
  return costate(plain, { wrt: Object.keys(inputs), of: ['y'], seed: 'input' }).model;
}

function encoded(made: Model): string {
  return Buffer.from(encodeModel(toProto(made))).toString('base64');
}

/** Both graphs on the same numbers of half precision, positive ones; the greatest difference of each output by its greatest entry. */
const program = `
import base64, json, sys
import numpy as np, onnx, onnxruntime as ort
o = ort.SessionOptions(); o.intra_op_num_threads = 1; o.log_severity_level = 4
answers = []
for half, full, below in json.load(sys.stdin):
    half, full = base64.b64decode(half), base64.b64decode(full)
    onnx.checker.check_model(onnx.load_from_string(half), full_check=True)
    a, b = (ort.InferenceSession(m, o, providers=["CPUExecutionProvider"]) for m in (half, full))
    rng = np.random.default_rng(3)
    feeds = {i.name: rng.integers(0, below, i.shape) if "int" in i.type else np.asarray(rng.random(i.shape) + 0.5, np.float16) for i in a.get_inputs()}
    wide = {k: np.asarray(v, np.float32) if v.dtype == np.float16 else v for k, v in feeds.items()}
    names = [x.name for x in a.get_outputs()]
    errors = {}
    for name, x, y in zip(names, a.run(None, feeds), b.run(None, wide)):
        errors[name] = [str(x.dtype), float(np.abs(x.astype(np.float64) - y).max() / np.abs(y).max())]
    answers.append(errors)
json.dump(answers, sys.stdout)
`;

describe.skipIf(!hasPython)('co-states in half precision, which sum in float32', () => {
  let answers: Readonly<Record<string, readonly [string, number]>>[] = [];
  beforeAll(() => {
    const sent = networks.map((one) => [
      encoded(gradients(one, 'float16')),
      encoded(gradients(one, 'float32')),
      one.labels?.below ?? 1,
    ]);
    answers = JSON.parse(python(program, [], JSON.stringify(sent)));
  }, 120_000);
  it.each(networks.map(({ name }, index) => [name, index] as const))('%s', (_, index) => {
    const errors = answers[index] ?? {};
    expect(Object.keys(errors).length).toBeGreaterThan(1);
    for (const [name, [dtype, error]] of Object.entries(errors)) {
      expect(dtype).toBe('float16');
      expect(error, name).toBeLessThan(4e-3);
    }
  });
});

// ONNX Runtime's CPU computes in float32 whatever the graph says: other providers do as it says.
describe('sums in graphs of half precision', () => {
  it.each(networks.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const sums = gradients(one, 'float16').graph.nodes.filter(({ opType }) => opType.startsWith('Reduce'));
    for (const { opType, inputs } of sums) expect(inputs[0]?.dtype, opType).toBe('float32');
  });
});
