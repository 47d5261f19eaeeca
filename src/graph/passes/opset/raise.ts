import { HopfcoleError } from '../../../files/error.ts';
import type { FunctionDefinition } from '../../function.ts';
import type { Graph, Model } from '../../graph.ts';
import { newestOpset, schemaOf, versionsOf } from '../../schema.ts';
import type { Node } from '../../value.ts';
import { everyNode } from '../../walk.ts';
import { calleeOf, functionsInOrder, functionTable } from '../calls.ts';
import { type Replacement, remake, rewriteGraph } from '../rewrite.ts';
import type { Context, Conversions } from './conversion.ts';
import { legacy } from './legacy.ts';
import { retagged } from './retag.ts';
import { changedSemantics } from './semantics.ts';
import { toInputs } from './to-inputs.ts';

const conversions: Conversions = { ...toInputs, ...changedSemantics, ...legacy };

/** The oldest opset that models are raised to or lowered to. */
const oldestTarget = 13;

/**
 * A model with its ai.onnx operators, those of functions and subgraphs too, at a newer opset, and its IR version raised to what
 * goes with it. Other domains stay. A model that is newer already is returned as it is.
 * @throws UNSUPPORTED_CONVERSION naming node, operator and both versions; UNSUPPORTED_OPSET for a target outside 13 to the newest known.
 */
export function raiseOpset(model: Model, target: number): Model {
  checkTarget(target);
  const table = functionTable(model.functions);
  const isCall = (node: Node) => calleeOf(node, table) !== undefined;
  const functions = new Map<FunctionDefinition, FunctionDefinition>();
  for (const definition of functionsInOrder(model.functions)) {
    const from = opsetOf(definition.opsets) ?? target;
    const body = raiseGraph(definition.body, from, target, isCall, functions);
    const opsets = withOpset(definition.opsets, Math.max(from, target));
    if (body !== definition.body || opsets !== definition.opsets)
      functions.set(definition, { ...definition, body, opsets });
  }
  const from = opsetOf(model.opsets);
  const graph = raiseGraph(model.graph, from ?? target, target, isCall, functions);
  const opsets = from === undefined ? model.opsets : withOpset(model.opsets, Math.max(from, target));
  if (graph === model.graph && functions.size === 0 && opsets === model.opsets) return model;
  return {
    ...model,
    graph,
    opsets,
    functions: model.functions.map((definition) => functions.get(definition) ?? definition),
    irVersion: Math.max(model.irVersion, irOfOpset(target)),
  };
}

export function checkTarget(target: number): void {
  const newest = newestOpset() ?? oldestTarget;
  if (!Number.isInteger(target) || target < oldestTarget || target > newest)
    throw new HopfcoleError('UNSUPPORTED_OPSET', `expected an opset from ${oldestTarget} to ${newest}, got ${target}`);
}

/** The opset of ai.onnx among imports, under either of its names. */
export function opsetOf(opsets: ReadonlyMap<string, number>): number | undefined {
  return opsets.get('') ?? opsets.get('ai.onnx');
}

export function withOpset(opsets: ReadonlyMap<string, number>, version: number): ReadonlyMap<string, number> {
  if (opsetOf(opsets) === version) return opsets;
  const next = new Map(opsets);
  next.set(next.has('') || !next.has('ai.onnx') ? '' : 'ai.onnx', version);
  return next;
}

/** The IR version that was current when an opset was released. */
function irOfOpset(opset: number): number {
  const releases: readonly (readonly [opset: number, ir: number])[] = [
    [25, 13],
    [23, 11],
    [21, 10],
    [19, 9],
    [15, 8],
    [12, 7],
    [11, 6],
    [10, 5],
    [9, 4],
  ];
  return releases.find(([from]) => opset >= from)?.[1] ?? 3;
}

function raiseGraph(
  graph: Graph,
  from: number,
  target: number,
  isCall: (node: Node) => boolean,
  functions: ReadonlyMap<FunctionDefinition, FunctionDefinition>,
): Graph {
  if (from >= target && !hasCalls(graph, functions)) return graph;
  const visit = (node: Node): Replacement =>
    from >= target || node.domain !== '' || isCall(node) ? undefined : raised(node, from, { target });
  return rewriteGraph(graph, visit, { functions });
}

function hasCalls(graph: Graph, functions: ReadonlyMap<FunctionDefinition, FunctionDefinition>): boolean {
  for (const { callee } of everyNode(graph)) if (callee !== undefined && functions.has(callee)) return true;
  return false;
}

/** A model in which every ai.onnx operator is of the version in force at the model's opset, though some were made as an older one. */
export function levelOpsets(model: Model): Model {
  const target = opsetOf(model.opsets);
  if (target === undefined) return model;
  const table = functionTable(model.functions);
  const graph = rewriteGraph(model.graph, (node) => {
    const made = node.version;
    if (node.domain !== '' || made === undefined || made >= target || calleeOf(node, table) !== undefined)
      return undefined;
    return schemaOf(node.opType, target)?.sinceVersion === made ? undefined : raised(node, made, { target });
  });
  return graph === model.graph ? model : { ...model, graph };
}

function raised(node: Node, from: number, context: Context): Replacement {
  const schema = schemaOf(node.opType, from);
  if (schema === undefined)
    throw new HopfcoleError(
      'UNSUPPORTED_CONVERSION',
      `cannot convert ${node.opType} from opset ${from} to ${context.target}: the operator is not known there`,
      { node: node.name, operator: node.opType },
    );
  let current = node.version === schema.sinceVersion ? node : remake(node, { version: schema.sinceVersion });
  for (;;) {
    const here = schemaOf(current.opType, current.version ?? from);
    const next = versionsOf(current.opType).find((v) => v > (current.version ?? from) && v <= context.target);
    if (here === undefined || next === undefined) return current === node ? undefined : current.outputs;
    const there = schemaOf(current.opType, next);
    const conversion = conversions[`${current.opType}@${next}`];
    if (conversion !== undefined) {
      const result = conversion(current, context);
      if (!('opType' in result)) return result;
      current = result.opType === current.opType ? withVersion(result, next) : result;
    } else if (there !== undefined) current = retagged(current, here, there);
  }
}

function withVersion(node: Node, version: number): Node {
  return remake(node, { version });
}
