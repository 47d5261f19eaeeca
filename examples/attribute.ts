/**
 * Imports weights that PyTorch trained and says, for one handwritten digit, which training images decided: their Gibbs weights, and what
 * the score would be without them.
 *
 *   npm run example -- attribute [ROW]
 */
import { readFile } from 'node:fs/promises';
import {
  attributionGraph,
  attributionResult,
  encodeModel,
  importNetwork,
  load,
  openCheckpoint,
  openFile,
  openSession,
  parseSpec,
  readTensors,
  sitesOf,
  type Tensor,
  tensorOf,
  toNumbers,
  toProto,
  viewOf,
} from 'hopfcole';

const digits = 'fixtures/digits';
const row = Number(process.argv[2] ?? 0);

// The checkpoint's headers are read, nothing of it is executed; the weights are taken into memory here because they are small.
const checkpoint = await openCheckpoint(await openFile(`${digits}/digits_lse.pt`));
const weights = new Map<string, Tensor>();
for (const [name, tensor] of checkpoint.tensors) weights.set(name, await load(tensor));
const spec = parseSpec(JSON.parse(await readFile(`${digits}/digits_lse.json`, 'utf8')));
const network = importNetwork(spec, weights);
for (const { name, kind, epsilon, atoms, heads } of sitesOf(network.model))
  console.log(`site ${name}: ${kind}, epsilon ${epsilon}, ${heads} units of ${atoms} atoms`);

// The graph that attributes is plain ONNX too, and can be exported as any other.
const { model } = attributionGraph(network.model, { top: 3 });
const session = await openSession(encodeModel(toProto(model)), { provider: 'cpu' });
const { outputs } = await session.run({ x: await imageAt(row) });
await session.close();

const { f, weight, index, leaveOneOut, entropy } = attributionResult(outputs);
const scores = toNumbers(f);
const decided = scores.indexOf(Math.max(...scores));
console.log(`row ${row} is a ${decided}: f ${fixed(scores[decided])}, entropy ${fixed(toNumbers(entropy)[decided])}`);
// Each atom began as a training image: digits.npz says which.
const images = toNumbers(await arrayOf('digits.npz', 'atoms'));
for (let place = 0; place < 3; place++) {
  const at = decided * 3 + place;
  const [atom, pi, without] = [index, weight, leaveOneOut].map((tensor) => toNumbers(tensor)[at]);
  const image = images[decided * 64 + (atom ?? 0)];
  console.log(`training image ${image}: weight ${fixed(pi)}, without it f changes by ${fixed(without)}`);
}

/** One row of the test images, float32 [1, 64]. */
async function imageAt(position: number): Promise<Tensor> {
  const pixels = viewOf(await arrayOf('test.npz', 'x'), 'float32');
  return tensorOf('float32', [1, 64], pixels.slice(position * 64, (position + 1) * 64));
}

async function arrayOf(file: string, name: string): Promise<Tensor> {
  const array = (await readTensors(await openFile(`${digits}/${file}`))).get(name);
  if (array === undefined) throw new Error(`${file} holds no ${name}`);
  return load(array);
}

function fixed(value: number | undefined): string {
  return (value ?? Number.NaN).toFixed(4);
}
