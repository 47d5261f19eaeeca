import { withTiedNames } from '../checkpoint/tied.ts';
import type { Changed } from '../costate/parameters/changed.ts';
import { changedFrom } from '../costate/parameters/compare.ts';
import { withCopiesLoaded } from '../costate/parameters/loaded.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { countNodes } from '../graph/passes/clean/clean.ts';
import { restoreByWeights } from '../torch/onnx/by-weights.ts';
import { type CleanedExport, cleanExport } from '../torch/onnx/clean.ts';
import { type Restored, restoreParameters } from '../torch/onnx/restore.ts';
import { openWeights } from './checkpoint-files.ts';
import type { Arguments } from './command.ts';
import { optionalNumber, optionalText } from './options.ts';

/** A model that was read, cleaned as `--clean`, `--opset` and `--weights` ask. @throws UNMATCHED_WEIGHTS, and what cleaning throws. */
export async function cleaned(model: Model, args: Arguments): Promise<CleanedExport> {
  const restored = await restoredWith(await withCopiesLoaded(model), await weightsOf(args));
  return cleanExport(restored, { opset: optionalNumber(args, 'opset', { integer: true, min: 1, max: 1000 }) });
}

/** What the exporter made of the parameters of a model, which stays as it is. */
export async function exporterChanges(model: Model, args: Arguments): Promise<readonly Changed[]> {
  const loaded = await withCopiesLoaded(model);
  const weights = await weightsOf(args);
  const told = restoreParameters(loaded).changed;
  return weights === undefined ? told : merged(told, await changedFrom(loaded, weights));
}

async function restoredWith(model: Model, weights: Weights | undefined): Promise<Restored> {
  const own = restoreParameters(model);
  if (weights === undefined) return own;
  const more = await restoreByWeights(own.model, weights);
  const different = await changedFrom(more.model, weights);
  // What the checkpoint tells is more than what the file does: an initializer of unknown origin is known then.
  const gone = new Set(model.graph.parameters.map(({ name }) => name));
  for (const { name } of more.model.graph.parameters) gone.delete(name);
  const still = own.changed.filter(({ name }) => !gone.has(name) || !name.startsWith('onnx::'));
  return { model: more.model, changed: merged(more.changed, still, different) };
}

type Weights = ReadonlyMap<string, AnyTensor>;

async function weightsOf(args: Arguments): Promise<Weights | undefined> {
  const path = optionalText(args, 'weights');
  if (path === undefined) return undefined;
  const { tensors, metadata } = await openWeights(path);
  return withTiedNames(tensors, metadata);
}

/** One entry for each name, of the list that has it first. */
function merged(...lists: readonly (readonly Changed[])[]): readonly Changed[] {
  const byName = new Map<string, Changed>();
  for (const one of lists.flat()) if (!byName.has(one.name)) byName.set(one.name, one);
  return [...byName.values()];
}

/** What the cleaning did, as the JSON of a command has it. */
export function cleaningReport(before: Model, { model, steps }: CleanedExport): CleaningReport {
  return {
    nodes: { before: countNodes(before), after: countNodes(model) },
    passes: steps.map(({ pass, nodes: [from, to] }) => ({ pass, nodes: { before: from, after: to } })),
  };
}

export interface CleaningReport {
  readonly nodes: { readonly before: number; readonly after: number };
  readonly passes: readonly { readonly pass: string; readonly nodes: CleaningReport['nodes'] }[];
}
