import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../../src/costate/costate.ts';
import type { DType } from '../../../src/files/dtype.ts';
import { openFile } from '../../../src/files/node/file.ts';
import { readSafetensors } from '../../../src/files/safetensors.ts';
import { memorySink } from '../../../src/files/sink.ts';
import { fromNumbers, load, type Tensor, toNumbers } from '../../../src/files/tensor.ts';
import type { Model } from '../../../src/graph/graph.ts';
import { toProto } from '../../../src/graph/wire/write.ts';
import { writeModel } from '../../../src/onnx/write.ts';
import { openSession } from '../../../src/runtime/node/open.ts';
import { importProgram } from '../../../src/torch/program.ts';
import { hasPython, pythonFile } from '../../support/python.ts';

/** A case of a family as judge.py saved it. */
interface Case {
  readonly name: string;
  readonly error?: string;
  readonly forms: readonly { readonly form: string; readonly file: string; readonly targets: readonly string[] }[];
  readonly calls: readonly Saved[];
  readonly tolerance: number | null;
  readonly gradientTolerance: number | null;
  readonly nodes: number | null;
  readonly ops: readonly string[];
  readonly no: readonly string[];
}

interface Saved {
  readonly file: string;
  readonly outputs: readonly string[];
  readonly lost: Readonly<Record<string, number>>;
}

type Arrays = ReadonlyMap<string, Tensor>;

/**
 * The operators of a family, FAMILY.py beside this file, as PyTorch exports them, traced and decomposed: outputs (1e-5 of the largest entry, 1e-2 in half
 * precision, exact where they are no floating-point numbers) and gradients (1e-4, plus twice what PyTorch itself loses in float32), at all sizes that a case has inputs of.
 */
export function judgedByTorch(family: string): void {
  describe.skipIf(!hasPython)(`ATen: ${family}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'hopfcole-aten-'));
    let cases: readonly Case[] = [];
    beforeAll(() => {
      pythonFile(join(import.meta.dirname, `${family}.py`), [folder]);
      cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as Case[];
    }, 300_000);
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it('gives what PyTorch gives', async () => {
      const failures: string[] = [];
      for (const own of cases) failures.push(...(await failuresOf(folder, own)));
      expect(failures).toEqual([]);
      expect(cases.length).toBeGreaterThan(0);
    }, 300_000);
  });
}

async function failuresOf(folder: string, own: Case): Promise<string[]> {
  if (own.error !== undefined) return [`${own.name}: PyTorch: ${own.error}`];
  const failures: string[] = [];
  const calls: { readonly call: Saved; readonly arrays: Arrays }[] = [];
  for (const call of own.calls) calls.push({ call, arrays: await arraysOf(join(folder, call.file)) });
  for (const { form, file } of own.forms) {
    const label = `${own.name} (${form})`;
    const source = await openFile(join(folder, file));
    try {
      const { model } = await importProgram(source);
      failures.push(...structureOf(own, form, model).map((problem) => `${label}: ${problem}`));
      for (const failure of await compared(own, model, calls)) failures.push(`${label}: ${failure}`);
    } catch (error) {
      failures.push(`${label}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await source.close?.();
    }
  }
  return failures;
}

function structureOf(own: Case, form: string, { graph }: Model): string[] {
  const made = graph.nodes.map(({ opType }) => opType);
  if (form !== 'traced') return [];
  return [
    ...own.ops.filter((name) => !made.includes(name)).map((name) => `has no ${name}, but ${made.join(', ')}`),
    ...own.no.filter((name) => made.includes(name)).map((name) => `has ${name}: ${made.join(', ')}`),
    ...(own.nodes !== null && made.length > own.nodes ? [`has ${made.length} nodes: ${made.join(', ')}`] : []),
  ];
}

async function compared(
  own: Case,
  model: Model,
  calls: readonly { readonly call: Saved; readonly arrays: Arrays }[],
): Promise<string[]> {
  const failures: string[] = [];
  const bytes = await written(model);
  const names = model.graph.outputs.map(({ name }) => name);
  for (const [k, { call, arrays }] of calls.entries()) {
    const outputs = await ran(bytes, feedsOf(model, arrays));
    let next = 0;
    for (const [i, kind] of call.outputs.entries()) {
      if (kind !== 'tensor' && kind !== 'complex') continue;
      const expected = arrays.get(`out:${i}`);
      const got = outputs.get(names[next++] ?? '');
      const problem = differing(got, expected, own.tolerance ?? undefined, 0);
      if (problem !== undefined) failures.push(`call ${k}, output ${i}: ${problem}`);
    }
  }
  if (failures.length > 0) return failures;
  const [first] = calls;
  const wanted = [...(first?.arrays.keys() ?? [])].filter((key) => /^(grad|param):/.test(key));
  if (first === undefined || wanted.length === 0) return failures;
  const tensors = first.call.outputs.flatMap((kind, i) => (kind === 'tensor' || kind === 'complex' ? [i] : []));
  const of = tensors.flatMap((i, at) => (first.arrays.has(`cot:${i}`) ? [{ i, name: names[at] ?? '' }] : []));
  const nameOf = (key: string) =>
    key.startsWith('grad:')
      ? (model.graph.inputs[placeOf(first.arrays, Number(key.slice(5)))]?.name ?? '')
      : key.slice('param:'.length);
  const made = costate(model, { of: of.map(({ name }) => name), wrt: ['all'], seed: 'input' });
  const graph = await written(made.model);
  for (const [k, { call, arrays }] of calls.entries()) {
    const feeds = feedsOf(model, arrays);
    for (const { i, name } of of) {
      const input = made.model.graph.inputs.find((one) => one.name === `cotangent_${name}`);
      const cotangent = arrays.get(`cot:${i}`);
      if (input !== undefined && cotangent !== undefined) feeds.set(`cotangent_${name}`, as(cotangent, input.dtype));
    }
    const outputs = await ran(graph, feeds);
    for (const key of wanted) {
      const expected = arrays.get(key);
      const got = outputs.get(`costate_${nameOf(key)}`);
      if (expected === undefined || (got === undefined && toNumbers(expected).every((number) => number === 0)))
        continue;
      const half = expected.dtype === 'float16' || expected.dtype === 'bfloat16';
      const tolerance = own.gradientTolerance ?? (half ? 2e-2 : 1e-4);
      const problem = differing(got, expected, tolerance, 2 * (call.lost[key] ?? 0));
      if (problem !== undefined) failures.push(`call ${k}, gradient of ${key}: ${problem}`);
    }
  }
  return failures;
}

/** Which input of the graph the program's input is: numbers are none. */
function placeOf(arrays: Arrays, input: number): number {
  return [...arrays.keys()].filter((key) => key.startsWith('in:') && Number(key.slice(3)) < input).length;
}

function feedsOf(model: Model, arrays: Arrays): Map<string, Tensor> {
  const given = [...arrays.keys()]
    .filter((key) => key.startsWith('in:'))
    .sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)));
  const feeds = new Map<string, Tensor>();
  for (const [place, { name, dtype }] of model.graph.inputs.entries()) {
    const tensor = arrays.get(given[place] ?? '');
    if (tensor !== undefined && name !== undefined) feeds.set(name, as(tensor, dtype));
  }
  return feeds;
}

function as(tensor: Tensor, dtype: DType | undefined): Tensor {
  return dtype === undefined || tensor.dtype === dtype ? tensor : fromNumbers(dtype, tensor.shape, toNumbers(tensor));
}

/** How what was got differs from what was expected; undefined where it does not. */
function differing(
  got: Tensor | undefined,
  expected: Tensor | undefined,
  said: number | undefined,
  lost: number,
): string | undefined {
  if (got === undefined || expected === undefined) return 'is missing';
  const half = expected.dtype === 'float16' || expected.dtype === 'bfloat16';
  const dtype = expected.dtype === 'bfloat16' ? 'float32' : expected.dtype;
  if ((got.dtype !== dtype && got.dtype !== expected.dtype) || got.shape.join() !== expected.shape.join())
    return `is ${got.dtype} [${got.shape}], expected ${expected.dtype} [${expected.shape}]`;
  const floating = half || dtype === 'float32' || dtype === 'float64';
  const tolerance = floating ? (said ?? (half ? 1e-2 : 1e-5)) : 0;
  const [a, b] = [toNumbers(got), toNumbers(expected)];
  let [worst, largest, at] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    const [one, other] = [a[i] ?? Number.NaN, b[i] ?? Number.NaN];
    if (Number.isFinite(other)) largest = Math.max(largest, Math.abs(other));
    if (one === other || (Number.isNaN(one) && Number.isNaN(other))) continue;
    const off = Number.isNaN(one - other) ? Number.POSITIVE_INFINITY : Math.abs(one - other);
    if (off > worst) [worst, at] = [off, i];
  }
  if (worst <= tolerance * largest + lost + (floating ? 1e-30 : 0)) return undefined;
  return `off by ${worst} of ${largest} at ${at}: ${a[at]}, expected ${b[at]} (${expected.dtype} [${expected.shape}])`;
}

async function arraysOf(path: string): Promise<Arrays> {
  const source = await openFile(path);
  const arrays = new Map<string, Tensor>();
  for (const [name, tensor] of (await readSafetensors(source)).tensors) arrays.set(name, await load(tensor));
  await source.close?.();
  return arrays;
}

async function written(model: Model): Promise<Uint8Array> {
  const sink = memorySink();
  await writeModel(toProto(model), sink);
  return sink.bytes();
}

async function ran(bytes: Uint8Array, feeds: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>> {
  const session = await openSession(bytes, { provider: 'cpu', home: 'process' });
  try {
    return (await session.run(feeds)).outputs;
  } finally {
    await session.close();
  }
}
