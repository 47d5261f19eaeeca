import { makeNode } from '../../../graph/make.ts';
import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type RuleCall, rule } from '../../call.ts';
import { evenParts, ints, sizeOf } from '../../pieces.ts';
import { throughForward } from '../../through.ts';

export const rotaryEmbedding = rule(
  'g turned back by the same angles; to the caches x1 g1 + x2 g2 and x1 g2 - x2 g1',
  (call) => {
    const order = { x: 0, cos: 1, sin: 2 };
    return rotaryBars(call, order, () => {
      const positions = call.maybe(3);
      const at = (cache: Value): Value => (positions === undefined ? cache : op.gather(cache, positions));
      return rotated(call.x(0), at(call.x(1)), at(call.x(2)), rotationOf(call));
    });
  },
);

/** Which input is which. */
interface Order {
  readonly x: number;
  readonly cos: number;
  readonly sin: number;
}

/** To x by the operator itself, with the sines of the opposite angles; to the caches, where they are asked for, through `forward`. */
export function rotaryBars(
  call: RuleCall,
  { x, cos, sin }: Order,
  forward: () => Value,
): readonly (Value | undefined)[] {
  const caches = call.wants(cos) || call.wants(sin) ? throughForward(call, () => [forward()]) : [];
  return call.node.inputs.map((_, index) => {
    if (index !== x) return caches[index];
    return call.to(x, () => {
      const { opType, domain, version, attributes, inputs } = call.node;
      const back = inputs.map((value, at) => (at === x ? call.g() : at === sin && value ? op.neg(value) : value));
      const inferred = [{ type: call.x(x).type }];
      return makeNode({ opType, domain, version, attributes, inputs: back, outputCount: 1, inferred }).outputs[0];
    });
  });
}

interface Rotation {
  /** Pairs are numbers side by side, not the same place of two halves. */
  readonly interleaved: boolean;
  /** How many numbers of each head are turned; 0: all. */
  readonly turned: number;
  /** Of an x of rank 3. */
  readonly heads: number;
}

export function rotationOf(call: RuleCall): Rotation {
  return {
    interleaved: call.int('interleaved', 0) !== 0,
    turned: call.int('rotary_embedding_dim', 0),
    heads: call.int('num_heads', 0),
  };
}

/**
 * x [batch, heads, length, size], or [batch, length, heads * size], turned pair by pair of its first numbers by angles of which `cos` and
 * `sin` [batch, length, pairs] are given.
 */
export function rotated(x: Value, cos: Value, sin: Value, { interleaved, turned, heads }: Rotation): Value {
  const flat = x.shape?.length === 3;
  const all = flat ? op.reshape(x, ints(0, 0, heads, -1)) : x;
  const [part, rest] = turned === 0 ? [all, undefined] : apart(all, turned);
  const pairs = interleaved ? op.reshape(part, ints(0, 0, 0, -1, 2)) : part;
  const [a, b] = evenParts(pairs, -1, 2) as [Value, Value];
  const axes = ints(flat ? 2 : 1, ...(interleaved ? [4] : []));
  const [c, s] = [op.unsqueeze(cos, axes), op.unsqueeze(sin, axes)];
  const first = op.sub(op.mul(c, a), op.mul(s, b));
  const second = op.add(op.mul(s, a), op.mul(c, b));
  const both = op.concat([first, second], { axis: -1 });
  const done = interleaved ? op.reshape(both, ints(0, 0, 0, -1)) : both;
  const whole = rest === undefined ? done : op.concat([done, rest], { axis: -1 });
  return flat ? op.reshape(whole, ints(0, 0, -1)) : whole;
}

function apart(x: Value, first: number): readonly [Value, Value | undefined] {
  const size = x.shape?.[3];
  if (size === first) return [x, undefined];
  const sizes =
    typeof size === 'number'
      ? ints(first, size - first)
      : op.concat([ints(first), op.sub(sizeOf(x, 3), ints(first))], { axis: 0 });
  const [part, rest] = op.split(x, sizes, { axis: 3, numOutputs: 2 });
  return [part as Value, rest];
}
