import type { DType } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { collectFunctions } from '../graph/functions.ts';
import type { Graph, Model, Output } from '../graph/graph.ts';
import { inputValue } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import { levelOpsets } from '../graph/passes/opset/raise.ts';
import type { Shape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { recordStates } from './control/states.ts';
import { extended } from './extend.ts';
import { type LossKind, lossOf } from './loss.ts';
import { freeName, type Named, type NotDifferentiable, resolveOf, resolveWrt, type Wrt } from './names.ts';
import type { Changed } from './parameters/changed.ts';
import { untangled } from './parameters/untangle.ts';
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
  /** The loss of the first output named, a mean: one more input `target`, one more output `loss`, and the co-states are the loss's alone. */
  readonly loss?: LossKind;
  /** The axis of classes of the loss. As PyTorch's without it: 1, or 0 where there is one axis only. */
  readonly classAxis?: number;
  /** Parameters whose numbers are not those of their name, known from elsewhere (see `changedFrom`): they get no co-state. */
  readonly changed?: readonly Changed[];
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
  /** Parameters that the exporter changed under their name. */
  readonly changed: readonly Changed[];
  readonly notDifferentiable: readonly NotDifferentiable[];
}

/**
 * The co-state graph of a model, in plain ONNX: backpropagation as the co-state equation p_l = DF_l' p_(l+1) (theory.md section 4).
 * @throws UNKNOWN_NAME, NOT_FLOAT, CHANGED_PARAMETER, NOT_DIFFERENTIABLE, DUPLICATE_NAME, NO_COSTATE_RULE before anything is built.
 */
export function costate(given: Model, options: CostateOptions = {}): Costate {
  const known = untangled(given, options.changed ?? []);
  const changed = new Map(known.changed.map((one) => [one.name, one]));
  const model = prepared(known.model);
  const wrt = resolveWrt(model.graph, options.wrt ?? ['inputs'], changed);
  const begun = differentiated(model.graph, options);
  const { of } = begun;
  const taken = namesOf(begun.graph);
  const inputs: Value[] = [];
  const extra = (name: string, like: Value): Value => {
    const value = inputValue(newInput(name, taken), like.type);
    inputs.push(value);
    return value;
  };
  const first = recordStates(
    begun.graph,
    [...of, ...wrt.values].map(({ value }) => value),
  );
  const heads = first.followed.slice(0, of.length);
  const targets = first.followed.slice(of.length);
  const seeds = new Map<Value, Value>();
  of.forEach(({ name }, index) => {
    const value = heads[index];
    if (value === undefined) return;
    const seed = options.seed === 'input' ? extra(`cotangent_${name}`, value) : fullLike(value, 1);
    const before = seeds.get(value);
    // Two outputs may be one value.
    seeds.set(value, before === undefined ? seed : op.add(before, seed));
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
    changed: [...changed.values()],
    notDifferentiable: [
      ...wrt.left,
      ...left.map(({ name }) => ({
        name,
        why: `no differentiable path from it to ${of.map((one) => one.name).join(', ')}`,
      })),
    ],
  };
}

/** The graph with its loss, where one is asked for, and what is differentiated. */
function differentiated(
  graph: Graph,
  options: CostateOptions,
): { readonly graph: Graph; readonly of: readonly Named[] } {
  const of = resolveOf(graph, options.of);
  const [first] = of;
  if (options.loss === undefined || first === undefined) return { graph, of };
  const { target, value } = lossOf(options.loss, first, options.classAxis);
  const taken = namesOf(graph);
  newInput('target', taken);
  if (taken.has('loss')) throw duplicate('loss', 'output');
  const loss = { name: 'loss', value };
  return { graph: extended(graph, [target], [loss]), of: [loss] };
}

/** The names that a graph shows to the outside: those of inner values give way when the model is written. */
function namesOf({ inputs, parameters, outputs }: Graph): Set<string> {
  return new Set([...inputs, ...parameters, ...outputs].map(({ name }) => name ?? ''));
}

/** @throws DUPLICATE_NAME: callers feed inputs by these names. */
function newInput(name: string, taken: Set<string>): string {
  if (taken.has(name)) throw duplicate(name, 'input');
  taken.add(name);
  return name;
}

function duplicate(name: string, what: 'input' | 'output'): HopfcoleError {
  return new HopfcoleError(
    'DUPLICATE_NAME',
    `the co-state graph needs the ${what} '${name}', and the model has that name already`,
    { tensor: name },
    'Rename it in the model',
  );
}

function noPath(missing: Named | undefined, of: readonly Named[]): HopfcoleError {
  return new HopfcoleError(
    'NOT_DIFFERENTIABLE',
    `no differentiable path from '${missing?.name ?? 'any value asked for'}' to ${of.map(({ name }) => `'${name}'`).join(', ')}`,
    { argument: '--wrt' },
    'Ask for a value that the output depends on through floating-point operators (see inspect)',
  );
}
