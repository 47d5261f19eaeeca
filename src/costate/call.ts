import { HopfcoleError } from '../files/error.ts';
import type { CostateRule } from '../graph/costate.ts';
import { textOf } from '../graph/passes/constants.ts';
import type { Node, Value } from '../graph/value.ts';
import type { Pullback } from './control/table.ts';

/** How one operator passes the co-state, and what the documentation says of it. */
export interface Rule {
  /** The rule as a formula: g is the output's co-state, x the input, y the output. */
  readonly says: string;
  readonly apply: (...call: [...Parameters<CostateRule>, pullback: Pullback]) => ReturnType<CostateRule>;
  /** The derivative is zero almost everywhere (Round, Sign): nothing is passed, and nothing is wrong. */
  readonly zero?: true;
  /** What a reader should know: ties, conventions, limits. */
  readonly note?: string;
}

/** One call of an operator as its rule sees it. */
export class RuleCall {
  readonly node: Node;
  readonly bars: readonly (Value | undefined)[];
  /** The sweep itself, for a rule that writes the operator in other operators. */
  readonly pullback: Pullback;
  private readonly wanted: readonly boolean[];

  constructor(node: Node, bars: readonly (Value | undefined)[], wanted: readonly boolean[], pullback: Pullback) {
    this.node = node;
    this.bars = bars;
    this.wanted = wanted;
    this.pullback = pullback;
  }

  /** Input `index`. @throws BROKEN_GRAPH where the call leaves it out. */
  x(index: number): Value {
    return this.expect(this.node.inputs[index], `input ${index}`);
  }

  /** Input `index`, undefined where the call leaves it out. */
  maybe(index: number): Value | undefined {
    return this.node.inputs[index];
  }

  y(index = 0): Value {
    return this.expect(this.node.outputs[index], `output ${index}`);
  }

  /** The co-state of output `index`: for operators of one output always there. */
  g(index = 0): Value {
    return this.expect(this.bars[index], `co-state of output ${index}`);
  }

  /** Whether input `index` needs a co-state. */
  wants(index: number): boolean {
    return this.wanted[index] === true;
  }

  /** `make()` where input `index` needs a co-state. */
  to(index: number, make: () => Value | undefined): Value | undefined {
    return this.wants(index) ? make() : undefined;
  }

  int(name: string, otherwise: number): number {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return otherwise;
    if (attribute.kind === 'int') return Number(attribute.value);
    throw this.badAttribute(name, 'an integer');
  }

  float(name: string, otherwise: number): number {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return otherwise;
    if (attribute.kind === 'float' || attribute.kind === 'int') return Number(attribute.value);
    throw this.badAttribute(name, 'a number');
  }

  ints(name: string): readonly number[] | undefined {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return undefined;
    if (attribute.kind === 'ints') return attribute.value.map(Number);
    throw this.badAttribute(name, 'integers');
  }

  floats(name: string): readonly number[] | undefined {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return undefined;
    if (attribute.kind === 'floats') return attribute.value;
    throw this.badAttribute(name, 'numbers');
  }

  text(name: string, otherwise: string): string {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return otherwise;
    const value = textOf(attribute);
    if (value !== undefined) return value;
    throw this.badAttribute(name, 'a string');
  }

  texts(name: string): readonly string[] | undefined {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return undefined;
    if (attribute.kind !== 'strings') throw this.badAttribute(name, 'strings');
    return attribute.value.map((text) => (typeof text === 'string' ? text : new TextDecoder().decode(text)));
  }

  /** The rank of a value. @throws UNKNOWN_RANK where inference does not know it and the rule needs it. */
  rank(value: Value): number {
    if (value.shape !== undefined) return value.shape.length;
    throw new HopfcoleError(
      'UNKNOWN_RANK',
      `the co-state of ${this.node.opType} needs the rank of '${value.name ?? 'an inner value'}', which is not known`,
      { node: this.node.name, operator: this.node.opType },
      'Export the model with shape inference, or declare the shape of its inputs',
    );
  }

  /** An axis attribute counted from the front. */
  axis(name: string, otherwise: number, value: Value = this.x(0)): number {
    return fromFront(this.int(name, otherwise), this.rank(value));
  }

  /** What this operator, called so, has no co-state for. */
  unsupported(why: string, hint = ''): HopfcoleError {
    return new HopfcoleError(
      'UNSUPPORTED_COSTATE',
      `no co-state of ${this.node.opType}: ${why}`,
      { node: this.node.name, operator: this.node.opType },
      hint,
    );
  }

  private badAttribute(name: string, expected: string): HopfcoleError {
    return new HopfcoleError('BAD_ATTRIBUTE', `expected ${expected} for '${name}'`, {
      node: this.node.name,
      operator: this.node.opType,
      argument: name,
    });
  }

  private expect(value: Value | undefined, what: string): Value {
    if (value !== undefined) return value;
    throw new HopfcoleError('BROKEN_GRAPH', `${this.node.opType} lacks its ${what}`, {
      node: this.node.name,
      operator: this.node.opType,
    });
  }
}

export function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** A rule of the table: `says` is its formula; `apply` gives one co-state per input, undefined where there is none. */
export function rule(
  says: string,
  apply: (call: RuleCall) => readonly (Value | undefined)[],
  more: { readonly note?: string } = {},
): Rule {
  return { says, apply: (node, bars, wanted, pullback) => apply(new RuleCall(node, bars, wanted, pullback)), ...more };
}

/** A rule of one differentiable input, the first; y = f(x). */
export function unary(
  says: string,
  apply: (g: Value, x: Value, y: Value, call: RuleCall) => Value,
  note?: string,
): Rule {
  return rule(
    says,
    (call) => [call.to(0, () => apply(call.g(), call.x(0), call.y(), call))],
    note === undefined ? {} : { note },
  );
}

/** An operator whose derivative is zero wherever it has one. */
export function zero(says: string): Rule {
  return { says, apply: () => [], zero: true };
}
