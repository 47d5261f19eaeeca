import { scalar } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import { describeShape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { layer, type Module } from './module.ts';
import type { Branch } from './residual.ts';

/** A point of phase space, both halves of one shape. */
export interface Phase {
  readonly q: Value;
  readonly p: Value;
}

export interface LeapfrogOptions {
  /** grad V(q), the force's opposite: called for q before and after the step. Parameters are tied, since a module gives the same ones each time. */
  readonly potential: Branch;
  /** grad T(p); default: p, T = |p|^2/2. */
  readonly kinetic?: Branch | undefined;
  /** h; default 1. A negative one leads back: the step of -h after that of h is the identity, up to rounding. */
  readonly step?: number | undefined;
}

/**
 * Leapfrog step of the separable H(q, p) = T(p) + V(q): p1 = p - h/2 grad V(q), q' = q + h grad T(p1), p' = p1 - h/2 grad V(q'). Symplectic, of second order,
 * and reversible: the step with -h leads back, so that states need not be kept for the co-state (theory.md section 4; structural).
 */
export function leapfrog(module: Module, { q, p }: Phase, options: LeapfrogOptions): Phase {
  return layer(leapfrog, module, 'leapfrog', () => {
    const { potential, kinetic = (momentum) => momentum, step = 1 } = options;
    if (!(Number.isFinite(step) && step !== 0))
      throw new HopfcoleError('BAD_ARGUMENT', `expected a step that is not 0, got ${step}`, { argument: 'step' });
    alike(module, q, p, 'p');
    const moved = (state: Value, slope: Value, by: number): Value => {
      alike(module, state, slope, 'F');
      return op.add(state, op.mul(slope, scalar(by, module.dtype)));
    };
    const half = moved(p, potential(q), -step / 2);
    const next = moved(q, kinetic(half), step);
    const kicked = moved(half, potential(next), -step / 2);
    return { q: next, p: module.mark(kicked, 'leapfrog', { step }) };
  });
}

/** @throws SHAPE_MISMATCH where what belongs together is known to have other shapes. */
function alike(module: Module, one: Value, other: Value, what: string): void {
  const [a, b] = [one.shape, other.shape];
  if (a === undefined || b === undefined) return;
  const differ = (dim: unknown, axis: number) =>
    typeof dim === 'number' && typeof b[axis] === 'number' && dim !== b[axis];
  if (a.length !== b.length || a.some(differ))
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} expects '${what}' of the shape of its state, ${describeShape(a)}, got ${describeShape(b)}`,
      { argument: what },
      'Make both halves, and their gradients, of one shape',
    );
}
