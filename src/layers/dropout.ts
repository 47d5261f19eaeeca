import { scalar } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { layer, type Module } from './module.ts';

export interface DropoutOptions {
  /** The part of the entries that is set to zero in training. Default 0.5. */
  readonly p?: number | undefined;
  /** A bool scalar, usually an input of the graph, that switches it on. Default: none, and dropout is the identity. */
  readonly training?: Value | undefined;
  /** Of the random numbers; default: the runtime's own. */
  readonly seed?: number | undefined;
}

/** nn.Dropout: x as it is; where `training` is true, entries are zero with probability p and the others are scaled by 1/(1 - p). */
export function dropout(module: Module, x: Value, options: DropoutOptions = {}): Value {
  return layer(dropout, module, 'dropout', () => {
    const { p = 0.5, training, seed } = options;
    if (!(p >= 0 && p < 1))
      throw new HopfcoleError('BAD_ARGUMENT', `expected p of at least 0 and below 1, got ${p}`, { argument: 'p' });
    if (training === undefined || p === 0) return x;
    // ONNX Runtime's optimiser takes every Dropout for one of inference, so it is written out; the way back reads the same scales.
    const drawn = op.randomUniformLike(x, { dtype: 'float32', ...(seed === undefined ? {} : { seed }) });
    const kept = op.cast(op.greaterOrEqual(drawn, scalar(p, 'float32')), { to: module.dtype });
    const scales = op.mul(kept, scalar(1 / (1 - p), module.dtype));
    return op.mul(x, op.where(training, scales, scalar(1, module.dtype)));
  });
}
