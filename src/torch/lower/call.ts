import type { DType } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { isValue } from '../../graph/apply.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Argument, ProgramGraph, ProgramNode, TensorMeta } from '../schema/program.ts';
import { Cell } from './cell.ts';
import { computed, type Operand, resultType } from './dtype.ts';
import { Complex, type Scalar, type Size, Sym, type Tensorial } from './item.ts';

/** What the graph around a node knows: tensors and numbers by name. */
export interface Lookup {
  cell(name: string): Cell | undefined;
  symbol(name: string): Sym | number | boolean | undefined;
  meta(name: string): TensorMeta | undefined;
}

/** Arguments that say where and how PyTorch stores a result, never what it is. */
const ofStorage = new Set(['device', 'pin_memory', 'layout', 'memory_format', 'non_blocking', 'generator', 'stable']);

/**
 * One node of a program as a lowering sees it: its arguments by the names of the operator's schema, in the types it asks for. Arguments that are left out
 * of the archive have their defaults, which the lowering gives. What a lowering does not ask for is an error, so that nothing is ignored by mistake.
 */
export class Call {
  readonly node: ProgramNode;
  private readonly lookup: Lookup;
  private readonly given: ReadonlyMap<string, Argument>;
  private readonly asked = new Set<string>();

  private readonly part: 'real' | 'imaginary' | undefined;

  constructor(node: ProgramNode, lookup: Lookup, part?: 'real' | 'imaginary') {
    this.node = node;
    this.lookup = lookup;
    this.part = part;
    this.given = new Map(node.inputs.map(({ name, argument }) => [name, argument]));
  }

  /** `aten.add.Tensor`. */
  get target(): string {
    return this.node.target;
  }

  /** An error of this node: what of it is not supported. */
  unsupported(what: string): HopfcoleError {
    return new HopfcoleError('UNSUPPORTED_OPERATOR', `${this.target}: ${what}`, {
      operator: this.target,
      node: this.node.name,
    });
  }

  failComplex(): never {
    throw this.unsupported('complex numbers');
  }

  /** The same call of another operator with the same arguments. */
  as(target: string): Call {
    return new Call({ ...this.node, target }, this.lookup, this.part);
  }

  /** The same call on the real or the imaginary parts of its complex tensors. */
  onPart(part: 'real' | 'imaginary'): Call {
    return new Call(this.node, this.lookup, part);
  }

  /** What another call of the same node asked for counts as asked for here. */
  askedBy(other: Call): void {
    for (const name of other.asked) this.asked.add(name);
  }

  /** Names of the arguments that nobody asked for. */
  get ignored(): readonly string[] {
    return [...this.given.keys()].filter((name) => !this.asked.has(name) && !ofStorage.has(name));
  }

  /** Arguments that do not change what is computed here. */
  ignore(...names: readonly string[]): this {
    for (const name of names) this.asked.add(name);
    return this;
  }

  /** The argument as the archive has it; undefined where it is left out or None. */
  argument(name: string): Argument | undefined {
    this.asked.add(name);
    const argument = this.given.get(name);
    return argument?.kind === 'none' ? undefined : argument;
  }

  has(name: string): boolean {
    return this.argument(name) !== undefined;
  }

  /** Whether any tensor among the arguments is complex. */
  get isComplex(): boolean {
    if (this.part !== undefined) return false;
    const complex = (argument: Argument): boolean => {
      if (argument.kind === 'tensor') return this.lookup.cell(argument.name)?.read() instanceof Complex;
      if (argument.kind === 'list') return argument.items.some(complex);
      return argument.kind === 'constant' && typeof argument.value === 'object';
    };
    return [...this.given.values()].some(complex);
  }

  // Tensors

  cell(name: string): Cell {
    const argument = this.argument(name);
    return this.cellOf(argument ?? this.missing(name), name);
  }

  /** A tensor, real or complex. */
  content(name: string): Tensorial {
    return this.cell(name).read();
  }

  tensor(name: string): Value {
    return this.real(this.content(name), name);
  }

  optionalTensor(name: string): Value | undefined {
    return this.has(name) ? this.tensor(name) : undefined;
  }

  complex(name: string): Complex {
    const content = this.content(name);
    return complexOf(content);
  }

  tensors(name: string): Value[] {
    return this.contents(name).map((content) => this.real(content, name));
  }

  contents(name: string): Tensorial[] {
    return this.list(name).map((item) => this.cellOf(item, name).read());
  }

  /** A list of tensors with gaps, as `index.Tensor` takes. */
  optionalTensors(name: string): (Value | undefined)[] {
    return this.list(name).map((item) =>
      item.kind === 'none' ? undefined : this.real(this.cellOf(item, name).read(), name),
    );
  }

  /** A tensor, or a number of the element type given. */
  tensorOrScalar(name: string, dtype: DType): Value {
    const argument = this.argument(name);
    return argument?.kind === 'tensor' ? cast(this.tensor(name), dtype) : this.number(name, dtype);
  }

  // Numbers

  int(name: string, fallback?: number): number {
    return this.literal(name, fallback, 'number');
  }

  float(name: string, fallback?: number): number {
    return this.literal(name, fallback, 'number');
  }

  bool(name: string, fallback?: boolean): boolean {
    return this.literal(name, fallback, 'boolean');
  }

  text(name: string, fallback?: string): string {
    return this.literal(name, fallback, 'string');
  }

  ints(name: string, fallback?: readonly number[]): number[] {
    return this.sizes(name, fallback).map((size) => {
      if (typeof size === 'number') return size;
      throw this.unsupported(`the argument '${name}' must be known when the program is exported`);
    });
  }

  floats(name: string, fallback?: readonly number[]): number[] {
    if (!this.has(name) && fallback !== undefined) return [...fallback];
    return this.list(name).map((item) => {
      if (item.kind === 'constant' && typeof item.value === 'number') return item.value;
      throw this.unsupported(`the argument '${name}' must be a list of numbers`);
    });
  }

  /** A size that may be symbolic. 64-bit bounds, as of a slice without an end, are infinite. */
  size(name: string, fallback?: Size): Size {
    const argument = this.argument(name);
    if (argument === undefined && fallback !== undefined) return fallback;
    return this.sizeOf(argument ?? this.missing(name), name);
  }

  sizes(name: string, fallback?: readonly Size[]): Size[] {
    const argument = this.argument(name);
    if (argument === undefined && fallback !== undefined) return [...fallback];
    // A single number stands for a list of one.
    const items = argument?.kind === 'list' ? argument.items : [argument ?? this.missing(name)];
    return items.map((item) => this.sizeOf(item, name));
  }

  scalar(name: string, fallback?: Scalar): Scalar {
    const argument = this.argument(name);
    if (argument === undefined && fallback !== undefined) return fallback;
    if (argument?.kind === 'constant') return argument.value;
    if (argument?.kind === 'symbol') {
      const symbol = this.symbolOf(argument.name);
      return symbol;
    }
    if (argument?.kind === 'tensor') return new Sym(this.tensor(name));
    throw this.unsupported(`expected a number for '${name}'`);
  }

  /** A number (a constant, a symbolic one, or a 0-d tensor) as a scalar value of the element type. */
  number(name: string, dtype: DType, fallback?: Scalar): Value {
    const scalar = this.scalar(name, fallback);
    return scalarValue(scalar, dtype);
  }

  /** The element type an argument names (as it is computed in), where it names one. */
  dtype(name: string): DType | undefined {
    const argument = this.argument(name);
    if (argument === undefined) return undefined;
    if (argument.kind === 'dtype' && argument.dtype !== undefined) return computed(argument.dtype);
    throw this.unsupported(`the element type '${name}' cannot be represented in ONNX`);
  }

  graph(name: string): ProgramGraph {
    const argument = this.argument(name);
    if (argument?.kind === 'graph') return argument.graph;
    throw this.unsupported(`expected a graph for '${name}'`);
  }

  // Results, as PyTorch recorded them

  get outputs(): readonly (TensorMeta | undefined)[] {
    const flat = this.node.outputs.flatMap((output) => (output.kind === 'list' ? output.items : [output]));
    return flat.map((output) => (output.kind === 'tensor' ? this.lookup.meta(output.name) : undefined));
  }

  /** Whether anything was recorded for result `index`: what nothing uses may be left out. */
  outMeta(index = 0): TensorMeta {
    const meta = this.outputs[index];
    if (meta === undefined) throw this.unsupported('the program does not say of which type its result is');
    return meta;
  }

  /** The element type that result `index` is computed in. */
  outDType(index = 0): DType {
    return computed(this.outMeta(index).dtype);
  }

  /** What PyTorch recorded of an argument that is a tensor: strides, and the element type before widening. */
  meta(name: string): TensorMeta | undefined {
    const argument = this.argument(name);
    return argument?.kind === 'tensor' ? this.lookup.meta(argument.name) : undefined;
  }

  /** The element type PyTorch computes in on these arguments, tensors and numbers. */
  promoted(...names: readonly string[]): DType {
    return computed(resultType(names.flatMap((name) => this.operandsOf(this.argument(name)))));
  }

  /** The named arguments as values of the element type that PyTorch computes in. */
  together(...names: readonly string[]): Value[] {
    const dtype = this.promoted(...names);
    return names.map((name) => this.tensorOrScalar(name, dtype));
  }

  private operandsOf(argument: Argument | undefined): Operand[] {
    if (argument === undefined) return [];
    if (argument.kind === 'list') return argument.items.flatMap((item) => this.operandsOf(item));
    if (argument.kind === 'tensor') {
      const meta = this.lookup.meta(argument.name);
      if (meta === undefined) return [];
      return [{ dtype: meta.dtype, weight: meta.sizes.length === 0 ? 'scalar' : 'tensor' }];
    }
    if (argument.kind === 'constant') return [{ dtype: dtypeOfType(argument.type), weight: 'number' }];
    if (argument.kind === 'symbol') {
      const symbol = this.symbolOf(argument.name);
      const dtype = symbol instanceof Sym ? (symbol.value.dtype ?? 'int64') : numberType(symbol);
      return [{ dtype, weight: 'number' }];
    }
    return [];
  }

  private list(name: string): readonly Argument[] {
    const argument = this.argument(name);
    if (argument === undefined) return [];
    if (argument.kind === 'list') return argument.items;
    throw this.unsupported(`expected a list for '${name}'`);
  }

  /** The items of a list of any kind, for higher-order operators. */
  items(name: string): readonly Argument[] {
    return this.list(name);
  }

  cellOf(argument: Argument, name: string): Cell {
    const cell = argument.kind === 'tensor' ? this.lookup.cell(argument.name) : undefined;
    if (cell !== undefined) return cell;
    if (argument.kind === 'constant') return new Cell(scalarValue(argument.value, dtypeOfType(argument.type)));
    if (argument.kind === 'symbol') return new Cell(scalarValue(this.symbolOf(argument.name)));
    const known = argument.kind === 'tensor' ? `'${argument.name}' is not defined before it` : `got ${argument.kind}`;
    throw new HopfcoleError(
      'BAD_PROGRAM',
      `expected a tensor for '${name}', ${known}`,
      { operator: this.target, node: this.node.name },
      'Save the program again with torch.export.save',
    );
  }

  symbolOf(name: string): Sym | number | boolean {
    const symbol = this.lookup.symbol(name);
    if (symbol !== undefined) return symbol;
    const cell = this.lookup.cell(name);
    if (cell !== undefined) return new Sym(this.real(cell.read(), name));
    throw new HopfcoleError('BAD_PROGRAM', `the number '${name}' is not defined before it`, {
      operator: this.target,
      node: this.node.name,
    });
  }

  private sizeOf(argument: Argument, name: string): Size {
    if (argument.kind === 'constant') {
      const { value } = argument;
      if (typeof value === 'bigint') return value > 0n ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
      if (typeof value === 'number') return value;
    }
    if (argument.kind === 'symbol') {
      const symbol = this.symbolOf(argument.name);
      return typeof symbol === 'boolean' ? Number(symbol) : symbol;
    }
    if (argument.kind === 'tensor') return new Sym(this.real(this.cellOf(argument, name).read(), name));
    throw this.unsupported(`expected a size for '${name}'`);
  }

  private literal<T extends 'number' | 'boolean' | 'string'>(
    name: string,
    fallback: Named[T] | undefined,
    type: T,
  ): Named[T] {
    const argument = this.argument(name);
    if (argument === undefined && fallback !== undefined) return fallback;
    const value = argument?.kind === 'constant' ? argument.value : this.knownSymbol(argument);
    if (typeof value === type) return value as Named[T];
    if (type === 'boolean' && typeof value === 'number') return (value !== 0) as Named[T];
    if (type === 'number' && typeof value === 'boolean') return Number(value) as Named[T];
    if (argument === undefined) this.missing(name);
    throw this.unsupported(`the argument '${name}' must be a ${type} that is known when the program is exported`);
  }

  private knownSymbol(argument: Argument | undefined): number | boolean | undefined {
    if (argument?.kind !== 'symbol') return undefined;
    const symbol = this.symbolOf(argument.name);
    if (!(symbol instanceof Sym)) return symbol;
    return typeof symbol.dim === 'number' ? symbol.dim : undefined;
  }

  private missing(name: string): never {
    throw new HopfcoleError(
      'BAD_PROGRAM',
      `the argument '${name}' is missing`,
      { operator: this.target, node: this.node.name },
      'Save the program again with torch.export.save',
    );
  }

  private real(content: Tensorial, name: string): Value {
    if (isValue(content)) return content;
    if (this.part !== undefined) return content[this.part];
    throw this.unsupported(`complex numbers for '${name}'`);
  }
}

interface Named {
  readonly number: number;
  readonly boolean: boolean;
  readonly string: string;
}

/** The same values in another element type; nothing where it is that already. */
export function cast(x: Value, dtype: DType): Value {
  return x.dtype === dtype ? x : op.cast(x, { to: dtype });
}

export function complexOf(content: Tensorial): Complex {
  if (content instanceof Complex) return content;
  const real = content;
  return new Complex(real, op.expand(constant(0, real.dtype), op.shape(real)));
}

/** A number as a scalar value, in its own natural type where none is asked for. */
export function scalarValue(scalar: Scalar, dtype?: DType): Value {
  if (scalar instanceof Sym) return dtype === undefined ? scalar.value : cast(scalar.value, dtype);
  if (typeof scalar === 'object' || typeof scalar === 'string')
    throw new HopfcoleError(
      'UNSUPPORTED_OPERATOR',
      `expected a real number, got ${typeof scalar === 'string' ? 'a string' : 'a complex one'}`,
    );
  const to = dtype ?? numberType(scalar);
  const isWhole = to !== 'float16' && to !== 'float32' && to !== 'float64' && to !== 'bool';
  return constant(isWhole && typeof scalar === 'number' ? Math.trunc(scalar) : scalar, to);
}

function dtypeOfType(type: Extract<Argument, { kind: 'constant' }>['type']): DType {
  if (type === 'bool') return 'bool';
  if (type === 'complex') return 'complex64';
  return type === 'int' ? 'int64' : 'float32';
}

/** Of a symbolic number that turned out to be known: sizes are integers. */
function numberType(value: number | bigint | boolean): DType {
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'bigint' || Number.isInteger(value) ? 'int64' : 'float32';
}
