import type { Model } from '../graph/graph.ts';
import { type Costate, costate } from './costate.ts';
import type { DerivativeRequest } from './request.ts';

/** Reverse mode: J'u. One more input `cotangent_<output>` per output; outputs `costate_<wrt>`. */
export function vjp(model: Model, request: DerivativeRequest = {}): Costate {
  return costate(model, { ...request, seed: 'input' });
}

/**
 * Hessian-vector products of the sum of the outputs, or of a loss: reverse over reverse. One more input `direction_<wrt>` per value of `wrt`;
 * outputs `costate_<wrt>`, the gradient, and `hvp_<wrt>`.
 */
export function hvp(model: Model, request: DerivativeRequest = {}): Costate {
  return costate(model, { ...request, order: 2 });
}
