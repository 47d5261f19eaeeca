import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import type { RuleCall } from '../../call.ts';
import { scalarLike } from '../../pieces.ts';

/** An activation of a gate, and its slope by its value y = f(x); x is asked for only where y does not tell. */
export interface Activation {
  readonly name: string;
  readonly of: (x: Value) => Value;
  readonly slope: (y: Value, x: () => Value) => Value;
}

type Made = Omit<Activation, 'name'>;

interface Kind {
  /** How many of alpha and beta it takes from the lists, and what they are without: as ONNX Runtime has it. */
  readonly parameters: readonly number[];
  readonly make: (alpha: number, beta: number) => Made;
}

const plain = (of: Made['of'], slope: Made['slope']): Kind => ({ parameters: [], make: () => ({ of, slope }) });

const number = scalarLike;
const oneMinus = (x: Value): Value => op.sub(number(x, 1), x);

/** 1 where the mask holds, and `otherwise` where it does not. */
const oneWhere = (mask: Value, like: Value, otherwise: Value | number): Value =>
  op.where(mask, number(like, 1), typeof otherwise === 'number' ? number(like, otherwise) : otherwise);

const table: Readonly<Record<string, Kind>> = {
  sigmoid: plain(op.sigmoid, (y) => op.mul(y, oneMinus(y))),
  tanh: plain(op.tanh, (y) => oneMinus(op.mul(y, y))),
  relu: plain(op.relu, op.sign),
  softsign: plain(
    (x) => op.div(x, op.add(op.abs(x), number(x, 1))),
    (y) => {
      const root = oneMinus(op.abs(y));
      return op.mul(root, root);
    },
  ),
  softplus: plain(
    (x) => op.add(op.relu(x), op.log(op.add(op.exp(op.neg(op.abs(x))), number(x, 1)))),
    (y) => oneMinus(op.exp(op.neg(y))),
  ),
  affine: {
    parameters: [0, 0],
    make: (alpha, beta) => ({
      of: (x) => op.add(op.mul(x, number(x, alpha)), number(x, beta)),
      slope: (y) => number(y, alpha),
    }),
  },
  scaledtanh: {
    parameters: [0, 0],
    make: (alpha, beta) => ({
      of: (x) => op.mul(op.tanh(op.mul(x, number(x, beta))), number(x, alpha)),
      slope: (y) => {
        if (alpha === 0) return number(y, 0);
        return op.sub(number(y, alpha * beta), op.mul(op.mul(y, y), number(y, beta / alpha)));
      },
    }),
  },
  hardsigmoid: {
    parameters: [0.2, 0.5],
    make: (alpha, beta) => ({
      of: (x) => op.clip(op.add(op.mul(x, number(x, alpha)), number(x, beta)), number(x, 0), number(x, 1)),
      slope: (y) =>
        op.where(op.and(op.greater(y, number(y, 0)), op.less(y, number(y, 1))), number(y, alpha), number(y, 0)),
    }),
  },
  elu: {
    parameters: [1],
    make: (alpha) => ({
      // The exponential is asked of what is below 0 only: an overflow above would be NaN in the next derivative.
      of: (x) => {
        const low = op.sub(op.exp(op.min([x, number(x, 0)])), number(x, 1));
        return op.where(op.less(x, number(x, 0)), op.mul(low, number(x, alpha)), x);
      },
      slope: (y, x) => {
        const positive = op.greater(alpha > 0 ? y : x(), number(y, 0));
        return oneWhere(positive, y, op.add(y, number(y, alpha)));
      },
    }),
  },
  leakyrelu: {
    parameters: [0.01],
    make: (alpha) => ({
      of: (x) => op.where(op.less(x, number(x, 0)), op.mul(x, number(x, alpha)), x),
      slope: (y, x) => oneWhere(op.greater(alpha > 0 ? y : x(), number(y, 0)), y, alpha),
    }),
  },
  thresholdedrelu: {
    parameters: [0],
    make: (alpha) => ({
      of: (x) => op.where(op.greater(x, number(x, alpha)), x, number(x, 0)),
      slope: (y, x) => oneWhere(op.greater(alpha >= 0 ? y : x(), number(y, alpha)), y, 0),
    }),
  },
};

/** By name, of which ONNX Runtime takes any case. Without a prototype: names come from files. */
const kinds: Readonly<Record<string, Kind | undefined>> = Object.assign(Object.create(null) as object, table);

/** The activations of every direction, `defaults` where the call names none. Alphas and betas go in order to those that take them. */
export function activationsOf(call: RuleCall, directions: number, defaults: readonly string[]): Activation[][] {
  const given = call.texts('activations');
  const names = given ?? Array.from({ length: directions }, () => defaults).flat();
  if (names.length !== directions * defaults.length)
    throw call.unsupported(
      `expected ${directions * defaults.length} activations, got ${names.length}`,
      'Name one activation per gate and direction',
    );
  const alphas = [...(call.floats('activation_alpha') ?? [])];
  const betas = [...(call.floats('activation_beta') ?? [])];
  const made = names.map((name): Activation => {
    const kind = kinds[name.toLowerCase()];
    if (kind === undefined) throw call.unsupported(`the activation '${name}' is not one of ONNX`);
    const [alpha, beta] = kind.parameters;
    const first = alpha === undefined ? 0 : (alphas.shift() ?? alpha);
    const second = beta === undefined ? 0 : (betas.shift() ?? beta);
    return { name: name.toLowerCase(), ...kind.make(first, second) };
  });
  return Array.from({ length: directions }, (_, d) => made.slice(d * defaults.length, (d + 1) * defaults.length));
}

/** Gates after their activation, and its slope where they are. */
export interface Activated {
  readonly y: Value;
  /** Of the gates' shape, or a scalar. */
  readonly slope: Value;
}

/** f(x), with x held back by the call's clip; no co-state passes where it is. */
export function activated(activation: Activation, x: Value, clip?: number): Activated {
  if (clip === undefined) {
    const y = activation.of(x);
    return { y, slope: activation.slope(y, () => x) };
  }
  const held = clipped(x, clip);
  const y = activation.of(held);
  const free = op.lessOrEqual(op.abs(x), number(x, clip));
  return {
    y,
    slope: op.where(
      free,
      activation.slope(y, () => held),
      number(x, 0),
    ),
  };
}

export function clipped(x: Value, clip: number | undefined): Value {
  return clip === undefined ? x : op.clip(x, number(x, -clip), number(x, clip));
}

/** The bound that holds gates back; undefined for none. */
export function clipOf(call: RuleCall): number | undefined {
  return call.node.attributes.has('clip') ? call.float('clip', 0) : undefined;
}
