import { HopfcoleError } from '../src/files/error.ts';
import { differentDims, unifyDims } from '../src/graph/dim.ts';
import { type Dim, describeShape } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';

/**
 * Named dimensions of one call: `fit('X', X, 'B', 'd')` says that X is [B, d]; a name means one size throughout.
 * What is not known fits anything.
 */
export class Dimensions {
  readonly #sizes = new Map<string, { size: Dim; from: string }>();

  fit(argument: string, value: Value, ...names: readonly string[]): void {
    const { shape } = value;
    if (shape === undefined) return;
    const wanted = names.join(', ');
    if (shape.length !== names.length)
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `expected '${argument}' of rank ${names.length}, [${wanted}], got ${describeShape(shape)}`,
        { argument },
      );
    for (const [axis, name] of names.entries()) this.#bind(argument, name, shape[axis], describeShape(shape), wanted);
  }

  /** What is known of a dimension. */
  of(name: string): Dim {
    return this.#sizes.get(name)?.size;
  }

  #bind(argument: string, name: string, size: Dim, got: string, wanted: string): void {
    const known = this.#sizes.get(name);
    if (known !== undefined && differentDims(known.size, size))
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `expected '${argument}' of shape [${wanted}] with ${name} = ${known.size} as in '${known.from}', got ${got}`,
        { argument },
      );
    if (known === undefined) this.#sizes.set(name, { size, from: argument });
    else if (size !== undefined) known.size = unifyDims(known.size, size);
  }
}

/** @throws SHAPE_MISMATCH unless a value can hold one number: epsilon, t or k, of shape [] or [1]. */
export function expectScalar(argument: string, value: Value): void {
  const { shape } = value;
  if (shape === undefined || shape.every((dim) => dim === undefined || dim === 1 || typeof dim === 'string')) return;
  throw new HopfcoleError('SHAPE_MISMATCH', `expected '${argument}' to be one number, got ${describeShape(shape)}`, {
    argument,
  });
}

/** @throws EMPTY_ATOMS where a sum over no atoms at all would be asked for. */
export function expectAtoms(argument: string, count: Dim): void {
  if (count !== 0) return;
  throw new HopfcoleError(
    'EMPTY_ATOMS',
    `expected at least one atom in '${argument}', got 0`,
    { argument },
    'A solution of no atoms is -inf everywhere; leave the call out',
  );
}
