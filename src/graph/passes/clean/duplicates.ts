import { isStored, type Tensor } from '../../../files/tensor.ts';
import type { Graph, Model } from '../../graph.ts';
import { makeValue } from '../../make.ts';
import type { Value } from '../../value.ts';
import { rewriteGraph } from '../rewrite.ts';
import { constantsOf } from './listed.ts';

export interface DuplicateOptions {
  /** Which parameters may stand for one another where their bytes are equal; none without it: each is differentiated by itself. */
  readonly parameters?: (parameter: Value) => boolean;
}

/**
 * A model that holds each constant once, and each of the parameters that may be shared. Parameters that an author named stay apart by
 * default though their bytes be equal: they are tied only if the network ties them.
 */
export function shareInitializers(model: Model, options: DuplicateOptions = {}): Model {
  const graph = shared(model.graph, options.parameters ?? (() => false));
  return graph === model.graph ? model : { ...model, graph };
}

function shared(graph: Graph, mayShare: (parameter: Value) => boolean): Graph {
  const values = new Map<Value, Value>();
  const holders = new Map<string, { readonly value: Value; readonly tensor: Tensor }[]>();
  const names = new Set<string>();
  const isShared = (value: Value): boolean =>
    value.source.kind === 'constant' ||
    (value.source.kind === 'parameter' && value.source.overridable !== true && mayShare(value));
  // Parameters first: a constant that is one already is not held twice.
  for (const value of new Set([...graph.parameters, ...constantsOf(graph)])) {
    const tensor = 'tensor' in value.source && !isStored(value.source.tensor) ? value.source.tensor : undefined;
    if (tensor !== undefined && isShared(value)) {
      const key = `${tensor.dtype} ${tensor.shape.join(',')} ${sample(tensor)}`;
      const alike = holders.get(key) ?? [];
      holders.set(key, alike);
      const found = alike.find((one) => sameContent(one.tensor, tensor));
      if (found !== undefined) {
        values.set(value, found.value);
        continue;
      }
      const kept = value.source.kind === 'constant' && names.has(value.name ?? '') ? unnamed(value) : value;
      if (kept !== value) values.set(value, kept);
      alike.push({ value: kept, tensor });
    }
    if (value.name !== undefined) names.add(value.name);
  }
  if (values.size === 0) return graph;
  return rewriteGraph(graph, () => undefined, { values, keepParameter: (value) => !values.has(value) });
}

/** Constants of branches may bear the same name: held together, they cannot. */
function unnamed(value: Value): Value {
  return makeValue(value.source, value.type, undefined, value.known);
}

/** Enough of the bytes to tell most tensors apart. */
function sample({ bytes, strings }: Tensor): string {
  if (strings !== undefined) return strings.slice(0, 4).join(' ');
  const step = Math.max(1, Math.floor(bytes.length / 16));
  let text = '';
  for (let at = 0; at < bytes.length; at += step) text += `${bytes[at]},`;
  return text;
}

function sameContent(a: Tensor, b: Tensor): boolean {
  if (a.strings !== undefined || b.strings !== undefined)
    return JSON.stringify(a.strings ?? null) === JSON.stringify(b.strings ?? null);
  return a.bytes === b.bytes || (a.bytes.length === b.bytes.length && a.bytes.every((byte, i) => byte === b.bytes[i]));
}
