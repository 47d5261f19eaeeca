import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, rule } from '../../call.ts';
import { cast, ints } from '../../pieces.ts';
import { places } from '../attention/masks.ts';
import { rotaryBars, rotated, rotationOf } from '../attention/rotary.ts';
import { through } from './activations.ts';

/** Operators that pick numbers or lay them out. */
export const structureRules: Readonly<Record<string, Rule>> = {
  Trilu: through('as Trilu', (call) => op.trilu(call.x(0), call.maybe(1), { upper: call.int('upper', 1) })),
  GatherND: through('as GatherND', (call) => op.gatherND(call.x(0), cast(call.x(1), 'int64'))),
  ExpandDims: through('g reshaped back', (call) =>
    op.unsqueeze(call.x(0), op.reshape(cast(call.x(1), 'int64'), ints(1))),
  ),
  RotaryEmbedding: rule('as RotaryEmbedding of ai.onnx', (call) => {
    if (call.int('is_packed_batching', 0) !== 0) throw call.unsupported('its batch is packed');
    return rotaryBars(call, { x: 0, cos: 2, sin: 3 }, () => {
      const [x, cos] = [call.x(0), call.x(2)];
      const flat = call.rank(x) === 3;
      // One position is that of the first row.
      const given = cast(call.x(1), 'int64');
      const first = call.rank(given) === 1;
      const positions = first ? op.unsqueeze(op.add(given, places(x, flat ? 1 : 2)), ints(0)) : given;
      const at = (cache: Value): Value => op.gather(cache, positions);
      const rotation = rotationOf(call);
      const pairs = cos.shape?.[1];
      const [width, size] = [x.shape?.[2], typeof pairs === 'number' ? 2 * pairs : undefined];
      // Without a number of heads they are as wide as the caches say.
      if (flat && rotation.heads === 0 && (size === undefined || typeof width !== 'number'))
        throw call.unsupported('the number of its heads is not known');
      const heads = rotation.heads === 0 ? Number(width) / (size ?? 1) : rotation.heads;
      return rotated(x, at(cos), at(call.x(3)), { ...rotation, heads: flat ? heads : 0 });
    });
  }),
};
