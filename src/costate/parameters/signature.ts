import type { Model } from '../../graph/graph.ts';

/** torch.export's placeholders of parameters and buffers, with the names they have in the state dict; undefined where another exporter wrote the file. */
export function signatureOf({ graph, metadata }: Model): ReadonlyMap<string, string> | undefined {
  const key = 'pkg.torch.export.ExportedProgram.graph_signature';
  const text = graph.metadata.get(key) ?? metadata.get(key);
  if (text === undefined) return undefined;
  const found = new Map<string, string>();
  for (const [, placeholder, target] of text.matchAll(/^(\w+): (?:PARAMETER|BUFFER) target='([^']+)'/gm))
    if (placeholder !== undefined && target !== undefined) found.set(placeholder, target);
  return found;
}
