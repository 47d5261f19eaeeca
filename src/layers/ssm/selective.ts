import { ints, scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { recurrence } from './recurrence.ts';
import { blocksOf, difference, dim, product, reshaped, shapeOf } from './shapes.ts';

export const selectiveForms = ['blocks', 'recurrence', 'associative'] as const;
export type SelectiveForm = (typeof selectiveForms)[number];

/** What a selective scan reads, time first: D channels with N states each. */
export interface Selection {
  /** [time, batch, D] */
  readonly x: Value;
  /** [time, batch, D], above 0. */
  readonly dt: Value;
  /** [D, N], below 0. */
  readonly A: Value;
  /** [time, batch, N] */
  readonly B: Value;
  /** [time, batch, N] */
  readonly C: Value;
  /** [batch, D, N]; default 0. */
  readonly initial: Value | undefined;
}

export interface Selected {
  /** [time, batch, D] */
  readonly y: Value;
  /** h after the last step, [batch, D, N]. */
  readonly state: Value;
}

/**
 * h_t = exp(dt_t A) h_(t-1) + dt_t B_t x_t, y_t = C_t h_t: Mamba's recurrence, in one of its forms. Inside, h is [.., N, D] and A [N, D]: the many
 * channels lie in a row, and C h is a product of a row and a matrix.
 */
export function selectiveScan(given: Selection, form: SelectiveForm): Selected {
  const A = op.transpose(given.A, { perm: [1, 0] });
  const initial = given.initial && op.transpose(given.initial, { perm: [0, 2, 1] });
  const { y, state } = { blocks: byBlocks, recurrence: bySteps, associative: byRounds }[form]({ ...given, A, initial });
  return { y, state: op.transpose(state, { perm: [0, 2, 1] }) };
}

/** exp(dt A) and dt B x, each [.., N, D]; `axis` is that of N. */
function factors({ x, dt, A, B }: Omit<Selection, 'C' | 'initial'>, axis: number): readonly [a: Value, b: Value] {
  const row = (value: Value) => op.unsqueeze(value, ints(axis));
  const a = op.exp(op.mul(row(dt), A));
  return [a, op.mul(row(op.mul(dt, x)), op.unsqueeze(B, ints(axis + 1)))];
}

/** y = C h over the states: h [.., N, D], C [.., N]. */
function observed(h: Value, C: Value, axis: number): Value {
  return op.squeeze(op.matMul(op.unsqueeze(C, ints(axis)), h), ints(axis));
}

/** Step after step, by a Scan. */
function bySteps({ x, dt, A, B, C, initial }: Selection): Selected {
  const first = initial ?? emptyState(x, A);
  const [state = x, y = x] = op.scan([first], [x, dt, B, C], ([h = x], [xt = x, step = x, Bt = x, Ct = x]) => {
    const [a, b] = factors({ x: xt, dt: step, A, B: Bt }, 1);
    const next = op.add(op.mul(a, h), b);
    return { carried: [next], scanned: [observed(next, Ct, 1)] };
  });
  return { y, state };
}

/** All states at once by an associative scan, log2 T rounds deep. */
function byRounds({ x, dt, A, B, C, initial }: Selection): Selected {
  const [a, b] = factors({ x, dt, A, B }, 2);
  const steps = { a: { re: a }, b: { re: b }, held: false, initial: initial && { re: initial } };
  const { states, last } = recurrence(steps, 'associative');
  return { y: observed(states.re, C, 2), state: last.re };
}

/** Steps of a block: 4 to 32 differ little on a CPU; wide layers leave its cache with more. */
const most = 8;

/**
 * Blocks of steps, a Scan from block to block: exponentials and products of a whole block are one operator each, small enough for the cache, and only
 * h = a h + b stands alone for each step. T is filled up with steps of dt = 0, which leave the state as it is.
 */
function byBlocks({ x, dt, A, B, C, initial }: Selection): Selected {
  const [time, batch] = [dim(x, 0), dim(x, 1)];
  const first = initial ?? emptyState(x, A);
  if (typeof time === 'number' && time <= most) return block({ x, dt, A, B, C, initial: first }, time);
  const count = blocksOf(time, most);
  const missing = difference(product(count, most), time);
  const blocks = [x, dt, B, C].map((steps) => {
    const filled = missing === 0 ? steps : op.pad(steps, shapeOf(0, 0, 0, missing, 0, 0));
    return reshaped(filled, count, most, batch, dim(steps, 2));
  });
  const [state = x, ys = x] = op.scan([first], blocks, ([h = x], [xs = x, steps = x, Bs = x, Cs = x]) => {
    const made = block({ x: xs, dt: steps, A, B: Bs, C: Cs, initial: h }, most);
    return { carried: [made.state], scanned: [made.y] };
  });
  const all = reshaped(ys, product(count, most), batch, dim(x, 2));
  return { y: missing === 0 ? all : op.slice(all, ints(0), shapeOf(time), ints(0)), state };
}

/** `size` steps, one after the other, without a loop. */
function block({ C, initial, ...given }: Selection & { readonly initial: Value }, size: number): Selected {
  const [a, b] = factors(given, 2);
  const [as, bs] = [a, b].map((all) => op.split(all, undefined, { axis: 0, numOutputs: size }));
  const states: Value[] = [];
  let h = op.unsqueeze(initial, ints(0));
  for (let step = 0; step < size; step++) {
    h = op.add(op.mul(as?.[step] ?? a, h), bs?.[step] ?? b);
    states.push(h);
  }
  const y = observed(op.concat(states, { axis: 0 }), C, 2);
  return { y, state: op.squeeze(h, ints(0)) };
}

/** Zeros [batch, N, D]. */
function emptyState(x: Value, A: Value): Value {
  const zero = scalar(0, x.dtype === 'float64' ? 'float64' : 'float32');
  return op.expand(zero, shapeOf(dim(x, 1), dim(A, 0), dim(A, 1)));
}
