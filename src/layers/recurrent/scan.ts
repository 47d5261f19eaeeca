import { ints } from '../../../ops/precision.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Module } from '../module.ts';
import type { CellWeights } from './gates.ts';
import type { LayerState, LayerValues } from './operators.ts';
import type { Recurrence } from './options.ts';
import { detailsOf, fromInput, type State, step, zeroState } from './steps.ts';

/**
 * One layer, x [time, batch, in], as a Scan of the Hamilton-Jacobi step for each direction: what `operatorLayer` gives. `places` names the
 * Scan of each direction.
 */
export function scanLayer(
  places: readonly Module[],
  recurrence: Recurrence,
  x: Value,
  weights: readonly CellWeights[],
  state: LayerState,
): LayerValues {
  const within = state.lengths === undefined ? undefined : withinLengths(x, state.lengths);
  const made = weights.map((cell, direction) => {
    const first = (given: Value | undefined, features: number): Value =>
      given === undefined
        ? zeroState(x, features, recurrence.work)
        : op.gather(given, constant(fromNumbers('int64', [], [direction])), { axis: 0 });
    const h = first(state.h, recurrence.state);
    const c = recurrence.kind === 'lstm' ? first(state.c, recurrence.hidden) : undefined;
    return scanned(places[direction], recurrence, { x, cell, first: { h, c }, within, backward: direction === 1 });
  });
  const ys = made.map(({ y }) => y);
  const cells = made.flatMap(({ c }) => (c === undefined ? [] : [c]));
  return {
    y: ys.length === 1 ? (ys[0] ?? x) : op.concat(ys, { axis: 2 }),
    h: stacked(made.map(({ h }) => h)),
    c: cells.length === 0 ? undefined : stacked(cells),
  };
}

interface Direction {
  readonly x: Value;
  readonly cell: CellWeights;
  readonly first: State;
  /** [time, batch, 1] bool */
  readonly within: Value | undefined;
  readonly backward: boolean;
}

interface Scanned extends State {
  readonly y: Value;
}

function scanned(place: Module | undefined, recurrence: Recurrence, direction: Direction): Scanned {
  const { kind, nonlinearity } = recurrence;
  const { x, cell, first, within, backward } = direction;
  const states = first.c === undefined ? [first.h] : [first.h, first.c];
  const sequences = [fromInput(x, cell, kind), ...(within === undefined ? [] : [within])];
  const towards = backward ? 1 : 0;
  const results = op.scan(
    states,
    sequences,
    ([h = x, c], [given = x, inside]) => {
      const next = step(kind, given, { h, c }, cell, nonlinearity);
      // Beyond its length a sequence keeps its state: a backward pass so begins at its last step.
      const keep = (now: Value, before: Value): Value => (inside === undefined ? now : op.where(inside, now, before));
      const carried = [keep(next.h, h), ...(next.c === undefined || c === undefined ? [] : [keep(next.c, c)])];
      const nothing = constant(fromNumbers(recurrence.work, [], [0]));
      return { carried, scanned: [inside === undefined ? next.h : op.where(inside, next.h, nothing)] };
    },
    { scanInputDirections: sequences.map(() => towards), scanOutputDirections: [towards] },
  );
  const details = detailsOf(kind, nonlinearity);
  const marked = place?.mark(results, kind, details) ?? results;
  const [h = x, second = x, third = x] = marked;
  return first.c === undefined ? { h, c: undefined, y: second } : { h, c: second, y: third };
}

/** Whether step t is within each sequence, [time, batch, 1]; lengths [batch] int32. */
function withinLengths(x: Value, lengths: Value): Value {
  const zero = constant(fromNumbers('int64', [], [0]));
  const one = constant(fromNumbers('int64', [], [1]));
  const steps = op.range(zero, op.squeeze(op.shape(x, { start: 0, end: 1 }), ints(0)), one);
  return op.less(op.unsqueeze(steps, ints(1, 2)), op.unsqueeze(op.cast(lengths, { to: 'int64' }), ints(0, 2)));
}

function stacked(states: readonly Value[]): Value {
  return op.concat(
    states.map((state) => op.unsqueeze(state, ints(0))),
    { axis: 0 },
  );
}
