import type { DType } from '../files/dtype.ts';
import type { AnyTensor, Tensor } from '../files/tensor.ts';
import type { Attributes } from './attribute.ts';
import type { FunctionDefinition } from './function.ts';
import type { Dim, Shape, ValueType } from './type.ts';

/** Where a value comes from. */
export type Source =
  /** An input of the model, of a subgraph or of a function. */
  | { readonly kind: 'input' }
  /** A named parameter (a graph initializer). `overridable`: it is also a graph input, a default that a caller may replace. */
  | { readonly kind: 'parameter'; readonly tensor: AnyTensor; readonly overridable?: boolean }
  /** An unnamed constant: written as an initializer, or as a Constant node inside a function body. */
  | { readonly kind: 'constant'; readonly tensor: Tensor }
  /** Output `index` of a node. */
  | { readonly kind: 'output'; readonly node: Node; readonly index: number };

/**
 * Partly known contents of a small integer tensor of rank 0 or 1 (what Shape, Gather, Concat ... compute):
 * its elements as dimensions, in order. A value with a `tensor` source needs none.
 */
export type KnownDims = readonly Dim[];

/** An immutable value of a graph: what operators take and give. Made by `input`, `parameter`, `constant` and the operators. */
export interface Value {
  readonly source: Source;
  readonly type: ValueType;
  /** The name in the file it was read from, or the one its author gave; undefined: a stable one is found when the model is written. */
  readonly name: string | undefined;
  readonly known: KnownDims | undefined;
  /** Element type, where it is a tensor whose dtype is known. */
  readonly dtype: DType | undefined;
  /** Shape, where it is a tensor whose rank is known. */
  readonly shape: Shape;
}

/** One call of an operator or of a model-local function. Immutable once made; its outputs point back to it. */
export interface Node {
  readonly opType: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  readonly overload: string;
  /** Since-version of the operator's schema for the domains the schema table covers, otherwise undefined. */
  readonly version: number | undefined;
  /** undefined: an optional input left out. */
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
  readonly name: string | undefined;
  readonly doc: string | undefined;
  /** metadata_props of the node. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The function this node calls, where it calls a model-local one. */
  readonly callee: FunctionDefinition | undefined;
  /** The message this node was read from, for the fields the IR has no name for; opaque to all but the reader and writer. */
  readonly origin: unknown;
}
