import type { Model } from '../../graph/graph.ts';
import type { Changed } from './changed.ts';
import { retied } from './copies.ts';
import { unmerged } from './merged.ts';

/** A model whose parameters are those of the network that was exported, as far as the file tells, and those that are not. */
export function untangled(given: Model): { readonly model: Model; readonly changed: readonly Changed[] } {
  const copies = retied(given);
  const parts = unmerged({ ...given, graph: copies.graph });
  return { model: { ...given, graph: parts.graph }, changed: [...copies.changed, ...parts.changed] };
}
