import { withTiedNames } from '../checkpoint/tied.ts';
import type { Changed } from '../costate/parameters/changed.ts';
import { changedFrom } from '../costate/parameters/compare.ts';
import { withCopiesLoaded } from '../costate/parameters/loaded.ts';
import { isFloat } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { type AnyTensor, fromNumbers, type Tensor } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { countNodes } from '../graph/passes/clean/clean.ts';
import type { Dim } from '../graph/type.ts';
import { restoreByWeights } from '../torch/onnx/by-weights.ts';
import { type CleanedExport, cleanExport } from '../torch/onnx/clean.ts';
import { type Restored, restoreParameters } from '../torch/onnx/restore.ts';
import { openWeights } from './checkpoint-files.ts';
import type { Arguments } from './command.ts';
import { optionalNumber, optionalText } from './options.ts';

/** A model that was read, cleaned as `--clean`, `--opset` and `--weights` ask. @throws UNMATCHED_WEIGHTS, and what cleaning throws. */
export async function cleaned(model: Model, args: Arguments): Promise<CleanedExport> {
  const restored = await restoredWith(await withCopiesLoaded(model), await weightsOf(args));
  return cleanExport(restored, {
    opset: optionalNumber(args, 'opset', { integer: true, min: 1, max: 1000 }),
    shapes: shapesOf(args),
    fixed: fixedBy(args, model),
  });
}

/** `--shape input=1,576 --shape state=2,batch,128`. @throws BAD_USAGE. */
function shapesOf(args: Arguments): ReadonlyMap<string, readonly Dim[]> {
  const given = args.shape === undefined ? [] : [args.shape].flat();
  return new Map(
    given.map((item) => {
      const [, name, dims] =
        /^(.+)=((?:[A-Za-z_]\w*|\d{1,15})(?:,(?:[A-Za-z_]\w*|\d{1,15}))*|)$/.exec(String(item)) ?? [];
      if (name === undefined || dims === undefined)
        throw new HopfcoleError('BAD_USAGE', `expected NAME=2,batch,128, got '${String(item)}'`, {
          argument: '--shape',
        });
      const shape = dims === '' ? [] : dims.split(',').map((dim) => (/^\d/.test(dim) ? Number(dim) : dim));
      return [name, shape] as const;
    }),
  );
}

/** `--fix sr=16000 --fix use_cache=true`, in the type that the model's input has. @throws BAD_USAGE, UNKNOWN_NAME. */
function fixedBy(args: Arguments, { graph }: Model): ReadonlyMap<string, Tensor> {
  const given = args.fix === undefined ? [] : [args.fix].flat();
  return new Map(
    given.map((item) => {
      const [, name, text] = /^(.+)=(true|false|-?\d{1,15}(?:\.\d{1,15})?)$/.exec(String(item)) ?? [];
      if (name === undefined || text === undefined)
        throw new HopfcoleError('BAD_USAGE', `expected NAME=NUMBER, got '${String(item)}'`, { argument: '--fix' });
      const value = graph.inputs.find((one) => one.name === name);
      const dtype = value?.dtype ?? 'float32';
      const number = text === 'true' ? 1 : text === 'false' ? 0 : Number(text);
      const isFit = dtype !== 'string' && (isFloat(dtype) || Number.isInteger(number)) && !dtype.startsWith('complex');
      if (!isFit)
        throw new HopfcoleError('BAD_USAGE', `the model's input ${name} is ${dtype}, which ${text} is not`, {
          argument: '--fix',
        });
      const shape = (value?.shape ?? []).map(() => 1);
      return [name, fromNumbers(dtype, shape, [isFloat(dtype) || dtype === 'bool' ? number : BigInt(number)])] as const;
    }),
  );
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
