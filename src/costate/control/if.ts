import { HopfcoleError } from '../../files/error.ts';
import type { Graph } from '../../graph/graph.ts';
import * as op from '../../graph/op.ts';
import type { Node, Value } from '../../graph/value.ts';
import { barType, instantiate, seedsOf, typedAs } from './body.ts';
import { zeroBar } from './sequence-sum.ts';
import type { SubgraphRule } from './table.ts';

/**
 * The same condition again: each branch computes its values once more and pulls the co-state back to what it captures; what only the
 * other branch uses gets zeros.
 */
export const ifRule: SubgraphRule = (node, bars, _wants, captured, pullback) => {
  const [condition] = node.inputs;
  if (condition === undefined || captured.length === 0) return { inputs: [], captures: [] };
  const branch = (name: string) => (): readonly Value[] => {
    const { nodes, outputs } = instantiate(branchOf(node, name), []);
    const inner = pullback({ nodes, seeds: seedsOf(outputs, bars), wrt: captured });
    return captured.map((value, index) => inner[index] ?? zeroBar(value));
  };
  const made = op.if(condition, { thenBranch: branch('then_branch'), elseBranch: branch('else_branch') });
  const sums = typedAs(
    made,
    captured.map((value) => barType(value)),
  );
  return {
    inputs: [],
    captures: captured.flatMap((value, index) => {
      const bar = sums[index];
      return bar === undefined ? [] : [[value, bar] as const];
    }),
  };
};

export function branchOf(node: Node, name: string): Graph {
  const attribute = node.attributes.get(name);
  if (attribute?.kind === 'graph') return attribute.value;
  throw new HopfcoleError('MISSING_ATTRIBUTE', `${node.opType} lacks its ${name}`, {
    node: node.name,
    operator: node.opType,
    argument: name,
  });
}
