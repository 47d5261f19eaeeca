import { ints, scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { associativeScan, type Power } from './associative.ts';
import { type Complex, each, eachOf, partsOf, plus, times } from './complex.ts';

/** h_t = a_t * h_(t-1) + b_t, time on axis 0. */
export interface Steps {
  /** [time, ..], or [..] where `held`: the same at every step. */
  readonly a: Complex;
  /** [time, ..]; complex where a is. */
  readonly b: Complex;
  readonly held: boolean;
  /** h_0 [..]; default 0. */
  readonly initial: Complex | undefined;
  /** Where `held`: a^k, for the associative scan. */
  readonly power?: Power | undefined;
}

export interface States {
  /** [time, ..] */
  readonly states: Complex;
  /** [..] */
  readonly last: Complex;
}

/** The recurrence as a Scan of the step, or as an associative scan. `mark` gets the values of the node that is the equation. */
export function recurrence(
  steps: Steps,
  form: 'recurrence' | 'associative',
  mark: (values: readonly Value[]) => readonly Value[] = (values) => values,
): States {
  const { a, b, held } = steps;
  if (form === 'associative') {
    const { re, im } = associativeScan(a, started(steps), held, steps.power);
    const states = { re: mark([re])[0] ?? re, im };
    return { states, last: at(states, -1) };
  }
  const first = steps.initial ?? zeroState(b);
  const count = partsOf(b).length;
  const made = op.scan(partsOf(first), [...partsOf(b), ...(held ? [] : partsOf(a))], (state, slices) => {
    const factor = held ? a : complexOf(slices.slice(count), a);
    const next = plus(times(factor, complexOf(state, b)), complexOf(slices, b));
    return { carried: partsOf(next), scanned: partsOf(next) };
  });
  const marked = mark(made);
  return { states: complexOf(marked.slice(count), b), last: complexOf(marked, b) };
}

/** b with a_0 h_0 added to the first step, so that the recurrence may begin at 0. */
function started({ a, b, held, initial }: Steps): Complex {
  if (initial === undefined) return b;
  const row = (x: Complex) => each(x, (part) => op.slice(part, ints(0), ints(1), ints(0)));
  const first = plus(
    row(b),
    times(
      held ? a : row(a),
      each(initial, (part) => op.unsqueeze(part, ints(0))),
    ),
  );
  const rest = each(b, (part) => op.slice(part, ints(1), ints(Number.MAX_SAFE_INTEGER), ints(0)));
  return eachOf([first, rest], (parts) => op.concat(parts, { axis: 0 }));
}

/** Zeros of the shape of one step. */
export function zeroState(b: Complex): Complex {
  return each(b, (part) =>
    op.expand(scalar(0, part.dtype === 'float64' ? 'float64' : 'float32'), op.shape(part, { start: 1 })),
  );
}

/** One step of a sequence, time on axis 0. */
function at(x: Complex, step: number): Complex {
  return each(x, (part) => op.gather(part, op.squeeze(ints(step), ints(0)), { axis: 0 }));
}

/** The parts a loop gave, complex where `like` is. */
function complexOf(parts: readonly Value[], like: Complex): Complex {
  const [re = like.re, im] = parts;
  return like.im === undefined ? { re } : { re, im };
}
