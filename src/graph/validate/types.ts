import type { Where } from '../../files/error.ts';
import { bindTypes, checkCall, parameterAt } from '../check.ts';
import type { Graph, Model } from '../graph.ts';
import { constantTensor } from '../passes/constants.ts';
import { type Schema, schemaOf } from '../schema.ts';
import { describeType, typeKey } from '../type.ts';
import type { Node } from '../value.ts';
import { everyGraph, everyNode, subgraphsOf } from '../walk.ts';
import type { Problems } from './problem.ts';
import { checkValues } from './values.ts';

/** Types and shapes of a model that was read: what inference found wrong, and what operators do not take. */
export function checkTypes(model: Model, problems: Problems): void {
  const inside = innerNames(model.graph);
  const graphs = [model.graph, ...model.functions.map(({ body }) => body)];
  const dead = deadGraphs(graphs);
  const unreached = unreachedNames(graphs, dead);
  for (const problem of model.problems ?? []) {
    // Exporters' own guesses about the sizes in a branch that is never taken can be wrong; element types are held below.
    const name = problem.where.tensor ?? '';
    const harmless =
      problem.code === 'TYPE_CONFLICT' ? inside.has(name) : ofSizes.has(problem.code) && unreached.has(name);
    if (harmless) problems.info(problem.code, problem.message, problem.where, problem.hint);
    else problems.caught(problem);
  }
  for (const graph of graphs) checkGraphTypes(graph, dead, problems);
}

/** What depends on sizes, which in a branch that is never taken need not fit. */
const ofSizes: ReadonlySet<string> = new Set(['SHAPE_MISMATCH', 'BAD_ATTRIBUTE']);

/** The branches that an If of known condition never takes, with all graphs inside them. */
function deadGraphs(graphs: readonly Graph[]): Set<Graph> {
  const dead = new Set<Graph>();
  for (const graph of graphs)
    for (const node of everyNode(graph)) {
      const taken = branchTaken(node);
      if (taken === undefined) continue;
      for (const branch of subgraphsOf(node))
        if (branch !== taken) for (const inner of everyGraph(branch)) dead.add(inner);
    }
  return dead;
}

/** Names of values that are made in such branches alone. */
function unreachedNames(graphs: readonly Graph[], dead: ReadonlySet<Graph>): Set<string> {
  const names = new Set<string>();
  if (dead.size === 0) return names;
  const each = (take: (name: string) => void, inDead: boolean) => {
    for (const graph of graphs)
      for (const inner of everyGraph(graph))
        if (dead.has(inner) === inDead)
          for (const node of inner.nodes) for (const { name } of node.outputs) take(name ?? '');
  };
  each((name) => names.add(name), true);
  each((name) => names.delete(name), false);
  return names;
}

/** The branch of an If whose condition is known, of shape arithmetic too. */
function branchTaken(node: Node): Graph | undefined {
  if (node.opType !== 'If' || node.domain !== '') return undefined;
  const [condition] = node.inputs;
  const value = condition?.known?.[0] ?? constantTensor(condition)?.bytes[0];
  if (typeof value !== 'number') return undefined;
  const branch = node.attributes.get(value === 0 ? 'else_branch' : 'then_branch');
  return branch?.kind === 'graph' ? branch.value : undefined;
}

/** Names of values made in subgraphs. */
function innerNames(graph: Graph): Set<string> {
  const names = new Set<string>();
  for (const inner of everyGraph(graph)) {
    if (inner === graph) continue;
    for (const node of inner.nodes) for (const { name } of node.outputs) names.add(name ?? '');
  }
  return names;
}

function checkGraphTypes(graph: Graph, dead: ReadonlySet<Graph>, problems: Problems): void {
  for (const inner of everyGraph(graph))
    for (const node of inner.nodes) {
      if (problems.full) return;
      const schema = node.version === undefined ? undefined : schemaOf(node.opType, node.version, node.domain);
      if (schema === undefined || schema.deprecated) continue;
      const where: Where = { node: node.name, operator: node.opType, tensor: node.outputs[0]?.name || undefined };
      try {
        checkCall(schema, { inputs: node.inputs, attributes: known(node), outputCount: node.outputs.length }, where);
      } catch (error) {
        problems.caught(error, where);
        continue;
      }
      checkOutputs(node, schema, problems, where);
      if (!dead.has(inner)) checkValues(node, problems, where);
    }
}

/** Attributes without the runtimes' own, which schemas do not list. */
function known(node: Node): Node['attributes'] {
  if (node.attributes.size === 0) return node.attributes;
  const own = [...node.attributes.keys()].some((name) => name.startsWith('__'));
  return own ? new Map([...node.attributes].filter(([name]) => !name.startsWith('__'))) : node.attributes;
}

/** An output whose declared element type is not the one that its type variable stands for. */
function checkOutputs(node: Node, schema: Schema, problems: Problems, where: Where): void {
  const bound = bindTypes(schema, node.inputs);
  node.outputs.forEach((value, index) => {
    const parameter = parameterAt(schema.outputs, index);
    const key = typeKey(value.type);
    if (parameter === undefined || parameter.heterogeneous || key === undefined) return;
    const allowed = schema.constraints.get(parameter.type);
    const expected = bound.get(parameter.type);
    const fits = expected === undefined ? (allowed?.has(key) ?? key === parameter.type) : expected === key;
    if (!fits)
      problems.error(
        'TYPE_CONFLICT',
        `expected ${expected ?? `one of ${[...(allowed ?? [parameter.type])].join(', ')}`} for output '${parameter.name}', the file says ${describeType(value.type)}`,
        where,
      );
  });
}
