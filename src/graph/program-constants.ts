import type { Model } from './graph.ts';

/**
 * Metadata key of a model: JSON, names of initializers that are numbers of the program (a scale, an epsilon, a table), in a file whose other
 * floating-point initializers are parameters. Both are initializers in ONNX, and nothing else tells them apart.
 */
export const constantsKey = 'hopfcole.constants';

/** The names that a model lists as numbers of its program; none where it lists none. */
export function listedConstants({ metadata }: Model): ReadonlySet<string> {
  const text = metadata.get(constantsKey);
  if (text === undefined) return new Set();
  try {
    const names: unknown = JSON.parse(text);
    return new Set(Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []);
  } catch {
    // Metadata of a file may hold anything.
    return new Set();
  }
}
