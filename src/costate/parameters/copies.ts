import { isFloat } from '../../files/dtype.ts';
import { type AnyTensor, isStored, type Tensor } from '../../files/tensor.ts';
import type { Graph, Model } from '../../graph/graph.ts';
import * as op from '../../graph/op.ts';
import { rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Value } from '../../graph/value.ts';
import { ints } from '../pieces.ts';
import { isAffine } from './affine.ts';
import type { Changed } from './changed.ts';
import { foldedFrom } from './folded.ts';
import { type Layout, laidOut } from './layout.ts';
import { lengthOf } from './loaded.ts';
import { signatureOf } from './signature.ts';

/** A graph in which copies of parameters are computed from them, and the parameters whose other uses are lost. */
export interface Retied {
  readonly graph: Graph;
  readonly changed: readonly Changed[];
}

/**
 * PyTorch's exporters store a parameter that is used in two forms twice: an embedding tied to the output layer as itself and transposed
 * (`val_70`, `onnx::MatMul_123`), a bias also broadcast. The co-state of the one under the parameter's name would lack the other's part.
 * Here the copy is made from the parameter again; the numbers are the same bits. `graph` is as read, so that its metadata are found.
 */
export function retied(model: Model): Retied {
  const { graph, producer } = model;
  if (!/pytorch/i.test(producer.name)) return { graph, changed: [] };
  const signature = signatureOf(model);
  const targets = signature === undefined ? undefined : new Set(signature.values());
  const isHeld = (name: string): boolean => targets?.has(name) ?? !name.startsWith('onnx::');
  const held = graph.parameters.filter((value) => isPlain(value) && isHeld(value.name ?? ''));
  const byName = new Map(held.map((value) => [value.name ?? '', value]));
  const sources = foldedFrom(graph);
  const values = new Map<Value, Value>();
  const changed = new Map<string, Changed>();
  for (const copy of graph.parameters) {
    if (!isPlain(copy)) continue;
    const from = origins(copy.name ?? '', sources, byName);
    const told = from !== undefined;
    const candidates = from ?? (copy.name?.startsWith('onnx::') === true && isTelling(tensorOf(copy)) ? held : []);
    const original = candidates.find((value) => value !== copy && layoutOf(value, copy) !== undefined);
    if (original !== undefined) {
      const layout = layoutOf(original, copy);
      if (layout !== undefined) values.set(copy, made(original, layout, copy));
    } else if (told)
      for (const { name = '' } of candidates)
        changed.set(name, {
          name,
          why: `the exporter computed '${copy.name ?? ''}' from it too, and what depends on that is lost`,
        });
    else if (copy.name?.startsWith('onnx::') === true)
      for (const value of held) {
        const why = isComputed(value, copy)
          ? `the exporter seems to have computed '${copy.name}' from it too, and what depends on that is lost`
          : isUntold(value, copy)
            ? `'${copy.name}' may be a copy of it, which cannot be told while their numbers are in a file (see withCopiesLoaded)`
            : undefined;
        if (why !== undefined) changed.set(value.name ?? '', { name: value.name ?? '', why });
      }
  }
  return { graph: values.size === 0 ? graph : placed(graph, values), changed: [...changed.values()] };
}

/** The graph on other values, the nodes that make those first. */
function placed(graph: Graph, values: ReadonlyMap<Value, Value>): Graph {
  const first = [...values.values()].flatMap(({ source }) => (source.kind === 'output' ? [source.node] : []));
  const rewritten = rewriteGraph(graph, () => undefined, { values });
  const gone = (value: Value): boolean => values.has(value);
  return {
    ...rewritten,
    nodes: [...first, ...rewritten.nodes],
    parameters: graph.parameters.filter((value) => !gone(value)),
  };
}

function isPlain({ source, dtype }: Value): boolean {
  return source.kind === 'parameter' && source.overridable !== true && dtype !== undefined && isFloat(dtype);
}

function tensorOf({ source }: Value): AnyTensor | undefined {
  return source.kind === 'parameter' ? source.tensor : undefined;
}

/** The parameters that an initializer was folded from, through values between that are gone; undefined where nothing is told. */
function origins(
  name: string,
  sources: ReadonlyMap<string, readonly string[]>,
  held: ReadonlyMap<string, Value>,
): readonly Value[] | undefined {
  if (!sources.has(name)) return undefined;
  const found = new Set<Value>();
  const seen = new Set([name]);
  const stack = [...(sources.get(name) ?? [])];
  for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
    if (seen.has(one)) continue;
    seen.add(one);
    const parameter = held.get(one);
    if (parameter === undefined) stack.push(...(sources.get(one) ?? []));
    else found.add(parameter);
  }
  return [...found];
}

/** Whether equal content can be no accident: several numbers, not all the same. */
function isTelling(tensor: AnyTensor | undefined): boolean {
  if (tensor === undefined || isStored(tensor) || tensor.bytes.length < 32) return false;
  const { bytes } = tensor;
  const width = bytes.length / tensor.shape.reduce((product, dim) => product * dim, 1);
  return bytes.subarray(width).some((byte, index) => byte !== bytes[index % width]);
}

/** Whether one may be the other laid out anew, but their numbers are not here to tell. */
function isUntold(original: Value, copy: Value): boolean {
  const [from, to] = [tensorOf(original), tensorOf(copy)];
  if (from === undefined || to === undefined || !(isStored(from) || isStored(to))) return false;
  return lengthOf(original) === lengthOf(copy);
}

/** Whether one is the other times a number plus a number. */
function isComputed(original: Value, copy: Value): boolean {
  const [from, to] = [tensorOf(original), tensorOf(copy)];
  if (from === undefined || to === undefined || isStored(from) || isStored(to)) return false;
  return isAffine(from, to);
}

function layoutOf(original: Value, copy: Value): Layout | undefined {
  const [from, to] = [tensorOf(original), tensorOf(copy)];
  if (from === undefined || to === undefined || isStored(from) || isStored(to)) return undefined;
  return laidOut(from as Tensor, to as Tensor);
}

function made(original: Value, layout: Layout, copy: Value): Value {
  const shape = ints(...(copy.shape ?? []).map(Number));
  switch (layout.kind) {
    case 'transpose':
      return op.transpose(original, { perm: layout.perm });
    case 'reshape':
      return op.reshape(original, shape, { allowzero: 1 });
    case 'expand':
      return op.expand(original, shape);
    case 'same':
      return original;
  }
}
