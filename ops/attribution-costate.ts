import { fromNumbers } from '../src/files/tensor.ts';
import * as op from '../src/graph/op.ts';
import type { Node, Value } from '../src/graph/value.ts';
import { gibbsEntropy } from './gibbs-entropy.ts';
import { gibbsWeights } from './gibbs-weights.ts';
import { logits, throughLogits } from './logits.ts';
import { withMask } from './mask.ts';
import { as, floatTypeOf, ints, widened, workType } from './precision.ts';
import { firstColumn, withoutFirst } from './ranking.ts';
import { summedTo } from './reduction.ts';
import { epsilonFrom, lastAxis, scaledLogits, throughEntropy, throughWeights, total } from './rules.ts';

/**
 * The rule of Attribution, over the atoms laid out as one matrix: F, P and H as in their own rules, the k weights scattered back to their
 * atoms, F_rest over all atoms but the top one, the top logit at its atom. Which atoms rank first is held fixed.
 */
export function attributionCostate(
  node: Node,
  cotangents: readonly (Value | undefined)[],
  wanted: readonly boolean[],
  blocks: number,
): readonly (Value | undefined)[] {
  const [x, ...others] = node.inputs;
  const there = (value: Value | undefined): value is Value => value !== undefined;
  const w = others.slice(0, blocks).filter(there);
  const b = others.slice(blocks, 2 * blocks).filter(there);
  const [epsilon, , mask] = others.slice(2 * blocks);
  const indices = node.outputs[4];
  if (x === undefined || epsilon === undefined || indices === undefined) return [];
  const dtype = floatTypeOf(x);
  const work = workType(dtype);
  const eps = as(epsilon, work);
  const wide = widened(joined(w));
  const rows = widened(x);
  const z = withMask(logits(rows, wide, widened(joined(b)), 'single'), mask, work);
  const [fBar, pBar, hBar, weightsBar, , restBar, topBar] = cotangents.map((bar) =>
    bar === undefined ? undefined : widened(bar),
  );
  const pi = gibbsWeights(z, epsilon);
  const scaled = scaledLogits(z, pi, eps, work);
  const first = firstColumn(indices);
  const scattered = (at: Value, updates: Value): Value =>
    op.scatterElements(op.constantOfShape(op.shape(z), { value: fromNumbers(work, [1], [0]) }), at, updates, {
      axis: -1,
    });
  const g = total(
    pBar === undefined ? undefined : op.matMul(pBar, op.transpose(wide, { perm: [1, 0] })),
    weightsBar === undefined ? undefined : scattered(indices, weightsBar),
  );
  const homogeneous = total(
    g === undefined ? undefined : throughWeights(pi, g, eps),
    hBar === undefined ? undefined : throughEntropy(lastAxis(hBar), pi, scaled, eps),
  );
  const remaining = restBar === undefined ? undefined : withoutFirst(z, first, work);
  const zBar = total(
    homogeneous,
    fBar === undefined ? undefined : op.mul(lastAxis(fBar), pi),
    remaining === undefined || restBar === undefined
      ? undefined
      : op.mul(lastAxis(restBar), gibbsWeights(remaining, epsilon)),
    topBar === undefined ? undefined : scattered(first, lastAxis(topBar)),
  );
  if (zBar === undefined) return [];
  const [toX, toW, toB] = throughLogits(zBar, rows, wide, 'single', [
    wanted[0] === true,
    wanted.slice(1, 1 + blocks).includes(true),
    wanted.slice(1 + blocks, 1 + 2 * blocks).includes(true),
  ]);
  const fromP =
    toW === undefined || pBar === undefined ? undefined : op.matMul(op.transpose(pi, { perm: [1, 0] }), pBar);
  const epsBar = total(
    homogeneous === undefined ? undefined : epsilonFrom(homogeneous, scaled),
    fBar === undefined ? undefined : lastAxis(op.mul(fBar, gibbsEntropy(z, epsilon))),
    remaining === undefined || restBar === undefined
      ? undefined
      : lastAxis(op.mul(restBar, gibbsEntropy(remaining, epsilon))),
  );
  const lowered = (value: Value | undefined): Value | undefined => (value === undefined ? undefined : as(value, dtype));
  return [
    lowered(toX),
    ...parted(lowered(total(toW, fromP)), w),
    ...parted(lowered(toB), b),
    wanted[1 + 2 * blocks] === true && epsBar !== undefined ? summedTo(epsBar, epsilon) : undefined,
    undefined,
    mask !== undefined && mask.dtype !== 'bool' && wanted[3 + 2 * blocks] === true ? summedTo(zBar, mask) : undefined,
  ];
}

function joined(blocks: readonly Value[]): Value {
  const [only] = blocks;
  return blocks.length === 1 && only !== undefined ? only : op.concat(blocks, { axis: 0 });
}

/** A co-state of all atoms as one per block. */
function parted(whole: Value | undefined, blocks: readonly Value[]): readonly (Value | undefined)[] {
  if (whole === undefined || blocks.length === 1) return blocks.map(() => whole);
  const sizes = blocks.map((block) => Number(block.shape?.[0]));
  return op.split(whole, ints(...sizes), { axis: 0 });
}
