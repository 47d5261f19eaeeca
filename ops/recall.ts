import type { CostateRule } from '../src/graph/costate.ts';
import type { Node } from '../src/graph/value.ts';
import { evenBounds } from './atoms.ts';
import { attentionOutputs } from './attention-body.ts';
import { attentionCostate } from './attention-costate.ts';
import { attributionCostate } from './attribution-costate.ts';
import { costate as entropyRule } from './gibbs-entropy.ts';
import { costate as weightsRule } from './gibbs-weights.ts';
import { costate as hopfColeRule } from './hopf-cole.ts';
import { costate as hopfLaxRule } from './hopf-lax.ts';
import { mergeCostate } from './merge-costate.ts';
import { floatTypeOf } from './precision.ts';
import { ruleOf, type SolutionName } from './solution.ts';
import { recognise } from './table.ts';

/**
 * The co-state rule of a call of one of the operators. A call that was built brings its own; one that was read from a file is known by its
 * name and overload alone.
 */
export function costateRuleOf(node: Node): CostateRule | undefined {
  if (node.callee?.costate !== undefined) return node.callee.costate;
  const known = recognise(node);
  if (known === undefined) return undefined;
  const { name } = known.operator;
  const { overload } = known;
  const blocks = Number(overload.find((part) => /^blocks\d+$/.test(part))?.slice('blocks'.length) ?? 1);
  if (name === 'Attribution') return (call, bars, wanted) => attributionCostate(call, bars, wanted, blocks);
  if (name === 'GibbsAttention') return attentionCostate(overload.includes('reading') ? attentionOutputs : ['O']);
  if (!isSolution(name)) return plain[name];
  const [x] = node.inputs;
  const mask = overload.includes('masked') ? 'masked' : overload.includes('biased') ? 'biased' : '';
  const kind = overload.some((part) => part.startsWith('blocks'))
    ? 'blocked'
    : overload.includes('streamed')
      ? 'streamed'
      : 'dense';
  return ruleOf({
    name,
    dtype: x === undefined ? 'float32' : floatTypeOf(x),
    mask,
    arrangement: overload.includes('bank') ? 'bank' : 'single',
    kind,
    bounds: mask !== '' && kind === 'blocked' ? boundsIn(overload, blocks) : [],
    blocks,
  });
}

const plain: Readonly<Record<string, CostateRule | undefined>> = {
  GibbsWeights: weightsRule,
  GibbsEntropy: entropyRule,
  HopfCole: hopfColeRule,
  HopfLax: hopfLaxRule,
  MergeSolutions: mergeCostate,
};

function isSolution(name: string): name is SolutionName {
  return name === 'LogSumExp' || name === 'CoState' || name === 'Solution';
}

/** The bounds of blocks that an overload's name holds (see `boundsPart`). */
function boundsIn(overload: readonly string[], blocks: number): readonly number[] {
  for (const part of overload) {
    const even = /^by(\d+)of(\d+)$/.exec(part);
    if (even !== null) {
      const [size, count] = [Number(even[1]), Number(even[2])];
      // A name is not to be trusted with how much is made of it.
      if (Math.ceil(count / size) === blocks) return evenBounds(count, size);
    }
    if (/^at\d+(x\d+)*$/.test(part)) return [0, ...part.slice(2).split('x').map(Number)];
  }
  return [];
}
