import type { DType } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { collectFunctions } from '../graph/functions.ts';
import type { Graph, Model, Output } from '../graph/graph.ts';
import { inputValue } from '../graph/make.ts';
import { levelOpsets } from '../graph/passes/opset/raise.ts';
import type { Shape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { recordStates } from './control/states.ts';
import { extended } from './extend.ts';
import { freeName, type Named, type NotDifferentiable, resolveOf, resolveWrt, type Wrt } from './names.ts';
import { fullLike } from './pieces.ts';
import { prepared } from './prepare.ts';
import { pullback } from './pullback.ts';
import { tidied } from './tidy.ts';

export interface CostateOptions {
  /** Names of outputs or inner values that are differentiated; all floating-point outputs without it. */
  readonly of?: readonly string[];
  /** `inputs` (the default), `parameters`, `all`, or names of inputs, parameters and inner values (`name:inputs` for one called so). */
  readonly wrt?: readonly Wrt[];
  /** `ones` (the default): of the sum of the outputs. `input`: one more input `cotangent_<output>` per output, of its shape. */
  readonly seed?: 'ones' | 'input';
  /** 2: Hessian-vector products as well: one more input `direction_<name>` per wrt, one more output `hvp_<name>`. */
  readonly order?: 1 | 2;
}

/** One co-state among the outputs. */
export interface Gradient {
  readonly wrt: string;
  /** The output: `costate_<wrt>`. */
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface Costate {
  /** The original outputs first and unchanged, then the co-states. */
  readonly model: Model;
  readonly gradients: readonly Gradient[];
  readonly notDifferentiable: readonly NotDifferentiable[];
}

/**
 * The co-state graph of a model, in plain ONNX: backpropagation as the co-state equation p_l = DF_l' p_(l+1) (theory.md section 4).
 * @throws NO_COSTATE_RULE, UNKNOWN_NAME, NOT_FLOAT, NOT_DIFFERENTIABLE before anything is built.
 */
export function costate(given: Model, options: CostateOptions = {}): Costate {
  const model = prepared(given);
  const wrt = resolveWrt(model.graph, options.wrt ?? ['inputs']);
  const of = resolveOf(model.graph, options.of);
  const taken = namesOf(model.graph);
  const inputs: Value[] = [];
  const extra = (base: string, like: Value): Value => {
    const value = inputValue(freeName(base, taken), like.type);
    inputs.push(value);
    return value;
  };
  const first = recordStates(
    model.graph,
    [...of, ...wrt.values].map(({ value }) => value),
  );
  const heads = first.followed.slice(0, of.length);
  const targets = first.followed.slice(of.length);
  const seeds = new Map<Value, Value>();
  of.forEach(({ name }, index) => {
    const value = heads[index];
    if (value === undefined || seeds.has(value)) return;
    seeds.set(value, options.seed === 'input' ? extra(`cotangent_${name}`, value) : fullLike(value, 1));
  });
  const bars = pullback({ nodes: first.graph.nodes, seeds, wrt: targets });
  const found = wrt.values.flatMap(({ name }, index) => {
    const [value, bar] = [targets[index], bars[index]];
    return value === undefined || bar === undefined ? [] : [{ name, value, bar }];
  });
  const left = wrt.values.filter((_, index) => bars[index] === undefined);
  const missing = left.find(({ name }) => wrt.byName.has(name));
  if (missing !== undefined || found.length === 0) throw noPath(missing ?? left[0], of);
  const outputs: Output[] = found.map(({ name, bar }) => ({ name: freeName(`costate_${name}`, taken), value: bar }));
  let graph = extended(first.graph, inputs, outputs);
  if (options.order === 2) {
    const second = recordStates(
      graph,
      [...outputs, ...found].map(({ value }) => value),
    );
    const directions = new Map<Value, Value>();
    found.forEach(({ name, value }, index) => {
      const head = second.followed[index];
      if (head === undefined) return;
      const direction = extra(`direction_${name}`, value);
      directions.set(head, direction);
    });
    const products = pullback({
      nodes: second.graph.nodes,
      seeds: directions,
      wrt: second.followed.slice(outputs.length),
    });
    const more = found.map(({ name, value }, index) => ({
      name: freeName(`hvp_${name}`, taken),
      value: products[index] ?? fullLike(value, 0),
    }));
    graph = extended(second.graph, inputs.slice(-found.length), more);
  }
  const result = tidied(
    levelOpsets({ ...model, graph, functions: collectFunctions(graph.nodes, model.functions), opsets: model.opsets }),
  );
  const byName = new Map(result.graph.outputs.map(({ name, value }) => [name, value]));
  return {
    model: result,
    gradients: found.map(({ name, value }, index) => {
      const output = outputs[index]?.name ?? '';
      const made = byName.get(output) ?? value;
      return { wrt: name, name: output, dtype: value.dtype ?? 'float32', shape: value.shape ?? made.shape };
    }),
    notDifferentiable: [
      ...wrt.left,
      ...left.map(({ name }) => ({
        name,
        why: `no differentiable path from it to ${of.map((one) => one.name).join(', ')}`,
      })),
    ],
  };
}

function namesOf(graph: Graph): Set<string> {
  const names = new Set<string>();
  const add = (name: string | undefined): void => {
    if (name !== undefined && name !== '') names.add(name);
  };
  for (const { name } of [...graph.inputs, ...graph.parameters, ...graph.outputs]) add(name);
  for (const node of graph.nodes) for (const { name } of node.outputs) add(name);
  return names;
}

function noPath(missing: Named | undefined, of: readonly Named[]): HopfcoleError {
  return new HopfcoleError(
    'NOT_DIFFERENTIABLE',
    `no differentiable path from '${missing?.name ?? 'any value asked for'}' to ${of.map(({ name }) => `'${name}'`).join(', ')}`,
    { argument: '--wrt' },
    'Ask for a value that the output depends on through floating-point operators (see inspect)',
  );
}
