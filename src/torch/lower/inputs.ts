import type { DType } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { type AnyTensor, isStored } from '../../files/tensor.ts';
import { constant, input, parameter } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { describeType, tensorType } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import type { ProgramTensors } from '../program.ts';
import type { InputSpec, Program } from '../schema/program.ts';
import { cast } from './call.ts';
import { Cell } from './cell.ts';
import { computed } from './dtype.ts';
import { Complex, Sym, type Tensorial } from './item.ts';
import type { GraphScope } from './scope.ts';

/** What a program is given: inputs of the graph, and weights under their names in the state dict. */
export interface Given {
  readonly inputs: readonly Value[];
  /** Names of all weights and buffers. */
  readonly weights: readonly string[];
  /** Names of those that a state dict holds. */
  readonly state: readonly string[];
  /** What weights are called in the graph: a tied one as the one that holds its bytes. */
  readonly names: ReadonlyMap<string, string>;
  /** Names that stand for the same bytes as another, and which. */
  readonly tied: ReadonlyMap<string, string>;
  readonly changed: readonly { readonly name: string; readonly why: string }[];
}

/** Binds the inputs of a program's graph. @throws BAD_PROGRAM listing all weights that the archive lacks or has in another shape. */
export function inputsOf(program: Program, tensors: ProgramTensors, scope: GraphScope, file: string): Given {
  const inputs: Value[] = [];
  const weights: string[] = [];
  const state: string[] = [];
  const tied = new Map<string, string>();
  const changed: { name: string; why: string }[] = [];
  const held = new Map<string, { name: string; content: Tensorial }>();
  const wrong: string[] = [];
  const names = new Map<string, string>();

  const weight = (spec: Extract<InputSpec, { kind: 'parameter' | 'buffer' | 'tensor-constant' }>): void => {
    const { name, target } = spec;
    const fromConstants = spec.kind === 'tensor-constant' || (spec.kind === 'buffer' && !spec.persistent);
    const [first, second] = fromConstants ? [tensors.constants, tensors.weights] : [tensors.weights, tensors.constants];
    const tensor = first.get(target) ?? second.get(target);
    const meta = scope.meta(name);
    if (meta === undefined) throw bad(`the graph does not say of which type its input '${name}' is`, file);
    if (tensor === undefined) {
      wrong.push(`'${target}' is missing`);
      return;
    }
    if (tensor.dtype !== meta.dtype || tensor.shape.join() !== meta.sizes.join()) {
      const takes = describeType(tensorType(meta.dtype, meta.sizes));
      wrong.push(`'${target}' is ${describeType(tensorType(tensor.dtype, tensor.shape))}, the graph takes ${takes}`);
      return;
    }
    if (spec.kind !== 'tensor-constant') {
      weights.push(target);
      if (spec.kind === 'parameter' || spec.persistent) state.push(target);
    }
    const place = placeOf(tensor);
    const known = place === undefined ? undefined : held.get(place);
    if (known !== undefined) tied.set(target, known.name);
    const inGraph = known?.name ?? freeName(target);
    const content = known?.content ?? hold(inGraph, tensor);
    names.set(target, inGraph);
    if (place !== undefined && known === undefined) held.set(place, { name: inGraph, content });
    scope.setCell(name, new Cell(content));
  };

  const userNames = new Set(
    program.inputs.flatMap((spec) =>
      spec.kind === 'user' && (spec.argument.kind === 'tensor' || spec.argument.kind === 'symbol')
        ? [spec.argument.name]
        : [],
    ),
  );
  const targets = new Set(program.inputs.flatMap((spec) => ('target' in spec ? [spec.target] : [])));
  /** A graph has one name space: a weight gives way to an input of its name, by which a caller must reach that. */
  const freeName = (name: string): string => {
    if (!userNames.has(name)) return name;
    const free = otherName(name, (other) => userNames.has(other) || targets.has(other));
    changed.push({ name, why: `an input has its name: it is called '${free}' in the graph` });
    return free;
  };
  const hold = (name: string, tensor: AnyTensor): Tensorial => {
    if (tensor.dtype === 'complex64' || tensor.dtype === 'complex128') {
      changed.push({ name, why: whyWidened(tensor.dtype) });
      return parts(parameter(name, realPairs(tensor)));
    }
    return cast(parameter(name, tensor), computed(tensor.dtype));
  };

  const user = (name: string): void => {
    const meta = scope.meta(name);
    if (meta === undefined) {
      const dim = scope.graph.integers.get(name);
      const value = input(name, 'int64', []);
      if (typeof dim !== 'number') inputs.push(value);
      scope.setSymbol(name, typeof dim === 'number' ? dim : new Sym(value, dim));
      return;
    }
    const dtype = computed(meta.dtype);
    const isComplex = /^complex/.test(meta.dtype);
    if (dtype !== meta.dtype) changed.push({ name, why: whyWidened(meta.dtype) });
    const value = input(name, dtype, isComplex ? [...meta.sizes, 2] : meta.sizes);
    inputs.push(value);
    scope.setCell(name, new Cell(isComplex ? parts(value) : value));
  };

  for (const spec of program.inputs) {
    if (spec.kind === 'parameter' || spec.kind === 'buffer' || spec.kind === 'tensor-constant') weight(spec);
    else if (spec.kind === 'user' && (spec.argument.kind === 'tensor' || spec.argument.kind === 'symbol'))
      user(spec.argument.name);
  }
  if (wrong.length > 0)
    throw bad(
      `${wrong.length} of its weights do not fit: ${wrong.slice(0, 20).join('; ')}${wrong.length > 20 ? '; ...' : ''}`,
      file,
    );
  return { inputs, weights, names, state, tied, changed };
}

function otherName(name: string, isTaken: (name: string) => boolean): string {
  for (let count = 1; ; count++) if (!isTaken(`${name}_${count}`)) return `${name}_${count}`;
}

/** Why an input or output of the program is of another element type in the graph. */
export function whyWidened(dtype: DType): string {
  const isComplex = dtype === 'complex64' || dtype === 'complex128';
  return isComplex
    ? 'complex numbers are pairs of real ones along a new last axis'
    : `${dtype} is computed in ${computed(dtype)}, for which runtimes have kernels`;
}

/** Real and imaginary part of pairs along the last axis. */
function parts(pairs: Value): Complex {
  const pick = (index: number) => op.gather(pairs, constant(index, 'int64'), { axis: -1 });
  return new Complex(pick(0), pick(1));
}

function realPairs(tensor: AnyTensor): AnyTensor {
  const dtype: DType = tensor.dtype === 'complex64' ? 'float32' : 'float64';
  return { ...tensor, dtype, shape: [...tensor.shape, 2] };
}

/** Where a tensor's bytes are: two names of one place are one weight. */
function placeOf(tensor: AnyTensor): string | undefined {
  if (!isStored(tensor) || tensor.range.length === 0) return undefined;
  const { source, offset, length } = tensor.range;
  return `${source.name}:${offset}:${length}:${tensor.dtype}:${tensor.shape.join()}`;
}

function bad(message: string, file: string): HopfcoleError {
  return new HopfcoleError('BAD_PROGRAM', message, { file }, 'Save the program again with torch.export.save');
}
