import type { Model } from '../../graph.ts';
import { moduleKey } from '../../module-path.ts';
import { modulePathOf } from '../../place.ts';
import type { Node } from '../../value.ts';
import { remake, rewriteModel } from '../rewrite.ts';

/** Where the line of the program that made a node stood on its author's machine. */
const tracesKey = 'pkg.torch.onnx.stack_trace';

/**
 * A model whose nodes say which module they belong to under one key, `hopfcole.module`, whichever exporter wrote them: torch.export's has
 * scopes in metadata, the TorchScript exporter and tf2onnx in the nodes' names. Stack traces, which name the author's files, are gone.
 */
export function nameScopes(model: Model): Model {
  const isTensorFlow = /^tf2onnx/.test(model.producer.name);
  return rewriteModel(model, (node) => {
    const path = modulePathOf(node) ?? (isTensorFlow ? layerOf(node) : undefined);
    const named = path === undefined || node.metadata.has(moduleKey);
    if (named && !node.metadata.has(tracesKey)) return undefined;
    const metadata = new Map([...node.metadata].filter(([key]) => key !== tracesKey));
    if (!named) metadata.set(moduleKey, path);
    return remake(node, { metadata }).outputs;
  });
}

/** `sequential/dense/MatMul` -> `sequential.dense`. */
function layerOf({ name }: Node): string | undefined {
  const parts = name?.split('/').slice(0, -1) ?? [];
  return parts.length === 0 || parts.includes('') ? undefined : parts.join('.');
}
