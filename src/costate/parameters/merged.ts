import type { Graph, Model } from '../../graph/graph.ts';
import { rewriteGraph } from '../../graph/passes/rewrite.ts';
import { apartByPlaceholders } from './placeholders.ts';
import { signatureOf } from './signature.ts';
import { twinOf, type Unmerged } from './twin.ts';

/**
 * PyTorch's exporters store parameters of equal values once, though they are different parameters: all norms of a fresh network, the
 * layers of an encoder copied from one. The co-state of the one left would be the sum over all. Here each is a parameter of its own name
 * again, on the same bytes. Tied parameters, one in PyTorch, stay one: both exporters know those before they merge. `altered` are left
 * as they are.
 */
export function unmerged(model: Model, altered: ReadonlySet<string>): Unmerged {
  if (!/pytorch/i.test(model.producer.name)) return { graph: model.graph, changed: [] };
  const placeholders = signatureOf(model);
  return placeholders === undefined
    ? { graph: withoutAliases(model.graph), changed: [] }
    : apartByPlaceholders(model.graph, placeholders, altered);
}

/** The TorchScript exporter leaves an Identity under the name of each parameter it merged into another. */
function withoutAliases(graph: Graph): Graph {
  const taken = new Set(graph.parameters.map(({ name }) => name));
  return rewriteGraph(graph, (node) => {
    const [source] = node.inputs;
    const name = node.outputs[0]?.name;
    if (node.opType !== 'Identity' || node.domain !== '' || name === undefined || taken.has(name)) return undefined;
    if (!/^Identity_\d+$/.test(node.name ?? '')) return undefined;
    const twin = twinOf(source, name);
    if (twin === undefined) return undefined;
    taken.add(name);
    return [twin];
  });
}
