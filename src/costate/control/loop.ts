import { RuleCall } from '../call.ts';
import type { SubgraphRule } from './table.ts';

export const loopRule: SubgraphRule = (node, bars, wants) => {
  throw new RuleCall(node, bars, wants).unsupported('not written yet');
};
