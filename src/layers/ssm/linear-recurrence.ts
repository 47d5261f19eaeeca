import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import { describeShape } from '../../graph/type.ts';
import { layer, type Module } from '../module.ts';
import { withSteps } from '../recurrent/time.ts';
import { type Complex, each } from './complex.ts';
import { recurrence } from './recurrence.ts';

export interface LinearRecurrenceOptions {
  /** a [batch, time, ..], or without the axes of batch and time where it is the same at every step. */
  readonly a: Complex;
  /** h_0 [batch, ..]; default 0. */
  readonly initial?: Complex | undefined;
  /** A Scan of the step, or an associative scan of log2 T rounds: the same numbers. Default 'recurrence'. */
  readonly form?: 'recurrence' | 'associative' | undefined;
}

export interface LinearRecurrenceValues {
  /** h at every step, [batch, time, ..]. */
  readonly states: Complex;
  /** h at the last step, [batch, ..]. */
  readonly last: Complex;
}

/**
 * Diagonal linear recurrence h_t = a_t * h_(t-1) + b_t, real or complex (pairs of real tensors), b [batch, time, ..]. For a = exp(dt A) it follows
 * dh/dt = Ah exactly; what b stands for is the caller's, so that the layer says no more than structural. No parameters of its own: LRU, S5 and the like
 * are made of it.
 */
export function linearRecurrence(module: Module, b: Complex, options: LinearRecurrenceOptions): LinearRecurrenceValues {
  return layer(linearRecurrence, module, 'linear-recurrence', () => {
    const { a, initial, form = 'recurrence' } = options;
    module.atLeast(b.re, 2, '[batch, time, ..]');
    if (a.im !== undefined && b.im === undefined)
      throw new HopfcoleError('BAD_ARGUMENT', 'expected b with an imaginary part, as a has one', { argument: 'b' });
    const rank = b.re.shape?.length ?? 2;
    const held = a.re.shape !== undefined && a.re.shape.length < rank;
    if (held && a.re.shape.length > rank - 2)
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `${module.describe()} expects a of the rank of b, or without batch and time, got ${describeShape(a.re.shape)} for b ${describeShape(b.re.shape)}`,
        { argument: 'a' },
      );
    const perm = [1, 0, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 2)];
    const turned = (x: Complex) => each(x, (part) => op.transpose(part, { perm }));
    const steps = turned(b);
    const input = { re: withSteps(module, steps.re, b.re), im: steps.im };
    const details = {
      status: 'structural',
      discretisation: 'exact for dh/dt = Ah where a = exp(dt A); the input term as it is given',
      step: 1,
      equation: 'h_t = a_t h_(t-1) + b_t',
      latex: 'h_t = a_t h_{t-1} + b_t',
    } as const;
    const { states, last } = recurrence({ a: held ? a : turned(a), b: input, held, initial }, form, (made) =>
      module.mark(made, 'ssm', details),
    );
    return { states: turned(states), last };
  });
}
