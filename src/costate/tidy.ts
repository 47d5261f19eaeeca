import type { Model } from '../graph/graph.ts';
import { removeDead } from '../graph/passes/dead.ts';
import { foldConstants } from '../graph/passes/fold/fold.ts';
import { levelOpsets } from '../graph/passes/opset/raise.ts';
import { type ShareOptions, shareCommon } from '../graph/passes/share.ts';
import { withoutUnread } from './control/unread.ts';
import { withSafePads } from './pads.ts';
import { simplified } from './simplify.ts';
import { withoutUnused } from './statistics.ts';

/** A co-state graph without what rules made in general and this network does not need, all its operators at the model's opset. */
export function tidied(model: Model, sharing: ShareOptions = {}): Model {
  const folded = foldConstants(shareCommon(levelOpsets(model), sharing), { parameters: false });
  const simple = removeDead(shareCommon(levelOpsets(withSafePads(simplified(folded))), sharing));
  return removeDead(withoutUnread(withoutUnused(simple)));
}
