import type { CostateRule } from '../src/graph/costate.ts';
import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { gibbsWeights } from './gibbs-weights.ts';
import { logits, swapHeads, throughLogits } from './logits.ts';
import { maskColumns, withMask } from './mask.ts';
import { as, ints, scalar, type WorkType, widened, workType } from './precision.ts';
import { summedTo } from './reduction.ts';
import { lastAxis, rowSum, scaledLogits, total } from './rules.ts';
import { parted, type SolutionForm, type SolutionName, solutionOutputs } from './solution.ts';

/** Another call of the family with the same atoms, in the same form. */
type Again = (name: SolutionName, inputs: readonly (Value | undefined)[]) => readonly Value[];

/** One block of atoms as the rule sees it: all in the work type. */
interface Block {
  readonly w: Value;
  /** [.., B, n], with weights of the whole, not of the block alone. */
  readonly pi: Value;
  /** (z - a number of the row) / eps where pi > 0, otherwise 0. */
  readonly scaled: Value;
  readonly g: Value | undefined;
}

/**
 * The rule of f and p: with zBar = pi (fBar + (g - E_pi g)/eps), g = W pBar, it is X: zBar W; W: zBar'X + pi'pBar; b: the sum of zBar over
 * rows; epsilon: fBar H - sum of zBar's p part times z/eps (theory.md 2.1, 2.2, 2.3, 2.8).
 */
export function solutionCostate(form: SolutionForm, again: Again): CostateRule {
  const outputs = solutionOutputs[form.name];
  return (node, cotangents, wanted) => {
    const fBar = cotangents[outputs.indexOf('F')];
    const pBar = cotangents[outputs.indexOf('P')];
    const onlyX = wanted.every((wants, index) => index === 0 || !wants);
    if (fBar !== undefined && pBar === undefined && onlyX)
      return [wanted[0] === true ? direct(form, node.inputs, fBar, again) : undefined];
    if (form.kind !== 'streamed') return full(form, node.inputs, fBar, pBar, wanted, again);
    return overStream(form, node.inputs, fBar, pBar, wanted, again);
  };
}

/** Where only X's co-state is asked for, it is fBar p: a call of CoState, in the same form and as light. */
function direct(
  form: SolutionForm,
  inputs: readonly (Value | undefined)[],
  fBar: Value,
  again: Again,
): Value | undefined {
  const [p] = again('CoState', inputs);
  if (p === undefined) return undefined;
  const scaled = op.mul(lastAxis(fBar), p);
  return form.arrangement === 'bank' ? op.reduceSum(scaled, ints(1), { keepdims: 0 }) : scaled;
}

function full(
  form: SolutionForm,
  inputs: readonly (Value | undefined)[],
  fBarGiven: Value | undefined,
  pBarGiven: Value | undefined,
  wanted: readonly boolean[],
  again: Again,
): readonly (Value | undefined)[] {
  const [xGiven, ...others] = inputs;
  const { w, b, epsilon, mask } = parted(form, others);
  if (xGiven === undefined || epsilon === undefined) return [];
  const bank = form.arrangement === 'bank';
  const work = workType(form.dtype);
  const eps = as(epsilon, work);
  const x = widened(xGiven);
  const inner = (value: Value | undefined, rank: 2 | 3): Value | undefined =>
    value === undefined ? undefined : bank ? swapHeads(widened(value), rank) : widened(value);
  const fBar = inner(fBarGiven, 2);
  const pBar = inner(pBarGiven, 3);
  const column = fBar === undefined ? undefined : lastAxis(fBar);
  const f = form.kind === 'blocked' ? again('LogSumExp', inputs)[0] : undefined;
  const blocks = w.map((block, index) => {
    const bias = b[index] ?? block;
    const from = form.bounds[index] ?? 0;
    const columns =
      mask === undefined || form.kind !== 'blocked' ? mask : maskColumns(mask, from, form.bounds[index + 1] ?? from);
    const z = withMask(logits(x, widened(block), widened(bias), form.arrangement), columns, work);
    return blockOf(z, widened(block), epsilon, eps, f === undefined ? undefined : widened(f), pBar, work);
  });
  const mean = total(...blocks.map(({ g, pi }) => (g === undefined ? undefined : rowSum(op.mul(pi, g)))));
  const bars = blocks.map((block) => {
    const fromP =
      block.g === undefined || mean === undefined ? undefined : op.div(op.mul(block.pi, op.sub(block.g, mean)), eps);
    return { fromP, z: total(column === undefined ? undefined : op.mul(block.pi, column), fromP) };
  });
  const count = w.length;
  const passed = blocks.map((block, index) => {
    const zBar = bars[index]?.z;
    if (zBar === undefined) return [];
    const [toX, toW, toB] = throughLogits(zBar, x, block.w, form.arrangement, [
      wanted[0] === true,
      wanted[1 + index] === true,
      wanted[1 + count + index] === true,
    ]);
    const direct = toW === undefined || pBar === undefined ? undefined : op.matMul(byAtom(block.pi, bank), pBar);
    return [toX, total(toW, direct), toB];
  });
  const lowered = (value: Value | undefined): Value | undefined =>
    value === undefined ? undefined : as(value, form.dtype);
  const zBars = bars.flatMap(({ z }) => (z === undefined ? [] : [z]));
  const wantsEpsilon = wanted[1 + 2 * count] === true;
  const wantsMask = mask !== undefined && mask.dtype !== 'bool' && wanted[2 + 2 * count] === true;
  return [
    lowered(total(...passed.map(([toX]) => toX))),
    ...passed.map(([, toW]) => lowered(toW)),
    ...passed.map(([, , toB]) => lowered(toB)),
    wantsEpsilon
      ? toEpsilon(
          blocks,
          bars.map(({ fromP }) => fromP),
          column,
          epsilon,
        )
      : undefined,
    wantsMask
      ? summedTo(zBars.length === 1 && zBars[0] !== undefined ? zBars[0] : op.concat(zBars, { axis: -1 }), mask)
      : undefined,
  ];
}

function byAtom(value: Value, bank: boolean): Value {
  return op.transpose(value, { perm: bank ? [0, 2, 1] : [1, 0] });
}

/** A block's weights: of its own logits where it is all there is, against the whole's f where it is one of many. */
function blockOf(
  z: Value,
  w: Value,
  epsilon: Value,
  eps: Value,
  f: Value | undefined,
  pBar: Value | undefined,
  work: WorkType,
): Block {
  const bank = z.shape?.length === 3;
  const g = pBar === undefined ? undefined : op.matMul(pBar, byAtom(w, bank));
  if (f === undefined) {
    const pi = gibbsWeights(z, epsilon);
    return { w, pi, scaled: scaledLogits(z, pi, eps, work), g };
  }
  const lowest = scalar(Number.NEGATIVE_INFINITY, work);
  const empty = op.equal(z, lowest);
  const whole = lastAxis(f);
  const scaled = op.where(empty, scalar(0, work), op.div(op.sub(op.where(empty, whole, z), whole), eps));
  const pi = op.where(empty, scalar(0, work), op.exp(scaled));
  return { w, pi, scaled: op.where(op.greater(pi, scalar(0, work)), scaled, scalar(0, work)), g };
}

/** fBar H, with H = -E_pi (z - f)/eps + (f's own terms, which drop out of the p part). */
function toEpsilon(
  blocks: readonly Block[],
  fromP: readonly (Value | undefined)[],
  column: Value | undefined,
  epsilon: Value,
): Value | undefined {
  const terms = blocks.flatMap(({ scaled, pi }, index) => {
    const p = fromP[index];
    return [
      p === undefined ? undefined : op.neg(rowSum(op.mul(p, scaled))),
      column === undefined ? undefined : op.mul(column, entropyTerm(pi)),
    ];
  });
  const sum = total(...terms);
  return sum === undefined ? undefined : summedTo(sum, epsilon);
}

/** -sum pi log pi over the atoms with weight, of part of a row. */
function entropyTerm(pi: Value): Value {
  const work: WorkType = pi.dtype === 'float64' ? 'float64' : 'float32';
  const one = scalar(1, work);
  const safe = op.where(op.greater(pi, scalar(0, work)), pi, one);
  return op.neg(rowSum(op.mul(pi, op.log(safe))));
}

/** A stream has no weights apart from its Scan: its rule lays the atoms out as one matrix and uses the dense one. */
function overStream(
  form: SolutionForm,
  inputs: readonly (Value | undefined)[],
  fBar: Value | undefined,
  pBar: Value | undefined,
  wanted: readonly boolean[],
  again: Again,
): readonly (Value | undefined)[] {
  const [x, w, b, epsilon] = inputs;
  if (w === undefined || b === undefined) return [];
  const byRow = op.transpose(w, { perm: [0, 2, 1] });
  const width = op.slice(op.shape(w), ints(1), ints(2));
  const whole = op.reshape(byRow, op.concat([ints(-1), width], { axis: 0 }));
  const denseForm: SolutionForm = { ...form, kind: 'dense' };
  const bars = full(denseForm, [x, whole, op.reshape(b, ints(-1)), epsilon], fBar, pBar, wanted, again);
  const [toX, toW, toB, toEps] = bars;
  return [
    toX,
    toW === undefined ? undefined : op.transpose(op.reshape(toW, op.shape(byRow)), { perm: [0, 2, 1] }),
    toB === undefined ? undefined : op.reshape(toB, op.shape(b)),
    toEps,
  ];
}
