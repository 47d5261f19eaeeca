import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { RuleCall } from '../call.ts';
import { cast, ints, scalarLike, shapeOf, sizeOf, sumOver } from '../pieces.ts';
import { addedRows } from './adding.ts';
import type { Samples } from './roi-samples.ts';

/**
 * RoiAlign of mode max, to X: y is the greatest product of a sample's weight and an element beside it (of all samples of a bin, four
 * products each, not of the interpolated samples: so the specification's evaluator and ONNX Runtime have it).
 */
export function greatestBack(call: RuleCall, g: Value, rows: Samples, columns: Samples): Value {
  const x = call.x(0);
  const [down, across] = [neighbours(rows), neighbours(columns)];
  // Bins and what is beside their samples, of rows and columns: [r, i, a, j, b].
  const byRow = (value: Value): Value => op.unsqueeze(value, ints(3, 4));
  const byColumn = (value: Value): Value => op.unsqueeze(value, ints(1, 2));
  const width = sizeOf(x, 3);
  const start = op.mul(op.unsqueeze(call.x(2), ints(1, 2, 3, 4)), op.mul(sizeOf(x, 2), width));
  const places = op.add(op.add(op.mul(byRow(down.elements), width), byColumn(across.elements)), start);
  const inside = op.and(byRow(down.inside), byColumn(across.inside));
  const weight = op.where(inside, op.mul(byRow(down.weights), byColumn(across.weights)), scalarLike(g, 0));
  const weights = op.unsqueeze(weight, ints(5));
  const last = op.gather(shapeOf(x), ints(0, 2, 3, 1));
  const flat = op.concat([ints(-1), sizeOf(x, 1)], { axis: 0 });
  const elements = op.reshape(op.transpose(cast(x, g.dtype ?? 'float32'), { perm: [0, 2, 3, 1] }), flat);
  // [r, i, a, j, b, c]
  const products = op.mul(weights, op.gather(elements, places));
  const candidates = masked(products, down.counted, across.counted, g);
  const greatest = op.reduceMax(candidates, ints(2, 4), { keepdims: 1 });
  const hits = cast(op.equal(candidates, greatest), g.dtype ?? 'float32');
  const shares = op.div(
    op.unsqueeze(op.transpose(g, { perm: [0, 2, 3, 1] }), ints(2, 4)),
    sumOver(hits, ints(2, 4), true),
  );
  const updates = op.mul(op.mul(hits, shares), weights);
  const sum = addedRows(elements, places, updates);
  return op.transpose(op.reshape(sum, last), { perm: [0, 3, 1, 2] });
}

interface Neighbours {
  /** [r, bins, 2 samples]: the elements before the samples, then those behind. */
  readonly elements: Value;
  readonly weights: Value;
  readonly inside: Value;
  /** [r, 1, 2 samples]. */
  readonly counted: Value | undefined;
}

function neighbours({ at, inside, counted, size }: Samples): Neighbours {
  const one = scalarLike(at, 1);
  const before = op.floor(at);
  const part = op.sub(at, before);
  const behind = op.min([op.add(before, one), op.sub(size, one)]);
  const both = (a: Value, b: Value): Value => op.concat([a, b], { axis: 2 });
  return {
    elements: cast(both(before, behind), 'int64'),
    weights: both(op.sub(one, part), part),
    inside: both(inside, inside),
    counted: counted === undefined ? undefined : both(counted, counted),
  };
}

/** Samples that a box has not got never win. */
function masked(products: Value, down: Value | undefined, across: Value | undefined, g: Value): Value {
  if (down === undefined || across === undefined) return products;
  const counted = op.and(op.unsqueeze(down, ints(3, 4)), op.unsqueeze(across, ints(1, 2)));
  return op.where(op.unsqueeze(counted, ints(5)), products, scalarLike(g, Number.NEGATIVE_INFINITY));
}
