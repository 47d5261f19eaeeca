import { dtypes } from '../../files/dtype.ts';
import {
  type AnyTensor,
  elementCount,
  fromNumbers,
  isStored,
  type Tensor,
  toNumbers,
  viewOf,
} from '../../files/tensor.ts';
import type { Attributes } from '../attribute.ts';
import { canonicalDim } from '../dim.ts';
import type { Dim } from '../type.ts';
import type { KnownDims, Value } from '../value.ts';

/** Contents longer than this are not followed. */
export const knownLimit = 64;

/**
 * The full constant a value is: a constant, a parameter that no caller may replace and whose bytes are in memory, or the output of a
 * Constant node that holds a tensor or integers; undefined otherwise.
 */
function constantOf(value: Value | undefined): Tensor | undefined {
  const stored = storedConstantOf(value);
  return stored === undefined || isStored(stored) ? undefined : stored;
}

/** As `constantOf`, but also where the bytes are still in a file. */
function storedConstantOf(value: Value | undefined): AnyTensor | undefined {
  const source = value?.source;
  switch (source?.kind) {
    case 'constant':
      return source.tensor;
    case 'parameter':
      return source.overridable === true ? undefined : source.tensor;
    case 'output':
      return source.node.opType === 'Constant' && source.node.domain === ''
        ? tensorOfConstant(source.node.attributes)
        : undefined;
    default:
      return undefined;
  }
}

function tensorOfConstant(attributes: Attributes): AnyTensor | undefined {
  const attribute = attributes.get('value') ?? attributes.get('value_ints') ?? attributes.get('value_int');
  if (attribute?.kind === 'tensor') return attribute.value;
  if (attribute?.kind === 'int') return fromNumbers('int64', [], [attribute.value]);
  return attribute?.kind === 'ints' ? fromNumbers('int64', [attribute.value.length], attribute.value) : undefined;
}

/**
 * What is known of the contents of a small tensor of rank 0 or 1 (at most 64 elements): sizes as dimensions, booleans as 0 and 1, floats as numbers;
 * undefined where nothing is. Integers beyond 2^53 are undefined elements.
 */
export function knownDims(value: Value | undefined): KnownDims | undefined {
  if (value === undefined) return undefined;
  if (value.known !== undefined) return value.known.map(canonicalDim);
  const tensor = constantOf(value);
  return tensor === undefined ? undefined : knownOfTensor(tensor);
}

/** The contents of a tensor of rank 0 or 1 as `knownDims` has them. */
export function knownOfTensor(tensor: Tensor): KnownDims | undefined {
  if (tensor.shape.length > 1 || elementCount(tensor.shape) > knownLimit) return undefined;
  return numbersOf(tensor)?.map((x) =>
    dtypes[tensor.dtype].kind === 'float' || Number.isSafeInteger(x) ? x : undefined,
  );
}

/** All elements known as numbers, or undefined. */
export function knownNumbers(value: Value | undefined): readonly number[] | undefined {
  const known = knownDims(value);
  return known?.every((dim) => typeof dim === 'number') ? known : undefined;
}

/** The one element of a scalar (or of a tensor of one element). */
export function knownScalar(value: Value | undefined): Dim {
  const known = knownDims(value);
  return known?.length === 1 ? known[0] : undefined;
}

/** The numbers of a small constant of any rank, or undefined. */
export function constantNumbers(value: Value | undefined, limit = 4096): readonly number[] | undefined {
  const tensor = constantOf(value);
  return tensor === undefined || elementCount(tensor.shape) > limit ? undefined : numbersOf(tensor);
}

/** Operators that only pass their first inputs' elements on, in order. */
const passing = new Set(['Identity', 'Squeeze', 'Unsqueeze', 'Reshape', 'Cast', 'Flatten']);

/**
 * As `knownDims`, for the bounds of a Slice: integers beyond 2^53 ("to the end") are +-Infinity.
 * They are followed through the few operators exporters put between them and the Slice.
 */
export function knownBounds(value: Value | undefined, depth = 8): KnownDims | undefined {
  const known = knownDims(value);
  if (value === undefined || (known !== undefined && !known.includes(undefined))) return known;
  const tensor = constantOf(value);
  if (tensor !== undefined)
    return tensor.shape.length > 1 || elementCount(tensor.shape) > knownLimit
      ? undefined
      : numbersOf(tensor)?.map(unbounded);
  const { source } = value;
  if (source.kind !== 'output' || source.node.domain !== '' || depth === 0) return known;
  const { opType, inputs } = source.node;
  if (passing.has(opType)) return knownBounds(inputs[0], depth - 1) ?? known;
  if (opType !== 'Concat' || inputs.length > knownLimit) return known;
  const parts = inputs.map((input) => knownBounds(input, depth - 1));
  return parts.every((part) => part !== undefined) ? parts.flat() : known;
}

function unbounded(value: number): number {
  return Number.isSafeInteger(value) ? value : value < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function numbersOf(tensor: Tensor): readonly number[] | undefined {
  const { kind } = dtypes[tensor.dtype];
  if (kind === 'string' || kind === 'complex') return undefined;
  if (tensor.dtype === 'int64') return Array.from(viewOf(tensor, 'int64'), Number);
  return Array.from(toNumbers(tensor));
}
