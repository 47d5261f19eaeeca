import { gibbsWeights } from '../../ops/gibbs-weights.ts';
import { as, ints, scalar, type WorkType } from '../../ops/precision.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { uniform } from './initial.ts';
import { viscosityOf } from './lse.ts';
import { type Epsilon, layer, type Module } from './module.ts';
import { expectLengths } from './recurrent/sizes.ts';
import { withSteps } from './recurrent/time.ts';
import { logSemiringProduct } from './semiring-product.ts';

export interface SemiringOptions {
  /** S, the states; default: those of `x`, or of the checkpoint. */
  readonly states?: number | undefined;
  /** Symbols of a model of discrete observations: x is then their numbers, and `emissions` [S, symbols] a parameter. */
  readonly symbols?: number | undefined;
  /** Integer lengths [batch]; what is beyond them counts for nothing. */
  readonly lengths?: Value | undefined;
  /** Whether there is `end_transitions` [S], added to the last step; default: as the checkpoint has, or false. */
  readonly end?: boolean | undefined;
}

export interface HmmOptions extends SemiringOptions {
  /** Viscosity, default 1: probabilities. */
  readonly epsilon?: Epsilon | undefined;
}

export interface HmmValues {
  /** f [batch] = eps log sum over all paths of exp(score/eps): with eps = 1 the log-likelihood (or a CRF's partition function). */
  readonly f: Value;
  /** alpha [batch, time, S] */
  readonly alpha: Value;
  /** Posterior marginals [batch, time, S]: the co-state of f with respect to the emissions, by the co-state recursion; 0 beyond the lengths. */
  readonly marginals: Value;
}

/**
 * Log-semiring recursion: alpha_t(j) = eps log sum_i exp((alpha_(t-1)(i) + A_ij)/eps) + e_t(j), a discrete Hopf-Cole solution (exact). x: log-emissions
 * [batch, time, S], or observed symbols [batch, time]. Parameters as pytorch-crf names them: `transitions` [from, to],
 * `start_transitions` and `end_transitions` [S], log-probabilities or scores; -inf forbids.
 */
export function hmm(module: Module, x: Value, options: HmmOptions = {}): HmmValues {
  return layer(hmm, module, 'hmm', () => {
    const chain = chainOf(module, x, options);
    const { work, into, start, end, emissions, first, within } = chain;
    const given = options.epsilon ?? 1;
    const epsilon = module.epsilon(given);
    const sequences = [emissions, first, ...(within === undefined ? [] : [within])];
    const made = op.scan([start], sequences, ([before = x], [e = x, isFirst = x, inside]) => {
      const moved = op.where(isFirst, before, logSemiringProduct(before, into, epsilon));
      const now = op.add(moved, e);
      const next = inside === undefined ? now : op.where(inside, now, before);
      return { carried: [next], scanned: [next] };
    });
    const [last = x, alpha = x] = module.mark(made, 'log-semiring', { viscosity: viscosityOf(given) });
    const f = logSemiringProduct(last, end ?? zeroRow(chain), epsilon);
    const atEnd = end === undefined ? last : op.add(last, end);
    const marginals = posterior(chain, { start, alpha, weights: gibbsWeights(atEnd, epsilon), epsilon });
    const { dtype } = module;
    return {
      f: as(op.squeeze(f, ints(1)), dtype),
      alpha: as(batchFirst(alpha), dtype),
      marginals: as(batchFirst(marginals), dtype),
    };

    function zeroRow({ states }: Chain): Value {
      return constant(fromNumbers(work, [1, states], new Float64Array(states)));
    }
  });
}

export interface ViterbiValues {
  /** The best path, [batch, time] int64; -1 beyond the lengths. Of equals the first. */
  readonly path: Value;
  /** Its score, [batch]. */
  readonly score: Value;
}

/**
 * Viterbi: the limit eps -> 0 of `hmm`, delta_t(j) = max_i (delta_(t-1)(i) + A_ij) + e_t(j), with the path that attains it by a second Scan backward. The
 * same x and parameters; hmm's f is above the score by at most eps T log S (exact).
 */
export function viterbi(module: Module, x: Value, options: SemiringOptions = {}): ViterbiValues {
  return layer(viterbi, module, 'viterbi', () => {
    const { states, into, start, end, emissions, first, within } = chainOf(module, x, options);
    const same = constant(
      fromNumbers(
        'int64',
        [1, states],
        Array.from({ length: states }, (_, state) => state),
      ),
    );
    const sequences = [emissions, first, ...(within === undefined ? [] : [within])];
    const forward = op.scan([start], sequences, ([before = x], [e = x, isFirst = x, inside]) => {
      const z = op.add(op.unsqueeze(before, ints(1)), into);
      const moved = op.where(isFirst, before, op.reduceMax(z, ints(2), { keepdims: 0 }));
      const from = op.argMax(z, { axis: 2, keepdims: 0 });
      const now = op.add(moved, e);
      if (inside === undefined) return { carried: [now], scanned: [from] };
      // Beyond its length a sequence stays where it is.
      return { carried: [op.where(inside, now, before)], scanned: [op.where(inside, from, same)] };
    });
    // A name beside that of an `hmm` of the same parameters.
    const [last = x, pointers = x] = module.at('viterbi').mark(forward, 'log-semiring', {
      viscosity: 0,
      equation: 'delta_t(j) = max_i (delta_(t-1)(i) + A_ij) + e_t(j): the limit eps -> 0 of the log-semiring recursion',
      latex: '\\delta_t(j) = \\max_i (\\delta_{t-1}(i) + A_{ij}) + e_t(j)',
    });
    const atEnd = end === undefined ? last : op.add(last, end);
    const best = op.argMax(atEnd, { axis: 1, keepdims: 1 });
    const [, path = x] = op.scan(
      [best],
      [pointers],
      ([state = x], [pointer = x]) => ({
        carried: [op.gatherElements(pointer, state, { axis: 1 })],
        scanned: [state],
      }),
      { scanInputDirections: [1], scanOutputDirections: [1] },
    );
    const known = within === undefined ? path : op.where(within, path, scalar(-1, 'int64'));
    const score = op.reduceMax(atEnd, ints(1), { keepdims: 0 });
    return { path: op.squeeze(batchFirst(known), ints(2)), score: as(score, module.dtype) };
  });
}

/** What both recursions need, time first. */
interface Chain {
  readonly states: number;
  readonly work: WorkType;
  /** A', [to, from] */
  readonly into: Value;
  /** start_transitions, [batch, S]: the state before the first step, which the first step does not move. */
  readonly start: Value;
  /** [1, S] */
  readonly end: Value | undefined;
  /** [time, batch, S] */
  readonly emissions: Value;
  /** Whether it is the first step, [time, 1, 1]. */
  readonly first: Value;
  /** Whether it is within the lengths, [time, batch, 1]. */
  readonly within: Value | undefined;
}

function chainOf(module: Module, x: Value, options: SemiringOptions): Chain {
  const work = module.dtype === 'float64' ? 'float64' : 'float32';
  const observed = x.dtype === 'int64' || x.dtype === 'int32';
  module.rank(x, observed ? [2] : [3], observed ? '[batch, time] of symbols' : '[batch, time, states]');
  const states = observed
    ? module.size(options.states, 'states', 'transitions', 0)
    : module.features(x, options.states, 'states', module.shapeOf('transitions')?.[0]);
  // pytorch-crf draws all from U(-0.1, 0.1).
  const scores = (name: string, ...shape: readonly number[]) => as(module.parameter(name, shape, uniform(0.1)), work);
  const transitions = scores('transitions', states, states);
  const start = scores('start_transitions', states);
  const ended = options.end ?? module.has('end_transitions') ?? false;
  const end = ended ? op.unsqueeze(scores('end_transitions', states), ints(0)) : undefined;
  const steps = withSteps(module, op.transpose(x, { perm: observed ? [1, 0] : [1, 0, 2] }), x);
  const emissions = observed ? emitted(module, steps, states, options, scores) : as(steps, work);
  const zero = scalar(0, 'int64');
  const places = op.range(zero, op.squeeze(op.shape(emissions, { start: 0, end: 1 }), ints(0)), scalar(1, 'int64'));
  const place = op.unsqueeze(places, ints(1, 2));
  if (options.lengths !== undefined) expectLengths(module, options.lengths, x.shape?.[0]);
  const lengths = options.lengths && op.unsqueeze(op.cast(options.lengths, { to: 'int64' }), ints(0, 2));
  return {
    states,
    work,
    into: op.transpose(transitions, { perm: [1, 0] }),
    start: op.expand(start, op.shape(emissions, { start: 1, end: 3 })),
    end,
    emissions,
    first: op.equal(place, zero),
    within: lengths && op.less(place, lengths),
  };
}

/** Log-emissions of observed symbols, `emissions` [S, symbols]: [time, batch] -> [time, batch, S]. */
function emitted(
  module: Module,
  symbols: Value,
  states: number,
  options: SemiringOptions,
  scores: (name: string, ...shape: readonly number[]) => Value,
): Value {
  const count = module.size(options.symbols, 'symbols', 'emissions', 1);
  return op.gather(op.transpose(scores('emissions', states, count), { perm: [1, 0] }), symbols, { axis: 0 });
}

/** Posterior marginals [time, batch, S] by the co-state recursion p_(t-1)(i) = sum_j p_t(j) pi_ji, backward from the Gibbs weights at the end. */
function posterior(
  { into, within }: Chain,
  at: { readonly start: Value; readonly alpha: Value; readonly weights: Value; readonly epsilon: Value },
): Value {
  const { start, alpha, weights, epsilon } = at;
  const before = op.slice(op.concat([op.unsqueeze(start, ints(0)), alpha], { axis: 0 }), ints(0), ints(-1), ints(0));
  const sequences = [before, ...(within === undefined ? [] : [within])];
  const [, marginals = alpha] = op.scan(
    [weights],
    sequences,
    ([p = alpha], [earlier = alpha, inside]) => {
      const pi = gibbsWeights(op.add(op.unsqueeze(earlier, ints(1)), into), epsilon);
      const moved = op.squeeze(op.matMul(op.unsqueeze(p, ints(1)), pi), ints(1));
      if (inside === undefined) return { carried: [moved], scanned: [p] };
      const nothing = scalar(0, p.dtype === 'float64' ? 'float64' : 'float32');
      return { carried: [op.where(inside, moved, p)], scanned: [op.where(inside, p, nothing)] };
    },
    { scanInputDirections: sequences.map(() => 1), scanOutputDirections: [1] },
  );
  return marginals;
}

function batchFirst(steps: Value): Value {
  return op.transpose(steps, { perm: [1, 0, 2] });
}
