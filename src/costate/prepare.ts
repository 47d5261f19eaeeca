import { costateRuleOf } from '../../ops/recall.ts';
import type { Model } from '../graph/graph.ts';
import { defaultOpset } from '../graph/model.ts';
import { foldConstants } from '../graph/passes/fold/fold.ts';
import { inlineFunctions } from '../graph/passes/inline.ts';
import { opsetOf, raiseOpset } from '../graph/passes/opset/raise.ts';
import { everyNode } from '../graph/walk.ts';
import { withStackedLists } from './control/appended.ts';
import { withSingleSlices } from './control/resolved.ts';
import { settledRecurrences } from './recurrences.ts';
import { withStatistics } from './statistics.ts';

/**
 * A model the rules can work on: at the opset they are written in or a newer one, and with the functions that have no rule of their own
 * replaced by their bodies; operators give all that their rules can use.
 */
export function prepared(given: Model): Model {
  const opset = opsetOf(given.opsets) ?? defaultOpset;
  const raised = opset < defaultOpset ? raiseOpset(given, defaultOpset) : given;
  const flat =
    raised.functions.length === 0
      ? raised
      : inlineFunctions(raised, { which: (_, call) => costateRuleOf(call) === undefined });
  return settledRecurrences(withStatistics(withStackedLists(withSingleSlices(withBranchesTaken(flat)))));
}

/** Without the branches that are never taken: what is in them need not even fit, and their co-states would be built for nothing. */
function withBranchesTaken(model: Model): Model {
  const branches = [...everyNode(model.graph)].some(({ opType, domain }) => opType === 'If' && domain === '');
  return branches ? foldConstants(model, { parameters: false }) : model;
}
