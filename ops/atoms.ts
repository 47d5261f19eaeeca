import { byteLengthOf, type DType } from '../src/files/dtype.ts';
import { HopfcoleError } from '../src/files/error.ts';
import { type AnyTensor, isStored } from '../src/files/tensor.ts';
import { isValue } from '../src/graph/apply.ts';
import { parameter } from '../src/graph/make.ts';
import * as op from '../src/graph/op.ts';
import type { Dim } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { type AtomForm, chooseForm, type Sizes } from './choose-form.ts';
import type { Arrangement } from './logits.ts';
import { ints } from './precision.ts';
import { Dimensions, expectAtoms } from './shapes.ts';

/** How the atoms of a call are given, and how its body goes through them. */
export interface FormOptions {
  /** Left out, the sizes decide (`chooseForm`). `streamed` wants W as [blocks, d, n] and b as [blocks, n]. */
  readonly form?: AtomForm | undefined;
  /** Atoms per block in the blocked form. */
  readonly blockSize?: number | undefined;
}

/** One value, or one per block of atoms in order. */
export type Blocks = Value | readonly Value[];

/** The atoms of one call, in the form that was chosen. */
export interface Atoms {
  readonly form: AtomForm;
  readonly arrangement: Arrangement;
  /** One per block; a single one where the form is dense or streamed. */
  readonly w: readonly Value[];
  readonly b: readonly Value[];
  /** Columns of a mask at which blocks begin, and where the last one ends. */
  readonly bounds: readonly number[];
  readonly dims: Dimensions;
  /** Metadata of the call: the form, and which rows of which parameter the blocks are. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** Looks at shapes, chooses the form and cuts parameters into blocks that are views of their bytes. */
export function atomsOf(x: Value, w: Blocks, b: Blocks, purpose: Sizes['purpose'], options: FormOptions): Atoms {
  const dims = new Dimensions();
  dims.fit('X', x, 'B', 'd');
  if (!isValue(w) || !isValue(b)) return givenBlocks(w, b, dims, options);
  if (options.form === 'streamed') {
    dims.fit('W', w, 'blocks', 'd', 'n');
    dims.fit('b', b, 'blocks', 'n');
    expectAtoms('W', dims.of('n'));
    return {
      form: 'streamed',
      arrangement: 'single',
      w: [w],
      b: [b],
      bounds: [],
      dims,
      metadata: formMetadata('streamed'),
    };
  }
  const arrangement = w.shape?.length === 3 ? 'bank' : 'single';
  const heads = arrangement === 'bank' ? ['K'] : [];
  dims.fit('W', w, ...heads, 'N', 'd');
  dims.fit('b', b, ...heads, 'N');
  const count = dims.of('N');
  expectAtoms('W', count);
  const chosen = chooseForm({ B: dims.of('B'), N: count, d: dims.of('d'), purpose: purpose ?? 'costate' });
  const cuttable = arrangement === 'single' && typeof count === 'number';
  const form = options.form ?? (cuttable && isParameter(w) && isParameter(b) ? chosen.form : 'dense');
  if (form === 'dense') return { form, arrangement, w: [w], b: [b], bounds: [], dims, metadata: formMetadata('dense') };
  if (!cuttable)
    throw new HopfcoleError(
      'BAD_FORM',
      `the blocked form wants one set of atoms of known number, got ${arrangement === 'bank' ? 'a bank' : 'an unknown number'}`,
      { argument: 'form' },
      arrangement === 'bank' ? 'Use the dense form' : 'Use the streamed form',
    );
  const size = checkedSize(options.blockSize ?? chosen.blockSize);
  const bounds = evenBounds(count, size);
  return {
    form,
    arrangement,
    w: cut(w, 'W', bounds),
    b: cut(b, 'b', bounds),
    bounds,
    dims,
    metadata: blockMetadata(w, b, bounds),
  };
}

function givenBlocks(w: Blocks, b: Blocks, dims: Dimensions, options: FormOptions): Atoms {
  const ws = isValue(w) ? [w] : w;
  const bs = isValue(b) ? [b] : b;
  if (ws.length !== bs.length || ws.length === 0 || (options.form !== undefined && options.form !== 'blocked'))
    throw new HopfcoleError(
      'BAD_FORM',
      `expected as many blocks of W as of b, at least one, in the blocked form; got ${ws.length} and ${bs.length}`,
      { argument: 'W' },
    );
  const bounds = [0];
  ws.forEach((block, index) => {
    dims.fit(`W[${index}]`, block, `n${index}`, 'd');
    const bias = bs[index];
    if (bias !== undefined) dims.fit(`b[${index}]`, bias, `n${index}`);
    expectAtoms(`W[${index}]`, dims.of(`n${index}`));
    bounds.push((bounds.at(-1) ?? 0) + knownSize(dims.of(`n${index}`)));
  });
  return { form: 'blocked', arrangement: 'single', w: ws, b: bs, bounds, dims, metadata: formMetadata('blocked') };
}

function knownSize(dim: Dim): number {
  return typeof dim === 'number' ? dim : Number.NaN;
}

function checkedSize(size: number): number {
  if (Number.isSafeInteger(size) && size > 0) return size;
  throw new HopfcoleError('BAD_FORM', `expected a block size of at least 1, got ${size}`, { argument: 'blockSize' });
}

/** 0, size, 2 size ... count. */
export function evenBounds(count: number, size: number): number[] {
  const bounds: number[] = [];
  for (let from = 0; from < count; from += size) bounds.push(from);
  return [...bounds, count];
}

/** The bounds as part of an overload's name: they are constants of its body. */
export function boundsPart(bounds: readonly number[]): string {
  const size = bounds[1] ?? 0;
  const count = bounds.at(-1) ?? 0;
  const even = evenBounds(count, Math.max(size, 1)).every((bound, index) => bound === bounds[index]);
  return even ? `by${size}of${count}` : `at${bounds.slice(1).join('x')}`;
}

function isParameter(value: Value): boolean {
  return value.source.kind === 'parameter' && value.source.overridable !== true;
}

const cuts = new WeakMap<Value, Map<string, readonly Value[]>>();

/** Blocks of rows: views of a parameter's bytes (the same ones at every call), slices of anything else. */
function cut(value: Value, argument: string, bounds: readonly number[]): readonly Value[] {
  const key = `${argument}:${bounds[1]}`;
  const known = cuts.get(value)?.get(key);
  if (known !== undefined) return known;
  const { source } = value;
  const made = bounds.slice(0, -1).map((from, index) => {
    const to = bounds[index + 1] ?? from;
    if (source.kind !== 'parameter' || !isParameter(value)) return op.slice(value, ints(from), ints(to), ints(0));
    return parameter(blockName(value.name ?? argument, from, to), rows(source.tensor, from, to));
  });
  if (!isParameter(value)) return made;
  const perValue = cuts.get(value) ?? new Map<string, readonly Value[]>();
  cuts.set(value, perValue.set(key, made));
  return made;
}

function blockName(name: string, from: number, to: number): string {
  return `${name}[${from}:${to}]`;
}

/** Rows [from, to) of a tensor, in memory or still in its file: the same bytes. */
function rows(tensor: AnyTensor, from: number, to: number): AnyTensor {
  const [, ...rest] = tensor.shape;
  const row = rowBytes(tensor.dtype, rest);
  const shape = [to - from, ...rest];
  if (!isStored(tensor)) return { dtype: tensor.dtype, shape, bytes: tensor.bytes.subarray(from * row, to * row) };
  const { range } = tensor;
  return {
    dtype: tensor.dtype,
    shape,
    range: { ...range, offset: range.offset + from * row, length: (to - from) * row },
  };
}

function rowBytes(dtype: DType, shape: readonly number[]): number {
  return byteLengthOf(
    dtype,
    shape.reduce((product, dim) => product * dim, 1),
  );
}

function formMetadata(form: AtomForm): ReadonlyMap<string, string> {
  return new Map([['hopfcole.form', form]]);
}

function blockMetadata(w: Value, b: Value, bounds: readonly number[]): ReadonlyMap<string, string> {
  const blocks = { W: w.name ?? null, b: b.name ?? null, rows: bounds };
  return new Map([
    ['hopfcole.form', 'blocked'],
    ['hopfcole.blocks', JSON.stringify(blocks)],
  ]);
}
