import type { Model } from '../graph/graph.ts';
import { removeDead } from '../graph/passes/dead.ts';
import { foldConstants } from '../graph/passes/fold/fold.ts';
import { shareCommon } from '../graph/passes/share.ts';

/** A co-state graph without what rules made in general and this network does not need. */
export function tidied(model: Model): Model {
  return removeDead(shareCommon(foldConstants(model)));
}
