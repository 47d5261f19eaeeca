import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifyModel } from '../../src/analysis/verify.ts';
import { costate } from '../../src/costate/costate.ts';
import { memorySource } from '../../src/files/source.ts';
import { type AnyTensor, fromNumbers, load, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { lowerOpset } from '../../src/graph/passes/opset/lower.ts';
import { assertValid } from '../../src/graph/validate/validate.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { errorOf, ran, tensorsOf } from './judge.ts';

const root = join(import.meta.dirname, '../..');
const names = readdirSync(join(root, 'examples/specs')).map((name) => name.replace(/\.json$/, ''));
const fixture = (name: string) => tensorsOf(join(root, 'fixtures/architectures', name));
const specOf = (name: string) => parseSpec(JSON.parse(readFileSync(join(root, `examples/specs/${name}.json`), 'utf8')));
const open = (model: Model) => openSession(encodeModel(toProto(model)), { provider: 'cpu', home: 'process' });

/** Of the largest entry of each tensor. */
const tolerance = 1e-5;
/** A co-state so small beside the others is truly zero (of the bias of keys, under a softmax): rounding alone, in PyTorch too. */
const zero = 1e-9;

function far(found: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>, keys: readonly string[]) {
  const largest = Math.max(...keys.map((key) => largestOf(expected.get(key) as Tensor)));
  return keys
    .map((key) => {
      const tensor = expected.get(key) as Tensor;
      const floor = largestOf(tensor) < zero * largest ? largest : undefined;
      return [key, errorOf(found.get(key), tensor, floor)] as const;
    })
    .filter(([, error]) => !(error <= tolerance));
}

function largestOf(tensor: Tensor): number {
  return toNumbers(tensor).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** The same names with other numbers: every (W, b) is valid initial data. */
function changed(weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...weights].map(([name, tensor]) => {
      if (!tensor.dtype.startsWith('float')) return [name, tensor];
      const moved = toNumbers(tensor).map((value, i) => value * (1 + 0.2 * Math.sin(1 + 3 * i)));
      return [name, fromNumbers(tensor.dtype, tensor.shape, moved)];
    }),
  );
}

describe.each(names)('%s, as its specification in examples/specs', (name) => {
  it("equals PyTorch with a checkpoint's weights, outputs and co-states", async () => {
    const [weights, feeds, expected] = await Promise.all(
      ['safetensors', 'in.npz', 'out.npz'].map((ending) => fixture(`${name}.${ending}`)),
    );
    if (weights === undefined || feeds === undefined || expected === undefined) throw new Error('no fixture');
    const { model, parameters } = importNetwork(specOf(name), weights);
    expect(parameters).toMatchObject({ unused: [], missing: [] });
    const outputs = [...expected.keys()].filter((key) => !/^(cotangent|costate|lost)_/.test(key));
    expect(outputs).toEqual(model.graph.outputs.map((output) => output.name));
    expect(far(await ran(model, feeds), expected, outputs)).toEqual([]);
    const graph = costate(model, { of: outputs, wrt: ['all'], seed: 'input' });
    const cotangents = [...expected].filter(([key]) => key.startsWith('cotangent_'));
    const costates = [...expected.keys()].filter((key) => key.startsWith('costate_'));
    expect(costates.length).toBeGreaterThan(3);
    expect(far(await ran(graph.model, new Map([...feeds, ...cotangents])), expected, costates)).toEqual([]);
  });

  it('gives the state dict back as it was', async () => {
    const weights = await fixture(`${name}.safetensors`);
    const { model } = importNetwork(specOf(name), weights);
    const state = stateDictOf(await fromProto(await readModel(memorySource(encodeModel(toProto(model))))));
    // Counters and masks that no computation reads are left out; PyTorch makes them anew.
    const kept = [...weights].filter(
      ([key]) => !/num_batches_tracked$|position_ids$|\.attn\.(masked_)?bias$/.test(key),
    );
    expect([...state.keys()].sort()).toEqual(kept.map(([key]) => key).sort());
    for (const [key, tensor] of kept) expect([key, await load(state.get(key) as AnyTensor)]).toEqual([key, tensor]);
  });

  it('passes verify, with changed weights too', async () => {
    const weights = await fixture(`${name}.safetensors`);
    for (const own of [weights, changed(weights)]) {
      const checks = await verifyModel(importNetwork(specOf(name), own).model, open);
      expect(checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(checks.length).toBeGreaterThan(0);
    }
  }, 60_000);
});

it.each(['llama', 'lstm-tagger'])('%s is the same at opset 14', async (name) => {
  const [weights, feeds] = [await fixture(`${name}.safetensors`), await fixture(`${name}.in.npz`)];
  const { model } = importNetwork(specOf(name), weights);
  const [now, older] = [await ran(model, feeds), await ran(lowerOpset(model, 14), feeds)];
  for (const [output, tensor] of now) expect([output, errorOf(older.get(output), tensor)]).toEqual([output, 0]);
});

it.each(names)('%s is built with fresh weights of the same names and shapes, and valid', async (name) => {
  const weights = await fixture(`${name}.safetensors`);
  const { model } = buildNetwork(specOf(name), 3);
  const shapes = (state: ReadonlyMap<string, { readonly shape: readonly number[] }>) =>
    [...state].map(([key, { shape }]) => `${key} ${shape}`).sort();
  const fresh = shapes(stateDictOf(model));
  const kept = shapes(weights).filter(
    (line) => !/num_batches_tracked |position_ids |\.attn\.(masked_)?bias /.test(line),
  );
  expect(fresh).toEqual(kept);
  const proto = toProto(model);
  await assertValid(proto);
  await (await openSession(encodeModel(proto), { provider: 'cpu', home: 'process' })).close();
});
