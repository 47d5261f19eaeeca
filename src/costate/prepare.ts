import { costateRuleOf } from '../../ops/recall.ts';
import type { Model } from '../graph/graph.ts';
import { defaultOpset } from '../graph/model.ts';
import { inlineFunctions } from '../graph/passes/inline.ts';
import { opsetOf, raiseOpset } from '../graph/passes/opset/raise.ts';

/**
 * A model the rules can work on: at the opset they are written in or a newer one, and with the functions that have no rule of their own
 * replaced by their bodies.
 */
export function prepared(given: Model): Model {
  const opset = opsetOf(given.opsets) ?? defaultOpset;
  const raised = opset < defaultOpset ? raiseOpset(given, defaultOpset) : given;
  if (raised.functions.length === 0) return raised;
  return inlineFunctions(raised, { which: (_, call) => costateRuleOf(call) === undefined });
}
