import { dtypeOfCode, dtypes, isFloat } from '../../files/dtype.ts';
import { type AnyTensor, fromNumbers, isStored, load, type Tensor, toNumbers } from '../../files/tensor.ts';
import type { Attribute } from '../attribute.ts';
import type { Model } from '../graph.ts';
import { makeValue } from '../make.ts';
import { tensorType, type ValueType } from '../type.ts';
import type { Node, Value } from '../value.ts';
import { everyGraph, usedBy } from '../walk.ts';
import { inlineFunctions } from './inline.ts';
import { remake, rewriteGraph } from './rewrite.ts';

/**
 * The same network in float64: inputs, parameters, constants and casts, functions inlined. For differences and references; not every
 * runtime has the kernels.
 */
export async function inFloat64(given: Model): Promise<Model> {
  const model = inlineFunctions(given);
  const values = new Map<Value, Value>();
  const stand = async (value: Value | undefined): Promise<void> => {
    if (value === undefined || values.has(value) || !holdsNarrow(value.type)) return;
    const { source } = value;
    if (source.kind === 'output') return;
    const wide = source.kind === 'input' ? source : { ...source, tensor: await widened(source.tensor) };
    values.set(value, makeValue(wide, wideType(value.type), value.name));
  };
  const tensors = new Map<AnyTensor, Tensor>();
  for (const graph of everyGraph(model.graph)) {
    for (const value of [...graph.inputs, ...graph.parameters]) await stand(value);
    for (const { value } of graph.outputs) await stand(value);
    for (const node of graph.nodes) {
      for (const value of usedBy(node)) await stand(value);
      for (const attribute of node.attributes.values())
        if (attribute.kind === 'tensor' && isNarrow(attribute.value.dtype))
          tensors.set(attribute.value, await widened(attribute.value));
    }
  }
  const graph = rewriteGraph(model.graph, (node) => remadeWide(node, tensors).outputs, { values });
  return { ...model, graph: { ...graph, origin: undefined }, origin: undefined };
}

function remadeWide(node: Node, tensors: ReadonlyMap<AnyTensor, Tensor>): Node {
  const attributes = new Map<string, Attribute>();
  for (const [name, attribute] of node.attributes) attributes.set(name, wideAttribute(name, attribute, tensors));
  if (node.opType === 'ConstantOfShape' && !attributes.has('value'))
    attributes.set('value', { kind: 'tensor', value: fromNumbers('float64', [1], [0]) });
  const single = attributes.get('value_float') ?? attributes.get('value_floats');
  if (node.opType === 'Constant' && (single?.kind === 'float' || single?.kind === 'floats')) {
    const value =
      single.kind === 'float'
        ? fromNumbers('float64', [], [single.value])
        : fromNumbers('float64', [single.value.length], single.value);
    return remake(node, { attributes: new Map([['value', { kind: 'tensor', value }]]), infer: true });
  }
  return remake(node, { attributes, infer: true });
}

/** Attributes that name an element type. */
const typed = new Set(['to', 'dtype', 'stash_type', 'output_datatype', 'output_dtype', 'softmax_precision']);

function wideAttribute(name: string, attribute: Attribute, tensors: ReadonlyMap<AnyTensor, Tensor>): Attribute {
  if (attribute.kind === 'tensor') return { kind: 'tensor', value: tensors.get(attribute.value) ?? attribute.value };
  if (attribute.kind !== 'int' || !typed.has(name)) return attribute;
  const dtype = dtypeOfCode(Number(attribute.value));
  return dtype !== undefined && isNarrow(dtype) ? { kind: 'int', value: dtypes.float64.code } : attribute;
}

function isNarrow(dtype: Tensor['dtype']): boolean {
  return isFloat(dtype) && dtypes[dtype].bits <= 32 && dtypes[dtype].bits >= 16;
}

async function widened(tensor: AnyTensor): Promise<Tensor> {
  const here = isStored(tensor) ? await load(tensor) : tensor;
  return fromNumbers('float64', here.shape, toNumbers(here));
}

function holdsNarrow(type: ValueType): boolean {
  if (type === undefined) return false;
  if (type.kind === 'tensor') return type.dtype !== undefined && isNarrow(type.dtype);
  return (type.kind === 'sequence' || type.kind === 'optional') && holdsNarrow(type.element);
}

function wideType(type: ValueType): ValueType {
  if (type === undefined) return type;
  if (type.kind === 'tensor') return tensorType('float64', type.shape);
  return type.kind === 'sequence' || type.kind === 'optional' ? { ...type, element: wideType(type.element) } : type;
}
