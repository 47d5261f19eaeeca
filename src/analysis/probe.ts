import { bodyOpset } from '../../ops/domain.ts';
import { isFloat } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers, type Tensor, toNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { model as makeModel } from '../graph/model.ts';
import { opsetOf } from '../graph/passes/opset/raise.ts';
import type { Dim } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import type { Session, TensorDescription } from '../runtime/session.ts';

/** Opens a graph that was made here. */
export type Open = (model: Model) => Promise<Session>;

/** Queries per site. */
export const queries = 3;

/** Sizes tried for symbols that are not the batch: a length of a sequence, then a single element, then the side of a picture. */
export const lengths = [5, 1, 32];

/** What a graph computed, in float64. */
export interface Found {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** Values of a model, by name, as it computes them on sample inputs. */
export async function probe(given: Model, open: Open, wanted: ReadonlyMap<string, Value>): Promise<Map<string, Found>> {
  const { graph, opsets, irVersion, functions } = given;
  const session = await open(
    makeModel({
      inputs: graph.inputs,
      outputs: [...wanted].map(([name, value]) => ({ name, value })),
      opset: opsetOf(opsets) ?? bodyOpset,
      ir: irVersion,
      functions,
      opsets: Object.fromEntries([...opsets].filter(([domain]) => domain !== '' && domain !== 'ai.onnx')),
    }),
  );
  try {
    const outputs = await runOnSamples(session);
    return new Map(
      [...outputs].map(([name, { shape, ...tensor }]) => [name, { shape, values: toNumbers({ shape, ...tensor }) }]),
    );
  } finally {
    await session.close();
  }
}

/** Runs a session on sample inputs, of the first of a few sizes that it takes. */
export async function runOnSamples(
  session: Session,
  more: (size: number) => ReadonlyMap<string, Tensor> = () => new Map(),
): Promise<Map<string, Tensor>> {
  let first: unknown;
  for (const length of lengths) {
    try {
      return (await session.run(new Map([...sampleFeeds(session, length), ...more(length)]))).outputs;
    } catch (error) {
      if (!(error instanceof HopfcoleError) || !refused.has(error.code)) throw error;
      first ??= error;
    }
    if (!session.inputs.some(({ shape }) => (shape ?? []).some((dim, axis) => axis > 0 && typeof dim !== 'number')))
      break;
  }
  throw first;
}

/** What a run says of inputs whose sizes do not fit. */
export const refused = new Set(['RUN_FAILED', 'SHAPE_MISMATCH', 'MODEL_REFUSED']);

/** Inputs of fixed, smooth numbers: floats of moderate size, token ids that any table has, masks that keep everything. */
export function sampleFeeds(session: Session, length = lengths[0] ?? 1): Map<string, Tensor> {
  return new Map(session.inputs.map((input) => [input.name, sampleOf(input, length)]));
}

function sampleOf({ name, dtype, shape }: TensorDescription, length: number): Tensor {
  const sizes = (shape ?? []).map((dim, axis) => sizeOf(dim, axis, length));
  const count = sizes.reduce((a, b) => a * b, 1);
  const width = sizes.at(-1) ?? 1;
  const mask = /mask/i.test(name);
  const number = (i: number): number => {
    if (dtype === 'bool') return /train/i.test(name) ? 0 : 1;
    if (isFloat(dtype)) return mask ? 0 : Math.sin(0.7 + 1.9 * i + (i % 7));
    if (mask) return 1;
    if (/length/i.test(name)) return length;
    if (/position/i.test(name)) return i % width;
    return i % 2;
  };
  return fromNumbers(
    dtype,
    sizes,
    Float64Array.from({ length: count }, (_, i) => number(i)),
  );
}

/** Symbols of one name have one size; `past + time` is the sum. */
function sizeOf(dim: Dim, axis: number, length: number): number {
  if (typeof dim === 'number') return dim;
  if (axis === 0 || (dim !== undefined && /batch/i.test(dim))) return queries;
  const terms = dim?.split('+').map((term) => term.trim()) ?? [''];
  return terms.reduce((sum, term) => sum + (/^\d+$/.test(term) ? Number(term) : length), 0);
}

/** One row of a tensor's last axis, by the position on the axes before; axes of size 1, and those that are missing, are repeated. */
export function rowOf({ shape, values }: Found, lead: readonly number[]): Float64Array {
  const width = shape.at(-1) ?? 1;
  const own = shape.slice(0, -1);
  let offset = 0;
  own.forEach((size, axis) => {
    const index = lead[lead.length - own.length + axis] ?? 0;
    offset = offset * size + (size === 1 ? 0 : index);
  });
  return values.subarray(offset * width, (offset + 1) * width);
}

/** The positions on some axes, `most` of them, spread over all. */
export function places(axes: readonly number[], most: number): number[][] {
  const count = axes.reduce((a, b) => a * b, 1);
  const step = Math.max(1, Math.floor(count / most));
  const found: number[][] = [];
  // A step that shares no factor with the axes visits all of them.
  for (let k = 0; k < Math.min(most, count); k++) {
    let rest = (k * (step | 1)) % count;
    const place: number[] = [];
    for (const size of [...axes].reverse()) {
      place.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    found.push(place);
  }
  return found;
}
