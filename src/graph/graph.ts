import type { HopfcoleError } from '../files/error.ts';
import type { FunctionDefinition } from './function.ts';
import type { Node, Value } from './value.ts';

/** A value under the name a graph gives it to the outside. */
export interface Output {
  readonly name: string;
  readonly value: Value;
}

/**
 * A graph: of a model, of a subgraph attribute or of a function body.
 * Values captured from an enclosing graph are simply Values whose nodes belong to that graph.
 */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Output[];
  /** In topological order. A graph that was read keeps the file's nodes, dead ones too; a built one has what its outputs reach. */
  readonly nodes: readonly Node[];
  /** Parameters in the order they are written (those read from a file, dead ones too). */
  readonly parameters: readonly Value[];
  readonly doc: string | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  /** The message it was read from (value_info, quantisation annotations, sparse initializers, unknown fields). */
  readonly origin: unknown;
}

/** A graph with what a file says around it. Values, nodes and graphs are immutable: passes give new ones. */
export interface Model {
  readonly graph: Graph;
  readonly functions: readonly FunctionDefinition[];
  /** Domain -> opset version ('' is ai.onnx). */
  readonly opsets: ReadonlyMap<string, number>;
  readonly irVersion: number;
  readonly producer: { readonly name: string; readonly version: string };
  readonly domain: string;
  readonly modelVersion: number | bigint;
  readonly doc: string | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  /** What inference found wrong in a model that was read. */
  readonly problems?: readonly HopfcoleError[];
  readonly origin: unknown;
}
