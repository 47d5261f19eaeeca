import type { Attributes } from './attribute.ts';
import type { CostateRule } from './costate.ts';
import type { Graph } from './graph.ts';

/** A model-local function (FunctionProto): a name for a subgraph, written once for every dtype, inlined by runtimes. */
export interface FunctionDefinition {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  /** Inputs and outputs by name; a call may leave trailing optional ones out. */
  readonly body: Graph;
  /** Attributes a call must give. */
  readonly attributes: readonly string[];
  /** Attributes with defaults. */
  readonly defaults: Attributes;
  /** Opset imports of the body: domain -> version ('' is ai.onnx). */
  readonly opsets: ReadonlyMap<string, number>;
  readonly doc: string | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  /** How the co-state passes through a call of this function, where that is better than through its body. */
  readonly costate?: CostateRule;
  readonly origin: unknown;
}
