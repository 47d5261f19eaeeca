import type { FunctionDefinition } from '../../function.ts';
import type { Graph, Model } from '../../graph.ts';
import { schemaOf } from '../../schema.ts';
import { everyNode } from '../../walk.ts';
import { replaceFunctions } from '../rewrite.ts';
import { opsetOf, raiseOpset } from './raise.ts';

/**
 * A model whose functions import the same opsets as the model itself, as runtimes need: imports are only renamed where no
 * operator in the body changed in between, otherwise all are raised to the newest. Domains that only functions import are added.
 */
export function alignOpsets(given: Model): Model {
  if (given.functions.length === 0) return given;
  const model = withOneStandard(given);
  const opsets = new Map(model.opsets);
  for (const definition of model.functions)
    for (const [domain, version] of definition.opsets)
      if (isStandard(domain) ? opsetOf(opsets) === undefined : version > (opsets.get(domain) ?? 0))
        opsets.set(domain, version);
  if (sameImports(opsets, model.opsets) && model.functions.every((f) => sameImports(f.opsets, opsets))) return model;
  return { ...replaceFunctions(model, (definition) => ({ ...definition, opsets })), opsets };
}

function isStandard(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}

function withOneStandard(model: Model): Model {
  const versions = [model.opsets, ...model.functions.map(({ opsets }) => opsets)].map(opsetOf);
  const own = versions[0] ?? Math.max(0, ...versions.map((version) => version ?? 0));
  const fits = (graph: Graph, from: number | undefined): boolean =>
    from === undefined || from === own || unchanged(graph, from, own);
  if (model.functions.every(({ body, opsets }) => fits(body, opsetOf(opsets)))) return model;
  return raiseOpset(model, Math.max(13, ...versions.map((version) => version ?? 0)));
}

/** Whether every operator of a graph is the same at two opsets. */
function unchanged(graph: Graph, a: number, b: number): boolean {
  for (const node of everyNode(graph))
    if (node.domain === '' && schemaOf(node.opType, a) !== schemaOf(node.opType, b)) return false;
  return true;
}

function sameImports(a: FunctionDefinition['opsets'], b: FunctionDefinition['opsets']): boolean {
  return a.size === b.size && [...a].every(([domain, version]) => b.get(domain) === version);
}
