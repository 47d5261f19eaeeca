import type { Changed } from '../../costate/parameters/changed.ts';
import type { Node, Value } from '../../graph/value.ts';

/** An initializer that holds parameters in another form, where a node reads it, and how it is made of them. */
export interface Found {
  readonly node: Node;
  readonly input: number;
  /** What the initializer is of, as a key: two of the same are one value. */
  readonly key: string;
  /** The value that stands for it, made of new parameters by moving their numbers. */
  readonly make: () => Value;
  readonly changed: readonly Changed[];
}
