/**
 * Builds a network from standard operators, an operator of one's own and an operator of ai.hopfcole, writes it as ONNX and runs it.
 * An operator of one's own is a model-local function: any ONNX runtime runs the file, with nothing to register.
 *
 *   npm run example -- build [FILE]
 */
import {
  call,
  constant,
  defineFunction,
  exportOnnx,
  fromNumbers,
  input,
  model,
  op,
  openSession,
  parameter,
  toNumbers,
} from 'hopfcole';
import { logSumExp } from 'hopfcole/ops';

const file = process.argv[2] ?? 'out/build.onnx';

/** SoftMin(z, epsilon) = -epsilon log sum exp(-z / epsilon) over the last axis: the viscous minimum. */
const softMin = defineFunction({
  domain: 'example',
  name: 'SoftMin',
  inputs: ['z', 'epsilon'],
  outputs: ['f'],
  build: ([z, epsilon]) => {
    if (z === undefined || epsilon === undefined) return [];
    const scaled = op.neg(op.div(z, epsilon));
    const axes = constant([-1n], 'int64');
    return [op.neg(op.mul(epsilon, op.reduceLogSumExp(scaled, axes, { keepdims: false })))];
  },
});

const x = input('x', 'float32', ['batch', 2]);
const atoms = parameter('atoms', fromNumbers('float32', [3, 2], [1, 0, 0, 1, -1, -1]));
const bias = parameter('bias', fromNumbers('float32', [3], [0, 0.1, 0.2]));
const epsilon = constant(0.5);

// Shapes are inferred as the graph is built: a mistake throws here, at this line.
const logits = op.gemm(x, atoms, bias, { transB: true });
const [low] = call(softMin, [logits, epsilon]);
const high = logSumExp(x, atoms, bias, epsilon);
if (low === undefined) throw new Error('SoftMin has one output');

const network = model({ name: 'range', inputs: [x], outputs: { low, high, width: op.sub(high, low) } });
await exportOnnx(network, file);

const session = await openSession(file, { provider: 'cpu' });
const { outputs } = await session.run({ x: fromNumbers('float32', [2, 2], [1, 0, 0.5, -0.5]) });
for (const [name, tensor] of outputs) console.log(`${name} [${tensor.shape}] ${toNumbers(tensor).map(rounded)}`);
await session.close();

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
