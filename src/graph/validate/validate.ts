import type { ModelProto } from '../../onnx/messages.ts';
import { newestOpset } from '../schema.ts';
import { type Context, readOpsets } from './context.ts';
import { checkCalls, checkFunction, tableOf } from './functions.ts';
import { checkGraph } from './graph.ts';
import { type Problem, Problems } from './problem.ts';

export type { Problem } from './problem.ts';

/** Newest IR version whose fields this version knows. */
export const newestIr = 14;

/**
 * What is wrong with a model as it stands in its file: versions, imports, operators, arity, attributes, names, order, tensors,
 * functions, subgraphs. Errors make it invalid; infos are worth knowing. Bounded work on any message.
 */
export function validateStructure(model: ModelProto): Problem[] {
  const problems = new Problems();
  const irVersion = checkIr(model, problems);
  const opsets = checkOpsets(model, irVersion, problems);
  const keys = new Set<string>();
  for (const { key } of model.metadataProps) {
    if (keys.has(key ?? '')) problems.error('DUPLICATE_NAME', `the metadata have two entries '${key ?? ''}'`);
    keys.add(key ?? '');
  }
  if (!model.graph) {
    problems.error('NO_GRAPH', 'the model has no graph');
    return problems.found;
  }
  const functions = tableOf(model.functions, irVersion, problems);
  const context: Context = { problems, irVersion, opsets, functions, inside: undefined };
  const scope = checkGraph(model.graph, undefined, context);
  for (const definition of model.functions) checkFunction(definition, context);
  if (functions.size > 0) checkCalls(model, functions, problems);
  for (const { initialization, algorithm } of model.trainingInfo)
    for (const graph of [initialization, algorithm]) if (graph) checkGraph(graph, scope, context);
  return problems.found;
}

function checkIr(model: ModelProto, problems: Problems): number {
  const version = Number(model.irVersion ?? 0);
  if (!Number.isSafeInteger(version) || version < 1) {
    problems.error('BAD_IR_VERSION', `expected an IR version of 1 or more, got ${model.irVersion ?? 'none'}`);
    return newestIr;
  }
  if (version > newestIr)
    problems.info(
      'NEWER_VERSION',
      `IR version ${version} is newer than ${newestIr}: what is not known of it is carried`,
    );
  return version;
}

function checkOpsets(model: ModelProto, irVersion: number, problems: Problems): ReadonlyMap<string, number> {
  const opsets = readOpsets(model.opsetImport, problems, {});
  if (irVersion < 3) {
    if (opsets.size > 0)
      problems.error('BAD_IR_VERSION', `opset imports need IR version 3, the model says ${irVersion}`);
    else opsets.set('', 1);
  } else if (opsets.size === 0) problems.error('MISSING_OPSET', 'the model imports no opset');
  for (const [domain, version] of opsets) {
    const newest = newestOpset(domain);
    if (newest !== undefined && version > newest)
      problems.info(
        'NEWER_VERSION',
        `${domain || 'ai.onnx'} ${version} is newer than ${newest}: what is not known of it is carried`,
      );
  }
  return opsets;
}
