import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { costate } from '../../src/costate/costate.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { openFile } from '../../src/files/node/file.ts';
import { readNpz } from '../../src/files/npz.ts';
import { type AnyTensor, load, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { importNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { hasPython, pythonFile } from '../support/python.ts';

/** A network of the family's Python script, and what it is here. */
export interface JudgedCase {
  /** As the script names it. */
  readonly name: string;
  /** A specification (JSON), or what makes a model of the checkpoint's tensors. */
  readonly build: object | ((tensors: ReadonlyMap<string, Tensor>) => Model);
  /** Of the largest entry of an output (default 1e-5). */
  readonly tolerance?: number;
  /** Of the largest entry of a co-state (default 1e-4); false: not compared. */
  readonly costateTolerance?: number | false;
  /** Parameters of the checkpoint that have no gradient of their own here, such as running statistics. */
  readonly without?: readonly string[];
}

/** A case without a module has no weights; anything else that is wrong with the file is an error. */
function noWeights(error: unknown): Map<string, Tensor> {
  if (error instanceof HopfcoleError && error.code === 'FILE_NOT_FOUND') return new Map();
  throw error;
}

/** Every tensor of a file of weights or arrays. */
export async function tensorsOf(path: string): Promise<Map<string, Tensor>> {
  const source = await openFile(path);
  const read: ReadonlyMap<string, AnyTensor> = path.endsWith('.npz')
    ? await readNpz(source)
    : (await openCheckpoint(source)).tensors;
  const loaded = new Map<string, Tensor>();
  for (const [name, tensor] of read) loaded.set(name, await load(tensor));
  await source.close?.();
  return loaded;
}

export async function ran(model: Model, feeds: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>> {
  const session = await openSession(encodeModel(toProto(model)), { provider: 'cpu', home: 'process' });
  try {
    return (await session.run(feeds)).outputs;
  } finally {
    await session.close();
  }
}

/** The largest difference, as a part of the largest expected entry, or of `floor` where that is larger. */
export function errorOf(got: Tensor | undefined, expected: Tensor, floor = 1e-30): number {
  if (got === undefined) return Number.POSITIVE_INFINITY;
  if (JSON.stringify(got.shape) !== JSON.stringify(expected.shape)) return Number.POSITIVE_INFINITY;
  const [a, b] = [toNumbers(got), toNumbers(expected)];
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    const [one, other] = [a[i] ?? Number.NaN, b[i] ?? Number.NaN];
    if (one === other) continue;
    worst = Math.max(worst, Number.isNaN(one - other) ? Number.POSITIVE_INFINITY : Math.abs(one - other));
    if (Number.isFinite(other)) largest = Math.max(largest, Math.abs(other));
  }
  for (let i = 0; i < b.length; i++) if (Number.isFinite(b[i])) largest = Math.max(largest, Math.abs(b[i] ?? 0));
  return worst === 0 ? 0 : worst / Math.max(largest, floor);
}

/**
 * One test per case: outputs and co-states of the network with PyTorch's weights against PyTorch's in float64. `script` is the family's Python
 * file; it runs once. Model outputs named as the script's outputs are compared; so are the co-states of all inputs and parameters it differentiated.
 */
export function judgedByTorch(title: string, script: string, cases: readonly JudgedCase[]): void {
  describe.skipIf(!hasPython)(title, () => {
    const folder = mkdtempSync(join(tmpdir(), 'hopfcole-layers-'));
    beforeAll(() => {
      pythonFile(script, [folder]);
    }, 300_000);
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it.each(cases.map((own) => [own.name, own] as const))(
      '%s',
      async (name, { build, tolerance = 1e-5, costateTolerance = 1e-4, without = [] }) => {
        const weights = await tensorsOf(join(folder, `${name}.safetensors`)).catch(noWeights);
        const feeds = await tensorsOf(join(folder, `${name}.in.npz`));
        const expected = await tensorsOf(join(folder, `${name}.out.npz`));
        const model = typeof build === 'function' ? build(weights) : modelOf(build, weights);
        const answers = [...expected].filter(([key]) => !/^(cotangent|costate|lost)_/.test(key));
        const outputs = await ran(model, feeds);
        // Beyond the tolerance, what PyTorch itself loses in float32 is no error of ours.
        const far = (found: ReadonlyMap<string, Tensor>, keys: readonly string[], most: number) =>
          keys
            .map((key) => [key, errorOf(found.get(key), expected.get(key) as Tensor)] as const)
            .filter(([key, error]) => !(error <= most + 2 * numberOf(expected.get(`lost_${key}`))));
        expect(
          far(
            outputs,
            answers.map(([key]) => key),
            tolerance,
          ),
        ).toEqual([]);
        if (costateTolerance === false) return;
        const differentiated = answers.map(([key]) => key).filter((key) => expected.has(`cotangent_${key}`));
        const graph = costate(model, { of: differentiated, wrt: ['all'], seed: 'input' });
        const cotangents = [...expected].filter(([key]) => key.startsWith('cotangent_'));
        const found = await ran(graph.model, new Map([...feeds, ...cotangents]));
        const wanted = [...expected.keys()].filter(
          (key) => key.startsWith('costate_') && !without.includes(key.slice('costate_'.length)),
        );
        expect(far(found, wanted, costateTolerance)).toEqual([]);
      },
      60_000,
    );
  });
}

function numberOf(tensor: Tensor | undefined): number {
  return tensor === undefined ? 0 : (toNumbers(tensor)[0] ?? 0);
}

function modelOf(spec: object, weights: ReadonlyMap<string, Tensor>): Model {
  const { model, parameters } = importNetwork(parseSpec(spec), weights);
  expect(parameters.unused).toEqual([]);
  return model;
}
