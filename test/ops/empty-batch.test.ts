import { expect, it } from 'vitest';
import {
  attribution,
  coState,
  gibbsAttentionReading,
  gibbsEntropy,
  gibbsWeights,
  hopfCole,
  hopfLax,
  logSumExp,
  solution,
} from '../../ops/index.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';

// onnxruntime-node 1.30 reduces an empty batch along no axis at all where the axis is negative, and its TopK divides by zero.
const weights = (name: string, shape: number[]) =>
  parameter(
    name,
    fromNumbers(
      'float32',
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
    ),
  );
const x = input('x', 'float32', ['B', 3]);
const z = input('x', 'float32', ['B', 6]);
const q = input('x', 'float32', ['B', 2, 5, 3]);
const [W, b] = [weights('W', [6, 3]), weights('b', [6])];
const [bankW, bankB] = [weights('bankW', [2, 6, 3]), weights('bankB', [2, 6])];
const [streamW, streamB] = [weights('streamW', [2, 3, 3]), weights('streamB', [2, 3])];
const epsilon = constant(0.5, 'float32');
const t = constant(0.5, 'float32');
const k = constant(fromNumbers('int64', [], [3]));
const blocked = { form: 'blocked', blockSize: 2 } as const;
const [f, p] = solution(x, W, b, epsilon, blocked);
const [u, gradient] = hopfCole(x, W, b, epsilon, t);
const [u0, index] = hopfLax(x, W, b, t);
const attention = gibbsAttentionReading(q, q, q, epsilon);
const dense = attribution(x, W, b, epsilon, k);
const inBlocks = attribution(x, W, b, epsilon, k, blocked);

it.each<[string, Value, Value, number[]]>([
  ['LogSumExp', x, logSumExp(x, W, b, epsilon), [0]],
  ['LogSumExp of a bank', x, logSumExp(x, bankW, bankB, epsilon), [0, 2]],
  ['CoState', x, coState(x, W, b, epsilon), [0, 3]],
  ['CoState of a bank', x, coState(x, bankW, bankB, epsilon), [0, 2, 3]],
  ['Solution in blocks, f', x, f, [0]],
  ['Solution in blocks, p', x, p, [0, 3]],
  ['LogSumExp streamed', x, logSumExp(x, streamW, streamB, epsilon, { form: 'streamed' }), [0]],
  ['GibbsWeights', z, gibbsWeights(z, epsilon), [0, 6]],
  ['GibbsEntropy', z, gibbsEntropy(z, epsilon), [0]],
  ['HopfCole, u', x, u, [0]],
  ['HopfCole, gradient', x, gradient, [0, 3]],
  ['HopfLax, u0', x, u0, [0]],
  ['HopfLax, index', x, index, [0]],
  ['GibbsAttention', q, attention.output, [0, 2, 5, 3]],
  ['GibbsAttention, log-sum-exp', q, attention.logSumExp, [0, 2, 5]],
  ['Attribution, f', x, dense.f, [0]],
  ['Attribution, weights', x, dense.weights, [0, 3]],
  ['Attribution in blocks, indices', x, inBlocks.indices, [0, 3]],
])('%s takes an empty batch', async (_name, from, value, shape) => {
  const bytes = encodeModel(toProto(model({ inputs: [from], outputs: { value } })));
  const session = await openSession(bytes, { provider: 'cpu', home: 'process' });
  const sizes = (from.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 0));
  const { outputs } = await session.run({ x: fromNumbers('float32', sizes, []) });
  await session.close();
  expect(outputs.get('value')?.shape).toEqual(shape);
});
