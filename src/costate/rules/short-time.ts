import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import type { RuleCall } from '../call.ts';
import { int, ints, shapeOf, sizeOf, sumOver, zerosLike } from '../pieces.ts';
import { lastOf, transposedTransform } from './fourier.ts';

/** The co-states of signal [batch, length(, 1 or 2)] and window [n] of STFT; g is [batch, frames, frequencies, 2]. */
export function shortTimeBack(call: RuleCall): readonly (Value | undefined)[] {
  const [signal, window] = [call.x(0), call.maybe(2)];
  const real = signal.shape?.length === 2 || signal.shape?.at(-1) === 1;
  const n = window === undefined ? flat(call.x(3)) : sizeOf(window, 0);
  const length = call.int('onesided', 1) === 0 ? undefined : op.squeeze(n);
  const full = transposedTransform(call.g(), int(2), length, real);
  // [batch, frames, n, 1 or 2]
  const complex = signal.shape?.length === 3 && signal.shape[2] === 2;
  const parts = signal.shape?.length === 2 ? ints(1) : lastOf(signal);
  const frames = complex ? full : op.slice(full, ints(0), parts, ints(3));
  const reads = positions(call, n);
  return [
    call.to(0, () => {
      const weighted = window === undefined ? frames : op.mul(frames, op.unsqueeze(window, ints(1)));
      return summedOverlaps(signal, weighted, reads);
    }),
    undefined,
    call.to(2, () => {
      const shape = signal.shape?.length === 2 ? op.unsqueeze(signal, ints(2)) : signal;
      return sumOver(op.mul(frames, op.gather(shape, reads, { axis: 1 })), ints(0, 1, 3), false);
    }),
  ];
}

/** [frames, n]: where in the signal each element of each frame lies. */
function positions(call: RuleCall, n: Value): Value {
  const [frames, size, step] = [call.y().shape?.[1], constantIntegers(n)?.[0], constantIntegers(call.x(1))?.[0]];
  if (typeof frames === 'number' && size !== undefined && step !== undefined)
    return op.reshape(
      ints(...Array.from({ length: frames * size }, (_, at) => Math.floor(at / size) * step + (at % size))),
      ints(frames, size),
      { allowzero: 1 },
    );
  const starts = op.mul(counted(sizeOf(call.y(), 1)), op.squeeze(call.x(1)));
  return op.add(op.unsqueeze(starts, ints(1)), counted(n));
}

function counted(count: Value): Value {
  return op.range(int(0), op.squeeze(count), int(1));
}

/** Frames [batch, frames, n, parts] added up at their places in the signal. */
function summedOverlaps(signal: Value, frames: Value, reads: Value): Value {
  const zeros = zerosLike(signal);
  const [batch, count] = [sizeOf(frames, 0), op.reshape(op.size(reads), ints(1))];
  const last = signal.shape?.length === 2 ? [] : [lastOf(signal)];
  const updates = op.reshape(frames, op.concat([batch, count, ...last], { axis: 0 }), { allowzero: 1 });
  const places = op.reshape(reads, ints(1, -1, ...last.map(() => 1)));
  const indices = op.expand(places, shapeOf(updates));
  return op.scatterElements(zeros, indices, updates, { axis: 1, reduction: 'add' });
}

function flat(x: Value): Value {
  return op.reshape(x, ints(1));
}
