import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../../call.ts';
import { cast, int, ints, isHalf, scalarLike, sizeOf, tensorLike } from '../../pieces.ts';
import { throughForward } from '../../through.ts';
import { kernelOf, listOf, shaped, spatial, spatialOf } from './windows.ts';

/** y = w columns + b, the columns interpolated linearly from x where its windows, moved by the offsets, lie, times the mask. */
export const deformConvRule: Rule = rule(
  'through w times the columns that are interpolated from x where the offsets lead, times the mask',
  (call) => throughForward(call, (given) => [convolved(given)]),
  { note: 'where an offset leads to an element itself, its slope is that towards the next one' },
);

function convolved(call: RuleCall): Value {
  const [weight, bias, group] = [call.x(1), call.maybe(3), call.int('group', 1)];
  const y = call.y();
  const columns = columnsOf(call, y);
  const count = product(spatial(weight));
  const width =
    count === undefined ? op.reduceProd(op.shape(weight, { start: 1 })) : op.mul(sizeOf(weight, 1), ints(count));
  const points = product(spatial(y)) ?? op.reduceProd(spatialOf(y));
  const kernels = shaped(weight, [group, -1, width]);
  const made = op.matMul(kernels, shaped(columns, [0, group, -1, points]));
  const image = shaped(made, [0, -1, ...rest(y)]);
  return bias === undefined ? image : op.add(image, op.unsqueeze(bias, ints(...spatial(y).map((_, axis) => axis + 1))));
}

function product(sizes: readonly (number | undefined)[]): number | undefined {
  return sizes.reduce((all, size) => (all === undefined || size === undefined ? undefined : all * size), 1);
}

/** Spatial sizes to reshape to. */
function rest(x: Value): readonly (number | Value)[] {
  const sizes = spatial(x);
  return sizes.every((size) => size !== undefined) ? sizes : [spatialOf(x)];
}

/** What each window of each image reads [n, offset groups, channels of one, kernel elements, ...windows]. */
function columnsOf(call: RuleCall, y: Value): Value {
  const [x, offset, mask] = [call.x(0), call.x(2), call.maybe(4)];
  const dims = call.rank(x) - 2;
  const groups = call.int('offset_group', 1);
  const kernel = kernelOf(call, call.x(1));
  if (!kernel.every((size) => size !== undefined)) throw call.unsupported('the sizes of its kernel are not known');
  const count = kernel.reduce((all, size) => all * size, 1);
  const moved = shaped(offset, [0, groups, count, dims, ...rest(y)]);
  const places = kernel.map((_, axis) =>
    op.add(op.gather(moved, int(axis), { axis: 3 }), undisturbed(call, kernel, axis, y)),
  );
  const before = places.map((place) => op.floor(place));
  const parts = places.map((place, axis) => op.sub(place, before[axis] as Value));
  const rows = rowsOf(x, groups);
  const sums = Array.from({ length: 1 << dims }, (_, corner) => {
    const steps = places.map((_place, axis) => (corner >> axis) & 1);
    const at = before.map((low, axis) => (steps[axis] === 0 ? low : op.add(low, scalarLike(low, 1))));
    const weights = parts.map((part, axis) => (steps[axis] === 0 ? op.sub(scalarLike(part, 1), part) : part));
    const share = weights.reduce((all, weight) => op.mul(all, weight));
    const { index, inside } = indexOf(x, at, groups);
    const held = op.mul(share, cast(inside, share.dtype ?? 'float32'));
    return op.mul(op.gather(rows, index), op.unsqueeze(held, ints(-1)));
  });
  const sum = sums.reduce((all, term) => op.add(all, term));
  const masked =
    mask === undefined ? sum : op.mul(sum, op.unsqueeze(shaped(mask, [0, groups, count, ...rest(y)]), ints(-1)));
  const windows = kernel.map((_, axis) => axis + 3);
  return op.transpose(masked, { perm: [0, 1, dims + 3, 2, ...windows] });
}

/** Where along an axis each window reads without an offset: [kernel elements, ...windows], of one size along the other axes. */
function undisturbed(call: RuleCall, kernel: readonly number[], axis: number, y: Value): Value {
  const dims = kernel.length;
  const stride = listOf(call, 'strides', dims, 1)[axis] ?? 1;
  const dilation = listOf(call, 'dilations', dims, 1)[axis] ?? 1;
  const begin = call.ints('pads')?.[axis] ?? 0;
  const count = kernel.reduce((all, size) => all * size, 1);
  const behind = kernel.slice(axis + 1).reduce((all, size) => all * size, 1);
  const within = Array.from(
    { length: count },
    (_, element) => (Math.floor(element / behind) % (kernel[axis] ?? 1)) * dilation - begin,
  );
  const x = call.x(2);
  // Half precision does not hold the numbers of a large image's elements.
  const like = isHalf(x) ? cast(scalarLike(x, 0), 'float32') : x;
  const elements = tensorLike(like, [count, ...new Array<number>(dims).fill(1)], within);
  const steps = op.mul(op.range(int(0), op.squeeze(sizeOf(y, axis + 2)), int(1)), int(stride));
  const shape = kernel.map((_, at) => (at === axis ? -1 : 1));
  return cast(op.add(elements, shaped(cast(steps, like.dtype ?? 'float32'), shape)), x.dtype ?? 'float32');
}

/** The elements of x, the channels of one offset group beside each other: [n groups elements, channels]. */
function rowsOf(x: Value, groups: number): Value {
  const elements = product(spatial(x)) ?? op.reduceProd(spatialOf(x));
  const apart = shaped(x, [0, groups, -1, elements]);
  return op.flatten(op.transpose(apart, { perm: [0, 1, 3, 2] }), { axis: 3 });
}

/** The rows of elements [n, groups, kernel elements, ...windows], any row where they are outside of the image. */
function indexOf(x: Value, at: readonly Value[], groups: number): { readonly index: Value; readonly inside: Value } {
  const sizes = at.map((_, axis) => sizeOf(x, axis + 2));
  const checks = at.flatMap((place, axis) => [
    op.greaterOrEqual(place, scalarLike(place, 0)),
    op.less(place, cast(sizes[axis] as Value, place.dtype ?? 'float32')),
  ]);
  const inside = checks.reduce((all, check) => op.and(all, check));
  const flat = at
    .map((place) => cast(place, 'int64'))
    .reduce((sum, place, axis) => op.add(op.mul(sum, sizes[axis] as Value), place));
  const each = op.reduceProd(op.concat(sizes, { axis: 0 }), undefined, { keepdims: 0 });
  const images = op.range(int(0), op.mul(op.squeeze(sizeOf(x, 0)), int(groups)), int(1));
  const first = shaped(op.mul(images, each), [-1, groups, 1, ...at.map(() => 1)]);
  return { index: op.add(op.where(inside, flat, int(0)), first), inside };
}
