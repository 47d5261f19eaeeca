import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFile } from '../../src/files/node/file.ts';
import { fileFolder } from '../../src/files/node/folder.ts';
import { atomicWrite } from '../../src/files/node/write.ts';
import { load, toNumbers } from '../../src/files/tensor.ts';
import {
  closeExternal,
  embedExternal,
  planExternal,
  readModel,
  tensorFromProto,
  writeExternal,
  writeModel,
} from '../../src/onnx/index.ts';
import { hasPython, python } from '../support/python.ts';

/** A model y = (x W + b) C with weights of 64 KiB, 1 KiB and 8 KiB, and the sums of its weights. */
const make = `
import sys, numpy as np, onnx
from onnx import helper, numpy_helper, TensorProto as T
rng = np.random.default_rng(3)
w = {n: rng.normal(size=s).astype(np.float32) for n, s in (("W", (64, 256)), ("b", (256,)), ("C", (256, 8)))}
graph = helper.make_graph(
    [helper.make_node("Gemm", ["x", "W", "b"], ["h"]), helper.make_node("MatMul", ["h", "C"], ["y"])], "g",
    [helper.make_tensor_value_info("x", T.FLOAT, ["B", 64])], [helper.make_tensor_value_info("y", T.FLOAT, ["B", 8])],
    [numpy_helper.from_array(v, n) for n, v in w.items()])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
`;

/** Loads a model with its data, checks it in full, runs it in ORT, and prints whether weights and answers are the same. */
const judge = `${make}
import onnxruntime as ort
path = sys.argv[1]
onnx.checker.check_model(path, full_check=True)
loaded = onnx.load(path)
same = all(np.array_equal(numpy_helper.to_array(i), w[i.name]) for i in loaded.graph.initializer)
x = np.ones((2, 64), np.float32)
ort.set_default_logger_severity(3)
run = lambda m: ort.InferenceSession(m, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
print(same and np.array_equal(run(path), run(model.SerializeToString())))
`;

describe.skipIf(!hasPython)('external data, against Python and ORT', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-external-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const inside = join(folder, 'inside.onnx');
  const theirs = join(folder, 'theirs');
  mkdirSync(theirs);
  // The body of a skipped group is still run: what needs Python waits for a hook.
  beforeAll(() => {
    python(
      `${make}
onnx.save(model, sys.argv[1])
onnx.save(model, sys.argv[2] + "/one.onnx", save_as_external_data=True, location="one.data", size_threshold=0)
onnx.save(model, sys.argv[2] + "/many.onnx", save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0)`,
      [inside, theirs],
    );
  });

  it('is loaded, checked and run from what we write', async () => {
    const path = join(folder, 'ours.onnx');
    const source = await openFile(inside);
    const plan = await planExternal(await readModel(source, { keepFrom: 100 }), { location: 'ours.onnx.data' });
    await atomicWrite(`${path}.data`, (sink) => writeExternal(plan, sink));
    await atomicWrite(path, (sink) => writeModel(plan.model, sink));
    await source.close?.();
    expect(statSync(path).size).toBeLessThan(1500);
    expect(statSync(`${path}.data`).size).toBe(plan.size);
    expect(python(judge, [path]).trim()).toBe('True');
  });

  it('is read as Python wrote it, in one file or one for each tensor, and can be put back inside', async () => {
    for (const name of ['one', 'many']) {
      const beside = fileFolder(theirs);
      const source = await openFile(join(theirs, `${name}.onnx`));
      const model = await readModel(source);
      const [weights] = model.graph?.initializer ?? [];
      expect(weights?.dataLocation).toBe(1);
      const sum = toNumbers(await load(await tensorFromProto(weights ?? {}, beside))).reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(Number(python(`${make}print(w["W"].astype(float).sum())`)), 6);
      const path = join(folder, `${name}-inside.onnx`);
      await atomicWrite(path, async (sink) => writeModel(await embedExternal(model, beside), sink));
      await closeExternal(beside);
      await source.close?.();
      expect(python(judge, [path]).trim()).toBe('True');
    }
  });

  it('is not read through a link that leads out of the folder', async () => {
    const secret = join(folder, 'secret');
    writeFileSync(secret, new Uint8Array(1 << 17));
    const trap = join(folder, 'trap');
    mkdirSync(trap);
    symlinkSync(secret, join(trap, 'one.data'));
    const model = await readModel(await openFile(join(theirs, 'one.onnx')));
    await expect(tensorFromProto(model.graph?.initializer[0] ?? {}, fileFolder(trap))).rejects.toMatchObject({
      code: 'PATH_OUTSIDE_MODEL',
    });
  });
});
