import { logSumExp } from '../../ops/index.ts';
import {
  attributionGraph,
  attributionReport,
  barChart,
  buildNetwork,
  constant,
  describeType,
  encodeModel,
  foldConstants,
  fromNumbers,
  fromProto,
  HopfcoleError,
  html,
  importNetwork,
  inlineFunctions,
  input,
  load,
  memorySource,
  model,
  op,
  openCheckpoint,
  page,
  parameter,
  parseSpec,
  raiseOpset,
  readModel,
  readTensors,
  sitesOf,
  specJsonSchema,
  toProto,
  validate,
  verifyCheckpoint,
} from '../../src/web.ts';
import { attributionSample } from '../report/attribution-sample.ts';

/** The files of fixtures/digits that the scenario reads. */
export const files = ['digits_lse.pt', 'digits_lse.safetensors', 'digits_lse.json', 'digits.npz'] as const;
export type Files = Readonly<Record<(typeof files)[number], Uint8Array>>;

/** What a browser does with the library, told in plain text, so that the same can be done in Node and compared. */
export async function scenario(given: Files): Promise<Record<string, string>> {
  const told: Record<string, string> = {};

  const x = input('x', 'float32', ['batch', 3]);
  const W = parameter('W', fromNumbers('float32', [4, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5, 0.5, 0.5]));
  const b = parameter('b', fromNumbers('float32', [4], [0, -0.1, -0.2, -0.3]));
  const f = logSumExp(x, W, b, constant(0.5));
  const rows = op.reshape(x, op.concat([op.shape(x), constant([1n], 'int64')], { axis: 0 }));
  const built = model({ inputs: [x], outputs: { f, y: op.softmax(op.relu(x), { axis: -1 }), rows } });
  told.shapes = built.graph.outputs.map(({ name, value }) => `${name} ${describeType(value.type)}`).join('; ');
  const bytes = encodeModel(toProto(built));
  told.bytes = digest(bytes);
  const back = await fromProto(await readModel(memorySource(bytes)));
  told.again = digest(encodeModel(toProto(back)));
  told.problems = JSON.stringify(await validate(back));
  told.inlined = digest(encodeModel(toProto(foldConstants(inlineFunctions(raiseOpset(back, 23))))));
  told.attribution = digest(encodeModel(toProto(attributionGraph(back, { top: 2 }).model)));
  told.sites = JSON.stringify(sitesOf(back).map(({ node: _node, ...site }) => site));

  const pt = memorySource(given['digits_lse.pt'], 'digits_lse.pt');
  const checkpoint = await verifyCheckpoint(pt);
  for (const [name, tensor] of checkpoint.tensors)
    told[`pt ${name}`] = `${tensor.dtype}[${tensor.shape}] ${digest((await load(tensor)).bytes)}`;
  const safetensors = await openCheckpoint(memorySource(given['digits_lse.safetensors']));
  for (const [name, tensor] of safetensors.tensors)
    told[`safetensors ${name}`] = `${tensor.dtype}[${tensor.shape}] ${digest((await load(tensor)).bytes)}`;
  for (const [name, tensor] of await readTensors(memorySource(given['digits.npz'])))
    told[`npz ${name}`] = `${tensor.dtype}[${tensor.shape}] ${digest((await load(tensor)).bytes)}`;

  const spec = parseSpec(JSON.parse(new TextDecoder().decode(given['digits_lse.json'])));
  const loaded = new Map<string, Awaited<ReturnType<typeof load>>>();
  for (const [name, tensor] of checkpoint.tensors) loaded.set(name, await load(tensor));
  told.network = digest(encodeModel(toProto(importNetwork(spec, loaded).model)));
  told.fresh = digest(encodeModel(toProto(buildNetwork(spec, 7).model)));
  told.schema = digest(new TextEncoder().encode(JSON.stringify(specJsonSchema())));

  const chart = barChart({
    alt: 'weights',
    bars: [
      { label: 'a', value: 0.75 },
      { label: 'b', value: 0.25 },
    ],
  });
  told.report = digest(
    new TextEncoder().encode(
      page({ title: 'A report', sections: [{ id: 'one', title: 'One', body: html`<p>${'<&>'}</p>${chart}` }] }),
    ),
  );

  told.attributionReport = digest(new TextEncoder().encode(attributionReport(attributionSample())));

  told.mistake = await messageOf(() => op.matMul(x, W));
  told.notOnnx = await messageOf(() => readModel(memorySource(given['digits_lse.pt'])));
  return told;
}

async function messageOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'no error';
  } catch (error) {
    return error instanceof HopfcoleError ? `${error.code} ${error.message}` : `foreign: ${String(error)}`;
  }
}

/** Length and FNV-1a hash. */
function digest(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `${bytes.length} ${hash.toString(16)}`;
}
