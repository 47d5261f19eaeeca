import { HopfcoleError } from '../src/files/error.ts';
import { toNumbers } from '../src/files/tensor.ts';
import { describeShape } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { expectScalar } from './shapes.ts';

/**
 * epsilon may be one number, or one per head: any shape whose last axis is 1.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, BAD_EPSILON (a constant that is not positive; at run time that gives NaN)
 */
export function expectEpsilon(epsilon: Value): void {
  expectFloat32('epsilon', epsilon);
  const last = epsilon.shape?.at(-1);
  if (typeof last === 'number' && last !== 1)
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `expected 'epsilon' to be one number or to end in an axis of 1, got ${describeShape(epsilon.shape)}`,
      { argument: 'epsilon' },
    );
  expectPositive('epsilon', epsilon);
}

/** epsilon or t, one positive number. */
export function expectPositiveScalar(argument: string, value: Value): void {
  expectFloat32(argument, value);
  expectScalar(argument, value);
  expectPositive(argument, value);
}

function expectFloat32(argument: string, value: Value): void {
  if (value.dtype === undefined || value.dtype === 'float32') return;
  throw new HopfcoleError(
    'DTYPE_MISMATCH',
    `expected float32 for '${argument}', whatever the data are, got ${value.dtype}`,
    { argument },
    'Half precision holds neither 1e-6 nor 1e6; cast it to float32',
  );
}

function expectPositive(argument: string, value: Value): void {
  const { source } = value;
  if (source.kind !== 'constant') return;
  const wrong = toNumbers(source.tensor).find((number) => !(number > 0 && number < Infinity));
  if (wrong !== undefined)
    throw new HopfcoleError(
      argument === 'epsilon' ? 'BAD_EPSILON' : 'BAD_TIME',
      `expected '${argument}' > 0, got ${wrong}`,
      { argument },
      argument === 'epsilon' ? 'For the limit epsilon -> 0 use HopfLax' : '',
    );
}
