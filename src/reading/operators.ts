import { domain } from '../../ops/domain.ts';
import { recognise } from '../../ops/table.ts';
import { toNumbers } from '../files/tensor.ts';
import { constantTensor } from '../graph/passes/constants.ts';
import type { Node, Value } from '../graph/value.ts';
import { type ReadingKind, readingOf } from '../layers/reading.ts';
import { argumentsOf, blocksOf, numberOf } from './arguments.ts';
import { equationOf, type Site, type Sizes } from './site.ts';

/** The rows of the table that our operators are by themselves. */
const rows: Readonly<Record<string, ReadingKind>> = {
  LogSumExp: 'lse',
  Solution: 'lse',
  CoState: 'lse',
  HopfCole: 'hopf-cole',
  Attribution: 'lse',
  GibbsWeights: 'softmax-head',
  HopfLax: 'hopf-cole',
  GibbsAttention: 'attention',
};

/** What a site is, but for its name and place. */
export type Found = Omit<Site, 'name' | 'where' | 'node'>;

/** A call of one of our operators; undefined where the node is none that is a site. */
export function operatorSite(node: Node): Found | undefined {
  const row = node.domain === domain ? rows[node.opType] : undefined;
  if (row === undefined) return undefined;
  const limit = node.opType === 'HopfLax';
  const epsilon = epsilonOf(node);
  const viscosity = limit ? 0 : (epsilon ?? 'epsilon');
  const reading = readingOf(row, '', {
    viscosity,
    hamiltonian: recognise(node)?.operator.hamiltonian,
    ...(limit ? { equation: 'u_t + |grad u|^2 = 0, u(x,t) = min_j g_j + |x - y_j|^2/(4t)' } : {}),
  });
  return {
    kind: kindOf(row, limit),
    ...equationOf(reading),
    viscosity: limit ? 0 : epsilon,
    epsilon,
    architecture: row,
    ...operatorSizes(node),
  };
}

function kindOf(row: ReadingKind, limit: boolean): Site['kind'] {
  if (limit) return 'max';
  return row === 'softmax-head' || row === 'attention' ? row : 'lse';
}

/** The temperature a call of our operators is given: a number, the name of the value that holds it, or null. */
export function epsilonOf(node: Node): number | string | null {
  const value = argumentsOf(node).get('epsilon');
  return numberOf(value) ?? sameOf(value) ?? value?.name ?? null;
}

/** One temperature per head, all the same. */
function sameOf(value: Value | undefined): number | undefined {
  const tensor = constantTensor(value);
  const [first, ...rest] = tensor === undefined ? [] : toNumbers(tensor);
  return first !== undefined && rest.every((other) => other === first) ? first : undefined;
}

const number = (dim: unknown): number | null => (typeof dim === 'number' ? dim : null);

/** Atoms, dimension and heads of a call of our operators. */
export function operatorSizes(node: Node): Sizes {
  const given = argumentsOf(node);
  if (node.opType === 'GibbsWeights') return { atoms: number(given.get('Z')?.shape?.at(-1)), dim: null };
  if (node.opType === 'GibbsAttention') {
    const q = given.get('Q')?.shape ?? [];
    // [batch, heads, time, d], or with groups of heads that share keys [batch, shared, group, time, d].
    const heads = q.slice(1, -2).reduce<number>((product, dim) => product * (number(dim) ?? Number.NaN), 1);
    const sizes = { atoms: number(given.get('K')?.shape?.at(-2)), dim: number(q.at(-1)) };
    return q.length > 3 && !Number.isNaN(heads) ? { ...sizes, heads } : sizes;
  }
  const weights = blocksOf(given, 'W');
  const blocks = weights.length > 0 ? weights : blocksOf(given, 'Y');
  const first = blocks[0]?.shape;
  const dim = number(first?.at(-1));
  if (node.overload.split('_').includes('streamed')) {
    const [count, d, n] = first ?? [];
    const total = typeof count === 'number' && typeof n === 'number' ? count * n : null;
    return { atoms: total, dim: number(d) };
  }
  const counts = blocks.map(({ shape }) => number(shape?.at(-2)));
  const atoms =
    blocks.length === 0
      ? null
      : counts.reduce<number | null>((sum, n) => (sum === null || n === null ? null : sum + n), 0);
  const heads = first?.length === 3 ? number(first[0]) : null;
  return { atoms, dim, ...(heads === null ? {} : { heads }) };
}
