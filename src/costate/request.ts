import { HopfcoleError } from '../files/error.ts';
import { collectFunctions } from '../graph/functions.ts';
import type { Graph, Model, Output } from '../graph/graph.ts';
import { inputValue } from '../graph/make.ts';
import { levelOpsets } from '../graph/passes/opset/raise.ts';
import type { ShareOptions } from '../graph/passes/share.ts';
import type { Value } from '../graph/value.ts';
import { extended } from './extend.ts';
import { withOwnFunctions } from './functions.ts';
import { type LossKind, lossOf } from './loss.ts';
import { type Asked, freeName, type Named, resolveOf, resolveWrt, type Wrt } from './names.ts';
import type { Changed } from './parameters/changed.ts';
import { programConstants } from './parameters/constants.ts';
import { untangled } from './parameters/untangle.ts';
import { prepared } from './prepare.ts';
import { tidied } from './tidy.ts';

/** What is differentiated, and with respect to what. */
export interface DerivativeRequest {
  /** Names of outputs or inner values that are differentiated; all floating-point outputs without it. */
  readonly of?: readonly string[];
  /** `inputs` (the default), `parameters`, `all`, or names of inputs, parameters and inner values (`name:inputs` for one called so). */
  readonly wrt?: readonly Wrt[];
  /** The loss of the first output named, a mean: one more input `target`, one more output `loss`, and the co-states are the loss's alone. */
  readonly loss?: LossKind;
  /** The axis of classes of the loss. As PyTorch's without it: 1, or 0 where there is one axis only. */
  readonly classAxis?: number;
  /** Parameters whose numbers are not those of their name, known from elsewhere (see `changedFrom`): they get no co-state. */
  readonly changed?: readonly Changed[];
}

/** A model the rules can work on, with what was asked of it found. */
export interface Begun {
  readonly model: Model;
  /** Its graph, with the loss where one is asked for. */
  readonly graph: Graph;
  readonly of: readonly Named[];
  readonly wrt: Asked;
  readonly changed: readonly Changed[];
  readonly names: Names;
}

/** @throws UNKNOWN_NAME, NOT_FLOAT, CHANGED_PARAMETER, DUPLICATE_NAME. */
export function begin(given: Model, request: DerivativeRequest): Begun {
  const known = untangled(given, request.changed);
  const changed = new Map(known.changed.map((one) => [one.name, one]));
  const model = prepared(known.model);
  const wrt = resolveWrt(model.graph, request.wrt ?? ['inputs'], changed, programConstants(given));
  const names = new Names(model.graph);
  const of = resolveOf(model.graph, request.of);
  const rest = { model, wrt, changed: [...changed.values()], names };
  const [first] = of;
  if (request.loss === undefined || first === undefined) return { ...rest, graph: model.graph, of };
  const { target, value } = lossOf(request.loss, first, request.classAxis);
  names.claim('target', 'input');
  names.claim('loss', 'output');
  const loss = { name: 'loss', value };
  return { ...rest, graph: extended(model.graph, [target], [loss]), of: [loss] };
}

/** The model with that graph, without what the rules made in general and this network does not need. */
export function finished(model: Model, graph: Graph, sharing: ShareOptions = {}): Model {
  const unified = withOwnFunctions(graph, model.functions);
  const functions = collectFunctions(unified.nodes, model.functions);
  return tidied(levelOpsets({ ...model, graph: unified, functions }), sharing);
}

/** The names that a graph shows to the outside: those of inner values give way when a model is written. */
export class Names {
  private readonly taken: Set<string>;

  constructor({ inputs, parameters, outputs }: Graph) {
    this.taken = new Set([...inputs, ...parameters, ...outputs].map(({ name }) => name ?? ''));
  }

  /** @throws DUPLICATE_NAME: callers feed inputs and read the loss by these names. */
  claim(name: string, what: 'input' | 'output'): void {
    if (this.taken.has(name))
      throw new HopfcoleError(
        'DUPLICATE_NAME',
        `the new ${what} must be called '${name}', and the model has that name already`,
        { tensor: name },
        'Rename it in the model',
      );
    this.taken.add(name);
  }

  /** A new graph input of the type of `like`. */
  input(name: string, like: Value): Value {
    this.claim(name, 'input');
    return inputValue(name, like.type);
  }

  /** A new graph output of that name, or of that name with a number. */
  output(name: string, value: Value): Output {
    return { name: freeName(name, this.taken), value };
  }
}
