import * as op from '../../../graph/op.ts';
import type { Dim } from '../../../graph/type.ts';
import type { Value } from '../../../graph/value.ts';
import type { RuleCall } from '../../call.ts';
import { cast, evenParts, full, int, ints, isHalf, numbers, scalarLike, sizeOf } from '../../pieces.ts';

/** Where a recurrent operator has its inputs; LSTM alone has the last two. */
export const at = { x: 0, w: 1, r: 2, b: 3, lengths: 4, h0: 5, c0: 6, p: 7 } as const;

/**
 * One direction of a recurrent call. Steps stay in the order of time, as X and Y have them: a direction that runs backward reads the step
 * behind where the other reads the one before. Computed in float32 where the call is in half precision.
 */
export interface Track {
  readonly reverse: boolean;
  /** [T, B, I], and the same as [T B, I]. */
  readonly x: Value;
  readonly xRows: Value;
  /** [G H, I] and [G H, H]. */
  readonly w: Value;
  readonly r: Value;
  /** Of the inputs and of the recurrence, [1, G H] each. */
  readonly bias: readonly [Value, Value] | undefined;
  /** [1, B, H]; undefined: zeros. */
  readonly h0: Value | undefined;
  readonly c0: Value | undefined;
  /** [1, 3 H] */
  readonly p: Value | undefined;
  /** [T, B, H] */
  readonly y: Value;
  readonly yBar: Value | undefined;
  /** [B, H] */
  readonly yhBar: Value | undefined;
  readonly ycBar: Value | undefined;
  readonly lengths: Lengths | undefined;
  readonly hidden: number;
}

export interface Lengths {
  /** Whether step t is one of the sequence's, [T, B, 1]. */
  readonly within: Value;
  /** Whether it is the sequence's last. */
  readonly last: Value;
}

/** The directions of a call. */
export function tracksOf(call: RuleCall): readonly Track[] {
  const direction = call.text('direction', 'forward');
  const count = direction === 'bidirectional' ? 2 : 1;
  const wide = (value: Value | undefined): Value | undefined =>
    value === undefined || !isHalf(value) ? value : op.cast(value, { to: 'float32' });
  const each = (value: Value | undefined, axis: number): readonly (Value | undefined)[] => {
    const given = wide(value);
    if (given === undefined || count === 1) return [given, undefined];
    return evenParts(given, axis, 2);
  };
  const without = (values: readonly (Value | undefined)[], axis: number): readonly (Value | undefined)[] =>
    values.map((value) => (value === undefined ? undefined : op.squeeze(value, ints(axis))));
  const lengths = lengthsOf(call);
  const given = wide(call.x(at.x)) as Value;
  const x = lengths === undefined ? given : op.where(lengths.within, given, scalarLike(given, 0));
  const hidden = hiddenOf(call);
  const xRows = rowsOf(x, x.shape?.[2] ?? call.x(at.w).shape?.[2]);
  const masked = (bar: Value | undefined): Value | undefined =>
    bar === undefined || lengths === undefined
      ? bar
      : op.where(op.unsqueeze(lengths.within, ints(1)), bar, scalarLike(bar, 0));
  // A sequence of no steps gives zeros, whatever state it is given.
  const lasting = (bar: Value | undefined): Value | undefined => {
    const lens = call.maybe(at.lengths);
    if (bar === undefined || lens === undefined) return bar;
    return op.where(op.unsqueeze(op.greater(lens, scalarLike(lens, 0)), ints(0, 2)), bar, scalarLike(bar, 0));
  };
  const [w, r] = [without(each(call.x(at.w), 0), 0), without(each(call.x(at.r), 0), 0)];
  const [b, p] = [each(call.maybe(at.b), 0), each(call.maybe(at.p), 0)];
  const [h0, c0] = [each(call.maybe(at.h0), 0), each(call.maybe(at.c0), 0)];
  const [y, yBar] = [without(each(call.y(0), 1), 1), without(each(masked(call.bars[0]), 1), 1)];
  const [yhBar, ycBar] = [1, 2].map((output) => without(each(lasting(call.bars[output]), 0), 0)) as [
    readonly (Value | undefined)[],
    readonly (Value | undefined)[],
  ];
  return Array.from({ length: count }, (_, d): Track => {
    const both = b[d];
    const halves = both === undefined ? undefined : evenParts(both, 1, 2);
    return {
      reverse: direction === 'reverse' || d === 1,
      x,
      xRows,
      w: w[d] as Value,
      r: r[d] as Value,
      bias: halves as readonly [Value, Value] | undefined,
      h0: h0[d],
      c0: c0[d],
      p: p[d],
      y: y[d] as Value,
      yBar: yBar[d],
      yhBar: yhBar[d],
      ycBar: ycBar[d],
      lengths,
      hidden,
    };
  });
}

function hiddenOf(call: RuleCall): number {
  const held = call.x(at.r).shape?.[2];
  const hidden = call.int('hidden_size', typeof held === 'number' ? held : 0);
  if (hidden > 0) return hidden;
  throw call.unsupported('its hidden size is not known', 'Give the attribute hidden_size');
}

function lengthsOf(call: RuleCall): Lengths | undefined {
  const lens = call.maybe(at.lengths);
  if (lens === undefined) return undefined;
  const x = call.x(at.x);
  const time = x.shape?.[0];
  const limit =
    typeof time === 'number' ? scalarLike(lens, time) : cast(op.squeeze(sizeOf(x, 0)), lens.dtype ?? 'int32');
  const steps = op.unsqueeze(op.range(scalarLike(lens, 0), limit, scalarLike(lens, 1)), ints(1));
  const left = op.unsqueeze(op.sub(lens, steps), ints(2));
  return { within: op.greater(left, scalarLike(lens, 0)), last: op.equal(left, scalarLike(lens, 1)) };
}

/** [T, B, n] as [T B, n]. */
export function rowsOf(x: Value, width: Dim): Value {
  return op.reshape(x, typeof width === 'number' ? ints(-1, width) : op.concat([ints(-1), sizeOf(x, 2)], { axis: 0 }));
}

/** [T B, n] as [T, B, n]. */
export function stepsOf(rows: Value, track: Track, width: number): Value {
  const [time, batch] = track.x.shape ?? [];
  if (typeof time === 'number') return op.reshape(rows, ints(time, typeof batch === 'number' ? batch : -1, width));
  if (typeof batch === 'number') return op.reshape(rows, ints(-1, batch, width));
  return op.reshape(rows, op.concat([op.shape(track.x, { start: 0, end: 2 }), ints(width)], { axis: 0 }));
}

/** What each step finds: the values [T, B, n] of the step that its direction does before it; at the first one `initial` [1, B, n], or zeros. */
export function previous(track: Track, values: Value, initial?: Value): Value {
  const shift = track.reverse ? ints(-1, 0, 0, 1, 0, 0) : ints(1, 0, 0, -1, 0, 0);
  if (initial === undefined) return op.pad(values, shift);
  const { reverse, lengths } = track;
  if (reverse && lengths !== undefined) return op.where(lengths.last, initial, op.pad(values, shift));
  const rest = reverse
    ? op.slice(values, ints(1), ints(Number.MAX_SAFE_INTEGER), ints(0))
    : op.slice(values, ints(0), ints(-1), ints(0));
  return op.concat(reverse ? [rest, initial] : [initial, rest], { axis: 0 });
}

/** Zeros as [B, H]. */
export function zeroState(track: Track): Value {
  const [, batch] = track.x.shape ?? [];
  const shape =
    typeof batch === 'number'
      ? ints(batch, track.hidden)
      : op.concat([op.shape(track.x, { start: 1, end: 2 }), ints(track.hidden)], { axis: 0 });
  return full(shape, 0, track.x.dtype ?? 'float32');
}

/** The co-state of the hidden state behind the last step: from Y's last step and Y_h. */
export function lastBar(track: Track): Value {
  const { yBar, yhBar, reverse } = track;
  const ofY = yBar === undefined ? undefined : op.gather(yBar, int(reverse ? 0 : -1), { axis: 0 });
  if (ofY === undefined) return yhBar ?? zeroState(track);
  return yhBar === undefined ? ofY : op.add(ofY, yhBar);
}

/** Of each step's slices of the sequences that are given, by name. */
type Slices<K extends string> = { readonly [Name in K]?: Value | undefined };

interface Sweep<K extends string> {
  readonly track: Track;
  /** Against the direction in which the track's own states follow each other. */
  readonly against: boolean;
  readonly state: readonly Value[];
  readonly sequences: Slices<K>;
  /** How many values each step gives beside the state. */
  readonly gives: number;
}

/** A Scan over the steps: the final state, then what the steps give, [T, ...] in the order of time. */
export function scanSteps<K extends string>(
  { track, against, state, sequences, gives }: Sweep<K>,
  step: (
    state: readonly Value[],
    slices: Slices<K>,
  ) => { readonly carried: readonly Value[]; readonly scanned: readonly Value[] },
): readonly Value[] {
  const given = (Object.entries(sequences) as [K, Value | undefined][]).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value }],
  );
  const backward = (list: number): number[] => new Array<number>(list).fill(1);
  return op.scan(
    state,
    given.map(({ value }) => value),
    (now, slices) => step(now, Object.fromEntries(given.map(({ name }, index) => [name, slices[index]])) as Slices<K>),
    track.reverse === against
      ? {}
      : {
          scanInputDirections: backward(given.length),
          ...(gives > 0 ? { scanOutputDirections: backward(gives) } : {}),
        },
  );
}

/** Numbers of each step, with zeros behind the ends. By a product, as Where is slow and these are finite: X has zeros there. */
export function masked(track: Track, steps: Value): Value {
  return track.lengths === undefined ? steps : op.mul(steps, numbers(track.lengths.within, steps));
}

/** Masks as numbers for steps that keep the state they find; undefined without lengths. [T, B, 1] */
export function keeping(track: Track): Value | undefined {
  return track.lengths === undefined ? undefined : numbers(op.not(track.lengths.within), track.x);
}
