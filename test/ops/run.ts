import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DType } from '../../src/files/dtype.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import type { Dim } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { python } from '../support/python.ts';

export type Engine = 'ort' | 'reference';

/** A model over named inputs, and the numbers to feed it. */
export interface Case {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: (inputs: Readonly<Record<string, Value>>) => Readonly<Record<string, Value>>;
  readonly engine?: Engine;
  /** Functions replaced by their bodies first, by onnx's own inliner. */
  readonly inline?: boolean;
  /** Declared shapes other than those of the data. */
  readonly shapes?: Readonly<Record<string, readonly Dim[]>>;
}

export type Results = Readonly<Record<string, Float64Array>>;

export function bytesOf({ inputs, outputs, shapes }: Omit<Case, 'engine' | 'inline'>): Uint8Array {
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape }]) => [name, input(name, dtype, shapes?.[name] ?? shape)]),
  );
  return encodeModel(toProto(model({ inputs: Object.values(values), outputs: outputs(values) })));
}

/** Runs all cases in one Python process; a failing one throws with its index. */
export function runAll(cases: readonly Case[]): readonly Results[] {
  return tryAll(cases).map((result, index) => {
    if ('error' in result) throw new Error(`case ${index}: ${result.error}`);
    return result;
  });
}

function tryAll(cases: readonly Case[]): readonly (Results | { readonly error: string })[] {
  const sent = cases.map((one) => ({
    model: Buffer.from(bytesOf(one)).toString('base64'),
    engine: one.engine ?? 'ort',
    inline: one.inline ?? false,
    inputs: Object.fromEntries(
      Object.entries(one.inputs).map(([name, { dtype, shape, bytes }]) => [
        name,
        { dtype, shape, data: Buffer.from(bytes).toString('base64') },
      ]),
    ),
  }));
  const program = readFileSync(join(import.meta.dirname, 'run.py'), 'utf8');
  const answers: unknown = JSON.parse(python(program, [], JSON.stringify(sent)));
  return (answers as Answer[]).map((answer) => ('error' in answer ? answer : decodeAll(answer.outputs)));
}

type Encoded = Readonly<Record<string, { dtype: DType; shape: number[]; data: string }>>;
type Answer = { readonly outputs: Encoded } | { readonly error: string };

function decodeAll(outputs: Encoded): Results {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { dtype, shape, data }]) => [
      name,
      toNumbers({ dtype, shape, bytes: new Uint8Array(Buffer.from(data, 'base64')) }),
    ]),
  );
}

/** Repeatable numbers, roughly normal. */
function randoms(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

export function normal(dtype: DType, shape: readonly number[], seed: number, scale = 1): Tensor {
  const next = randoms(seed * 7919 + 17);
  const count = shape.reduce((product, dim) => product * dim, 1);
  return fromNumbers(
    dtype,
    shape,
    Array.from({ length: count }, () => scale * next()),
  );
}

export function number32(value: number): Tensor {
  return fromNumbers('float32', [], [value]);
}

/** The rows of a matrix as numbers. */
export function rowsOf(tensor: Tensor): Float64Array[] {
  const width = tensor.shape.at(-1) ?? 1;
  const flat = toNumbers(tensor);
  return Array.from({ length: width === 0 ? 0 : flat.length / width }, (_, row) =>
    flat.slice(row * width, (row + 1) * width),
  );
}

/** The largest difference, relative to `scale` where given; NaN and infinities must agree exactly. */
export function worst(got: ArrayLike<number>, expected: ArrayLike<number>, scale = 1): number {
  if (got.length !== expected.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < got.length; i++) {
    const a = got[i] ?? Number.NaN;
    const b = expected[i] ?? Number.NaN;
    if (Object.is(a, b) || a === b) continue;
    const difference = Math.abs(a - b) / scale;
    if (Number.isNaN(difference)) return Infinity;
    largest = Math.max(largest, difference);
  }
  return largest;
}
