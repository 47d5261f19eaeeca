import { isFloat } from '../../files/dtype.ts';
import type { Graph, Model } from '../../graph/graph.ts';
import type { Node } from '../../graph/value.ts';
import { valueMetadata } from '../../graph/wire/value-infos.ts';
import type { Changed } from './changed.ts';
import { signatureOf } from './signature.ts';

/**
 * Parameters that torch.export's exporter put other numbers under: batch normalization is folded into the convolution before it, under the
 * convolution's names. Each of these tells: the node's note of the rewriting; that it was made for a call of another kind; that an
 * initializer under a name of the state dict lost the note of the placeholder it came from, where others have theirs. The model must be
 * as it was read.
 * The TorchScript exporter gives what it folds names of its own (`onnx::Conv_113`): nothing to mistake.
 */
export function rewritten(model: Model): readonly Changed[] {
  const { graph } = model;
  const names = new Set(signatureOf(model)?.values());
  const found = new Map<string, string>();
  for (const name of withoutOrigin(graph))
    if (names.has(name)) found.set(name, 'the exporter put other numbers under its name');
  for (const node of graph.nodes) {
    if (!isFolded(node)) continue;
    const why = `the exporter folded a batch normalization into it, at ${node.name ?? node.opType}`;
    for (const value of node.inputs.slice(1))
      if (value?.source.kind === 'parameter' && value.name !== undefined) found.set(value.name, why);
  }
  // A bias that the folding made where there was none is nobody's parameter.
  return [...found].flatMap(([name, why]) => (names.size === 0 || names.has(name) ? [{ name, why }] : []));
}

/** Whether a product was made of a batch normalization: it says so, or the call it was made for does. */
function isFolded(node: Node): boolean {
  if (/FuseBatchNormInto/.test(node.metadata.get('pkg.onnxscript.rewriter.rule_name') ?? '')) return true;
  const call = node.metadata.get('pkg.torch.onnx.fx_node') ?? '';
  return products.has(node.opType) && /target=(torch\.ops\.)?aten\.\w*batch_norm/.test(call);
}

const products = new Set(['Conv', 'ConvTranspose', 'Gemm']);

/** Floating-point initializers that are listed without the note of their placeholder, where others have it. */
function withoutOrigin(graph: Graph): readonly string[] {
  const key = 'pkg.torch.onnx.original_node_name';
  const metadata = valueMetadata(graph);
  const listed = graph.parameters.filter(
    ({ name, dtype }) => metadata.has(name ?? '') && dtype !== undefined && isFloat(dtype),
  );
  const noted = listed.filter(({ name }) => metadata.get(name ?? '')?.has(key) === true);
  if (noted.length === 0) return [];
  return listed.flatMap(({ name }) => (name === undefined || metadata.get(name)?.has(key) === true ? [] : [name]));
}
