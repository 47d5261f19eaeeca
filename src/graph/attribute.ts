import type { AnyTensor } from '../files/tensor.ts';
import type { Graph } from './graph.ts';
import type { ValueType } from './type.ts';

/** An attribute of a node, one kind per AttributeProto.AttributeType. Integers are numbers where safe, bigints beyond 2^53. */
export type Attribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number | bigint }
  | { readonly kind: 'string'; readonly value: string | Uint8Array }
  | { readonly kind: 'tensor'; readonly value: AnyTensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'type'; readonly value: ValueType }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly kind: 'strings'; readonly value: readonly (string | Uint8Array)[] }
  | { readonly kind: 'tensors'; readonly value: readonly AnyTensor[] }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  | { readonly kind: 'types'; readonly value: readonly ValueType[] }
  /** Sparse tensors and kinds newer than this version: carried, not looked into. */
  | { readonly kind: 'carried'; readonly value: unknown }
  /** Inside a function body: the value of the function's attribute of that name (`ref_attr_name`). */
  | { readonly kind: 'reference'; readonly value: string; readonly of: Exclude<Attribute['kind'], 'reference'> };

/** By name, in the order they are written. */
export type Attributes = ReadonlyMap<string, Attribute>;
