import { ints } from '../../../ops/precision.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { axesOf, reduced } from './axes.ts';
import { workable } from './kernels.ts';

type Side = 'most' | 'least';

/** An operand in an element type that runtimes compare in. */
function compared(call: Call, name = 'self'): Value {
  const x = call.tensor(name);
  return cast(x, workable(x.dtype ?? 'float32'));
}

const reductions = { most: op.reduceMax, least: op.reduceMin } as const;
const places = { most: op.argMax, least: op.argMin } as const;

/** The extreme over axes, which all that reach it share the co-state of. */
const over =
  (side: Side): Lowering =>
  (call) => {
    const x = compared(call);
    const [axes, keep] = [axesOf(call, x), call.bool('keepdim', false)];
    return rankOf(x) === 0 ? x : reduced(reductions[side], x, axes, keep);
  };

/** The extreme over one axis and where it stands first, to which alone its co-state goes. */
const along =
  (side: Side): Lowering =>
  (call): readonly Result[] => {
    const x = compared(call);
    const keep = call.bool('keepdim', false);
    const dim = call.int('dim');
    if (rankOf(x) === 0) return [x, constant(0, 'int64')];
    const axis = axisOf(dim, rankOf(x));
    const place = places[side](x, { axis, keepdims: true });
    const value = op.gatherElements(x, place, { axis });
    return keep ? [value, place] : [op.squeeze(value, ints(axis)), op.squeeze(place, ints(axis))];
  };

const place =
  (side: Side): Lowering =>
  (call) => {
    const x = compared(call);
    const keep = call.bool('keepdim', false);
    const rank = rankOf(x);
    if (call.has('dim') && rank > 0) return places[side](x, { axis: axisOf(call.int('dim'), rank), keepdims: keep });
    call.ignore('dim');
    const found = places[side](op.reshape(x, ints(-1)), { axis: 0, keepdims: false });
    return keep && rank > 0 ? op.reshape(found, ints(...Array<number>(rank).fill(1))) : found;
  };

export const extremeRules: Rules = {
  'aten.amax.default': over('most'),
  'aten.amin.default': over('least'),
  'aten.max.default': over('most'),
  'aten.min.default': over('least'),
  'aten.max.dim': along('most'),
  'aten.min.dim': along('least'),
  'aten.argmax.default': place('most'),
  'aten.argmin.default': place('least'),
  'aten.aminmax.default': (call) => {
    const x = compared(call);
    const keep = call.bool('keepdim', false);
    const axes = axesOf(call, x);
    if (rankOf(x) === 0) return [x, x];
    return [reduced(op.reduceMin, x, axes, keep), reduced(op.reduceMax, x, axes, keep)];
  },
};
