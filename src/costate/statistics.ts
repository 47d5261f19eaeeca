import type { Model } from '../graph/graph.ts';
import { remake, rewriteGraph } from '../graph/passes/rewrite.ts';
import type { Node, Value } from '../graph/value.ts';
import { everyGraph } from '../graph/walk.ts';

/**
 * Optional outputs that an operator computes on its way and its rule needs: the mean and deviation of a normalisation, the logarithms of a
 * loss's probabilities. Where the network does not ask for them they are asked for before it is differentiated, and those that nothing
 * came to use are let go afterwards.
 */
const outputsOf: Readonly<Record<string, number | undefined>> = Object.freeze(
  Object.assign(Object.create(null) as Record<string, number>, {
    LayerNormalization: 3,
    SimplifiedLayerNormalization: 2,
    SoftmaxCrossEntropyLoss: 2,
    Dropout: 2,
  }),
);

/** A model whose nodes give all the outputs that rules can use. */
export function withStatistics(model: Model): Model {
  const graph = rewriteGraph(model.graph, (node) => {
    const count = countOf(node);
    if (count === undefined || node.outputs.length >= count || !worthIt(node)) return undefined;
    const types = remake(node, { outputCount: count, outputNames: [], infer: true }).outputs;
    const made = remake(node, {
      outputCount: count,
      inferred: types.map((value, index) => node.outputs[index] ?? value),
    });
    return made.outputs.slice(0, node.outputs.length);
  });
  return graph === model.graph ? model : { ...model, graph };
}

/** The model without such outputs where nothing uses them. */
export function withoutUnused(model: Model): Model {
  const used = new Set<Value>();
  for (const graph of everyGraph(model.graph)) {
    for (const { inputs } of graph.nodes) for (const value of inputs) if (value !== undefined) used.add(value);
    for (const { value } of graph.outputs) used.add(value);
  }
  const graph = rewriteGraph(model.graph, (node, original) => {
    if (countOf(node) === undefined) return undefined;
    const kept = original.outputs.findLastIndex((value) => used.has(value) || value.name !== undefined) + 1;
    if (kept === 0 || kept === node.outputs.length) return undefined;
    return [...remake(node, { outputCount: kept }).outputs, ...node.outputs.slice(kept).map(() => undefined)];
  });
  return graph === model.graph ? model : { ...model, graph };
}

function countOf(node: Node): number | undefined {
  return node.domain === '' ? outputsOf[node.opType] : undefined;
}

/** Their statistics are float32 in float64 networks too: not exact enough there. */
const rounded: ReadonlySet<string> = new Set(['LayerNormalization', 'SimplifiedLayerNormalization']);

function worthIt(node: Node): boolean {
  return !rounded.has(node.opType) || node.inputs[0]?.dtype !== 'float64';
}
