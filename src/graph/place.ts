import { moduleKey } from './module-path.ts';
import type { Node } from './value.ts';

/** Metadata of torch.onnx's exporter: the modules around a node, outermost first, and the operator last. */
const scopesKey = 'pkg.torch.onnx.name_scopes';

/** The path of the module a node belongs to, as PyTorch's users name modules (`blocks.0.attn`); undefined where the file does not know it. */
export function modulePathOf(node: Node): string | undefined {
  return node.metadata.get(moduleKey) || scopePath(node.metadata.get(scopesKey)) || tracedPath(node.name);
}

/** `['', 'blocks', 'blocks.0.attn', 'softmax']` -> `blocks.0.attn`: of the modules around the operator the innermost. */
function scopePath(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const scopes = [...text.matchAll(/'([^']*)'/g)].map((match) => match[1] ?? '');
  return scopes.slice(0, -1).findLast((scope) => scope !== '');
}

/** `/layer1/layer1.0/conv1/Conv_output` of the TorchScript exporter -> `layer1.0.conv1`: a part that repeats the one before stands for both. */
function tracedPath(name: string | undefined): string | undefined {
  if (name === undefined || !name.startsWith('/')) return undefined;
  const parts = name.split('/').slice(1, -1);
  const path: string[] = [];
  for (const part of parts) {
    const before = path.at(-1);
    if (before !== undefined && (part === before || part.startsWith(`${before}.`))) path.pop();
    path.push(part);
  }
  return path.length === 0 ? undefined : path.join('.');
}
