import { isFloat } from '../../../files/dtype.ts';
import { elementCount, type Tensor } from '../../../files/tensor.ts';
import type { Model } from '../../graph.ts';
import { parameter } from '../../make.ts';
import type { Node, Value } from '../../value.ts';
import { everyGraph, everyNode } from '../../walk.ts';
import { constantTensor } from '../constants.ts';
import { namedConstant } from '../fold/fold.ts';
import { Names } from '../names.ts';
import { rewriteGraph } from '../rewrite.ts';

/**
 * A model whose Constant nodes are initializers, under the names of what they gave. In function bodies, which have none, they stay.
 * Where a file has no floating-point initializer at all, as those of paddle2onnx and spox, its floating-point Constant nodes of several
 * elements are its weights: they become parameters, those of branches too.
 */
export function constantsToInitializers(model: Model): Model {
  const weights = hasWeights(model) ? new Map<Value, Value>() : weightsIn(model);
  // Listed by the model beforehand: a weight of a branch is the model's too.
  const listed = { ...model.graph, parameters: [...model.graph.parameters, ...weights.values()] };
  const seeded = weights.size === 0 ? model.graph : listed;
  const graph = rewriteGraph(seeded, (node, original) => {
    const [value] = node.outputs;
    const tensor = isConstant(node) ? constantTensor(value) : undefined;
    if (value === undefined || tensor === undefined) return undefined;
    return [weights.get(original.outputs[0] ?? value) ?? namedConstant(tensor, value.name)];
  });
  return graph === model.graph ? model : { ...model, graph, irVersion: Math.max(model.irVersion, 4) };
}

/** The parameters that Constant nodes stand for, under names that are unique in the whole model. */
function weightsIn(model: Model): Map<Value, Value> {
  const names = new Names(model.graph);
  const taken = new Set<string>();
  const settings = settingsIn(model);
  const found = new Map<Value, Value>();
  for (const node of everyNode(model.graph)) {
    const [value] = node.outputs;
    const tensor = isConstant(node) ? constantTensor(value) : undefined;
    if (value === undefined || tensor === undefined || settings.has(value) || !isWeight(tensor)) continue;
    const { name = '' } = value;
    const unique = name === '' || taken.has(name) ? names.fresh(name || 'weight', 'value') : name;
    taken.add(unique);
    found.set(value, parameter(unique, tensor));
  }
  return found;
}

function isConstant({ opType, domain }: Node): boolean {
  return opType === 'Constant' && domain === '';
}

/** Operators whose inputs beside the first are settings, not weights. */
const takesSettings = new Set([
  'Resize',
  'Upsample',
  'Pad',
  'Clip',
  'Range',
  'OneHot',
  'QuantizeLinear',
  'DequantizeLinear',
]);

function settingsIn({ graph }: Model): ReadonlySet<Value> {
  const found = new Set<Value>();
  for (const { opType, domain, inputs } of everyNode(graph))
    if (domain === '' && takesSettings.has(opType))
      for (const value of inputs.slice(1)) if (value !== undefined) found.add(value);
  return found;
}

function isWeight({ dtype, shape }: Tensor): boolean {
  return isFloat(dtype) && shape.length > 0 && elementCount(shape) > 1;
}

function hasWeights({ graph }: Model): boolean {
  for (const { parameters } of everyGraph(graph))
    if (parameters.some(({ dtype }) => dtype !== undefined && isFloat(dtype))) return true;
  return false;
}
