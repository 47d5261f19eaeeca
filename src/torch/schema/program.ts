import type { DType } from '../../files/dtype.ts';
import type { Dim } from '../../graph/type.ts';

/** A program of torch.export as its archive has it (the schema of PyTorch, major version 8), with symbolic expressions as dimensions. */
export interface Program {
  readonly graph: ProgramGraph;
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly OutputSpec[];
  /** Pytree of what the program gives back (a treespec of PyTorch, as text); undefined where it does not say. */
  readonly outSpec: string | undefined;
  /** Field names of the named tuples in it, by type. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** Least and greatest size of each symbol, where there are any. */
  readonly ranges: ReadonlyMap<string, { readonly min: number; readonly max: number | undefined }>;
  readonly torchVersion: string;
}

export interface ProgramGraph {
  readonly inputs: readonly Argument[];
  readonly outputs: readonly Argument[];
  readonly nodes: readonly ProgramNode[];
  readonly tensors: ReadonlyMap<string, TensorMeta>;
  /** Symbolic integers by name. */
  readonly integers: ReadonlyMap<string, Dim>;
  /** The one tensor that a subgraph gives is given bare, not as a list. */
  readonly single: boolean;
}

export interface ProgramNode {
  /** As PyTorch calls it, without `torch.ops.`: `aten.add.Tensor`, `higher_order.cond`, `_operator.mul`. */
  readonly target: string;
  /** Of the graph's own name space: `linear_1`. */
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly argument: Argument }[];
  readonly outputs: readonly Argument[];
  /** Paths of the modules it was traced in (`blocks.0`, `blocks.0.attn`), the innermost last; the second call of a module has `@1` in its path. */
  readonly stack: readonly string[];
  /** Whether it stands for a `detach`, or for something under `no_grad`, of which decomposition leaves only what its node says of its origin. */
  readonly detached: boolean;
}

/** What is known of a tensor. A dimension whose expression is not understood is undefined. */
export interface TensorMeta {
  readonly dtype: DType;
  readonly sizes: readonly Dim[];
  /** In elements, as PyTorch laid it out while tracing. */
  readonly strides: readonly Dim[];
}

/** An argument or result: the union of the schema, told apart by `kind`. */
export type Argument =
  | { readonly kind: 'none' }
  | { readonly kind: 'tensor'; readonly name: string }
  | { readonly kind: 'symbol'; readonly name: string }
  | {
      readonly kind: 'constant';
      readonly value: Constant;
      readonly type: 'int' | 'float' | 'bool' | 'string' | 'complex';
    }
  | { readonly kind: 'list'; readonly items: readonly Argument[] }
  | { readonly kind: 'dtype'; readonly dtype: DType | undefined }
  | { readonly kind: 'layout'; readonly code: number }
  | { readonly kind: 'memory-format'; readonly code: number }
  | { readonly kind: 'device'; readonly device: string }
  | { readonly kind: 'graph'; readonly graph: ProgramGraph }
  | { readonly kind: 'object'; readonly name: string; readonly type: string }
  | { readonly kind: 'token' }
  | { readonly kind: 'operator'; readonly name: string }
  | { readonly kind: 'record'; readonly members: ReadonlyMap<string, Argument> };

/** Integers beyond 2^53 are bigints. */
export type Constant = number | bigint | boolean | string | ComplexConstant;

export interface ComplexConstant {
  readonly real: number;
  readonly imaginary: number;
}

export type InputSpec =
  | { readonly kind: 'user'; readonly argument: Argument }
  | { readonly kind: 'parameter'; readonly name: string; readonly target: string }
  | { readonly kind: 'buffer'; readonly name: string; readonly target: string; readonly persistent: boolean }
  | { readonly kind: 'tensor-constant'; readonly name: string; readonly target: string }
  | { readonly kind: 'constant'; readonly name: string }
  | { readonly kind: 'object'; readonly name: string }
  | { readonly kind: 'token' };

export type OutputSpec =
  | { readonly kind: 'user' | 'loss'; readonly argument: Argument }
  | {
      readonly kind: 'buffer-mutation' | 'parameter-mutation' | 'input-mutation' | 'gradient';
      readonly argument: Argument;
      readonly target: string;
    }
  | { readonly kind: 'token' };
