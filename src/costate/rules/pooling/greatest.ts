import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule, unary } from '../../call.ts';
import { cast, shapeOf, zerosLike } from '../../pieces.ts';
import { behind, extent, shaped, spatial } from '../convolution/windows.ts';
import { putBack } from '../places.ts';
import { poolOf } from './spread.ts';

export const maxPoolRule: Rule = rule(
  'g to the element that each window chose',
  (call) => [call.to(0, () => chosen(call))],
  {
    note: 'ties go to the first, as PyTorch',
  },
);

/**
 * Windows that share no element are undone by MaxUnpool (2x2 on 64 channels, 28x28, batch 32, 2 threads: 0.31 ms; ScatterElements 1.75;
 * PyTorch 0.27), where ONNX Runtime has it and its output needs no shape, of which runtimes think differently.
 */
function chosen(call: RuleCall): Value {
  const [g, x, y] = [call.g(), call.x(0), call.y()];
  const { windows, rim } = poolOf(call);
  const { strides, dilations, begins, ends } = windows;
  const kernel = windows.kernel.map(Number);
  const indices = again(call);
  const apart = kernel.every((count, axis) => extent(count, dilations[axis] ?? 1) <= (strides[axis] ?? 1));
  const turned = call.int('storage_order', 0) !== 0 && kernel.length > 1;
  const exact = rim === undefined && behind(x, y, windows).every((count) => count === 0);
  const sizes = [...spatial(x), ...spatial(y)];
  if (apart && exact && !turned && x.dtype === 'float32' && sizes.every((size) => size !== undefined))
    return op.maxUnpool(g, indices, undefined, {
      kernelShape: kernel,
      strides,
      pads: [...begins, ...ends],
    });
  if (!turned) return putBack(g, x, indices, !apart);
  // The last axis moves slowest in these indices.
  const axes = kernel.map((_, axis) => axis + 2).reverse();
  const around = [0, 1, ...axes];
  return op.transpose(putBack(g, op.transpose(x, { perm: around }), indices, !apart), { perm: around });
}

/**
 * The indices, by a pool of their own in float64: ONNX Runtime's WebGPU provider takes every pool of float32 and then fails at its indices,
 * and leaves this one to the CPU, where it costs about as much as the other.
 */
function again(call: RuleCall): Value {
  const pads = call.ints('pads');
  const [strides, dilations] = [call.ints('strides'), call.ints('dilations')];
  const [, indices] = op.maxPool(cast(call.x(0), 'float64'), {
    kernelShape: call.ints('kernel_shape') ?? [],
    ...(pads === undefined ? {} : { pads }),
    ...(strides === undefined ? {} : { strides }),
    ...(dilations === undefined ? {} : { dilations }),
    autoPad: call.text('auto_pad', 'NOTSET'),
    ceilMode: call.int('ceil_mode', 0),
    storageOrder: call.int('storage_order', 0),
  });
  return indices;
}

export const globalMaxPoolRule: Rule = rule(
  'g to the greatest element',
  (call) => [
    call.to(0, () => {
      const [g, x] = [call.g(), call.x(0)];
      const single = call.rank(x) === 3;
      const rows = single ? x : shaped(x, [0, 0, -1]);
      const places = op.argMax(rows, { axis: 2 });
      const made = op.scatterElements(zerosLike(rows), places, single ? g : shaped(g, [0, 0, 1]), { axis: 2 });
      return single ? made : op.reshape(made, shapeOf(x));
    }),
  ],
  { note: 'ties go to the first, as PyTorch' },
);

export const maxUnpoolRule: Rule = unary(
  'g read where x was put',
  (g, _x, _y, call) => op.gather(shaped(g, [-1]), call.x(1)),
  'indices are those of the flat output, as ONNX Runtime takes them; where output_shape differs from what the attributes say, the reference evaluator takes them otherwise',
);
