import { isStored, type Tensor } from '../../files/tensor.ts';
import type { Attribute } from '../attribute.ts';
import type { FunctionDefinition } from '../function.ts';
import type { Model } from '../graph.ts';
import type { Node, Value } from '../value.ts';
import { everyNode, subgraphsOf } from '../walk.ts';
import { constantTensor } from './constants.ts';
import { randomOperators } from './random.ts';
import { type Place, type Replacement, rewriteModel } from './rewrite.ts';

export interface ShareOptions {
  /** Take parameters of equal bytes for one as well. Their names are then no longer all in the file. */
  readonly parameters?: boolean;
  /** false: what an outer graph computes already is computed in its subgraphs again, as where memory is dearer than time. */
  readonly outer?: boolean;
}

/** Tensors up to this size are compared by their bytes, larger ones by identity. */
const compared = 4096;

/**
 * A model in which what is computed twice from the same inputs with the same attributes is computed once, in functions and
 * subgraphs too (there also what an outer graph computes already). Random operators, and Dropout that may be training, stay apart.
 */
export function shareCommon(model: Model, options: ShareOptions = {}): Model {
  const identities = new Identities(options.parameters === true);
  const tables = new WeakMap<Place, Map<string, Node>>();
  const pure = new WeakMap<FunctionDefinition, boolean>();
  return rewriteModel(model, (node, _, place): Replacement => {
    if (!isPure(node, pure)) return undefined;
    const key = identities.keyOf(node);
    for (
      let scope: Place | undefined = place;
      scope !== undefined;
      scope = options.outer === false ? undefined : scope.outer
    ) {
      const found = tables.get(scope)?.get(key);
      if (found !== undefined) return found.outputs;
    }
    let table = tables.get(place);
    if (table === undefined) {
      table = new Map();
      tables.set(place, table);
    }
    table.set(key, node);
    return undefined;
  });
}

function isPure(node: Node, known: WeakMap<FunctionDefinition, boolean>): boolean {
  if (
    node.domain === '' &&
    (randomOperators.has(node.opType) || (node.opType === 'Dropout' && node.inputs[2] !== undefined))
  )
    return false;
  // A subgraph may hold anything, and is compared by identity alone: seldom equal, never wrong.
  if (subgraphsOf(node).length > 0) return false;
  const { callee } = node;
  if (callee === undefined) return node.domain === '' || node.domain === 'ai.onnx.ml';
  let pure = known.get(callee);
  if (pure === undefined) {
    pure = [...everyNode(callee.body)].every((inner) => isPure(inner, known) || subgraphsOf(inner).length > 0);
    pure &&= ![...everyNode(callee.body)].some(
      (inner) => randomOperators.has(inner.opType) || inner.opType === 'Dropout',
    );
    known.set(callee, pure);
  }
  return pure;
}

/** Numbers for things that are the same: values and tensors. */
class Identities {
  private readonly numbers = new WeakMap<object, number>();
  private readonly byContent = new Map<string, number>();
  private readonly parameters: boolean;
  private last = 0;

  constructor(parameters: boolean) {
    this.parameters = parameters;
  }

  keyOf(node: Node): string {
    const attributes = [...node.attributes].sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify([
      node.domain,
      node.opType,
      node.overload,
      node.version ?? 0,
      node.outputs.length,
      node.callee === undefined ? 0 : this.numberOf(node.callee),
      node.inputs.map((value) => (value === undefined ? 0 : this.ofValue(value))),
      attributes.map(([name, attribute]) => [name, attribute.kind, this.ofAttribute(attribute)]),
    ]);
  }

  private ofValue(value: Value): number {
    const { kind } = value.source;
    const named = kind === 'parameter' && !this.parameters;
    const tensor = named ? undefined : constantTensor(value);
    return tensor === undefined ? this.numberOf(value) : this.ofTensor(tensor);
  }

  private ofAttribute(attribute: Attribute): unknown {
    switch (attribute.kind) {
      case 'int':
        return String(attribute.value);
      case 'ints':
        return attribute.value.map(String);
      case 'float':
        return floatKey(attribute.value);
      case 'floats':
        return attribute.value.map(floatKey);
      case 'reference':
        return [attribute.value, attribute.of];
      case 'string':
        return textKey(attribute.value);
      case 'strings':
        return attribute.value.map(textKey);
      case 'tensor':
        return isStored(attribute.value) ? this.numberOf(attribute.value) : this.ofTensor(attribute.value);
      default:
        return this.numberOf(attribute);
    }
  }

  private ofTensor(tensor: Tensor): number {
    if (tensor.bytes.byteLength > compared || tensor.dtype === 'string') return this.numberOf(tensor);
    const key = `${tensor.dtype} ${tensor.shape.join(',')} ${tensor.bytes.join(',')}`;
    const known = this.byContent.get(key);
    if (known !== undefined) return known;
    this.byContent.set(key, ++this.last);
    return this.last;
  }

  private numberOf(thing: object): number {
    const known = this.numbers.get(thing);
    if (known !== undefined) return known;
    this.numbers.set(thing, ++this.last);
    return this.last;
  }
}

/** JSON has no -0, infinities or NaN. */
function floatKey(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function textKey(value: string | Uint8Array): string {
  return typeof value === 'string' ? `s${value}` : `b${value.join(',')}`;
}
