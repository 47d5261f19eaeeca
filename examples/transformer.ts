/**
 * A two-layer transformer of one's own: a language model with causal attention, pre-norm residual steps and fresh weights, as ONNX. Each layer
 * says which equation it discretises. A size that does not fit throws at the line that says it.
 *
 *   npm run example -- transformer [FILE]
 */
import { exportOnnx, fromNumbers, input, openSession } from 'hopfcole';
import {
  embedding,
  feedForward,
  fresh,
  layerNorm,
  linear,
  multiHeadAttention,
  network,
  residual,
} from 'hopfcole/layers';

const file = process.argv[2] ?? 'out/transformer.onnx';

const net = fresh({ seed: 1 });
const tokens = input('tokens', 'int64', ['batch', 'time']);
let x = embedding(net.at('embed'), tokens, { entries: 100, features: 64 });
for (const index of [0, 1]) {
  const block = net.at(`blocks.${index}`);
  const read = layerNorm(block.at('norm1'), x);
  x = residual(block, x, multiHeadAttention(block.at('attn'), read, { heads: 4, causal: true, rope: {} }).output);
  x = residual(block, x, feedForward(block.at('mlp'), layerNorm(block.at('norm2'), x), { hidden: 256 }));
}
const logits = linear(net.at('head'), layerNorm(net.at('norm'), x), { out: 100 });
const { model, readings } = network(net, { inputs: [tokens], outputs: { logits } });
await exportOnnx(model, file);

for (const { name, kind, status, hamiltonian } of readings)
  console.log(`${name} ${kind}: ${status}, H = ${hamiltonian}`);
const session = await openSession(file, { provider: 'cpu' });
const { outputs } = await session.run({ tokens: fromNumbers('int64', [1, 3], [5, 17, 3]) });
for (const [name, tensor] of outputs) console.log(`${name} [${tensor.shape}]`);
await session.close();
