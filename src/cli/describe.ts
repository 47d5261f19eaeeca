import type { Model } from '../graph/graph.ts';
import { everyNode } from '../graph/walk.ts';

/** How often each operator is called, subgraphs included; `domain::Name` outside ai.onnx. */
export function operatorCounts(model: Model): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { domain, opType } of everyNode(model.graph)) {
    const name = domain === '' || domain === 'ai.onnx' ? opType : `${domain}::${opType}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
