import type { Node } from '../src/graph/value.ts';
import { domain } from './domain.ts';

/** What an operator is in Hamilton-Jacobi terms; never more than theory.md section 4 holds. */
export interface OperatorReading {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly meaning: string;
  readonly hamiltonian: string;
  readonly viscosity: string;
  readonly costate: string;
  readonly status: 'exact' | 'structural';
}

const quadratic = { hamiltonian: '|p|^2', viscosity: 'epsilon', status: 'exact' } as const;
const attributed = ['F', 'P', 'H', 'weights [B,k]', 'indices [B,k]', 'F_rest [B]', 'top [B]'];

/** The operators of the domain, for documentation and for `inspect`. */
export const operators: readonly OperatorReading[] = [
  {
    name: 'LogSumExp',
    inputs: ['X', 'W', 'b', 'epsilon'],
    outputs: ['F [B]'],
    meaning: 'epsilon log sum_j exp((W_j.x + b_j)/epsilon); F + u = |x|^2/(4t) with u the viscous solution',
    costate: 'E_pi W',
    ...quadratic,
  },
  {
    name: 'GibbsWeights',
    inputs: ['Z [..,N]', 'epsilon'],
    outputs: ['Pi [..,N]'],
    meaning: 'the Gibbs measure softmax(z/epsilon) over the atoms',
    costate: 'pi (g - E_pi g)/epsilon',
    ...quadratic,
  },
  {
    name: 'CoState',
    inputs: ['X', 'W', 'b', 'epsilon'],
    outputs: ['P [B,d]'],
    meaning: 'the gradient of LogSumExp, E_pi W',
    costate: 'Cov_pi(W)/epsilon',
    ...quadratic,
  },
  {
    name: 'Solution',
    inputs: ['X', 'W', 'b', 'epsilon'],
    outputs: ['F [B]', 'P [B,d]'],
    meaning: 'LogSumExp and CoState in one pass',
    costate: 'E_pi W, Cov_pi(W)/epsilon',
    ...quadratic,
  },
  {
    name: 'HopfCole',
    inputs: ['X', 'Y', 'g', 'epsilon', 't', 'metric'],
    outputs: ['U [B]', 'gradient [B,d]', 'foot point [B,d]'],
    meaning: '-epsilon log sum_j exp(-(g_j + |x - y_j|^2/(4t))/epsilon), its gradient and E_pi y',
    costate: '(x - E_pi y)/(2t)',
    ...quadratic,
    hamiltonian: "|p|^2, or p'Ap with a metric",
  },
  {
    name: 'HopfLax',
    inputs: ['X', 'Y', 'g', 't'],
    outputs: ['U0 [B]', 'index [B]'],
    meaning: 'min_j g_j + |x - y_j|^2/(4t), and where',
    costate: '(x - y_i)/(2t) of the atom that attains it',
    ...quadratic,
    viscosity: '0',
  },
  {
    name: 'GibbsEntropy',
    inputs: ['Z [..,N]', 'epsilon'],
    outputs: ['H [..]'],
    meaning: '-sum pi log pi = dF/depsilon',
    costate: '-pi (a - E_pi a)/epsilon, a = z/epsilon',
    ...quadratic,
  },
  {
    name: 'GibbsAttention',
    inputs: ['Q', 'K', 'V', 'epsilon'],
    outputs: ['O', 'weights', 'H', 'LSE'],
    meaning: "softmax(QK'/epsilon) V: per head d/ds epsilon log sum exp((k.q + v.s)/epsilon) at s = 0",
    costate: 'Cov_pi(v,k)/epsilon',
    ...quadratic,
    viscosity: 'epsilon (sqrt(d_k) as usual)',
  },
  {
    name: 'Attribution',
    inputs: ['X', 'W', 'b', 'epsilon', 'k'],
    outputs: attributed,
    meaning: 'value, co-state, entropy, the atoms that weigh most, and the value without the first of them',
    costate: 'that of its outputs, which atoms rank first held fixed',
    ...quadratic,
  },
  {
    name: 'MergeSolutions',
    inputs: ['the outputs of Attribution for S shards', 'offsets [S]', 'epsilon', 'k'],
    outputs: attributed,
    meaning: 'the same of the union of the shards',
    costate: 'w = softmax(F/epsilon) over shards',
    ...quadratic,
  },
];

const byName = new Map(operators.map((operator) => [operator.name, operator]));

/** What is known of a call of one of the operators, by its name: a function of that domain in any file, built or read. */
export interface Recognised {
  readonly operator: OperatorReading;
  /** `dense`, `blocked`, `streamed`; whether banked, masked; and the element type, by the overload. */
  readonly overload: readonly string[];
  /** Index of epsilon among the inputs, where it has one. */
  readonly epsilonInput: number | undefined;
}

/** The operator that a node calls, or undefined. */
export function recognise(node: Node): Recognised | undefined {
  const operator = node.domain === domain ? byName.get(node.opType) : undefined;
  if (operator === undefined) return undefined;
  const overload = node.overload.split('_').filter((part) => part !== '');
  const blocks = Number(overload.find((part) => /^blocks\d+$/.test(part))?.slice('blocks'.length) ?? 1);
  const place = epsilonAt[operator.name];
  return { operator, overload, epsilonInput: place === undefined ? undefined : place(blocks) };
}

const afterAtoms = (blocks: number): number => 1 + 2 * blocks;
const epsilonAt: Readonly<Record<string, ((blocks: number) => number) | undefined>> = {
  LogSumExp: afterAtoms,
  CoState: afterAtoms,
  Solution: afterAtoms,
  Attribution: afterAtoms,
  GibbsWeights: () => 1,
  GibbsEntropy: () => 1,
  HopfCole: () => 3,
  GibbsAttention: () => 3,
  MergeSolutions: () => 8,
};
