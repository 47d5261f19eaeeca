import { HopfcoleError } from '../../../files/error.ts';
import { elementCount, type Tensor } from '../../../files/tensor.ts';
import type { Model } from '../../graph.ts';
import type { Node, Value } from '../../value.ts';
import { subgraphsOf, usedBy } from '../../walk.ts';
import { constantTensor } from '../constants.ts';
import { removeDead } from '../dead.ts';
import { randomOperators } from '../random.ts';
import { rewriteGraph } from '../rewrite.ts';
import { namedConstant } from './fold.ts';

/** Runs a model that has no inputs, and gives its outputs in order. */
export type EvaluateModel = (model: Model) => Promise<readonly Tensor[]>;

/**
 * A model in which what depends on constants alone, floating point too, was computed by a runtime: for its main graph, values of
 * known shape of up to `elements` elements.
 */
export async function foldByRunning(model: Model, evaluate: EvaluateModel, elements = 65_536): Promise<Model> {
  const fixed = new Set<Value>();
  const nodes: Node[] = [];
  for (const node of model.graph.nodes) {
    const foldable = isFoldable(node) && node.outputs.every((value) => isSmall(value, elements));
    const constant = (value: Value | undefined) =>
      value === undefined || fixed.has(value) || constantTensor(value) !== undefined;
    if (!foldable || !node.inputs.every(constant)) continue;
    nodes.push(node);
    for (const value of node.outputs) fixed.add(value);
  }
  const wanted = [...neededOutside(model, new Set(nodes), fixed)];
  if (wanted.length === 0) return model;
  const outputs = wanted.map((value, i) => ({ name: `folded_${i}`, value }));
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const parameters = model.graph.parameters.filter((value) => read.has(value));
  const part = { ...model, graph: { ...model.graph, inputs: [], outputs, nodes, parameters, origin: undefined } };
  const results = await evaluate(removeDead({ ...part, irVersion: Math.max(model.irVersion, 4), origin: undefined }));
  const values = new Map<Value, Value>();
  for (const [i, value] of wanted.entries()) {
    const tensor = results[i];
    if (tensor === undefined)
      throw new HopfcoleError('BAD_ARGUMENT', `expected ${wanted.length} results of the run, got ${results.length}`);
    values.set(value, namedConstant(tensor, value.name));
  }
  const graph = rewriteGraph(model.graph, () => undefined, { values });
  return removeDead({ ...model, graph, irVersion: Math.max(model.irVersion, 4) });
}

function isFoldable(node: Node): boolean {
  const own = node.domain === '' && node.callee === undefined && node.opType !== 'Constant';
  return own && !randomOperators.has(node.opType) && node.opType !== 'Dropout' && subgraphsOf(node).length === 0;
}

function isSmall({ shape, type }: Value, limit: number): boolean {
  if (type?.kind !== 'tensor' || type.dtype === undefined || type.dtype === 'string' || shape === undefined)
    return false;
  const sizes = shape.filter((dim) => typeof dim === 'number');
  return sizes.length === shape.length && elementCount(sizes) <= limit;
}

/** Those of the fixed values that other nodes or the outputs read. */
function neededOutside(model: Model, inside: ReadonlySet<Node>, fixed: ReadonlySet<Value>): Set<Value> {
  const needed = new Set<Value>();
  for (const node of model.graph.nodes) {
    if (inside.has(node)) continue;
    for (const value of usedBy(node)) if (value !== undefined && fixed.has(value)) needed.add(value);
  }
  for (const { value } of model.graph.outputs) if (fixed.has(value)) needed.add(value);
  return needed;
}
