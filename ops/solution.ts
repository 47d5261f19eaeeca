import { HopfcoleError } from '../src/files/error.ts';
import type { CostateRule } from '../src/graph/costate.ts';
import * as op from '../src/graph/op.ts';
import { type TensorType, tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { type Atoms, atomsOf, type Blocks, boundsPart, type FormOptions } from './atoms.ts';
import { blockState, unionOf } from './blocks.ts';
import { callForm, type Form, typePart } from './define.ts';
import { expectPositiveScalar } from './epsilon.ts';
import { type Arrangement, logits, swapHeads } from './logits.ts';
import { expectMask, type MaskKind, maskColumns, maskInput, maskKind, withMask } from './mask.ts';
import { as, commonType, type FloatType, type WorkType, widened, workType } from './precision.ts';
import { solutionCostate } from './solution-costate.ts';
import { divisor, dropLast, exponentials, positive, reciprocal, valueFrom } from './stable.ts';
import { scanned } from './streamed.ts';

/**
 * What LogSumExp, CoState and Solution share: f = eps log sum_j exp((W_j.x + b_j)/eps) and p = grad f = E_pi W, over one set of atoms,
 * a bank of them, blocks of them or a stream of them.
 */
export type SolutionName = 'LogSumExp' | 'CoState' | 'Solution';

export const solutionOutputs: Record<SolutionName, readonly ('F' | 'P')[]> = {
  LogSumExp: ['F'],
  CoState: ['P'],
  Solution: ['F', 'P'],
};

export interface SolutionOptions extends FormOptions {
  /** Of booleans (true keeps an atom) or of numbers added to the logits; broadcasts to [B, N] ([K, B, N] for a bank). */
  readonly mask?: Value | undefined;
}

/** What tells one overload from another. */
export interface SolutionForm {
  readonly name: SolutionName;
  readonly dtype: FloatType;
  readonly mask: MaskKind;
  readonly arrangement: Arrangement;
  readonly kind: Atoms['form'];
  /** Columns of the mask where blocks begin and end; all that is known of block sizes in the body. */
  readonly bounds: readonly number[];
  readonly blocks: number;
}

export function callSolution(
  name: SolutionName,
  x: Value,
  w: Blocks,
  b: Blocks,
  epsilon: Value,
  options: SolutionOptions,
): readonly Value[] {
  const { mask } = options;
  const atoms = atomsOf(x, w, b, name === 'LogSumExp' ? 'value' : 'costate', options);
  const kind = maskKind(mask);
  expectPositiveScalar('epsilon', epsilon);
  expectFittingMask(mask, atoms);
  const dtype = commonType({
    X: x,
    ...Object.fromEntries(atoms.w.map((value, index) => [`W${index || ''}`, value])),
    ...Object.fromEntries(atoms.b.map((value, index) => [`b${index || ''}`, value])),
    ...(kind === 'biased' ? { mask } : {}),
  });
  const form: SolutionForm = {
    name,
    dtype,
    mask: kind,
    arrangement: atoms.arrangement,
    kind: atoms.form,
    bounds: kind === '' ? [] : atoms.bounds,
    blocks: atoms.w.length,
  };
  const inputs = [x, ...atoms.w, ...atoms.b, epsilon, ...(mask === undefined ? [] : [mask])];
  return callForm(formOf(form), inputs, typesOf(form, atoms), atoms.metadata);
}

function expectFittingMask(mask: Value | undefined, { form, arrangement, bounds, dims }: Atoms): void {
  if (mask === undefined) return;
  if (form === 'streamed' || bounds.some(Number.isNaN))
    throw new HopfcoleError(
      'BAD_FORM',
      'a mask cannot be cut into blocks whose sizes are not known',
      { argument: 'mask' },
      'Put -inf into b for the atoms to leave out, or use the dense form',
    );
  const rows = dims.of('B');
  const count = form === 'blocked' ? bounds.at(-1) : dims.of('N');
  expectMask(mask, arrangement === 'bank' ? [dims.of('K'), rows, count] : [rows, count], form === 'blocked');
}

function typesOf({ name, dtype, arrangement }: SolutionForm, { dims }: Atoms): readonly TensorType[] {
  const heads = arrangement === 'bank' ? [dims.of('K')] : [];
  const shapes = { F: [dims.of('B'), ...heads], P: [dims.of('B'), ...heads, dims.of('d')] };
  return solutionOutputs[name].map((output) => tensorType(dtype, shapes[output]));
}

function formOf(form: SolutionForm): Form {
  const { name, dtype, mask, arrangement, kind, blocks } = form;
  const part = kind === 'blocked' ? `blocks${blocks}` : kind === 'dense' ? '' : kind;
  const cuts = mask !== '' && kind === 'blocked' ? boundsPart(form.bounds) : '';
  return {
    name,
    parts: [arrangement === 'bank' ? 'bank' : '', part, cuts, mask, typePart(dtype)],
    inputs: inputsOf(form),
    outputs: solutionOutputs[name],
    doc: docs[name],
    body: (inputs) => body(form, inputs),
    costate: ruleOf(form),
  };
}

const docs: Record<SolutionName, string> = {
  LogSumExp:
    'F = epsilon log sum_j exp((W_j.x + b_j) / epsilon): the solution of u_t + |grad u|^2 = epsilon Lap u, F + u = |x|^2/4t.',
  CoState: 'P = grad F = sum_j pi_j W_j, pi = softmax((W x + b) / epsilon).',
  Solution: 'F = epsilon log sum_j exp((W_j.x + b_j) / epsilon) and its gradient P.',
};

export function ruleOf(form: SolutionForm): CostateRule {
  return solutionCostate(form, (name, inputs) => {
    const [x, ...others] = inputs;
    const { w, b, epsilon, mask } = parted(form, others);
    if (x === undefined || epsilon === undefined) return [];
    const given = form.kind === 'blocked' ? { w, b } : { w: w[0], b: b[0] };
    if (given.w === undefined || given.b === undefined) return [];
    return callSolution(name, x, given.w, given.b, epsilon, { mask, form: form.kind });
  });
}

function inputsOf({ dtype, arrangement, kind, blocks, mask }: SolutionForm): Form['inputs'] {
  const rank = arrangement === 'bank' || kind === 'streamed' ? 3 : 2;
  const names = (letter: string): string[] =>
    kind === 'blocked' ? Array.from({ length: blocks }, (_, index) => `${letter}${index}`) : [letter];
  return [
    ['X', unknown(dtype, 2)],
    ...names('W').map((name) => [name, unknown(dtype, rank)] as const),
    ...names('b').map((name) => [name, unknown(dtype, rank - 1)] as const),
    ['epsilon', tensorType('float32')],
    ...maskInput(mask, dtype),
  ];
}

/** A type of known rank whose sizes are left open, for the inputs of a body. */
export function unknown(dtype: TensorType['dtype'], rank: number): TensorType {
  return tensorType(dtype, new Array<undefined>(rank).fill(undefined));
}

interface Parted {
  readonly w: readonly Value[];
  readonly b: readonly Value[];
  readonly epsilon: Value | undefined;
  readonly mask: Value | undefined;
}

/** The inputs behind X of a call, by what they are. */
export function parted({ blocks }: SolutionForm, inputs: readonly (Value | undefined)[]): Parted {
  const there = (value: Value | undefined): value is Value => value !== undefined;
  return {
    w: inputs.slice(0, blocks).filter(there),
    b: inputs.slice(blocks, 2 * blocks).filter(there),
    epsilon: inputs[2 * blocks],
    mask: inputs[2 * blocks + 1],
  };
}

function body(form: SolutionForm, [x, ...others]: readonly Value[]): readonly Value[] {
  const { w, b, epsilon, mask } = parted(form, others);
  if (x === undefined || epsilon === undefined) return [];
  const work = workType(form.dtype);
  const eps = positive(epsilon, work);
  const withCostate = form.name !== 'LogSumExp';
  const results = evaluate(form, widened(x), w, b, mask, eps, work, withCostate);
  const wanted = form.name === 'CoState' ? results.slice(1) : results;
  return wanted.map((value) => as(value, form.dtype));
}

function evaluate(
  form: SolutionForm,
  x: Value,
  w: readonly Value[],
  b: readonly Value[],
  mask: Value | undefined,
  eps: Value,
  work: WorkType,
  withCostate: boolean,
): readonly Value[] {
  const [first] = w;
  const [bias] = b;
  if (first === undefined || bias === undefined) return [];
  if (form.kind === 'streamed') return scanned(x, first, bias, eps, work, withCostate);
  if (form.kind === 'dense') return dense(form.arrangement, x, first, bias, mask, eps, work, withCostate);
  const inverse = reciprocal(eps, work);
  const states = w.map((block, index) => {
    const from = form.bounds[index] ?? 0;
    const columns = mask === undefined ? undefined : maskColumns(mask, from, form.bounds[index + 1] ?? from);
    return blockState(x, block, b[index] ?? bias, columns, inverse, work, withCostate);
  });
  return unionOf(states, eps, work, withCostate);
}

function dense(
  arrangement: Arrangement,
  x: Value,
  w: Value,
  b: Value,
  mask: Value | undefined,
  eps: Value,
  work: WorkType,
  withCostate: boolean,
): readonly Value[] {
  const wide = widened(w);
  const z = withMask(logits(x, wide, widened(b), arrangement), mask, work);
  const { max, exp, sum } = exponentials(z, reciprocal(eps, work), work);
  const f = dropLast(valueFrom(max, sum, eps));
  const results = withCostate ? [f, op.div(op.matMul(exp, wide), divisor(sum, work))] : [f];
  return arrangement === 'bank' ? results.map((value, index) => swapHeads(value, index === 0 ? 2 : 3)) : results;
}
