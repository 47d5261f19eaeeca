import { gibbsWeights } from '../../ops/gibbs-weights.ts';
import { logSumExp } from '../../ops/log-sum-exp.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { normal } from './initial.ts';
import { type Epsilon, layer, type Module } from './module.ts';

export interface AtomOptions {
  /** d, the input features; default: those of `x`. */
  readonly dim?: number | undefined;
  /** N, the atoms of each unit; may be left out where a checkpoint says them. */
  readonly atoms?: number | undefined;
  /** K: a bank of K units, weight [K, N, d], output [batch, K]; absent: weight [N, d], output [batch]. */
  readonly units?: number | undefined;
  readonly bias?: boolean | string | undefined;
  readonly weight?: string | undefined;
  /** A single unit gives [batch, 1] instead of [batch]. */
  readonly keepdim?: boolean | undefined;
}

export interface LseOptions extends AtomOptions {
  /** Default 1. */
  readonly epsilon?: Epsilon | undefined;
}

/** W and b of one unit or a bank, as a checkpoint holds them. */
interface UnitParameters {
  readonly W: Value;
  readonly b: Value;
  readonly units: number | undefined;
}

/** A fresh LSE unit starts at W ~ N(0, (0.5/sqrt d)^2), b ~ N(0, 0.3^2), as the paper's experiments. */
function atomsOf(module: Module, x: Value, options: AtomOptions): UnitParameters {
  const [place, name] = typeof options.weight === 'string' ? [module.root, options.weight] : [module, 'weight'];
  const stored = place.shapeOf(name);
  const units = options.units ?? (stored?.length === 3 ? stored[0] : undefined);
  module.rank(x, [2], '[batch, d]');
  const dim = module.features(x, options.dim, 'dim', stored?.at(-1));
  const atoms = place.size(options.atoms, 'atoms', name, -2);
  const lead = units === undefined ? [] : [units];
  const W = place.parameter(name, [...lead, atoms, dim], normal(0.5 / Math.sqrt(dim)));
  return { W, b: biasOf(module, options.bias, [...lead, atoms]), units };
}

function biasOf(module: Module, bias: boolean | string | undefined, shape: readonly number[]): Value {
  if (bias === false) {
    const count = shape.reduce((a, b) => a * b, 1);
    return constant(fromNumbers(module.dtype, shape, new Float64Array(count)));
  }
  const [place, name] = typeof bias === 'string' ? [module.root, bias] : [module, 'bias'];
  return place.parameter(name, shape, normal(0.3));
}

function kept(f: Value, options: AtomOptions, units: number | undefined): Value {
  if (units !== undefined || options.keepdim !== true) return f;
  return op.unsqueeze(f, constant(fromNumbers('int64', [1], [1])));
}

/**
 * LSE layer and bank: x [batch, d] -> eps log sum_j exp((W_j.x + b_j)/eps), [batch] or, for a bank of K units, [batch, K]
 * (theory.md section 1; exact). Parameters `weight` [N, d] or [K, N, d] and `bias` [N] or [K, N].
 */
export function lse(module: Module, x: Value, options: LseOptions = {}): Value {
  return layer(lse, module, 'lse', () => {
    const { W, b, units } = atomsOf(module, x, options);
    const epsilon = options.epsilon ?? 1;
    const f = module.mark(logSumExp(x, W, b, module.epsilon(epsilon)), 'lse', { viscosity: viscosityOf(epsilon) });
    return kept(f, options, units);
  });
}

/**
 * Tropical layer, the limit eps -> 0 of `lse`: max_j (W_j.x + b_j), the Hopf-Lax solution. The same parameters; x [batch, d] -> [batch] or [batch, K].
 * With a bank this is maxout (`units` the outputs, `atoms` the pieces).
 */
export function tropical(module: Module, x: Value, options: AtomOptions = {}): Value {
  return layer(tropical, module, 'max', () => {
    const { W, b, units } = atomsOf(module, x, options);
    const axis = constant(fromNumbers('int64', [1], [-1]));
    if (units === undefined) {
      const z = op.gemm(x, W, b, { transB: true });
      return kept(module.mark(op.reduceMax(z, axis, { keepdims: false }), 'max'), options, units);
    }
    // [1, batch, d] times [K, d, N]: one product for the whole bank.
    const lead = constant(fromNumbers('int64', [1], [0]));
    const z = op.add(
      op.matMul(op.unsqueeze(x, lead), op.transpose(W, { perm: [0, 2, 1] })),
      op.unsqueeze(b, constant(fromNumbers('int64', [1], [1]))),
    );
    return op.transpose(module.mark(op.reduceMax(z, axis, { keepdims: false }), 'max'), { perm: [1, 0] });
  });
}

/** Softmax head: z [.., N] -> pi = softmax(z/eps), the Gibbs weights (theory.md 2.8). eps is the temperature, default 1. */
export function softmax(module: Module, z: Value, options: { readonly epsilon?: Epsilon | undefined } = {}): Value {
  return layer(softmax, module, 'softmax', () => {
    const epsilon = options.epsilon ?? 1;
    module.atLeast(z, 1, '[.., classes]');
    return module.mark(gibbsWeights(z, module.epsilon(epsilon)), 'softmax-head', { viscosity: viscosityOf(epsilon) });
  });
}

/** The viscosity of a reading: the number, or where it is found. */
export function viscosityOf(epsilon: Epsilon): number | string {
  if (typeof epsilon === 'number') return epsilon;
  if (!('parameter' in epsilon)) return epsilon.name ?? 'given';
  const { transform = 'none', parameter } = epsilon;
  return transform === 'none' ? parameter : `${transform}(${parameter})`;
}

export interface LseHeadOptions extends LseOptions {
  /** Classes, each the log-sum-exp of its own atoms. */
  readonly units?: number | undefined;
  /** Temperature of the softmax over the classes; default: epsilon. */
  readonly temperature?: Epsilon | undefined;
}

/**
 * LSE classification head: x [batch, d] -> softmax of K log-sum-exp units over their temperature, [batch, K]: with the temperature equal to
 * epsilon, the Gibbs weights of all atoms summed by class.
 */
export function lseHead(module: Module, x: Value, options: LseHeadOptions = {}): Value {
  return layer(lseHead, module, 'lse-head', () => {
    const f = lse(module, x, options);
    if (f.shape !== undefined && f.shape.length !== 2)
      throw new HopfcoleError('BAD_SPEC', `${module.describe()} does not say "units", its classes`, {}, 'Add "units"');
    return softmax(module.at('softmax'), f, { epsilon: options.temperature ?? options.epsilon ?? 1 });
  });
}
