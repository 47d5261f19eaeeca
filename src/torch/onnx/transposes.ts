import type { Model } from '../../graph/graph.ts';
import { parameter } from '../../graph/make.ts';
import { withMetadata } from '../../graph/module-path.ts';
import * as op from '../../graph/op.ts';
import { modulePathOf } from '../../graph/place.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode } from '../../graph/walk.ts';
import { callOf, type Evidence, weightOf } from './evidence.ts';
import type { Found } from './found.ts';
import { transposed } from './rearranged.ts';

/**
 * Weights of linear layers that an exporter stored transposed under a name of its own (`onnx::MatMul_123`, `val_86`), as the weight [out, in] of
 * its state-dict name, transposed in the graph. torch.export's exporter notes the call and its placeholders; of the TorchScript exporter's the
 * bias that is added tells the name, or the scope where nothing but the product is in it.
 */
export function transposedWeights(model: Model, evidence: Evidence): readonly Found[] {
  const found: Found[] = [];
  for (const node of everyNode(model.graph)) {
    const [, value] = node.inputs;
    const tensor = weightOf(value);
    if (node.opType !== 'MatMul' || node.domain !== '' || value === undefined || tensor?.shape.length !== 2) continue;
    const stored = value.name ?? '';
    const name = evidence.signature === undefined ? fromScope(node, value, evidence) : fromCall(node, value, evidence);
    if (name === undefined || name === stored || !evidence.isFree(name)) continue;
    found.push({
      node,
      input: 1,
      key: name,
      make: () =>
        withMetadata(node.metadata, () => op.transpose(parameter(name, transposed(tensor)), { perm: [1, 0] })),
      changed: [{ name, why: `the exporter stored it transposed, as '${stored}'` }],
    });
  }
  return found;
}

/** `aten.linear.default](args = (%x, %p_fc_weight, ...` -> fc.weight. */
function fromCall(node: Node, value: Value, evidence: Evidence): string | undefined {
  const [, placeholder] = /aten\.linear\.default\]\(args = \(%\w+, %(\w+)/.exec(callOf(node)) ?? [];
  const name = placeholder === undefined ? undefined : evidence.signature?.get(placeholder);
  const sources = evidence.sourcesOf(value) ?? [];
  // What two parameters of equal numbers became is stored once, with the note of one: the call tells which is meant.
  return sources.length <= 1 ? name : undefined;
}

function fromScope(node: Node, value: Value, evidence: Evidence): string | undefined {
  if (!/^onnx::MatMul_\d+$/.test(value.name ?? '')) return undefined;
  const bias = addedBias(node, Number(value.shape?.[1]), evidence);
  if (bias !== undefined) return bias.replace(/bias$/, 'weight');
  const path = modulePathOf(node);
  // A scope that says the same name twice may be one module or one inside another.
  if (path === undefined || /(^|\/)([^/]+)\/\2\//.test(node.name ?? '')) return undefined;
  const others = [...evidence.operatorsIn(path)].filter((type) => type !== 'MatMul');
  return others.length > 0 || evidence.hasChildren(path) ? undefined : `${path}.weight`;
}

/** The name of the bias [out] that is added to a product, and to it alone. */
function addedBias(node: Node, out: number, evidence: Evidence): string | undefined {
  const [add, other] = evidence.readersOf(node.outputs[0]);
  if (add?.opType !== 'Add' || other !== undefined) return undefined;
  const bias = add.inputs.find((value) => weightOf(value) !== undefined);
  const fits = bias?.shape?.length === 1 && bias.shape[0] === out;
  return fits && /(^|\.|_)bias$/.test(bias.name ?? '') ? bias.name : undefined;
}
