import type { Graph } from '../../graph/graph.ts';
import { valueMetadata } from '../../graph/wire/value-infos.ts';

/** Which values the exporter's constant folding made each initializer from, by names. `graph` is as read, or has that graph's origin. */
export function foldedFrom(graph: Graph): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const [name, metadata] of valueMetadata(graph)) {
    const text = metadata.get('pkg.onnxscript.optimizer.folded_from');
    if (text !== undefined)
      found.set(
        name,
        [...text.matchAll(/'([^']+)'/g)].map(([, source]) => source ?? ''),
      );
  }
  return found;
}
