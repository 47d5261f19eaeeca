import { HopfcoleError } from '../../files/error.ts';
import type { Folder } from '../../files/source.ts';
import type { ModelInit } from '../../onnx/messages.ts';
import type { Model } from '../graph.ts';
import { resolveEmptyOptionals } from '../passes/inline.ts';
import { newestOpset } from '../schema.ts';
import { fromProto } from '../wire/read.ts';
import { toProto } from '../wire/write.ts';
import { completeModel } from './complete.ts';
import { type Context, readOpsets } from './context.ts';
import { checkCalls, checkFunction, tableOf } from './functions.ts';
import { checkGraph } from './graph.ts';
import { type Problem, Problems } from './problem.ts';
import { checkTypes } from './types.ts';

export type { Problem } from './problem.ts';

/** Newest IR version whose fields this version knows. */
export const newestIr = 14;

/**
 * Everything that is wrong with a model, first what stands wrong in its message, then, where that is sound, tensors that cannot
 * be read (external data lie in `folder`), types and shapes. Errors make it invalid; infos are worth knowing.
 */
export async function validate(given: ModelInit | Model, folder?: Folder): Promise<Problem[]> {
  const problems = new Problems();
  try {
    const proto = isModel(given) ? toProto(given) : given;
    structure(proto, problems);
    if (!problems.hasErrors) {
      const model = await fromProto(proto, folder);
      checkTypes(model, problems);
      // A call that leaves an input of a function empty leaves it empty in the body too, where it may be needed.
      const filled = problems.hasErrors ? model : resolveEmptyOptionals(model);
      if (filled !== model) checkTypes(filled, problems);
    }
  } catch (error) {
    problems.caught(error);
  }
  return problems.found;
}

/** @throws the first error of `validate`, as a HopfcoleError. */
export async function assertValid(given: ModelInit | Model, folder?: Folder): Promise<void> {
  const problem = (await validate(given, folder)).find(({ severity }) => severity === 'error');
  if (problem !== undefined) throw new HopfcoleError(problem.code, problem.message, problem.where, problem.hint);
}

function isModel(given: ModelInit | Model): given is Model {
  return 'opsets' in given;
}

/** What is wrong with a message in itself: all but external files, types and shapes. Bounded work on any message. */
export function validateStructure(proto: ModelInit): Problem[] {
  const problems = new Problems();
  structure(proto, problems);
  return problems.found;
}

function structure(proto: ModelInit, problems: Problems): void {
  const model = completeModel(proto);
  const irVersion = checkIr(model, problems);
  const opsets = checkOpsets(model, irVersion, problems);
  const keys = new Set<string>();
  for (const { key } of model.metadataProps) {
    if (keys.has(key ?? '')) problems.error('DUPLICATE_NAME', `the metadata have two entries '${key ?? ''}'`);
    keys.add(key ?? '');
  }
  if (!model.graph) {
    problems.error('NO_GRAPH', 'the model has no graph');
    return;
  }
  const functions = tableOf(model.functions, irVersion, problems);
  const context: Context = { problems, irVersion, opsets, functions, inside: undefined };
  const scope = checkGraph(model.graph, undefined, context);
  for (const definition of model.functions) checkFunction(definition, context);
  if (functions.size > 0) checkCalls(model, functions, problems);
  for (const { initialization, algorithm } of model.trainingInfo)
    for (const graph of [initialization, algorithm]) if (graph) checkGraph(graph, scope, context);
}

function checkIr(model: ReturnType<typeof completeModel>, problems: Problems): number {
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

function checkOpsets(
  model: ReturnType<typeof completeModel>,
  irVersion: number,
  problems: Problems,
): ReadonlyMap<string, number> {
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
