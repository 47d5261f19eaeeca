import { isFloat } from '../../files/dtype.ts';
import { tensorFrom } from '../../graph/literal.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf, scalarOf, sizesOf } from '../lower/sizes.ts';
import { throughSingle, times } from './kernels.ts';
import { batched, sides, spatial, writable } from './spatial.ts';

/** The windows of a pool, one number for each spatial axis. */
interface Windows {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly ceil: boolean;
}

function windowsOf(call: Call, count: number): Windows {
  const kernel = spatial(call, 'kernel_size', count);
  const stride = spatial(call, 'stride', count, []);
  const isAverage = call.target.includes('avg');
  return {
    kernel,
    stride: stride.length === 0 ? kernel : stride,
    padding: spatial(call, 'padding', count, [0]),
    dilation: isAverage ? kernel.map(() => 1) : spatial(call, 'dilation', count, [1]),
    ceil: call.bool('ceil_mode', false),
  };
}

/** Of one axis: how many windows there are, and how far the last one reaches beyond the padding. */
interface Reach {
  readonly windows: number;
  readonly beyond: number;
}

/** Windows of an axis where the last may reach out of the input, but begins in it or in the padding before it. */
function reachOf(windows: Windows, axis: number, size: number): Reach {
  const at = (values: readonly number[]) => values[axis] ?? 0;
  const [padding, stride] = [at(windows.padding), at(windows.stride)];
  const extent = at(windows.dilation) * (at(windows.kernel) - 1) + 1;
  const room = size + 2 * padding - extent;
  const plain = Math.floor(room / stride) + 1;
  if (!windows.ceil) return { windows: plain, beyond: 0 };
  let count = Math.ceil(room / stride) + 1;
  if ((count - 1) * stride >= size + padding) count -= 1;
  return { windows: count, beyond: Math.max(0, (count - 1) * stride - room) };
}

function spatialSizes(x: Value, count: number): number[] | undefined {
  const sizes = (x.shape ?? []).slice(-count);
  return sizes.every((size): size is number => typeof size === 'number') ? (sizes as number[]) : undefined;
}

/** Padding, and what the last windows need beyond it where sizes are known; otherwise the runtime's own rounding up. */
function padsOf(windows: Windows, x: Value): { pads: number[]; ceilMode?: number; reaches?: readonly Reach[] } {
  const sizes = spatialSizes(x, windows.kernel.length);
  if (!windows.ceil) return { pads: sides(windows.padding) };
  if (sizes === undefined) return { pads: sides(windows.padding), ceilMode: 1 };
  const reaches = sizes.map((size, axis) => reachOf(windows, axis, size));
  const after = windows.padding.map((padding, axis) => padding + (reaches[axis]?.beyond ?? 0));
  return { pads: [...windows.padding, ...after], reaches };
}

const maxPool =
  (count: number): Lowering =>
  (call) => {
    const self = call.tensor('self');
    const windows = windowsOf(call, count);
    const dtype = self.dtype ?? 'float32';
    // Runtimes pool floating-point numbers; co-states of pools are convolutions, which they have of single precision alone.
    const x = dtype === 'float64' ? cast(self, 'float32') : isFloat(dtype) ? self : cast(self, 'float64');
    const { pads, ceilMode } = padsOf(windows, x);
    const attributes = {
      kernelShape: windows.kernel,
      strides: windows.stride,
      dilations: windows.dilation,
      pads,
      ...(ceilMode === undefined ? {} : { ceilMode }),
    };
    const alone = rankOf(x) < count + 2;
    const axis = constant([0], 'int64');
    const [values, places] = op.maxPool(alone ? op.unsqueeze(x, axis) : x, attributes);
    const back = (y: Value) => (alone ? op.squeeze(y, axis) : y);
    const pooled = cast(back(values), dtype);
    if (!call.target.includes('indices')) return pooled;
    return [pooled, back(op.mod(places, planeOf(x, count)))];
  };

/** Elements of one plane: ONNX counts places through the whole tensor, PyTorch in each plane. */
function planeOf(x: Value, count: number): Value {
  const sizes = spatialSizes(x, count);
  if (sizes !== undefined)
    return constant(
      sizes.reduce((a, b) => a * b, 1),
      'int64',
    );
  return sizesOf(x)
    .slice(-count)
    .map(scalarOf)
    .reduce((a, b) => op.mul(a, b));
}

const averagePool =
  (count: number): Lowering =>
  (call) => {
    const x = call.tensor('self');
    const windows = windowsOf(call, count);
    const includePad = call.bool('count_include_pad', true);
    const divisor = call.has('divisor_override') ? call.int('divisor_override') : undefined;
    const { pads, ceilMode, reaches } = padsOf(windows, x);
    const attributes = {
      kernelShape: windows.kernel,
      strides: windows.stride,
      pads,
      ...(includePad || divisor !== undefined ? { countIncludePad: 1 } : {}),
      ...(ceilMode === undefined ? {} : { ceilMode }),
    };
    const mean = throughSingle(x, (single) => batched(single, count + 2, (batch) => op.averagePool(batch, attributes)));
    if (divisor !== undefined) {
      if (ceilMode !== undefined)
        throw call.unsupported('divisor_override with ceil_mode=True of sizes that are not known');
      return times(mean, windows.kernel.reduce((a, b) => a * b, 1) / divisor);
    }
    // PyTorch counts padding, but not what lies beyond it.
    if (!includePad || reaches === undefined || reaches.every(({ beyond }) => beyond === 0)) return mean;
    writable(
      call,
      reaches.reduce((total, reach) => total * reach.windows, 1),
    );
    return op.mul(mean, constant(tensorFrom(correction(windows, reaches), x.dtype)));
  };

/** By how much the mean of a whole window is too small: its size to the part of it that counts, over all windows. */
function correction(windows: Windows, reaches: readonly Reach[]): Nested {
  const axes = reaches.map(({ windows: count, beyond }, axis) => {
    const kernel = windows.kernel[axis] ?? 1;
    return Array.from({ length: count }, (_, index) => {
      const over = beyond - (count - 1 - index) * (windows.stride[axis] ?? 1);
      return kernel / (kernel - Math.max(0, over));
    });
  });
  return product(axes);
}

type Nested = number | readonly Nested[];

function product([first, ...rest]: readonly (readonly number[])[], factor = 1): Nested {
  return first === undefined ? factor : first.map((value) => product(rest, factor * value));
}

const byAxes = (name: (count: number) => string, rule: (count: number) => Lowering): Rules =>
  Object.fromEntries([1, 2, 3].map((count) => [`aten.${name(count)}.default`, rule(count)]));

export const poolingRules: Rules = {
  ...byAxes((count) => `max_pool${count}d`, maxPool),
  ...byAxes((count) => `max_pool${count}d_with_indices`, maxPool),
  ...byAxes((count) => `avg_pool${count}d`, averagePool),
};
