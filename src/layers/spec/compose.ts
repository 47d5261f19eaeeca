import type { DType } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { suggestion } from '../../files/nearest.ts';
import { input } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { describeShape, type Shape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import type { Module } from '../module.ts';
import type { LayerSpec, Place } from './kind.ts';
import { layerKinds } from './kinds.ts';
import { isComputing, type Spec } from './spec.ts';

/** A specification built on a module: the graph's inputs and outputs. */
export interface Composed {
  readonly inputs: readonly Value[];
  readonly outputs: Readonly<Record<string, Value>>;
}

/** Builds the layers of a specification. @throws what the layers throw, with the JSON path of the layer. */
export function compose(spec: Spec, root: Module, file?: string): Composed {
  const graph = new GraphInputs(spec, root.dtype);
  const named = new Map<string, Value>(graph.computed);
  const further = new Map<string, Value>();
  const asked = new Set(Object.values(spec.outputs ?? {}));
  for (const layer of spec.layers) for (const from of list(layer.from)) asked.add(from);
  const context: Context = { graph, named, asked, further, file };
  let last = [...graph.computed.values()][0] as Value;
  last = composeChain(spec.layers, root, last, '$.layers', '', context);
  const outputs: Record<string, Value> = { [spec.output]: graph.narrowed(last) };
  for (const [name, from] of Object.entries(spec.outputs ?? {})) {
    if (name === spec.output)
      throw new HopfcoleError(
        'BAD_SPEC',
        `'${name}' is the output of the last layer already`,
        { file, at: `$.outputs.${name}` },
        'Choose another name, here or in "output"',
      );
    const value = named.get(from);
    if (value === undefined) throw unknownName(from, named, file, `$.outputs.${name}`);
    outputs[name] = graph.narrowed(value);
  }
  for (const [name, value] of further) outputs[name] = graph.narrowed(value);
  return { inputs: graph.inputs, outputs };
}

interface Context {
  readonly graph: GraphInputs;
  readonly named: Map<string, Value>;
  readonly asked: ReadonlySet<string>;
  readonly further: Map<string, Value>;
  readonly file: string | undefined;
}

function composeChain(
  layers: readonly LayerSpec[],
  module: Module,
  x: Value,
  base: string,
  prefix: string,
  context: Context,
): Value {
  return layers.reduce((value, layer, index) => {
    const path = `${base}[${index}]`;
    try {
      return composeLayer(layer, index, module, value, path, prefix, context);
    } catch (error) {
      throw error instanceof HopfcoleError ? error.at({ file: context.file, at: path }) : error;
    }
  }, x);
}

function composeLayer(
  layer: LayerSpec,
  index: number,
  outer: Module,
  before: Value,
  path: string,
  prefix: string,
  context: Context,
): Value {
  const { graph, named, asked, further, file } = context;
  const kind = layerKinds.get(layer.kind);
  if (kind === undefined) throw new HopfcoleError('BAD_SPEC', `unknown layer kind '${layer.kind}'`, { file, at: path });
  const said = layer.name ?? (kind.root ? '.' : String(index));
  const own = said === '.' ? '' : said;
  const module = outer.at(own);
  const name = prefix === '' ? own : own === '' ? prefix : `${prefix}.${own}`;
  const inputs =
    layer.from === undefined
      ? [before]
      : list(layer.from).map((from) => {
          const value = named.get(from) ?? (prefix === '' ? undefined : named.get(`${prefix}.${from}`));
          if (value === undefined) throw unknownName(from, named, file, `${path}.from`);
          return value;
        });
  const [least, most] = kind.takes;
  if (inputs.length < least || inputs.length > most)
    throw new HopfcoleError(
      'BAD_SPEC',
      `a layer of kind '${kind.kind}' takes ${least === most ? least : `${least} to ${most}`} values, got ${inputs.length}`,
      { file, at: path },
      'Name them with "from"',
    );
  const place: Place<LayerSpec> = {
    module,
    input: inputs[0] ?? before,
    inputs,
    options: layer,
    asked: (output) => asked.has(name === '' ? output : `${name}.${output}`),
    expose: (output, value) => named.set(name === '' ? output : `${name}.${output}`, value),
    graphInput: (wanted, dtype, shape) => graph.more(wanted, dtype, shape),
    graphOutput: (wanted, value) => further.set(wanted, value),
    chain: (layers, inner, x, field) => composeChain(layers, inner, x, `${path}.${field}`, inner.path, context),
  };
  const value = kind.build(place as Place<never>);
  if (name !== '') named.set(name, value);
  return value;
}

/** The inputs of a graph as its layers see them: bfloat16 is widened, since ONNX Runtime's CPU has no kernels for it. */
class GraphInputs {
  readonly inputs: Value[] = [];
  readonly computed = new Map<string, Value>();
  private readonly dtype: DType;
  private readonly narrow: DType;

  constructor(spec: Spec, dtype: DType) {
    this.dtype = dtype;
    this.narrow = declaredDType(spec);
    for (const [index, { name, dtype: own, shape }] of spec.inputs.entries()) {
      if (this.computed.has(name))
        throw new HopfcoleError('BAD_SPEC', `two inputs are called '${name}'`, { at: `$.inputs[${index}].name` });
      this.more(name, own, shape);
    }
  }

  more(name: string, dtype: DType, shape: Shape): Value {
    const known = this.computed.get(name);
    if (known !== undefined) {
      if (known.shape !== undefined && shape !== undefined && known.shape.length !== shape.length)
        throw new HopfcoleError(
          'SHAPE_MISMATCH',
          `expected the input '${name}' of shape ${describeShape(shape)}, got ${describeShape(known.shape)}`,
          {},
          'Change its shape in "inputs"',
        );
      return known;
    }
    const x = input(name, dtype, shape);
    this.inputs.push(x);
    const value = isComputing(dtype) && dtype !== this.dtype ? op.cast(x, { to: this.dtype }) : x;
    this.computed.set(name, value);
    return value;
  }

  narrowed(value: Value): Value {
    return value.dtype === this.dtype && this.narrow !== this.dtype ? op.cast(value, { to: this.narrow }) : value;
  }
}

/** The element type the specification asks for. */
export function declaredDType(spec: Spec): 'float32' | 'float16' | 'float64' | 'bfloat16' {
  return spec.dtype ?? spec.inputs.map(({ dtype }) => dtype).find(isComputing) ?? 'float32';
}

function list(from: string | readonly string[] | undefined): readonly string[] {
  return from === undefined ? [] : typeof from === 'string' ? [from] : from;
}

function unknownName(
  name: string,
  named: ReadonlyMap<string, Value>,
  file: string | undefined,
  at: string,
): HopfcoleError {
  return new HopfcoleError(
    'BAD_SPEC',
    `nothing before it is called '${name}'`,
    { file, at },
    suggestion(name, named.keys()) || `There are ${[...named.keys()].join(', ')}`,
  );
}
