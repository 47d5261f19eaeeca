import type { Model } from '../../graph/graph.ts';
import type { Changed } from './changed.ts';
import { retied } from './copies.ts';
import { unmerged } from './merged.ts';
import { rewritten } from './rewritten.ts';

/**
 * A model whose parameters are those of the network that was exported, as far as the file tells, and those that are not; `known` are
 * some of these that other things tell.
 */
export function untangled(
  given: Model,
  known: readonly Changed[] = [],
): { readonly model: Model; readonly changed: readonly Changed[] } {
  const altered = [...rewritten(given), ...known];
  const copies = retied(given);
  const names = new Set(altered.map(({ name }) => name));
  const parts = unmerged({ ...given, graph: copies.graph }, names);
  return { model: { ...given, graph: parts.graph }, changed: [...altered, ...copies.changed, ...parts.changed] };
}
