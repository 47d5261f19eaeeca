import { type DType, isFloat } from '../../files/dtype.ts';
import { tensorFrom } from '../../graph/literal.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast, scalarValue } from '../lower/call.ts';
import { type Scalar, type Size, Sym } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf, scalarOf, vectorOf } from '../lower/sizes.ts';
import { writable } from './spatial.ts';

/** Constants of no more elements than this are written out. */
const largest = 1 << 12;

/** A tensor of one value: written out where it is small, spread when the program runs otherwise. */
export function full(sizes: readonly Size[], value: Scalar, dtype: DType): Value {
  if (value instanceof Sym)
    return sizes.length === 0 ? scalarValue(value, dtype) : op.expand(scalarValue(value, dtype), vectorOf(sizes));
  if (sizes.length === 0) return scalarValue(value, dtype);
  return op.constantOfShape(vectorOf(sizes), { value: tensorFrom([numberOf(value, dtype)], dtype) });
}

function numberOf(value: Scalar, dtype: DType): number | bigint | boolean {
  if (typeof value === 'string' || typeof value === 'object') return 0;
  return typeof value === 'number' && !isFloat(dtype) && dtype !== 'bool' ? Math.trunc(value) : value;
}

/** What says where and how a tensor is kept, and of which type, which its result tells. */
const kept = ['dtype', 'stride', 'names', 'physical_layout', 'requires_grad'];

const filled =
  (value: number | undefined): Lowering =>
  (call) => {
    call.ignore('self', ...kept);
    return full(call.sizes('size'), value ?? call.scalar('fill_value'), call.outDType());
  };

/** Of the shape of another tensor. */
const alike =
  (value: number | undefined): Lowering =>
  (call) => {
    call.ignore(...kept);
    const self = call.tensor('self');
    const given = value ?? call.scalar('fill_value');
    const { shape } = self;
    const dtype = call.outDType();
    if (shape?.every((dim): dim is number => typeof dim === 'number') === true)
      return full(shape as number[], given, dtype);
    if (given instanceof Sym) return op.expand(scalarValue(given, dtype), op.shape(self));
    return op.constantOfShape(op.shape(self), { value: tensorFrom([numberOf(given, dtype)], dtype) });
  };

/** Whole numbers, or numbers a whole number of steps apart. */
const arange: Lowering = (call) => {
  call.ignore(...kept);
  const dtype = call.outDType();
  const [start, end, step] = [call.scalar('start', 0), call.scalar('end'), call.scalar('step', 1)];
  const known = [start, end, step].map((number) => (typeof number === 'number' ? number : undefined));
  if (known.every((number): number is number => number !== undefined)) {
    const [from, to, by] = known as [number, number, number];
    const count = Math.max(0, Math.ceil((to - from) / by));
    if (count <= largest)
      return constant(
        Array.from({ length: count }, (_, index) => from + index * by),
        dtype === 'bool' ? 'int64' : dtype,
      );
    const index = op.range(constant(0, 'int64'), constant(count, 'int64'), constant(1, 'int64'));
    if ([from, by].every(Number.isInteger)) return cast(stepped(index, from, by, 'int64'), dtype);
    return cast(stepped(cast(index, 'float64'), from, by, 'float64'), dtype);
  }
  const isWhole = [start, end, step].every((number) => isWholeNumber(number));
  const type = isWhole ? 'int64' : 'float64';
  const [from, to, by] = [start, end, step].map((number) => scalarValue(number, type)) as [Value, Value, Value];
  return cast(op.range(from, to, by), dtype);
};

function isWholeNumber(number: Scalar): boolean {
  if (number instanceof Sym) return number.value.dtype === undefined || !isFloat(number.value.dtype);
  return typeof number !== 'number' || Number.isInteger(number);
}

function stepped(index: Value, from: number, by: number, dtype: DType): Value {
  const scaled = by === 1 ? index : op.mul(index, constant(by, dtype));
  return from === 0 ? scaled : op.add(scaled, constant(from, dtype));
}

/** `steps` numbers from start to end, both included, counted from the nearer end as PyTorch does. */
const linspace =
  (
    last: (numbers: Value, base: () => number) => Value,
    now: (number: number, base: () => number) => number,
  ): Lowering =>
  (call) => {
    call.ignore(...kept);
    const dtype = call.outDType();
    const [start, end, steps] = [call.scalar('start'), call.scalar('end'), call.size('steps')];
    const base = () => call.float('base', 10);
    call.ignore('base');
    if (typeof start === 'number' && typeof end === 'number' && typeof steps === 'number' && steps <= largest) {
      const by = steps > 1 ? (end - start) / (steps - 1) : 0;
      const numbers = Array.from({ length: steps }, (_, index) =>
        now(index < steps / 2 ? start + index * by : end - (steps - 1 - index) * by, base),
      );
      return constant(isFloat(dtype) ? numbers : numbers.map(Math.trunc), dtype);
    }
    const number = (value: number) => constant(value, 'float64');
    const [from, to] = [scalarValue(start, 'float64'), scalarValue(end, 'float64')];
    const index = cast(op.range(constant(0, 'int64'), scalarOf(steps), constant(1, 'int64')), 'float64');
    const parts = op.max([op.sub(cast(scalarOf(steps), 'float64'), number(1)), number(1)]);
    const numbers = op.add(op.mul(op.div(op.sub(to, from), parts), index), from);
    return cast(last(numbers, base), dtype);
  };

/** Ones along a diagonal. */
const eye: Lowering = (call) => {
  call.ignore(...kept);
  const rows = call.size('n');
  const columns = call.size('m', rows);
  const dtype = call.outDType();
  const wide: DType = isFloat(dtype) ? dtype : 'int64';
  return cast(op.eyeLike(full([rows, columns], 0, wide), {}), dtype);
};

/** Rows and columns of the elements of a triangle. */
const triangle =
  (inside: (row: number, column: number, offset: number) => boolean): Lowering =>
  (call) => {
    call.ignore(...kept);
    const [rows, columns, offset] = [call.int('row'), call.int('col'), call.int('offset', 0)];
    writable(call, rows * columns);
    const places: [number, number][] = [];
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) if (inside(row, column, offset)) places.push([row, column]);
    if (places.length === 0) return full([2, 0], 0, 'int64');
    return constant([places.map(([row]) => row), places.map(([, column]) => column)], 'int64');
  };

const scalar: Lowering = (call) => {
  call.ignore(...kept);
  return call.number('s', call.outDType());
};

/** Ends that are numbers or tensors without axes. */
function evenly(name: string, rule: Lowering): Rules {
  const overloads = ['default', 'Tensor_Tensor', 'Tensor_Scalar', 'Scalar_Tensor'];
  return Object.fromEntries(overloads.map((overload) => [`aten.${name}.${overload}`, rule]));
}

export const creationRules: Rules = {
  'aten.zeros.default': filled(0),
  'aten.ones.default': filled(1),
  'aten.full.default': filled(undefined),
  // What an empty tensor holds is not said.
  'aten.empty.memory_format': filled(0),
  'aten.empty_strided.default': filled(0),
  'aten.empty_permuted.default': filled(0),
  'aten.new_zeros.default': filled(0),
  'aten.new_ones.default': filled(1),
  'aten.new_full.default': filled(undefined),
  'aten.new_empty.default': filled(0),
  'aten.new_empty_strided.default': filled(0),
  'aten.zeros_like.default': alike(0),
  'aten.ones_like.default': alike(1),
  'aten.full_like.default': alike(undefined),
  'aten.empty_like.default': alike(0),
  'aten.scalar_tensor.default': scalar,
  'prims.scalar_tensor.default': scalar,
  'aten.arange.default': arange,
  'aten.arange.start': arange,
  'aten.arange.start_step': arange,
  ...evenly(
    'linspace',
    linspace(
      (numbers) => numbers,
      (number) => number,
    ),
  ),
  ...evenly(
    'logspace',
    linspace(
      (numbers, base) => op.pow(constant(base(), 'float64'), numbers),
      (number, base) => base() ** number,
    ),
  ),
  'aten.eye.default': eye,
  'aten.eye.m': eye,
  'aten.tril_indices.default': triangle((row, column, offset) => column - row <= offset),
  'aten.triu_indices.default': triangle((row, column, offset) => column - row >= offset),
  'aten.meshgrid.default': (call) => meshes(call, 'ij'),
  'aten.meshgrid.indexing': (call) => meshes(call, call.text('indexing', 'ij')),
};

/** Each vector spread along an axis of its own. */
function meshes(call: Call, indexing: string): Value[] {
  const given = call.tensors('tensors');
  const order = given.map((_, axis) => axis);
  if (indexing === 'xy' && given.length > 1) [order[0], order[1]] = [1, 0];
  const column = (x: Value, axis: number) =>
    op.reshape(
      x,
      constant(
        given.map((_, at) => (at === axis ? -1 : 1)),
        'int64',
      ),
    );
  const columns = given.map((x, place) =>
    column(rankOf(x) === 0 ? op.unsqueeze(x, constant([0], 'int64')) : x, order[place] ?? place),
  );
  const sizes = order.map(
    (place) => given[place]?.shape?.[0] ?? (given[place] && rankOf(given[place]) === 0 ? 1 : undefined),
  );
  const shape = sizes.every((size): size is number => typeof size === 'number')
    ? constant(sizes as number[], 'int64')
    : op.shape(columns.map((x) => cast(x, 'bool')).reduce((a, b) => op.or(a, b)));
  return columns.map((x) => op.expand(x, shape));
}
