import { withCopiesLoaded } from '../costate/parameters/loaded.ts';
import type { Model } from '../graph/graph.ts';
import { countNodes } from '../graph/passes/clean/clean.ts';
import { type CleanedExport, cleanExport } from '../torch/onnx/clean.ts';
import type { Arguments } from './command.ts';
import { optionalNumber } from './options.ts';

/** A model that was read, cleaned as `--clean` and `--opset` ask. */
export async function cleaned(model: Model, args: Arguments): Promise<CleanedExport> {
  return cleanExport(await withCopiesLoaded(model), {
    opset: optionalNumber(args, 'opset', { integer: true, min: 1, max: 1000 }),
  });
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
