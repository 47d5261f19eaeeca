import { HopfcoleError } from '../../../files/error.ts';
import type { Model } from '../../graph.ts';
import { everyNode } from '../../walk.ts';
import { removeDead } from '../dead.ts';
import { foldConstants } from '../fold/fold.ts';
import { opsetOf, raiseOpset } from '../opset/raise.ts';
import { shareCommon } from '../share.ts';
import { mergeCasts } from './casts.ts';
import { constantsToInitializers } from './constants.ts';
import { shareInitializers } from './duplicates.ts';
import { listConstants, unlistConstants } from './listed.ts';
import { mergeMoves } from './moves.ts';
import { removeNoOps } from './no-ops.ts';
import { dropUnusedOutputs } from './outputs.ts';
import type { Pass } from './program.ts';
import { nameScopes } from './scopes.ts';
import { fixTargets } from './shapes.ts';

export interface CleanOptions {
  /** ai.onnx opset to raise to. Without it 21, where everything in the model can be raised; a newer model stays as it is. */
  readonly opset?: number | undefined;
}

/** What a step of the cleaning did: how many nodes there were before and after, functions and subgraphs included. */
export interface CleanStep {
  readonly pass: string;
  readonly nodes: readonly [before: number, after: number];
  /** Initializers that are gone by it. */
  readonly gone: readonly string[];
}

export interface Cleaned {
  readonly model: Model;
  /** The steps that changed something, in order, each once. */
  readonly steps: readonly CleanStep[];
}

const defaultOpset = 21;
/** Each round may uncover something for the next; more are never needed by graphs of exporters. */
const mostRounds = 8;
/** How much larger than what it was computed from a folded constant may be, in bytes. */
const growth = 16_384;

const rounds: readonly (readonly [name: string, pass: Pass])[] = [
  ['fold constants', (model) => foldConstants(model, { parameters: false, growth })],
  ['fix targets of Reshape', fixTargets],
  ['remove no-ops', removeNoOps],
  ['merge casts', mergeCasts],
  ['merge moves', mergeMoves],
  ['share equal nodes', (model) => shareCommon(model)],
  ['remove what nothing needs', removeDead],
];

/**
 * A model that computes the same numbers with less: of a newer opset, without what exporters leave behind. Inputs, outputs and named parameters
 * stay what they are; a parameter that nothing needs is gone, and said to be. Floating-point operations stay as they are, in
 * their order; floating-point parameters are never folded into constants, so that the model can be trained and differentiated as before.
 * @throws UNSUPPORTED_CONVERSION where an opset is asked for that some operator cannot be raised to.
 */
export function cleanModel(given: Model, options: CleanOptions = {}): Cleaned {
  const report = new Map<string, { nodes: [number, number]; gone: string[] }>();
  const run = (name: string, model: Model, pass: Pass): Model => {
    const after = pass(model);
    if (after === model) return model;
    const [from, to] = [countNodes(model), countNodes(after)];
    const entry = report.get(name);
    if (entry === undefined) report.set(name, { nodes: [from, to], gone: goneBetween(model, after) });
    else {
      entry.nodes[1] -= from - to;
      entry.gone.push(...goneBetween(model, after));
    }
    return after;
  };
  let model = run('raise the opset', unlistConstants(given), (one) => raised(one, options.opset));
  model = run('name modules', model, nameScopes);
  model = run('make Constant nodes initializers', model, constantsToInitializers);
  model = run('share equal constants', model, (one) => shareInitializers(one));
  for (let round = 0; round < mostRounds; round++) {
    const before = model;
    for (const [name, pass] of rounds) model = run(name, model, pass);
    if (model === before) break;
  }
  model = run('drop unused outputs', model, dropUnusedOutputs);
  model = run('share equal constants', model, (one) => shareInitializers(one));
  model = run('list constants', model, listConstants);
  // Before IR 4 every initializer had to be an input as well.
  if (model !== given && model.irVersion < 4) model = { ...model, irVersion: 4 };
  return { model, steps: [...report].map(([pass, { nodes, gone }]) => ({ pass, nodes, gone })) };
}

function raised(model: Model, asked: number | undefined): Model {
  if (asked !== undefined) return (opsetOf(model.opsets) ?? asked) < asked ? raiseOpset(model, asked) : model;
  try {
    return (opsetOf(model.opsets) ?? defaultOpset) < defaultOpset ? raiseOpset(model, defaultOpset) : model;
  } catch (error) {
    if (error instanceof HopfcoleError && error.code === 'UNSUPPORTED_CONVERSION') return model;
    throw error;
  }
}

/** Nodes of a model, functions and subgraphs included. */
export function countNodes({ graph, functions }: Model): number {
  let count = 0;
  for (const body of [graph, ...functions.map((definition) => definition.body)])
    for (const _ of everyNode(body)) count++;
  return count;
}

function goneBetween(before: Model, after: Model): string[] {
  if (before.graph.parameters === after.graph.parameters) return [];
  const names = new Set(after.graph.parameters.map(({ name }) => name));
  return before.graph.parameters.flatMap(({ name }) => (name === undefined || names.has(name) ? [] : [name]));
}
