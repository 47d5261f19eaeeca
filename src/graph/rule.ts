import type { Attributes } from './attribute.ts';
import type { ValueType } from './type.ts';
import type { KnownDims, Value } from './value.ts';

/** What an inference rule sees of the call it judges. */
export interface Call {
  readonly opType: string;
  readonly domain: string;
  /** Since-version of the schema in force. */
  readonly version: number;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** How many outputs the node has (Split, If, Loop, Scan ... have as many as the caller asks for). */
  readonly outputCount: number;
}

/** What is inferred of one output. */
export interface Inferred {
  readonly type: ValueType;
  readonly known?: KnownDims | undefined;
}

/**
 * Type and shape inference of one operator: one entry per output, in order.
 * A rule is tolerant of what it does not know (function bodies have no dtypes, imported graphs unknown ranks) and strict about
 * what it does: a call that can never be right throws a HopfcoleError naming operator, argument, expected and got.
 */
export type InferRule = (call: Call) => readonly Inferred[];
