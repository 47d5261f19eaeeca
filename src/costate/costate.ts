import type { DType } from '../files/dtype.ts';
import type { Graph, Model, Output } from '../graph/graph.ts';
import type { Shape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { extended } from './extend.ts';
import type { NotDifferentiable } from './names.ts';
import type { Changed } from './parameters/changed.ts';
import { fullLike } from './pieces.ts';
import { type Pull, pullback } from './pullback.ts';
import { pullbackInBlocks } from './recompute.ts';
import { begin, type DerivativeRequest, finished, type Names } from './request.ts';
import { type Found, recorded, seedsFor, swept } from './sweep.ts';

export interface CostateOptions extends DerivativeRequest {
  /** `ones` (the default): of the sum of the outputs. `input`: one more input `cotangent_<output>` per output, of its shape. */
  readonly seed?: 'ones' | 'input';
  /** 2: Hessian-vector products as well: one more input `direction_<name>` per wrt, one more output `hvp_<name>`. */
  readonly order?: 1 | 2;
  /**
   * Keep only what passes between so many blocks of the network, and compute what is inside them once more on the way back: less memory, for
   * one more forward pass. `auto`: the square root of the number of nodes.
   */
  readonly recompute?: number | 'auto';
}

/** One co-state or one Hessian-vector product among the outputs. */
export interface Gradient {
  readonly wrt: string;
  /** The output: `costate_<wrt>` or `hvp_<wrt>`. */
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface Costate {
  /** The original outputs first and unchanged, then the co-states. */
  readonly model: Model;
  readonly gradients: readonly Gradient[];
  /** At order 2, as many Hessian-vector products; otherwise none. */
  readonly products: readonly Gradient[];
  /** Parameters that the exporter changed under their name. */
  readonly changed: readonly Changed[];
  readonly notDifferentiable: readonly NotDifferentiable[];
}

/**
 * The co-state graph of a model, in plain ONNX: backpropagation as the co-state equation p_l = DF_l' p_(l+1) (theory.md section 4).
 * @throws UNKNOWN_NAME, NOT_FLOAT, CHANGED_PARAMETER, DUPLICATE_NAME, NO_COSTATE_RULE, UNSUPPORTED_COSTATE, NOT_DIFFERENTIABLE.
 */
export function costate(given: Model, options: CostateOptions = {}): Costate {
  const { model, graph: plain, of, wrt, changed, names } = begin(given, options);
  const recording = recorded(plain, of, wrt.values);
  const inputs: Value[] = [];
  const seeds = seedsFor(recording.of, ({ name, value }) => {
    if (options.seed !== 'input') return fullLike(value, 1);
    const cotangent = names.input(`cotangent_${name}`, value);
    inputs.push(cotangent);
    return cotangent;
  });
  const { recompute } = options;
  const backward = recompute === undefined ? pullback : (pull: Pull) => pullbackInBlocks(pull, recompute);
  const { found, left } = swept(recording, seeds, wrt, backward);
  const outputs = found.map(({ name, bar }) => names.output(`costate_${name}`, bar));
  const first = extended(recording.graph, inputs, outputs);
  const second = options.order === 2 ? withProducts(first, found, outputs, names) : { graph: first, products: [] };
  const made = finished(model, second.graph, { outer: recompute === undefined });
  const types = new Map(made.graph.outputs.map(({ name, value }) => [name, value]));
  const described = (those: readonly Output[]): Gradient[] =>
    those.map(({ name }, index) => {
      const { name: wrt = '', value } = found[index] ?? {};
      return { wrt, name, dtype: value?.dtype ?? 'float32', shape: value?.shape ?? types.get(name)?.shape };
    });
  return {
    model: made,
    gradients: described(outputs),
    products: described(second.products),
    changed,
    notDifferentiable: left,
  };
}

interface WithProducts {
  readonly graph: Graph;
  readonly products: readonly Output[];
}

/** Hessian-vector products: the co-states of sum <direction, co-state>, that is of the co-states along the directions. */
function withProducts(graph: Graph, found: readonly Found[], outputs: readonly Output[], names: Names): WithProducts {
  const again = recorded(graph, outputs, found);
  const directions = found.map(({ name, value }) => names.input(`direction_${name}`, value));
  const along = new Map(outputs.map(({ name }, index) => [name, directions[index]]));
  const seeds = seedsFor(again.of, ({ name, value }) => along.get(name) ?? fullLike(value, 0));
  const wrt = again.wrt.map(({ value }) => value);
  const products = pullback({ nodes: again.graph.nodes, seeds, wrt });
  const more = again.wrt.map(({ name, value }, index) =>
    names.output(`hvp_${name}`, products[index] ?? fullLike(value, 0)),
  );
  return { graph: extended(again.graph, directions, more), products: more };
}
