import { isFloat } from '../../../files/dtype.ts';
import { isStored } from '../../../files/tensor.ts';
import type { Graph, Model } from '../../graph.ts';
import { makeValue } from '../../make.ts';
import { constantsKey, listedConstants } from '../../program-constants.ts';
import type { Value } from '../../value.ts';
import { everyGraph } from '../../walk.ts';
import { Names } from '../names.ts';
import { rewriteGraph } from '../rewrite.ts';

/**
 * A model that lists in its metadata which floating-point initializers are numbers of the program, so that who reads the file again can tell
 * them from parameters; those without a name are given one.
 */
export function listConstants(model: Model): Model {
  const constants = [...constantsOf(model.graph)].filter(({ dtype }) => dtype !== undefined && isFloat(dtype));
  const names = new Names(model.graph);
  const values = new Map<Value, Value>();
  const listed: string[] = [];
  for (const value of constants) {
    const name = value.name ?? names.fresh('constant', 'value');
    if (value.name === undefined) values.set(value, makeValue(value.source, value.type, name, value.known));
    listed.push(name);
  }
  const held = new Set(parametersAnywhere(model.graph).map(({ name }) => name));
  const before = [...listedConstants(model)].filter((name) => held.has(name) && !listed.includes(name));
  const text = JSON.stringify([...before, ...listed].sort());
  if (listed.length + before.length === 0 || (values.size === 0 && model.metadata.get(constantsKey) === text))
    return model;
  const graph = rewriteGraph(model.graph, () => undefined, { values });
  return { ...model, graph, metadata: new Map([...model.metadata, [constantsKey, text]]) };
}

/** A model whose listed numbers are constants again, as they were when it was cleaned. */
export function unlistConstants(model: Model): Model {
  const listed = listedConstants(model);
  const values = new Map<Value, Value>();
  for (const value of parametersAnywhere(model.graph)) {
    const { source, name = '' } = value;
    if (source.kind !== 'parameter' || source.overridable === true || isStored(source.tensor) || !listed.has(name))
      continue;
    values.set(value, makeValue({ kind: 'constant', tensor: source.tensor }, value.type, name, value.known));
  }
  if (values.size === 0) return model;
  const graph = rewriteGraph(model.graph, () => undefined, { values, keepParameter: (value) => !values.has(value) });
  return { ...model, graph };
}

function parametersAnywhere(graph: Graph): readonly Value[] {
  return [...everyGraph(graph)].flatMap(({ parameters }) => parameters);
}

/** Constants that nodes and outputs read, at any depth. */
export function constantsOf(graph: Graph): ReadonlySet<Value> {
  const found = new Set<Value>();
  for (const { nodes, outputs } of everyGraph(graph)) {
    for (const { inputs } of nodes) for (const value of inputs) if (value?.source.kind === 'constant') found.add(value);
    for (const { value } of outputs) if (value.source.kind === 'constant') found.add(value);
  }
  return found;
}
