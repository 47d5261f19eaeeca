import type { FloatType } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import { type AnyTensor, fromNumbers } from '../files/tensor.ts';
import { makeNode, parameter } from '../graph/make.ts';
import { withModule } from '../graph/module-path.ts';
import * as op from '../graph/op.ts';
import { describeShape } from '../graph/type.ts';
import type { Node, Value } from '../graph/value.ts';
import type { Initial } from './initial.ts';
import { kindInHand, makerOf } from './layer.ts';
import { type Reading, type ReadingDetails, type ReadingKind, readingKey, readingOf } from './reading.ts';
import {
  type CheckpointSourceOptions,
  checkpointSource,
  freshSource,
  type ParameterSource,
  type Taken,
} from './source.ts';

export { layer, makerOf } from './layer.ts';

/** Viscosity (= softmax temperature) of a layer: a number, or a scalar parameter of the checkpoint, transformed. */
export type Epsilon =
  | number
  | { readonly parameter: string; readonly transform?: 'none' | 'exp' | 'softplus' | undefined }
  | Value;

/** Entries of one parameter: beyond this, sizes are mistakes. */
const largestParameter = 2 ** 36;

/** What a network is made of while it is built, shared by all its modules. */
interface Build {
  /** What is built now was built before, and its readings are told. */
  told: boolean;
  readonly source: ParameterSource;
  readonly dtype: FloatType;
  readonly values: Map<string, Value>;
  readonly held: Map<object, Map<string, { readonly name: string; readonly value: Value }>>;
  readonly readings: Reading[];
  /** Names of marked nodes: ONNX Runtime refuses two of one name. */
  readonly marked: Set<string>;
  readonly own: Set<string>;
  /** Names of the model that are not those the network uses. */
  readonly called: Map<string, string>;
  readonly tied: Map<string, string>;
  readonly changed: { readonly name: string; readonly why: string }[];
}

export interface ModuleOptions {
  /** The element type to compute in (default float32). */
  readonly dtype?: FloatType | undefined;
}

/** What became of the parameters, and what each layer is, once a network is built. */
export interface Finished {
  readonly parameters: Taken;
  /** Parameters that are not in the model as they are in the checkpoint, and why. */
  readonly changed: readonly { readonly name: string; readonly why: string }[];
  readonly readings: readonly Reading[];
  /** Names of the model's parameters that are weights of a state dict: not its temperatures and the like. */
  readonly state: readonly string[];
  /** Names of the state dict that stand for the same weights as another, and which. */
  readonly tied: Readonly<Record<string, string>>;
}

/**
 * A place in the tree of modules, as in PyTorch: its path is the prefix of its parameters in the state dict, and the layer functions take
 * their parameters from it. `fresh` gives the root of a new network, `fromCheckpoint` that of one whose weights exist.
 */
export class Module {
  /** `blocks.0.attn`; '' at the root. */
  readonly path: string;
  private readonly build: Build;

  constructor(build: Build, path: string) {
    this.build = build;
    this.path = path;
  }

  /** The element type the network computes in. */
  get dtype(): FloatType {
    return this.build.dtype;
  }

  /** The module of that name inside this one; '' is this one. */
  at(name: string | number): Module {
    const part = String(name);
    if (part === '') return this;
    return new Module(this.build, this.path === '' ? part : `${this.path}.${part}`);
  }

  get root(): Module {
    return new Module(this.build, '');
  }

  /** The full name of a parameter of this module. */
  nameOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  /** Whether the checkpoint has that parameter; undefined where the network is drawn afresh. */
  has(name: string): boolean | undefined {
    return this.build.source.stored ? this.build.source.shapeOf(this.nameOf(name)) !== undefined : undefined;
  }

  /** The shape the checkpoint has for that parameter, from which a size that nobody gave may be taken. */
  shapeOf(name: string): readonly number[] | undefined {
    return this.build.source.shapeOf(this.nameOf(name));
  }

  /**
   * A parameter in the network's element type, kept under its full name as the checkpoint has it. The same name twice is the same parameter;
   * one that lies in the same bytes as another is that one.
   */
  parameter(name: string, shape: readonly number[], initial: Initial): Value {
    const { build } = this;
    const full = this.nameOf(name);
    const known = build.values.get(full);
    if (known !== undefined) return known;
    this.checkSizes(name, shape);
    const tensor = build.source.take(full, shape, build.dtype, initial);
    const value = this.hold(full, tensor, shape);
    build.values.set(full, value);
    return value;
  }

  /** @throws BAD_ARGUMENT for sizes that no parameter can have, or that no memory holds. */
  private checkSizes(name: string, shape: readonly number[]): void {
    const bad = shape.find((size) => !Number.isInteger(size) || size < 1);
    const what = `${this.describe()} needs the parameter '${name}' of shape [${shape.join(', ')}]`;
    if (bad !== undefined)
      throw new HopfcoleError('BAD_ARGUMENT', `${what}: expected sizes of at least 1, got ${bad}`, { argument: name });
    const count = shape.reduce((product, size) => product * size, 1);
    if (count > largestParameter)
      throw new HopfcoleError('BAD_ARGUMENT', `${what}: more than ${largestParameter} numbers`, { argument: name });
  }

  /** A parameter as it is stored, whatever its element type, with the dtype it gets where it is drawn. */
  private hold(full: string, tensor: AnyTensor, shape: readonly number[]): Value {
    const { build } = this;
    const place = build.source.placeOf(full);
    const held = place === undefined ? undefined : (build.held.get(place.key) ?? new Map());
    const part = `${place?.part}:${shape.join()}`;
    const holder = held?.get(part);
    const { stored, called } = place ?? { stored: full, called: full };
    if (called !== full) build.called.set(full, called);
    if (holder !== undefined) {
      build.changed.push({ name: stored, why: `tied to ${holder.name}, which the model holds once` });
      build.tied.set(called, holder.name);
      return holder.value;
    }
    if (stored !== called) build.changed.push({ name: stored, why: `in the model it is called ${called}` });
    const own = parameter(called, tensor);
    let value = own;
    if (tensor.dtype !== build.dtype) {
      build.changed.push({ name: stored, why: `kept as ${tensor.dtype}, cast to ${build.dtype} where it is used` });
      value = withModule(this.path, () => op.cast(own, { to: build.dtype }));
    }
    if (place !== undefined && held !== undefined) build.held.set(place.key, held.set(part, { name: called, value }));
    return value;
  }

  /**
   * A number of the layer's own, no weight of PyTorch's: kept as a parameter of the model, so that it can be found and changed without a new
   * export. float32.
   */
  constant(name: string, shape: readonly number[], values: readonly number[]): Value {
    const full = this.nameOf(name);
    const known = this.build.values.get(full);
    if (known !== undefined) return known;
    const value = parameter(full, fromNumbers('float32', shape, values));
    this.build.own.add(full);
    this.build.values.set(full, value);
    return value;
  }

  /** Epsilon as the operators take it: float32, one number. `{parameter}` names one of the whole network. */
  epsilon(given: Epsilon, name = 'epsilon'): Value {
    if (typeof given === 'number') {
      if (!(given > 0 && Math.fround(given) > 0 && Number.isFinite(Math.fround(given))))
        throw new HopfcoleError('BAD_EPSILON', `expected epsilon > 0 and finite in float32, got ${given}`, {
          argument: 'epsilon',
        });
      return this.constant(name, [], [given]);
    }
    if (!('parameter' in given)) return given;
    const { root } = this;
    const transform = given.transform ?? 'none';
    // A learned scalar is stored as [] or as [1]; both are taken.
    const stored = root.shapeOf(given.parameter);
    const shape = stored?.length === 1 && stored[0] === 1 ? [1] : [];
    const start = transform === 'exp' ? 0 : transform === 'softplus' ? Math.log(Math.E - 1) : 1;
    const learned = op.cast(
      root.parameter(given.parameter, shape, () => () => start),
      { to: 'float32' },
    );
    const scalar = shape.length === 0 ? learned : op.squeeze(learned);
    return transform === 'exp' ? op.exp(scalar) : transform === 'softplus' ? op.softplus(scalar) : scalar;
  }

  /** A name of this module that PyTorch stores and that no computation needs. */
  ignore(name: string): void {
    this.build.source.ignore(this.nameOf(name));
  }

  /**
   * A size that was said, or that the checkpoint's parameter `name` has on `axis`. @throws BAD_SPEC where neither says it (a checkpoint that
   * lacks the parameter is told of with all else that is missing, at the end).
   */
  size(said: number | undefined, field: string, name: string, axis: number): number {
    const found = said ?? this.shapeOf(name)?.at(axis);
    if (found !== undefined) return found;
    if (this.build.source.stored && this.has(name) === false) {
      this.build.source.lack(this.nameOf(name));
      return 1;
    }
    throw new HopfcoleError(
      'BAD_SPEC',
      `${this.describe()} does not say "${field}"`,
      { argument: field },
      `Add "${field}"`,
    );
  }

  /** The features that `x` has on its last axis. @throws SHAPE_MISMATCH naming both layers where they are not those said. */
  features(x: Value, said: number | undefined, field: string, stored?: number): number {
    const own = x.shape?.at(-1);
    const features = said ?? (typeof own === 'number' ? own : stored);
    if (features === undefined)
      throw new HopfcoleError(
        'BAD_SPEC',
        `${this.describe()} does not say its input features`,
        { argument: field },
        `Add "${field}"`,
      );
    if (typeof own === 'number' && own !== features)
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `${this.describe()} expects ${features} input features, but ${makerOf(x)} gives ${own}`,
        { argument: field },
        `Change "${field}" or the layer before`,
      );
    return features;
  }

  /** @throws SHAPE_MISMATCH naming both layers where `x` is known to have another rank than one of those expected. */
  rank(x: Value, expected: readonly number[], axes: string): number {
    const rank = x.shape?.length;
    if (rank === undefined)
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `${this.describe()} expects ${axes}, but the rank of what ${makerOf(x)} gives is not known`,
      );
    if (expected.includes(rank)) return rank;
    throw this.misfit(x, `the axes ${axes}`);
  }

  /** @throws SHAPE_MISMATCH naming both layers where `x` is known to have fewer axes. */
  atLeast(x: Value, axes: number, expected: string): void {
    if (x.shape !== undefined && x.shape.length < axes) throw this.misfit(x, `the axes ${expected}`);
  }

  /** The error for an input of a shape that does not compose, naming both layers. */
  misfit(x: Value, expected: string): HopfcoleError {
    return new HopfcoleError(
      'SHAPE_MISMATCH',
      `${this.describe()} expects ${expected}, but ${makerOf(x)} gives ${describeShape(x.shape)}`,
      {},
      'Change the input shape or the layer before',
    );
  }

  /** `layer 'blocks.0.attn' (attention)`. */
  describe(): string {
    const kind = kindInHand();
    if (this.path === '') return kind === undefined ? 'the network' : `the network (${kind})`;
    return `layer '${this.path}'${kind === undefined ? '' : ` (${kind})`}`;
  }

  /**
   * Says which equation the node that made these values discretises: the node gets the module's path as its name and the reading as
   * metadata, and the network remembers it. Returns the values anew (values are immutable). They must all be of one node, and used nowhere yet.
   */
  mark(value: Value, kind: ReadingKind, details?: ReadingDetails): Value;
  mark(values: readonly Value[], kind: ReadingKind, details?: ReadingDetails): readonly Value[];
  mark(given: Value | readonly Value[], kind: ReadingKind, details: ReadingDetails = {}): Value | readonly Value[] {
    const reading = readingOf(kind, this.path, details);
    if (!this.build.told) this.build.readings.push(reading);
    const values = 'source' in given ? [given] : given;
    const first = values[0];
    if (first?.source.kind !== 'output') return given;
    const { node } = first.source;
    const { outputs } = makeNode({
      ...node,
      name: this.nodeName(node),
      metadata: new Map([...node.metadata, [readingKey, JSON.stringify(reading)], ...(details.metadata ?? [])]),
      outputCount: node.outputs.length,
      outputNames: node.outputs.map(({ name }) => name),
      inferred: node.outputs.map(({ type, known }) => ({ type, known })),
    });
    const anew = values.map((value) => {
      if (value.source.kind !== 'output' || value.source.node !== node) return value;
      return outputs[value.source.index] ?? value;
    });
    return 'source' in given ? (anew[0] ?? given) : anew;
  }

  /** The module's path; with the operator, and a number, where another node of the module has that name. */
  private nodeName(node: Node): string | undefined {
    if (this.path === '') return node.name;
    const { marked } = this.build;
    let name = this.path;
    for (let count = 1; marked.has(name); count++)
      name = `${this.path}/${node.opType}${count === 1 ? '' : `_${count}`}`;
    marked.add(name);
    return name;
  }

  /** Builds what was built before once more, at another state: the parameters are the same ones, and the readings are told already. */
  again<T>(build: () => T): T {
    const { told } = this.build;
    this.build.told = true;
    try {
      return build();
    } finally {
      this.build.told = told;
    }
  }

  /** What became of the parameters. @throws MISSING_PARAMETERS, SHAPE_MISMATCH listing everything at once. */
  finish(): Finished {
    const { source, changed, readings, own, tied, values } = this.build;
    const parameters = source.finish();
    const called = (name: string) => this.build.called.get(name) ?? name;
    const all = new Set([...values.keys()].map(called));
    const state = [...all].filter((name) => !own.has(name) && !tied.has(name));
    const aliases = [...source.aliases()].filter(([name]) => !all.has(name));
    const names = aliases.map(([name, holder]) => [name, tied.get(called(holder)) ?? called(holder)] as const);
    return { parameters, changed, readings, state, tied: Object.fromEntries([...names, ...tied]) };
  }
}

/** The root of a network with fresh weights in PyTorch's distributions; the same seed gives the same weights everywhere. */
export function fresh(options: ModuleOptions & { readonly seed?: number | undefined } = {}): Module {
  return rooted(freshSource(options.seed ?? 0), options);
}

/** The root of a network with a checkpoint's weights, which are not copied; `finish` tells what does not fit. */
export function fromCheckpoint(
  tensors: ReadonlyMap<string, AnyTensor>,
  options: ModuleOptions & CheckpointSourceOptions = {},
): Module {
  return rooted(checkpointSource(tensors, options), options);
}

function rooted(source: ParameterSource, { dtype = 'float32' }: ModuleOptions): Module {
  const build: Build = {
    source,
    dtype,
    values: new Map(),
    held: new Map(),
    told: false,
    readings: [],
    marked: new Set(),
    own: new Set(),
    called: new Map(),
    tied: new Map(),
    changed: [],
  };
  return new Module(build, '');
}
