import { afterAll, describe, expect, it } from 'vitest';
import { logSumExp } from '../../ops/index.ts';
import { type CostateOptions, costate } from '../../src/costate/costate.ts';
import type { DType } from '../../src/files/dtype.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import type { Session } from '../../src/runtime/session.ts';
import { normal } from '../ops/run.ts';
import { hasPython, python } from '../support/python.ts';

/** Numbers that bfloat16 holds, in that type or another. */
function held(dtype: DType, shape: readonly number[], seed: number): Tensor {
  const narrow = fromNumbers('bfloat16', shape, toNumbers(normal('float32', shape, seed)));
  return fromNumbers(dtype, shape, toNumbers(narrow));
}

function scalar(dtype: DType, value: number) {
  return constant(fromNumbers(dtype, [], [value]));
}

const networks: Readonly<Record<string, (dtype: DType) => Model>> = {
  perceptron: (dtype) => {
    const x = input('x', dtype, ['n', 8]);
    const h = op.tanh(
      op.gemm(x, parameter('w0', held(dtype, [6, 8], 1)), parameter('b0', held(dtype, [6], 2)), { transB: 1 }),
    );
    const y = op.matMul(op.relu(h), parameter('w1', held(dtype, [6, 5], 3)));
    return model({ inputs: [x], outputs: { y } });
  },
  softmax: (dtype) => {
    const x = input('x', dtype, ['n', 8]);
    const scores = op.matMul(x, parameter('w0', held(dtype, [8, 5], 1)));
    return model({ inputs: [x], outputs: { y: op.mul(op.softmax(scores, { axis: -1 }), scalar(dtype, 3)) } });
  },
  norm: (dtype) => {
    const x = input('x', dtype, ['n', 8]);
    const scale = parameter('scale', held(dtype, [8], 1));
    const [y] = op.layerNormalization(x, scale, parameter('bias', held(dtype, [8], 2)), { axis: -1 });
    return model({ inputs: [x], outputs: { y: op.matMul(y, parameter('w', held(dtype, [8, 5], 3))) } });
  },
  'log-sum-exp': (dtype) => {
    const x = input('x', dtype, ['n', 8]);
    const bank = logSumExp(
      x,
      parameter('w', held(dtype, [5, 6, 8], 1)),
      parameter('b', held(dtype, [5, 6], 2)),
      constant(0.5),
    );
    return model({ inputs: [x], outputs: { y: bank } });
  },
};

const sessions: Session[] = [];
afterAll(() => Promise.all(sessions.map((session) => session.close())));

async function outputsOf(made: Model, feeds: Readonly<Record<string, Tensor>>): Promise<ReadonlyMap<string, Tensor>> {
  const session = await openSession(encodeModel(toProto(made)), { provider: 'cpu', home: 'process' });
  sessions.push(session);
  return (await session.run(feeds)).outputs;
}

function feedsOf(dtype: DType, { loss, order }: CostateOptions): Record<string, Tensor> {
  return {
    x: held(dtype, [4, 8], 7),
    ...(loss === undefined ? { cotangent_y: held(dtype, [4, 5], 8) } : {}),
    ...(loss === 'mse' ? { target: held(dtype, [4, 5], 9) } : {}),
    ...(loss === 'cross-entropy' ? { target: fromNumbers('int64', [4], [0, 4, 2, 1]) } : {}),
    ...(order === 2 ? { direction_x: held(dtype, [4, 8], 10) } : {}),
  };
}

const asked: readonly CostateOptions[] = [{ seed: 'input', order: 2 }, { loss: 'mse' }, { loss: 'cross-entropy' }];

describe('co-states in bfloat16', () => {
  const cases = Object.keys(networks).flatMap((name) => asked.map((options) => [name, options] as const));
  it.each(cases)('%s, %o', async (name, options) => {
    const build = networks[name];
    if (build === undefined) throw new Error(name);
    const [narrow, wide] = (['bfloat16', 'float32'] as const).map((dtype) => costate(build(dtype), options));
    expect(narrow?.gradients.map(({ dtype }) => dtype)).toEqual(['bfloat16']);
    if (narrow === undefined || wide === undefined) return;
    const got = await outputsOf(narrow.model, feedsOf('bfloat16', options));
    const want = await outputsOf(wide.model, feedsOf('float32', options));
    expect([...got.keys()]).toEqual([...want.keys()]);
    for (const [output, tensor] of want) {
      const [numbers, expected] = [toNumbers(got.get(output) ?? tensor), toNumbers(tensor)];
      const largest = Math.max(...expected.map(Math.abs));
      const error =
        Math.max(...expected.map((value, index) => Math.abs(value - (numbers[index] ?? Number.NaN)))) / largest;
      expect(error, output).toBeLessThan(0.02);
    }
  });

  it.skipIf(!hasPython)('pass the checker', () => {
    const graphs = cases.map(([name, options]) => {
      const made = networks[name]?.('bfloat16');
      return made === undefined
        ? ''
        : Buffer.from(encodeModel(toProto(costate(made, options).model))).toString('base64');
    });
    const program = `
import base64, json, sys, onnx
for text in json.load(sys.stdin):
    onnx.checker.check_model(onnx.load_from_string(base64.b64decode(text)), full_check=True)
print('ok')`;
    expect(python(program, [], JSON.stringify(graphs)).trim()).toBe('ok');
  });
});
