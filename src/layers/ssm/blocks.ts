import { as, ints } from '../../../ops/precision.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Complex, each, plus, times } from './complex.ts';
import { type Discrete, powers } from './discretise.ts';
import { recurrence, zeroState } from './recurrence.ts';
import { blocksOf, counted, difference, dim, product, reshaped, shapeOf, vector } from './shapes.ts';
import { apart, byChannel, realPartOf, type SsmFormula, together } from './steps.ts';

/** Steps of a block: 32 to 128 differ little on a CPU. */
const most = 64;

/**
 * The recurrence in blocks of 64 steps, each a matrix product: within a block y is a lower triangular Toeplitz matrix of the kernel times x, the state
 * passes from block to block by abar^64, and enters the next by C abar^(i+1). The tables are of parameters alone, so that ONNX Runtime makes
 * them at load. T is filled up with zeros at the front, which a state of 0 does not see.
 */
export const byBlocks: SsmFormula = (discrete, x, initial) => {
  const { channels: H, modes: M, abar, bbar, c } = discrete;
  const [time, batch] = [dim(x, 0), dim(x, 1)];
  const size = typeof time === 'number' ? Math.min(most, time) : most;
  const count = blocksOf(time, size);
  const missing = difference(product(count, size), time);
  const front = shapeOf(0, 0, missing, 0, 0, 0);
  // [H, batch, blocks * size], time on the last axis
  const filled = op.pad(op.transpose(x, { perm: [2, 1, 0] }), front);
  const rows = reshaped(filled, H, product(batch, count), size);

  const table = powers(discrete, ints(...Array.from({ length: size }, (_, step) => step)));
  const into = times(
    reversed(table),
    each(bbar, (part) => op.unsqueeze(part, ints(1))),
  );
  const out = times(
    table,
    each(times(c, abar), (part) => op.unsqueeze(part, ints(1))),
  );
  const kernel = op.matMul(together(table, 2), op.unsqueeze(realPartOf(times(c, bbar), 1), ints(2)));

  // What each block adds to the state at its end, [blocks, H, batch, M].
  const ends = op.transpose(reshaped(op.matMul(rows, together(into, 2)), H, batch, count, 2 * M), {
    perm: [2, 0, 1, 3],
  });
  const before = initial && firstBlock(discrete, initial, missing, size);
  const added = before === undefined ? apart(ends, 3) : withFirst(apart(ends, 3), before.end);
  const step = powers(discrete, ints(size));
  const { states, last } = recurrence({ a: step, b: added, held: true, initial: undefined }, 'recurrence');
  const entering = apart(
    reshaped(op.transpose(together(entered(states), 3), { perm: [1, 2, 0, 3] }), H, product(batch, count), 2 * M),
    2,
  );
  const within = op.matMul(rows, triangle(kernel, size));
  const passed = op.matMul(together(entering, 2), op.transpose(realPartOf(out, 2), { perm: [0, 2, 1] }));
  const blocks = reshaped(op.add(within, passed), H, batch, product(count, size));
  const begun =
    before === undefined ? blocks : op.add(blocks, behind(before.y, difference(product(count, size), size)));
  const y = op.slice(begun, vector(missing), ints(Number.MAX_SAFE_INTEGER), ints(2));
  return { y: op.transpose(y, { perm: [2, 1, 0] }), state: byChannel(last) };
};

/** The states that enter the blocks: 0, then those at the ends of the blocks before. */
function entered(states: Complex): Complex {
  return each(states, (part) => {
    const nothing = op.unsqueeze(zeroState({ re: part }).re, ints(0));
    return op.concat([nothing, op.slice(part, ints(0), ints(-1), ints(0))], { axis: 0 });
  });
}

/** What a given state adds to the first block, of which `missing` steps are not: y [H, batch, size] and the state at its end, [H, batch, M]. */
function firstBlock(
  discrete: Discrete,
  initial: Complex,
  missing: number | Value,
  size: number,
): { readonly y: Value; readonly end: Complex } {
  const given = byChannel(initial);
  const after = op.add(op.sub(counted(size), vector(missing)), ints(1));
  const there = as(op.cast(op.greater(after, ints(0)), { to: 'int64' }), discrete.work);
  const decay = powers(discrete, op.max([after, ints(0)]));
  const observed = times(
    each(discrete.c, (part) => op.unsqueeze(part, ints(1))),
    decay,
  );
  const y = op.matMul(together(given, 2), op.transpose(realPartOf(observed, 2), { perm: [0, 2, 1] }));
  const whole = powers(discrete, op.sub(ints(size), vector(missing)));
  return { y: op.mul(y, there), end: times(given, whole) };
}

function withFirst(ends: Complex, first: Complex): Complex {
  const row = (part: Value) => op.slice(part, ints(0), ints(1), ints(0));
  const rest = each(ends, (part) => op.slice(part, ints(1), ints(Number.MAX_SAFE_INTEGER), ints(0)));
  const begun = plus(
    each(ends, row),
    each(first, (part) => op.unsqueeze(part, ints(0))),
  );
  const joined = (one: Value, other: Value | undefined) => op.concat([one, other ?? one], { axis: 0 });
  return { re: joined(begun.re, rest.re), im: begun.im && joined(begun.im, rest.im) };
}

/** y [H, batch, size] with zeros for `more` further steps behind it. */
function behind(y: Value, more: number | Value): Value {
  return op.pad(y, shapeOf(0, 0, 0, 0, 0, more));
}

/** The kernel [H, size, 1] as the matrices [H, from, to] of K_(to - from), 0 above the diagonal. */
function triangle(kernel: Value, size: number): Value {
  const places = Array.from({ length: size * size }, (_, entry) => {
    const lag = (entry % size) - Math.floor(entry / size);
    return lag < 0 ? size : lag;
  });
  const flat = op.pad(op.squeeze(kernel, ints(2)), ints(0, 0, 0, 1));
  return op.gather(flat, constant(fromNumbers('int64', [size, size], places)), { axis: 1 });
}

function reversed(table: Complex): Complex {
  return each(table, (part) => op.slice(part, ints(-1), ints(-Number.MAX_SAFE_INTEGER), ints(1), ints(-1)));
}
