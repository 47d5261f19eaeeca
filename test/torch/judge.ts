import { join } from 'node:path';
import { costate } from '../../src/costate/costate.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { openFile } from '../../src/files/node/file.ts';
import { readSafetensors } from '../../src/files/safetensors.ts';
import { memorySink } from '../../src/files/sink.ts';
import { fromNumbers, load, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { type ImportedProgram, importProgram } from '../../src/torch/program.ts';
import type { CorpusCall, CorpusEntry } from './corpus.ts';

type Phase = 'import' | 'check' | 'run' | 'output' | 'costate' | 'gradient';

export interface Failure {
  readonly phase: Phase;
  readonly message: string;
}

export interface Verdict {
  readonly failures: readonly Failure[];
  /** Of the largest entry, beyond nothing: what was measured, of outputs and of gradients. */
  readonly output: number;
  readonly gradient: number;
  /** Gradients compared. */
  readonly gradients: number;
  readonly nodes: number;
  readonly milliseconds: number;
}

/**
 * One variant of one program: imported, run at all its sizes, its outputs compared with PyTorch's (1e-5 of the largest entry, 1e-2 in half precision, nothing
 * allowed for), then its co-state with the same cotangents, parameter by parameter (1e-3, 1e-2 in half precision, plus what PyTorch's own float32 lost). All failures at once.
 */
export async function judged(entry: CorpusEntry, variant: string, withGradients = true): Promise<Verdict> {
  const failures: Failure[] = [];
  const began = performance.now();
  const found = { output: 0, gradient: 0, gradients: 0 };
  const own = entry.variants.find((one) => one.variant === variant);
  const fail = (phase: Phase, message: string): void => {
    failures.push({ phase, message });
  };
  const verdict = (nodes: number): Verdict => ({
    failures,
    ...found,
    nodes,
    milliseconds: performance.now() - began,
  });
  if (own === undefined) return verdict(0);
  const source = await openFile(join(entry.folder, own.file));
  try {
    let program: ImportedProgram;
    let bytes: Uint8Array;
    try {
      program = await importProgram(source, own.method === undefined ? {} : { method: own.method });
    } catch (error) {
      fail('import', said(error));
      return verdict(0);
    }
    const { model } = program;
    try {
      bytes = await written(model);
    } catch (error) {
      fail('check', said(error));
      return verdict(model.graph.nodes.length);
    }
    const calls = await Promise.all(
      entry.calls.map(async (call) => ({ call, arrays: await arraysOf(join(entry.folder, call.file)) })),
    );
    for (const [k, { call, arrays }] of calls.entries())
      await outputsCompared(entry, program, bytes, call, arrays, k, fail, found);
    if (withGradients && !failures.some(({ phase }) => phase === 'run'))
      await gradientsCompared(program, calls, Math.max(1e-3, entry.tolerance ?? 0), fail, found);
    return verdict(model.graph.nodes.length);
  } finally {
    await source.close?.();
  }
}

type Fail = (phase: Phase, message: string) => void;
type Arrays = ReadonlyMap<string, Tensor>;
interface Found {
  output: number;
  gradient: number;
  gradients: number;
}

async function outputsCompared(
  entry: CorpusEntry,
  { model, constants }: ImportedProgram,
  bytes: Uint8Array,
  call: CorpusCall,
  arrays: Arrays,
  k: number,
  fail: Fail,
  found: Found,
): Promise<void> {
  let outputs: ReadonlyMap<string, Tensor>;
  try {
    outputs = await ran(bytes, feedsOf(model, call, arrays));
  } catch (error) {
    fail('run', `call ${k}: ${said(error)}`);
    return;
  }
  const places = placesOf(model, call, constants.length);
  for (const [i, kind] of call.outputs.entries()) {
    const expected = arrays.get(`out:${i}`);
    const name = places.get(i);
    if (expected === undefined || (name === undefined && kind !== 'tensor' && kind !== 'complex')) continue;
    const got = name === undefined ? undefined : outputs.get(name);
    const label = `call ${k}, output ${i}${name === undefined ? '' : ` '${name}'`}`;
    const problem = misfit(got, expected);
    if (problem !== undefined || got === undefined) {
      fail('output', `${label}: ${problem}`);
      continue;
    }
    const { worst, largest } = gap(got, expected);
    const half = expected.dtype === 'float16' || expected.dtype === 'bfloat16';
    const tolerance = entry.tolerance ?? (half ? 1e-2 : 1e-5);
    found.output = Math.max(found.output, worst / Math.max(largest, 1e-30));
    if (!(worst <= tolerance * largest))
      fail('output', `${label}: off by ${shown(worst)} of ${shown(largest)} (${expected.dtype} [${expected.shape}])`);
  }
}

async function gradientsCompared(
  { model, changed }: ImportedProgram,
  calls: readonly { readonly call: CorpusCall; readonly arrays: Arrays }[],
  tolerance: number,
  fail: Fail,
  found: Found,
): Promise<void> {
  const [first] = calls;
  if (first === undefined) return;
  const wanted = [...first.arrays.keys()].filter((key) => key.startsWith('grad:')).map((key) => key.slice(5));
  if (wanted.length === 0) return;
  const places = placesOf(model, first.call, -1);
  const cotangents = [...places].filter(([i]) => first.arrays.has(`cot:${i}`));
  let bytes: Uint8Array;
  let graph: Model;
  try {
    const made = costate(model, {
      of: [...new Set(cotangents.map(([, name]) => name))],
      wrt: ['parameters'],
      seed: 'input',
    });
    graph = made.model;
    bytes = await written(graph);
  } catch (error) {
    fail('costate', said(error));
    return;
  }
  for (const [k, { call, arrays }] of calls.entries()) {
    const feeds = feedsOf(graph, call, arrays);
    for (const [i, name] of cotangents) {
      const input = graph.graph.inputs.find((one) => one.name === `cotangent_${name}`);
      const tensor = arrays.get(`cot:${i}`);
      if (input !== undefined && tensor !== undefined) feeds.set(`cotangent_${name}`, as(tensor, input.dtype));
    }
    let outputs: ReadonlyMap<string, Tensor>;
    try {
      outputs = await ran(bytes, feeds);
    } catch (error) {
      fail('costate', `call ${k}: ${said(error)}`);
      return;
    }
    for (const name of wanted) {
      const expected = arrays.get(`grad:${name}`);
      if (expected === undefined) continue;
      found.gradients += 1;
      const renamed = changed.find((one) => one.name === name)?.why;
      const own = /called '([^']+)' in the graph/.exec(renamed ?? '')?.[1] ?? name;
      const got = outputs.get(`costate_${own}`);
      const { largest: size } = gap(expected, expected);
      if (got === undefined && size === 0) continue;
      const problem = misfit(got, expected, true);
      if (problem !== undefined || got === undefined) {
        fail('gradient', `call ${k}, '${name}': ${problem}`);
        continue;
      }
      const { worst, largest } = gap(got, expected);
      found.gradient = Math.max(found.gradient, worst / Math.max(largest, 1e-30));
      if (!(worst <= tolerance * largest + (call.lost[`grad:${name}`] ?? 0) + 1e-6))
        fail('gradient', `call ${k}, '${name}': off by ${shown(worst)} of ${shown(largest)} [${expected.shape}]`);
    }
  }
}

/** Names of the model's outputs by the places of the program's: results that are no tensors are none, unless they are sizes. */
function placesOf(model: Model, call: CorpusCall, constants: number): ReadonlyMap<number, string> {
  const names = model.graph.outputs.map(({ name }) => name);
  const places = new Map<number, string>();
  const isTensor = (kind: string) => kind === 'tensor' || kind === 'complex';
  const tensors = call.outputs.filter(isTensor).length;
  let spare = names.length - tensors;
  let next = 0;
  for (const [i, kind] of call.outputs.entries()) {
    const output = model.graph.outputs[next];
    if (output === undefined) break;
    const isSize = kind === 'int' && spare > 0 && output.value.dtype === 'int64' && output.value.shape?.length === 0;
    if (!isTensor(kind) && !isSize) continue;
    if (isSize) spare -= 1;
    places.set(i, output.name);
    next += 1;
  }
  if (constants >= 0 && next !== names.length) places.set(-1, names[next] ?? '');
  return places;
}

function feedsOf(model: Model, call: CorpusCall, arrays: Arrays): Map<string, Tensor> {
  const feeds = new Map<string, Tensor>();
  const inputs = new Map(model.graph.inputs.map((value) => [value.name ?? '', value]));
  const tensors = call.inputs.flatMap(({ name, kind }, i) =>
    kind === 'tensor' || kind === 'complex' ? [{ name, i }] : [],
  );
  for (const [i, { name }] of call.inputs.entries()) {
    const tensor = arrays.get(`in:${i}`);
    // A name that is a weight's as well gives way: then it is the input of that place.
    const place = tensors.findIndex((one) => one.i === i);
    const input =
      inputs.get(name) ?? (place >= 0 && tensors.length === inputs.size ? model.graph.inputs[place] : undefined);
    if (tensor !== undefined && input !== undefined) feeds.set(input.name ?? '', as(tensor, input.dtype));
  }
  return feeds;
}

function as(tensor: Tensor, dtype: Tensor['dtype'] | undefined): Tensor {
  if (dtype === undefined || tensor.dtype === dtype || dtype === 'string') return tensor;
  return fromNumbers(dtype, tensor.shape, toNumbers(tensor));
}

/** What is wrong with it before its numbers are looked at. Half precision may be given in a wider type. */
function misfit(got: Tensor | undefined, expected: Tensor, anyFloat = false): string | undefined {
  if (got === undefined) return 'is missing';
  if (JSON.stringify(got.shape) !== JSON.stringify(expected.shape))
    return `is [${got.shape}], expected [${expected.shape}]`;
  const isHalf = expected.dtype === 'float16' || expected.dtype === 'bfloat16';
  const wider = (isHalf || anyFloat) && /float/.test(got.dtype) && /float/.test(expected.dtype);
  return got.dtype === expected.dtype || wider ? undefined : `is ${got.dtype}, expected ${expected.dtype}`;
}

function gap(got: Tensor, expected: Tensor): { worst: number; largest: number } {
  const [a, b] = [toNumbers(got), toNumbers(expected)];
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    const [one, other] = [a[i] ?? Number.NaN, b[i] ?? Number.NaN];
    if (Number.isFinite(other)) largest = Math.max(largest, Math.abs(other));
    if (one === other || (Number.isNaN(one) && Number.isNaN(other))) continue;
    worst = Math.max(worst, Number.isNaN(one - other) ? Number.POSITIVE_INFINITY : Math.abs(one - other));
  }
  return { worst, largest };
}

async function written(model: Model): Promise<Uint8Array> {
  const sink = memorySink();
  await writeModel(toProto(model), sink);
  return sink.bytes();
}

async function ran(bytes: Uint8Array, feeds: Arrays): Promise<ReadonlyMap<string, Tensor>> {
  const session = await openSession(bytes, { provider: 'cpu', home: 'process' });
  try {
    return (await session.run(feeds)).outputs;
  } finally {
    await session.close();
  }
}

async function arraysOf(path: string): Promise<Map<string, Tensor>> {
  const source = await openFile(path);
  const loaded = new Map<string, Tensor>();
  const { tensors } = await readSafetensors(source);
  for (const [name, tensor] of tensors) loaded.set(name, await load(tensor));
  await source.close?.();
  return loaded;
}

function said(error: unknown): string {
  if (error instanceof HopfcoleError && error.code === 'UNSUPPORTED_OPERATOR') return `not supported: ${error.message}`;
  if (error instanceof HopfcoleError) return `${error.code}: ${error.line()}`;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return text.split('\n').slice(0, 4).join(' | ').slice(0, 900);
}

function shown(value: number): string {
  return value.toPrecision(3);
}
