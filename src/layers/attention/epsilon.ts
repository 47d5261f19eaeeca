import { ints } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import { describeShape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { viscosityOf } from '../lse.ts';
import type { Epsilon, Module } from '../module.ts';

/** Viscosity of the heads: one for all, or one of each (numbers, a parameter [heads] or a Value [heads]). */
export type HeadEpsilon = Epsilon | readonly number[];

interface Shared {
  readonly count: number;
  readonly shared: number;
  readonly grouped: boolean;
  readonly dim: number;
}

/**
 * epsilon as the operator takes it, a scalar or [heads, 1, 1] ([shared, group, 1, 1] where grouped), and what a reading says of it. A number is kept by head
 * where tokens come one by one (`single`): a scalar factor ONNX Runtime makes the alpha of its MatMul, for which it has no fast kernel of one row.
 */
export function headEpsilon(
  module: Module,
  given: HeadEpsilon | undefined,
  heads: Shared,
  single: boolean,
): { readonly value: Value; readonly said: number | string } {
  const each = [heads.count, 1, 1];
  if (given === undefined || typeof given === 'number') {
    const said = given ?? Math.sqrt(heads.dim);
    if (!single || !isEpsilon(said)) return { value: module.epsilon(said), said };
    const shape = heads.grouped ? [heads.shared, heads.count / heads.shared, 1, 1] : each;
    return { value: module.constant('epsilon', shape, Array<number>(heads.count).fill(said)), said };
  }
  const byHead = (value: Value) =>
    op.reshape(value, ints(...(heads.grouped ? [heads.shared, heads.count / heads.shared, 1, 1] : each)));
  if (isNumbers(given)) {
    const bad = given.find((epsilon) => !isEpsilon(epsilon));
    if (given.length !== heads.count || bad !== undefined)
      throw new HopfcoleError(
        'BAD_EPSILON',
        `${module.describe()} expects ${heads.count} epsilons > 0, one per head, got ${given.length === heads.count ? bad : given.length}`,
        { argument: 'epsilon' },
      );
    const value = module.constant('epsilon', each, given);
    return { value: heads.grouped ? byHead(value) : value, said: `${Math.min(...given)} to ${Math.max(...given)}` };
  }
  if ('parameter' in given) {
    const size = module.root.shapeOf(given.parameter)?.reduce((product, own) => product * own, 1);
    if (size !== heads.count || size === 1) return { value: module.epsilon(given), said: viscosityOf(given) };
    const stored = module.root.shapeOf(given.parameter) ?? each;
    const learned = op.cast(
      module.root.parameter(given.parameter, stored, () => () => 1),
      { to: 'float32' },
    );
    const { transform = 'none' } = given;
    const positive = transform === 'exp' ? op.exp(learned) : transform === 'softplus' ? op.softplus(learned) : learned;
    return { value: byHead(positive), said: viscosityOf(given) };
  }
  const { shape } = given;
  if (shape?.length === 0) return { value: given, said: viscosityOf(given) };
  if (shape?.reduce<number>((product, own) => product * Number(own), 1) !== heads.count)
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} expects an epsilon of one number or of ${heads.count}, one per head, got ${describeShape(shape)}`,
      { argument: 'epsilon' },
    );
  return { value: byHead(given), said: viscosityOf(given) };
}

function isEpsilon(value: number): boolean {
  return value > 0 && Math.fround(value) > 0 && Number.isFinite(Math.fround(value));
}

function isNumbers(given: HeadEpsilon): given is readonly number[] {
  return Array.isArray(given);
}
