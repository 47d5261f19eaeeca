import type { Value } from '../../graph/value.ts';
import type { Call } from './call.ts';
import type { Result } from './item.ts';

/** What an operator of PyTorch is in the graph: a value per result, in order. */
export type Lowering = (call: Call) => Result | readonly Result[];

/** An operator whose result shares the memory of its first tensor: what is written to one is written to the other. */
export interface ViewRule {
  /** The argument that it is a view of. */
  readonly of: string;
  /** What the view shows of its base: one value, or one per result. */
  readonly show: (call: Call, base: Value) => Value | readonly Value[];
  /** The base once result `index` holds `part`; undefined where writes through the view cannot be carried back. */
  readonly back?: (call: Call, base: Value, part: Value, index: number) => Value;
  /** Whether it is a view at all, for operators that copy where they must; always, where this is left out. */
  readonly when?: (call: Call) => boolean;
}

/** Lowerings by target, `aten.add.Tensor`. */
export type Rules = Readonly<Record<string, Lowering>>;
export type ViewRules = Readonly<Record<string, ViewRule>>;
