import type { CostateRule } from '../src/graph/costate.ts';
import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { gibbsEntropy } from './gibbs-entropy.ts';
import { gibbsWeights } from './gibbs-weights.ts';
import { byRow, holdsTop, withoutTop } from './merge-solutions.ts';
import { as, floatTypeOf, ints, last, scalar, widened, workType } from './precision.ts';
import { summedTo } from './reduction.ts';
import { epsilonFrom, lastAxis, scaledLogits, throughEntropy, throughWeights, total } from './rules.ts';

/**
 * The rule of MergeSolutions: with w = softmax(F/eps) over shards, F passes w, P and H pass w and their own, and the weights that were kept
 * pass to the shards they came from. Which weights those are, and which shard holds the top, is held fixed.
 */
export const mergeCostate: CostateRule = (node, cotangents, wanted) => {
  const [f, p, h, weights, indices, rest, top, offsets, epsilon] = node.inputs;
  const [, , , keptWeights, keptIndices] = node.outputs;
  if (f === undefined || p === undefined || h === undefined || weights === undefined || indices === undefined)
    return [];
  if (rest === undefined || top === undefined || offsets === undefined || epsilon === undefined) return [];
  if (keptWeights === undefined || keptIndices === undefined) return [];
  const dtype = floatTypeOf(f);
  const work = workType(dtype);
  const eps = as(epsilon, work);
  const [fBar, pBar, hBar, weightsBar, , restBar, topBar] = cotangents.map((bar) =>
    bar === undefined ? undefined : widened(bar),
  );
  const byShard = turned(widened(f));
  const w = gibbsWeights(byShard, epsilon);
  const scaled = scaledLogits(byShard, w, eps, work);
  const shareOf = op.unsqueeze(turned(w), ints(-1));
  const rowsP = pBar === undefined ? undefined : op.mul(op.unsqueeze(pBar, ints(0)), widened(p));
  const spread = weightsBar === undefined ? undefined : kept(weightsBar, weights, indices, offsets, keptIndices, work);
  const fromWeights = spread === undefined ? undefined : op.mul(spread, widened(weights));
  const g = total(
    rowsP === undefined ? undefined : turned(lastSum(rowsP)),
    fromWeights === undefined ? undefined : turned(lastSum(fromWeights)),
    hBar === undefined ? undefined : op.mul(lastAxis(hBar), turned(widened(h))),
  );
  const homogeneous = total(
    g === undefined ? undefined : throughWeights(w, g, eps),
    hBar === undefined ? undefined : throughEntropy(lastAxis(hBar), w, scaled, eps),
  );
  const others = restBar === undefined ? undefined : turned(withoutTop(widened(f), widened(rest), widened(top)));
  const otherBar =
    others === undefined || restBar === undefined
      ? undefined
      : turned(op.mul(lastAxis(restBar), gibbsWeights(others, epsilon)));
  const holder = op.where(holdsTop(widened(top)), scalar(1, work), scalar(0, work));
  const notHolder = op.sub(scalar(1, work), holder);
  const fTotal = total(homogeneous, fBar === undefined ? undefined : op.mul(lastAxis(fBar), w));
  const epsBar = total(
    homogeneous === undefined ? undefined : epsilonFrom(homogeneous, scaled),
    fBar === undefined ? undefined : lastAxis(op.mul(fBar, gibbsEntropy(byShard, epsilon))),
    others === undefined || restBar === undefined
      ? undefined
      : lastAxis(op.mul(restBar, gibbsEntropy(others, epsilon))),
  );
  const lowered = (index: number, value: Value | undefined): Value | undefined =>
    wanted[index] === true && value !== undefined ? as(value, dtype) : undefined;
  return [
    lowered(
      0,
      total(
        fTotal === undefined ? undefined : turned(fTotal),
        otherBar === undefined ? undefined : op.mul(otherBar, notHolder),
      ),
    ),
    lowered(1, pBar === undefined ? undefined : op.mul(shareOf, op.unsqueeze(pBar, ints(0)))),
    lowered(2, hBar === undefined ? undefined : op.mul(turned(w), op.unsqueeze(hBar, ints(0)))),
    lowered(3, spread === undefined ? undefined : op.mul(shareOf, spread)),
    undefined,
    lowered(5, otherBar === undefined ? undefined : op.mul(otherBar, holder)),
    lowered(6, topBar === undefined ? undefined : op.mul(holder, op.unsqueeze(topBar, ints(0)))),
    undefined,
    wanted[8] === true && epsBar !== undefined ? summedTo(epsBar, epsilon) : undefined,
    undefined,
  ];
};

/** [S, B] as [B, S], and back. */
function turned(value: Value): Value {
  return op.transpose(value, { perm: [1, 0] });
}

function lastSum(value: Value): Value {
  return op.reduceSum(value, last(value), { keepdims: 0 });
}

/**
 * The co-state of the kept weights [B, k'] at the shards' weights [S, B, k] it came from: those with the kept indices.
 * Indices of one row are distinct once the offsets are added, so equality finds them.
 */
function kept(
  weightsBar: Value,
  weights: Value,
  indices: Value,
  offsets: Value,
  keptIndices: Value,
  work: 'float32' | 'float64',
): Value {
  const candidates = byRow(op.add(indices, op.unsqueeze(offsets, ints(1, 2))));
  const same = op.equal(op.unsqueeze(candidates, ints(2)), op.unsqueeze(keptIndices, ints(1)));
  const zero = scalar(0, work);
  const found = op.reduceSum(op.where(same, op.unsqueeze(weightsBar, ints(1)), zero), ints(2), { keepdims: 0 });
  const shape = op.shape(op.transpose(weights, { perm: [1, 0, 2] }));
  return op.transpose(op.reshape(found, shape, { allowzero: 1 }), { perm: [1, 0, 2] });
}
