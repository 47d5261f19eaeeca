import { at, gibbsRow } from '../../ops/float64.ts';
import { type Check, check } from './identities.ts';

/** What a softmax head took and gave for one query: logits z and weights pi, in float64. */
export interface HeadRow {
  readonly z: Float64Array;
  readonly pi: Float64Array;
}

/**
 * Identities of a softmax head pi = softmax(z/eps) (docs/theory.md 2.4, 2.8): the weights are a measure, the gradient of the
 * log-sum-exp, and the point of the simplex at which q.z + eps H(q) is largest.
 */
export function headChecks(rows: readonly HeadRow[], epsilon: number, precision: number): Check[] {
  const mass: number[] = [];
  const gradient: number[] = [];
  const best: number[] = [];
  for (const { z, pi } of rows) {
    mass.push(Math.abs(pi.reduce((sum, value) => sum + value, 0) - 1), -Math.min(0, ...pi));
    const h = epsilon * 1e-4;
    const { f } = gibbsRow(z, epsilon);
    const scale = z.reduce((most, value) => Math.max(most, Math.abs(value)), epsilon);
    pi.forEach((value, j) => {
      const moved = (by: number) =>
        gibbsRow(
          Float64Array.from(z, (entry, i) => (i === j ? entry + by : entry)),
          epsilon,
        ).f;
      // Rounding of f, divided by the step, is what a difference cannot tell from the derivative.
      const rounding = (scale * 2 ** -50) / h;
      gradient.push(Math.max(0, Math.abs(value - (moved(h) - moved(-h)) / (2 * h)) - rounding));
    });
    const mean = z.reduce((sum, entry, j) => sum + (at(pi, j) > 0 ? at(pi, j) * entry : 0), 0);
    const entropy = -pi.reduce((sum, value) => sum + (value > 0 ? value * Math.log(value) : 0), 0);
    best.push(Math.abs(f - (mean + epsilon * entropy)) / Math.max(scale, epsilon * Math.log(Math.max(2, z.length))));
  }
  return [
    check('measure', 'pi >= 0, sum pi = 1', 'pi by the graph', 'the two conditions', mass, Math.max(precision, 1e-6)),
    check(
      'gradient of f',
      'pi_j = df/dz_j',
      'pi by the graph',
      'central differences of f, float64',
      gradient,
      Math.max(precision, 1e-6),
    ),
    check(
      'convex form',
      'f = E_pi z + eps H(pi)',
      'pi by the graph',
      'f of its logits, float64',
      best,
      Math.max(10 * precision, 1e-6),
    ),
  ];
}
