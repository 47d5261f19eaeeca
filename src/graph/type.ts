import type { DType } from '../files/dtype.ts';

/**
 * One dimension: a known size, a symbol (`'batch'`, or an expression of symbols in canonical form such as `'2*T'`),
 * or undefined where nothing is known. Two equal strings mean equal sizes within one model.
 */
export type Dim = number | string | undefined;

/** Dimensions in order; undefined where not even the rank is known. */
export type Shape = readonly Dim[] | undefined;

export interface TensorType {
  readonly kind: 'tensor' | 'sparse';
  /** undefined inside function bodies, which are written once for every dtype. */
  readonly dtype: DType | undefined;
  readonly shape: Shape;
}

/** What is known of a value; `undefined` is a value of which nothing is known. */
export type ValueType =
  | TensorType
  | { readonly kind: 'sequence' | 'optional'; readonly element: ValueType }
  | { readonly kind: 'map'; readonly key: DType; readonly value: ValueType }
  | { readonly kind: 'opaque'; readonly domain: string; readonly name: string }
  | undefined;

export function tensorType(dtype?: DType, shape?: Shape): TensorType {
  return { kind: 'tensor', dtype, shape };
}

/** A type as people write it: `float32[batch, 64]`, `float16[?]`, `sequence(int64[...])`. */
export function describeType(type: ValueType): string {
  if (type === undefined) return 'unknown';
  switch (type.kind) {
    case 'tensor':
      return `${type.dtype ?? 'any'}${describeShape(type.shape)}`;
    case 'sparse':
      return `sparse ${type.dtype ?? 'any'}${describeShape(type.shape)}`;
    case 'sequence':
    case 'optional':
      return `${type.kind}(${describeType(type.element)})`;
    case 'map':
      return `map(${type.key}, ${describeType(type.value)})`;
    case 'opaque':
      return `opaque(${type.domain}, ${type.name})`;
  }
}

export function describeShape(shape: Shape): string {
  return shape === undefined ? '[...]' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
}
