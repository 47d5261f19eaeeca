import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, rule } from '../../call.ts';
import { cast, int, ints, scalarLike, sizeOf, tensorLike } from '../../pieces.ts';
import { behind, type Framed, spatial } from '../convolution/windows.ts';
import { poolOf, spread } from './spread.ts';

export const averagePoolRule: Rule = rule('g / n, to every element the sum over the windows it lies in', (call) => [
  call.to(0, () => {
    const pool = poolOf(call);
    const kernel = pool.windows.kernel.map(Number);
    const includes = call.int('count_include_pad', 0) !== 0;
    const counts = kernel.map((count, axis) => countsOf(pool, call.x(0), call.y(), axis, includes) ?? count);
    const whole = counts.reduce<number>((all, count) => (typeof count === 'number' ? all * count : all), 1);
    const share = divided(call.g(), counts);
    return spread(call, pool, share, 1 / whole);
  }),
]);

/** How many elements windows have along an axis: undefined where it is the kernel's for all, else one number per window. */
type Counts = readonly number[] | Value | undefined;

/** Of windows that hang over the image counts what is inside, with its padding where that is included. */
function countsOf(pool: Framed, x: Value, y: Value, axis: number, includes: boolean): Counts {
  const { windows, rim } = pool;
  const [count, stride, dilation] = [
    Number(windows.kernel[axis]),
    windows.strides[axis] ?? 1,
    windows.dilations[axis] ?? 1,
  ];
  const [begin, end] = [windows.begins[axis] ?? 0, windows.ends[axis] ?? 0];
  const left = rim === undefined ? behind(x, y, windows)[axis] : 0;
  const [size, steps] = [spatial(x)[axis], spatial(y)[axis]];
  const within = left === undefined ? false : left >= 0;
  if (within && (includes || (begin === 0 && end === 0 && rim === undefined))) return undefined;
  const offsets = Array.from({ length: count }, (_, element) => element * dilation);
  if (rim === undefined && size !== undefined && steps !== undefined) {
    const [least, most] = includes ? [-begin, size + end] : [0, size];
    return Array.from(
      { length: steps },
      (_, step) =>
        offsets.filter((offset) => step * stride - begin + offset >= least && step * stride - begin + offset < most)
          .length,
    );
  }
  const starts = op.mul(op.range(int(0), op.squeeze(sizeOf(y, axis + 2)), int(1)), int(stride));
  const before = rim === undefined ? int(begin) : op.gather(rim[0], int(axis));
  const places = op.sub(op.add(op.unsqueeze(starts, ints(1)), ints(...offsets)), before);
  const most = includes ? op.add(sizeOf(x, axis + 2), int(end)) : sizeOf(x, axis + 2);
  const low = op.less(places, most);
  const inside = includes ? low : op.and(low, op.greaterOrEqual(places, int(0)));
  return op.reduceSum(cast(inside, 'int64'), ints(1), { keepdims: 0 });
}

/** g over the counts that are not the same for all windows. */
function divided(g: Value, counts: readonly (Exclude<Counts, undefined> | number)[]): Value {
  return counts.reduce<Value>((share, count, axis) => {
    if (typeof count === 'number') return share;
    const behindIt = counts.length - 1 - axis;
    if (Array.isArray(count)) {
      const numbers = count as readonly number[];
      if (numbers.every((number) => number === numbers[0])) return op.div(share, scalarLike(g, numbers[0] ?? 1));
      return op.div(share, tensorLike(g, [numbers.length, ...new Array<number>(behindIt).fill(1)], numbers));
    }
    const column = cast(count as Value, g.dtype ?? 'float32');
    if (behindIt === 0) return op.div(share, column);
    return op.div(share, op.unsqueeze(column, ints(...Array.from({ length: behindIt }, (_, at) => at + 1))));
  }, g);
}
