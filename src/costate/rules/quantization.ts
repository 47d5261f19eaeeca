import { type DType, dtypes, isFloat } from '../../files/dtype.ts';
import { toNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantTensor } from '../../graph/passes/constants.ts';
import type { Node, Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { fromFront, type Rule, RuleCall, rule } from '../call.ts';
import { masked } from '../masked.ts';
import { cast, int, ints, isSingle, scalarLike, tensorLike } from '../pieces.ts';
import { quantizationOf } from '../quantized.ts';
import { throughForward } from '../through.ts';

/**
 * Quantisation, straight through: rounding passes the co-state as if it were not there. The integers between the two operators carry the
 * co-state of the real numbers they stand for (see `quantizationOf`), so that nothing is multiplied by a scale and divided by it again.
 */
export const quantizationRules: Readonly<Record<string, Rule>> = {
  QuantizeLinear: rule(
    'g where x is not saturated, as if nothing were rounded; -g x / scale there, summed, to the scale',
    (call) => {
      const [x, scale] = [call.x(0), call.x(1)];
      const wide = cast(scale, x.dtype ?? 'float32');
      const steps = spread(wide, x, call);
      const bar = masked(cast(call.g(), x.dtype ?? 'float32'), inside(call, steps));
      return [call.to(0, () => bar), call.to(1, () => toScale(call, op.neg(op.mul(bar, op.div(x, steps)))))];
    },
    { note: 'with DequantizeLinear as PyTorch, fake_quantize and its learnable form' },
  ),
  DequantizeLinear: rule('g, for the numbers that x stands for; g (x - zero point), summed, to the scale', (call) => [
    call.to(0, () => toQuantized(call)),
    call.to(1, () => {
      const g = call.g();
      const like = g.dtype ?? 'float32';
      const zeroPoint = call.maybe(2);
      const steps = cast(call.x(0), like);
      const from = zeroPoint === undefined ? steps : op.sub(steps, spread(cast(zeroPoint, like), call.x(0), call));
      return toScale(call, op.mul(g, from));
    }),
  ]),
  DynamicQuantizeLinear: rule(
    'g, as if nothing were rounded',
    (call) => [
      call.to(0, () => (call.bars[0] === undefined ? undefined : cast(call.bars[0], call.x(0).dtype ?? 'float32'))),
    ],
    { note: 'nothing saturates; the scale it finds is taken for a constant' },
  ),
};

/** Numbers by tensor, by axis or by block, as they broadcast against x. */
function spread(numbers: Value, x: Value, call: RuleCall): Value {
  if (isSingle(numbers)) return numbers;
  const rank = call.rank(x);
  const axis = fromFront(call.int('axis', 1), rank);
  const block = call.int('block_size', 0);
  if (block === 0) {
    const behind = Array.from({ length: rank - 1 - axis }, (_, index) => index + 1);
    return behind.length === 0 ? numbers : op.unsqueeze(numbers, ints(...behind));
  }
  const size = x.shape?.[axis];
  const places =
    typeof size === 'number'
      ? ints(...Array.from({ length: size }, (_, index) => Math.floor(index / block)))
      : op.div(op.range(int(0), op.squeeze(op.shape(x, { start: axis, end: axis + 1 })), int(1)), int(block));
  return op.gather(numbers, places, { axis });
}

/** The co-state of a scale from that of the numbers it was spread to. */
function toScale(call: RuleCall, bar: Value): Value | undefined {
  const scale = call.x(1);
  const dtype = scale.dtype ?? 'float32';
  const spreading = (): Value => spread(scale, call.x(0), call);
  return throughForward(call, () => [undefined, spreading()], [undefined, cast(summedTo(bar, spreading()), dtype)])[1];
}

/** Where rounding to the nearest stays in the range of the integers (or of the narrow floating-point type). */
function inside(call: RuleCall, steps: Value): Value {
  const x = call.x(0);
  const [low, high] = bounds(call);
  const [least, most] = [op.mul(steps, low), op.mul(steps, high)];
  if (isSingle(least) && isSingle(most)) {
    const scalar = (bound: Value): Value => (bound.shape?.length === 0 ? bound : op.squeeze(bound));
    return op.equal(x, op.clip(x, scalar(least), scalar(most)));
  }
  return op.and(op.greaterOrEqual(x, least), op.lessOrEqual(x, most));
}

/** The least and greatest number of steps that are not saturated. */
function bounds(call: RuleCall): readonly [Value, Value] {
  const x = call.x(0);
  const { dtype } = call.y();
  const range = dtype === undefined ? undefined : rangeOf(dtype);
  if (dtype === undefined || range === undefined)
    throw call.unsupported(`it gives ${dtype ?? 'a type that is not known'}`);
  const [least, most] = range;
  if (isFloat(dtype)) return [scalarLike(x, least), scalarLike(x, most)];
  const zeroPoint = call.maybe(2);
  const known = constantTensor(zeroPoint);
  if (zeroPoint === undefined) return [scalarLike(x, furthest(least, -1, x)), scalarLike(x, furthest(most, 1, x))];
  if (known === undefined || known.dtype === 'string') {
    const zeros = spread(cast(zeroPoint, x.dtype ?? 'float32'), x, call);
    return [op.sub(scalarLike(x, least - 0.5), zeros), op.sub(scalarLike(x, most + 0.5), zeros)];
  }
  const zeros = [...toNumbers(known)];
  const from = (bound: number, direction: 1 | -1): Value =>
    spread(
      tensorLike(
        x,
        known.shape,
        zeros.map((zero) => furthest(bound - zero, direction, x)),
      ),
      x,
      call,
    );
  return [from(least, -1), from(most, 1)];
}

/** The furthest number of the type of `like` that rounds to a whole one, from above or below: halves go to the even neighbour. */
function furthest(whole: number, direction: 1 | -1, like: Value): number {
  const half = whole + direction * 0.5;
  const step = like.dtype === 'float16' ? 2 ** -10 : like.dtype === 'bfloat16' ? 2 ** -7 : 2 ** -23;
  return whole % 2 === 0 ? half : half - direction * Math.abs(half) * step;
}

/** The least and greatest number of a type that is quantised to. */
function rangeOf(dtype: DType): readonly [number, number] | undefined {
  const { kind, bits } = dtypes[dtype];
  if (kind === 'uint') return [0, 2 ** bits - 1];
  if (kind === 'int') return [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
  const most = narrowFloats[dtype];
  return most === undefined ? undefined : [-most, most];
}

const narrowFloats: Readonly<Partial<Record<DType, number>>> = {
  float8e4m3fn: 448,
  float8e4m3fnuz: 240,
  float8e5m2: 57344,
  float8e5m2fnuz: 57344,
  float4e2m1: 6,
  float6e2m3: 7.5,
  float6e3m2: 28,
};

/** The co-state of the real numbers that the quantised ones stand for, by the scale they were made with. */
function toQuantized(call: RuleCall): Value {
  const [g, x, scale] = [call.g(), call.x(0), call.x(1)];
  const like = g.dtype ?? 'float32';
  const source = quantizationOf(x);
  const own = source === undefined ? undefined : scaleOf(source);
  // A narrow floating-point tensor that is differentiated itself.
  if (source === undefined || own === undefined)
    return cast(op.mul(g, spread(cast(scale, like), x, call)), x.dtype ?? like);
  const dtype = source.inputs[0]?.dtype ?? like;
  if (sameNumbers(own, scale)) return cast(g, dtype);
  const isDirect = x.source.kind === 'output' && x.source.node === source;
  if (!isDirect && !isSingle(own))
    throw call.unsupported('its scale is not the one that x was quantised with, and x was laid out anew in between');
  const made = spread(cast(own, like), x, new RuleCall(source, [], [], call.pullback));
  return cast(op.mul(g, op.div(spread(cast(scale, like), x, call), made)), dtype);
}

function scaleOf({ opType, inputs, outputs }: Node): Value | undefined {
  return opType === 'DynamicQuantizeLinear' ? outputs[1] : inputs[1];
}

function sameNumbers(a: Value, b: Value): boolean {
  if (a === b) return true;
  const [one, other] = [constantTensor(a), constantTensor(b)];
  return (
    one !== undefined &&
    one.dtype === other?.dtype &&
    one.bytes.length === other.bytes.length &&
    one.bytes.every((byte, index) => byte === other.bytes[index])
  );
}
