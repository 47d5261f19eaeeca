import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule, unary } from '../../call.ts';
import { shapeOf, zerosLike } from '../../pieces.ts';
import { behind, extent, type Framed, shaped, spatial } from '../convolution/windows.ts';
import { putBack } from '../places.ts';
import { toFirst, toFirstBeside } from './first.ts';
import { isBeside, poolOf } from './spread.ts';

export const maxPoolRule: Rule = rule(
  'g to the element that each window chose',
  (call) => [call.to(0, () => chosen(call))],
  {
    note: 'ties go to the first, as PyTorch',
  },
);

function chosen(call: RuleCall): Value {
  const [g, x, y] = [call.g(), call.x(0), call.y()];
  if ([...(x.shape ?? []), ...(y.shape ?? [])].includes(0)) return zerosLike(x);
  const pool = poolOf(call);
  // Every pool that is built here has them; a file's pool that does not give them has none, or none with a name.
  const indices = call.node.outputs[1];
  if (indices?.name !== undefined) return byIndices(call, pool, indices);
  const exact = isBeside(pool) && pool.windows.ends.every((end) => end === 0);
  const covered = behind(x, y, pool.windows).every((count) => count === 0);
  if (exact && covered && spatial(x).every((size) => size !== undefined))
    return toFirstBeside(g, x, y, pool.windows.kernel.map(Number));
  return toFirst(g, x, y, pool, call.int('ceil_mode', 0) !== 0);
}

/**
 * Where the network asks for the indices itself. Windows that share no element are undone by MaxUnpool (2x2 on 64 channels, 28x28, batch 32,
 * 2 threads: 0.31 ms; ScatterElements 1.75), where ONNX Runtime has it and its output needs no shape, of which runtimes think differently.
 */
function byIndices(call: RuleCall, { windows, rim }: Framed, indices: Value): Value {
  const [g, x, y] = [call.g(), call.x(0), call.y()];
  const { strides, dilations, begins, ends } = windows;
  const kernel = windows.kernel.map(Number);
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
