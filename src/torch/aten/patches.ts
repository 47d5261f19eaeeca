import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import { cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf, reshaped, scalarOf, sizeAt, sizesOf, vectorOf } from '../lower/sizes.ts';
import { batched, sides, spatial, writable } from './spatial.ts';

/** The windows of a plane as columns: [N, C, H, W] to [N, C kh kw, L]. */
const columns: Lowering = (call) => {
  const names = ['kernel_size', 'stride', 'padding', 'dilation'];
  const [kernel, stride, padding, dilation] = names.map((name) => spatial(call, name, 2)) as [
    number[],
    number[],
    number[],
    number[],
  ];
  return batched(call.tensor('self'), 4, (x) => {
    const [kh, kw] = [kernel[0] ?? 1, kernel[1] ?? 1];
    const pads = padding.some((pad) => pad !== 0) ? [0, 0, ...padding, 0, 0, ...padding] : undefined;
    const whole = pads === undefined ? x : op.pad(x, constant(pads, 'int64'));
    writable(call, kh * kw);
    const along = (axis: number) =>
      placesOf(sizeAt(whole, axis + 2), kernel[axis] ?? 1, stride[axis] ?? 1, dilation[axis] ?? 1);
    // [N, C, kh, oh, kw, ow]
    const rows = op.gather(whole, along(0), { axis: 2 });
    const windows = op.gather(rows, along(1), { axis: 4 });
    const turned = op.transpose(windows, { perm: [0, 1, 2, 4, 3, 5] });
    const channels = x.shape?.[1];
    if (typeof channels !== 'number') throw call.unsupported('a number of channels that is not known');
    const places = typeof windows.shape?.[3] === 'number' && typeof windows.shape[5] === 'number';
    const shape = [0, channels * kh * kw, places ? Number(windows.shape?.[3]) * Number(windows.shape?.[5]) : -1];
    return op.reshape(turned, constant(shape, 'int64'));
  });
};

/** Places of no more elements are written out. */
const largest = 1 << 16;

/** Places of the elements of all windows along an axis: [kernel, windows]. */
function placesOf(size: Size, kernel: number, stride: number, dilation: number): Value {
  const extent = dilation * (kernel - 1) + 1;
  const offsets = Array.from({ length: kernel }, (_, index) => index * dilation);
  if (typeof size === 'number' && size * kernel <= largest) {
    const count = Math.floor((size - extent) / stride) + 1;
    return constant(
      offsets.map((offset) => Array.from({ length: count }, (_, window) => window * stride + offset)),
      'int64',
    );
  }
  const number = (value: number) => constant(value, 'int64');
  const starts = op.range(number(0), op.sub(scalarOf(size), number(extent - 1)), number(stride));
  return op.add(
    starts,
    constant(
      offsets.map((offset) => [offset]),
      'int64',
    ),
  );
}

/** Columns summed back into a plane. */
const plane: Lowering = (call) => {
  const size = vectorOf(call.sizes('output_size'));
  const attributes = {
    dilations: spatial(call, 'dilation', 2),
    pads: sides(spatial(call, 'padding', 2)),
    strides: spatial(call, 'stride', 2),
  };
  const kernel = constant(spatial(call, 'kernel_size', 2), 'int64');
  return batched(call.tensor('self'), 3, (x) => {
    if (x.dtype !== 'float64') return op.col2Im(x, size, kernel, attributes);
    return cast(op.col2Im(cast(x, 'float32'), size, kernel, attributes), 'float64');
  });
};

const shuffled: Lowering = (call) => {
  const [x, factor] = [call.tensor('self'), call.int('upscale_factor')];
  return asImages(call, x, (images) => op.depthToSpace(images, { blocksize: factor, mode: 'CRD' }));
};

/** Channels stand in the order channel, row, column, which is not that of ONNX's SpaceToDepth. */
const unshuffled: Lowering = (call) => {
  const [x, factor] = [call.tensor('self'), call.int('downscale_factor')];
  return asImages(call, x, (images) => {
    const [n, c, h, w] = sizesOf(images) as [Size, Size, Size, Size];
    const by = (size: Size): Size => (typeof size === 'number' ? size / factor : -1);
    const unknown = typeof h !== 'number' && typeof w !== 'number';
    if (typeof c !== 'number') throw call.unsupported('a number of channels that is not known');
    if (unknown || (typeof n !== 'number' && (typeof h !== 'number' || typeof w !== 'number')))
      return taken(call, images, factor);
    const apart = reshaped(images, [n, c, by(h), factor, by(w), factor]);
    const turned = op.transpose(apart, { perm: [0, 1, 3, 5, 2, 4] });
    return reshaped(turned, [n, c * factor * factor, by(h), by(w)]);
  });
};

/** The same by slices, where two or more sizes are not known. */
function taken(call: Call, images: Value, factor: number): Value {
  const blocks = op.spaceToDepth(images, { blocksize: factor });
  const channels = Number(images.shape?.[1]);
  const order = Array.from({ length: writable(call, channels * factor * factor) }, (_, index) => {
    const [channel, offset] = [Math.floor(index / (factor * factor)), index % (factor * factor)];
    return offset * channels + channel;
  });
  return op.gather(blocks, constant(order, 'int64'), { axis: 1 });
}

/** Runs what takes [N, C, H, W] on [..., C, H, W]. */
function asImages(call: Call, x: Value, run: (images: Value) => Value): Value {
  const rank = rankOf(x);
  if (rank === 4) return run(x);
  if (rank === 3) return batched(x, 4, run);
  const sizes = sizesOf(x);
  const [c, h, w] = sizes.slice(-3);
  if (![c, h, w].every((size) => typeof size === 'number'))
    throw call.unsupported('sizes of an image that are not known');
  const made = run(op.reshape(x, constant([-1, Number(c), Number(h), Number(w)], 'int64')));
  return reshaped(made, [...sizes.slice(0, -3), ...sizesOf(made).slice(1)]);
}

/** Channels of groups side by side: [N, g C/g, ...] to [N, C/g g, ...]. */
const channelsShuffled: Lowering = (call) => {
  const [x, groups] = [call.tensor('self'), call.int('groups')];
  const sizes = sizesOf(x);
  const [, channels] = sizes;
  if (typeof channels !== 'number') throw call.unsupported('a number of channels that is not known');
  if (groups < 1 || channels % groups !== 0) throw call.unsupported(`${groups} groups of ${channels} channels`);
  const rest = sizes.slice(2);
  // All axes behind are one: a size that is inferred, whatever is known of them.
  const apart = op.reshape(x, constant([0, groups, channels / groups, -1], 'int64'));
  const turned = op.transpose(apart, { perm: [0, 2, 1, 3] });
  return rest.length === 0
    ? op.reshape(turned, constant([0, channels], 'int64'))
    : reshaped(turned, [sizes[0] ?? 1, channels, ...rest]);
};

/** Values back at the places a pool took them from, zeros elsewhere. */
const unpooled =
  (count: number): Lowering =>
  (call) => {
    call.ignore('stride', 'padding');
    const [x, indices] = [call.tensor('self'), call.tensor('indices')];
    const size = call.sizes('output_size');
    const leading = sizesOf(x).slice(0, rankOf(x) - count);
    const flat = (value: Value) => op.reshape(value, constant([...leading.map(() => 0), -1], 'int64'));
    const area = size.map(scalarOf).reduce((a, b) => op.mul(a, b));
    const zeros = op.expand(
      constant(0, x.dtype ?? 'float32'),
      op.concat([vectorOf(leading), op.reshape(area, constant([1], 'int64'))], { axis: 0 }),
    );
    const filled = op.scatterElements(zeros, flat(indices), flat(x), { axis: -1 });
    return reshaped(filled, [...leading, ...size]);
  };

export const patchRules: Rules = {
  'aten.im2col.default': columns,
  'aten.col2im.default': plane,
  'aten.pixel_shuffle.default': shuffled,
  'aten.pixel_unshuffle.default': unshuffled,
  'aten.channel_shuffle.default': channelsShuffled,
  'aten.native_channel_shuffle.default': channelsShuffled,
  'aten.max_unpool2d.default': unpooled(2),
  'aten.max_unpool3d.default': unpooled(3),
};
