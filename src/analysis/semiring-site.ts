import type { Value } from '../graph/value.ts';
import { capturesOf } from '../graph/walk.ts';
import type { Site } from '../reading/sites.ts';
import { type Check, check } from './identities.ts';
import { type Found, queries, rowOf } from './probe.ts';
import type { References } from './references.ts';
import { type Probing, precisionOf } from './site-checks.ts';
import { hopfValue } from './unit-identities.ts';
import { largest } from './vectors.ts';

/** The Scan of a log-semiring recursion: alpha, emissions [time, batch, S], and what the body captures: transitions [to, from] and epsilon. */
export function semiringProbing({ node, viscosity }: Site, references: References): Probing | undefined {
  const body = node.attributes.get('body');
  if (node.opType !== 'Scan' || body?.kind !== 'graph') return undefined;
  const captured = capturesOf(body.value);
  const [start, emissions] = node.inputs;
  const states = start?.shape?.at(-1);
  const into = captured.find(
    ({ shape }) => states !== undefined && shape?.length === 2 && shape[0] === states && shape[1] === states,
  );
  const epsilon = viscosity === 0 ? undefined : captured.find(isScalar);
  const last = node.outputs[0];
  if (!start || !emissions || !into || !last || (viscosity !== 0 && epsilon === undefined)) return undefined;
  return {
    wanted: { start, emissions, into, last, ...(epsilon === undefined ? {} : { epsilon }) },
    checks: (found) => {
      const own = found as Record<'start' | 'emissions' | 'into' | 'last', Found>;
      const eps = found.epsilon?.values[0] ?? 0;
      return [recursion(own, eps, precisionOf(emissions), references)];
    },
  };
}

function isScalar({ shape, dtype }: Value): boolean {
  return shape?.length === 0 && dtype === 'float32';
}

function recursion(
  own: Readonly<Record<'start' | 'emissions' | 'into' | 'last', Found>>,
  epsilon: number,
  precision: number,
  references: References,
): Check {
  const errors: number[] = [];
  const [time = 0, batch = 0, states = 0] = own.emissions.shape;
  for (let row = 0; row < Math.min(batch, queries); row++) {
    let alpha: Float64Array = rowOf(own.start, [row]);
    for (let step = 0; step < time; step++) {
      const e = rowOf(own.emissions, [step, row]);
      const before = alpha;
      alpha = Float64Array.from({ length: states }, (_, to) => {
        if (step === 0) return (before[to] ?? 0) + (e[to] ?? 0);
        const moves = rowOf(own.into, [to]);
        const z = before.map((value, from) => value + (moves[from] ?? 0)).filter((value) => value !== -Infinity);
        return (z.length === 0 ? -Infinity : hopfValue(z, epsilon, 'all', references)) + (e[to] ?? 0);
      });
    }
    const seen = rowOf(own.last, [row]);
    const size = Math.max(largest(alpha), epsilon, 1e-30);
    errors.push(...alpha.map((value, j) => (value === seen[j] ? 0 : Math.abs(value - (seen[j] ?? Number.NaN)) / size)));
  }
  const limit = epsilon === 0;
  return check(
    limit ? 'hopf-lax recursion' : 'hopf-cole recursion',
    limit
      ? 'delta_t(j) = max_i (delta_(t-1)(i) + A_ij) + e_t(j)'
      : 'alpha_t(j) = eps log sum_i exp((alpha_(t-1)(i) + A_ij)/eps) + e_t(j)',
    'the last alpha by the graph',
    `every step by ${limit ? 'Hopf-Lax' : 'Hopf-Cole'} from its decoded initial data, float64`,
    errors,
    10 * precision,
  );
}
