import type { Where } from '../../files/error.ts';
import { bindTypes, checkCall, parameterAt } from '../check.ts';
import type { Graph, Model } from '../graph.ts';
import { type Schema, schemaOf } from '../schema.ts';
import { describeType, typeKey } from '../type.ts';
import type { Node } from '../value.ts';
import { everyGraph } from '../walk.ts';
import type { Problems } from './problem.ts';
import { checkValues } from './values.ts';

/** Types and shapes of a model that was read: what inference found wrong, and what operators do not take. */
export function checkTypes(model: Model, problems: Problems): void {
  const inside = innerNames(model.graph);
  for (const problem of model.problems ?? []) {
    // Exporters' own guesses about the sizes in a branch that is never taken can be wrong; element types are held below.
    if (problem.code === 'TYPE_CONFLICT' && inside.has(problem.where.tensor ?? ''))
      problems.info(problem.code, problem.message, problem.where, problem.hint);
    else problems.caught(problem);
  }
  const graphs = [model.graph, ...model.functions.map(({ body }) => body)];
  for (const graph of graphs) checkGraphTypes(graph, problems);
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

function checkGraphTypes(graph: Graph, problems: Problems): void {
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
      checkValues(node, problems, where);
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
