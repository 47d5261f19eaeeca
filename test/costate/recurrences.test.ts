import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { everyNode } from '../../src/graph/walk.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { normal, worst } from '../ops/run.ts';

const sizes: Readonly<Record<string, readonly number[]>> = { x: [5, 3, 2], w: [1, 16, 2], r: [1, 16, 4], b: [1, 32] };
const names = Object.keys(sizes);
const lengths = fromNumbers('int32', [3], [3, 5, 4]);

function lstm(
  outputs: (y: Value, yh: Value, yc: Value) => Record<string, Value>,
  dtype: 'float32' | 'float16' = 'float32',
): Model {
  const given = names.map((name) => input(name, 'float32', sizes[name]));
  const [x, w, r, b] = given.map((value) => (dtype === 'float32' ? value : op.cast(value, { to: dtype }))) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const made = op.lstm(x, w, r, b, undefined, undefined, undefined, undefined, { hiddenSize: 4 });
  return model({ inputs: given, outputs: outputs(...made) });
}

async function run(
  made: Model,
  change: (name: string, data: Float32Array) => void = () => {},
): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(encodeModel(toProto(made)), { logSeverityLevel: 3 });
  const feeds = Object.fromEntries(
    names.map((name, index) => {
      const data = Float32Array.from(toNumbers(normal('float32', sizes[name] ?? [], index + 1)));
      change(name, data);
      return [name, new OrtTensor('float32', data, sizes[name] ?? [])];
    }),
  );
  const got = await session.run(feeds);
  await session.release();
  return Object.fromEntries(Object.entries(got).map(([name, { data }]) => [name, data as Float32Array]));
}

const gradient = (made: Model): Model => costate(made, { wrt: names }).model;

describe('recurrent operators of files', () => {
  it('gives Y a name where the file asks for the last state only', async () => {
    const built = lstm((_, yh) => ({ yh }));
    const read = await fromProto(toProto(built));
    const node = read.graph.nodes.find(({ opType }) => opType === 'LSTM');
    expect(node?.outputs.map(({ name }) => name)).toEqual(['', 'yh']);
    const [want, got] = [await run(gradient(built)), await run(gradient(read))];
    for (const name of names) expect(worst(got[`costate_${name}`] ?? [], want[`costate_${name}`] ?? [1])).toBe(0);
    expect([...(got.yh ?? [])]).toEqual([...((await run(read)).yh ?? [])]);
  });

  it('runs what is batch first with time first, under the same names', async () => {
    const given = names.map((name) => input(name, 'float32', sizes[name]));
    const [x, w, r, b] = given as [Value, Value, Value, Value];
    const call = (steps: Value, layout: number): Value =>
      op.lstm(steps, w, r, b, undefined, undefined, undefined, undefined, { hiddenSize: 4, layout })[0];
    const first = call(op.transpose(x, { perm: [1, 0, 2] }), 1);
    const plain = op.transpose(call(x, 0), { perm: [2, 0, 1, 3] });
    const [asked, known] = [first, plain].map((y) => model({ inputs: given, outputs: { y, z: op.mul(y, y) } }));
    const read = await fromProto(toProto(asked as Model));
    const made = costate(read, { wrt: [...names, 'y'], of: ['z'] }).model;
    const [want, got] = [await run(costate(known as Model, { wrt: names, of: ['z'] }).model), await run(made)];
    for (const name of ['y', 'z', ...names.map((one) => `costate_${one}`)])
      expect(worst(got[name] ?? [], want[name] ?? [1]), name).toBeLessThan(1e-6);
    expect(
      worst(
        got.costate_y ?? [],
        (want.y ?? new Float32Array()).map((value) => 2 * value),
      ),
    ).toBeLessThan(1e-6);
  });

  it('leaves recurrent operators alone that no co-state passes', async () => {
    const read = await fromProto(toProto(lstm((_, yh) => ({ yh, z: op.mul(yh, yh) }))));
    const made = costate(read, { wrt: ['yh'], of: ['z'] }).model;
    const node = [...everyNode(made.graph)].find(({ opType }) => opType === 'LSTM');
    expect(toProto(made).graph?.node?.find(({ opType }) => opType === 'LSTM')?.output).toEqual(['', 'yh']);
    expect(node?.outputs).toHaveLength(2);
  });

  it('computes half precision in float32', async () => {
    const outputs = (y: Value, yh: Value, yc: Value): Record<string, Value> => ({
      s: op.cast(op.add(op.add(op.reduceSum(op.mul(y, y)), op.reduceSum(yh)), op.reduceSum(yc)), { to: 'float32' }),
    });
    const made = gradient(lstm(outputs, 'float16'));
    for (const node of everyNode(made.graph))
      if (node.opType === 'Scan' || node.opType === 'Gemm') expect(node.outputs[0]?.dtype).toBe('float32');
    const [want, got] = [await run(gradient(lstm(outputs))), await run(made)];
    for (const name of names)
      expect(worst(got[`costate_${name}`] ?? [], want[`costate_${name}`] ?? [1])).toBeLessThan(5e-3);
  });

  it('does not let what stands behind the end of a sequence in', async () => {
    const given = names.map((name) => input(name, 'float32', sizes[name]));
    const [x, w, r, b] = given as [Value, Value, Value, Value];
    const [y] = op.lstm(x, w, r, b, op.constant({ value: lengths }), undefined, undefined, undefined, {
      hiddenSize: 4,
    });
    const made = gradient(model({ inputs: given, outputs: { y } }));
    const want = await run(made);
    const got = await run(made, (name, data) => {
      // Steps 3 and 4 of the first sequence, of 3 sequences of 2 numbers.
      if (name === 'x') for (const at of [18, 19, 24, 25]) data[at] = Number.NaN;
    });
    for (const name of names)
      expect([...(got[`costate_${name}`] ?? [])]).toEqual([...(want[`costate_${name}`] ?? [1])]);
  });
});
