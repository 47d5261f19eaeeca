import { type DType, dtypes } from '../files/dtype.ts';

/**
 * One dimension: a known size, a symbol (`'batch'`, or an expression of symbols in canonical form such as `'2*T'`),
 * or undefined where nothing is known. Two equal strings mean equal sizes within one model.
 */
export type Dim = number | string | undefined;

/** Dimensions in order; undefined where not even the rank is known. */
export type Shape = readonly Dim[] | undefined;

/** A tensor's element type and shape, as far as they are known. */
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

/**
 * The type without its shape, as the schema table writes types: `float32`, `sequence(float32)`, `map(int64, float32)`.
 * undefined where it is not known to that depth.
 */
export function typeKey(type: ValueType): string | undefined {
  if (type === undefined) return undefined;
  switch (type.kind) {
    case 'tensor':
      return type.dtype;
    case 'sparse':
      return type.dtype === undefined ? undefined : `sparse(${type.dtype})`;
    case 'sequence':
    case 'optional': {
      const element = typeKey(type.element);
      return element === undefined ? undefined : `${type.kind}(${element})`;
    }
    case 'map': {
      const value = typeKey(type.value);
      return value === undefined ? undefined : `map(${type.key}, ${value})`;
    }
    case 'opaque':
      return undefined;
  }
}

/** The type that a key of `typeKey` stands for, with nothing known of shapes. */
export function typeOfKey(key: string): ValueType {
  const compound = /^(sequence|optional|sparse|map)\((.*)\)$/.exec(key);
  if (compound === null) return key in dtypes ? tensorType(key as DType) : undefined;
  const [, kind, inner = ''] = compound;
  if (kind === 'sparse') return { kind, dtype: inner as DType, shape: undefined };
  if (kind === 'sequence' || kind === 'optional') return { kind, element: typeOfKey(inner) };
  const comma = inner.indexOf(', ');
  return { kind: 'map', key: inner.slice(0, comma) as DType, value: typeOfKey(inner.slice(comma + 2)) };
}

/** The type of one slice of a tensor along an axis (negative: from the end). */
export function dropAxis(type: ValueType, axis: number): ValueType {
  if (type?.kind !== 'tensor' || type.shape === undefined) return type;
  const at = axis < 0 ? axis + type.shape.length : axis;
  return tensorType(type.dtype, type.shape.toSpliced(at, 1));
}

/** The type itself where `other` agrees with it or knows less, otherwise what both have in common. */
export function looserType(type: ValueType, other: ValueType): ValueType {
  if (type?.kind !== 'tensor' || other?.kind !== 'tensor') return type;
  const [a, b] = [type.shape, other.shape];
  if (a === undefined) return type;
  if (b === undefined || a.length !== b.length) return tensorType(type.dtype, undefined);
  if (a.every((dim, index) => dim === undefined || dim === b[index])) return type;
  return tensorType(
    type.dtype,
    a.map((dim, index) => (dim === b[index] ? dim : undefined)),
  );
}
