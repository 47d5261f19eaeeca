import { beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { memorySource } from '../../src/files/source.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { normal } from '../ops/run.ts';
import { hasPython, python } from '../support/python.ts';

let seed = 0;
const weights = (name: string, ...shape: number[]): Value => parameter(name, normal('float32', shape, ++seed));

/** What ONNX Runtime fuses: a transformer's layer with every sum, bias and scale in the place where it looks for them. */
function network(): Model {
  const x = input('x', 'float32', ['batch', 3, 8]);
  const scale = parameter('scale', normal('float32', [], 99));
  const scores = op.mul(op.matMul(x, op.transpose(x, { perm: [0, 2, 1] })), scale);
  const mixed = op.matMul(op.softmax(scores), x);
  const first = op.layerNormalization(op.add(x, mixed), weights('g1', 8), weights('b1', 8), { axis: -1 })[0];
  const wide = op.add(op.matMul(first, weights('w1', 8, 16)), weights('c1', 16));
  const erf = op.erf(op.div(wide, op.sqrt(number('two', 2))));
  const half = number('half', 0.5);
  const one = number('one', 1);
  const gelu = op.mul(op.mul(wide, op.add(erf, one)), half);
  const narrow = op.add(op.matMul(gelu, weights('w2', 16, 8)), weights('c2', 8));
  const second = op.layerNormalization(op.add(narrow, first), weights('g2', 8), weights('b2', 8), { axis: -1 })[0];
  const flat = op.reduceMean(second, undefined, { keepdims: 0 });
  const head = op.relu(
    op.gemm(
      op.reduceMean(second, parameter('axes', fromNumbers('int64', [1], [1])), { keepdims: 0 }),
      weights('w3', 8, 4),
      weights('c3', 4),
    ),
  );
  return model({ inputs: [x], outputs: { y: op.add(head, flat) } });
}

function number(name: string, value: number): Value {
  return parameter(name, fromNumbers('float32', [], [value]));
}

const optimize = `
import base64, json, os, sys, tempfile
import onnx, onnxruntime as ort
path = os.path.join(tempfile.mkdtemp(), "m.onnx")
o = ort.SessionOptions(); o.log_severity_level = 4
o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
o.optimized_model_filepath = path
ort.InferenceSession(base64.b64decode(json.load(sys.stdin)), o, providers=["CPUExecutionProvider"])
m = onnx.load(path)
json.dump([base64.b64encode(m.SerializeToString()).decode(), [n.domain + "." + n.op_type for n in m.graph.node]], sys.stdout)
`;

const compare = `
import base64, json, sys
import numpy as np, onnxruntime as ort
o = ort.SessionOptions(); o.log_severity_level = 4
sessions = [ort.InferenceSession(base64.b64decode(m), o, providers=["CPUExecutionProvider"]) for m in json.load(sys.stdin)]
x = np.random.default_rng(0).standard_normal((2, 3, 8)).astype(np.float32)
d = np.random.default_rng(1).standard_normal((2, 3, 8)).astype(np.float32)
names = ["costate_x", "hvp_x"]
a, b = ([np.asarray(v, np.float64) for v in s.run(names, {"x": x, "direction_x": d})] for s in sessions)
json.dump({n: float(np.abs(p - q).max() / np.abs(q).max()) for n, p, q in zip(names, a, b)}, sys.stdout)
`;

describe.skipIf(!hasPython)('a network that ONNX Runtime optimised', () => {
  let operators: readonly string[] = [];
  let errors: Readonly<Record<string, number>> = {};
  beforeAll(async () => {
    const plain = network();
    const bytes = (made: Model): string => Buffer.from(encodeModel(toProto(made))).toString('base64');
    const [file, found] = JSON.parse(python(optimize, [], JSON.stringify(bytes(plain)))) as [string, string[]];
    operators = found;
    const read = await fromProto(await readModel(memorySource(Buffer.from(file, 'base64'))));
    const graphs = [read, plain].map((one) => bytes(costate(one, { wrt: ['x'], order: 2 }).model));
    errors = JSON.parse(python(compare, [], JSON.stringify(graphs)));
  }, 60_000);

  it('holds fused operators', () => {
    const fused = operators.filter((name) => name.startsWith('com.microsoft.'));
    expect(new Set(fused)).toEqual(
      new Set(
        ['FusedMatMul', 'SkipLayerNormalization', 'BiasGelu', 'FusedGemm'].map((name) => `com.microsoft.${name}`),
      ),
    );
  });

  it('has the co-state of the network that it was', () => {
    expect(errors.costate_x).toBeLessThan(1e-5);
    expect(errors.hvp_x).toBeLessThan(1e-4);
  });
});
