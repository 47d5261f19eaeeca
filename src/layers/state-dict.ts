import type { AnyTensor } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';

/** Metadata key of a model: JSON, the names of parameters that are no weights of a state dict (temperatures and the like). */
export const ownKey = 'hopfcole.own';
/** Metadata key of a model: JSON, names of the state dict by the name of the parameter that holds the same weights. */
export const tiedKey = 'hopfcole.tied';

/**
 * The weights of a model under their state-dict names, as PyTorch stores them: its parameters without those of the layers' own, and tied ones
 * under each of their names. Nothing is copied.
 */
export function stateDictOf(model: Model): Map<string, AnyTensor> {
  const own = new Set(strings(model.metadata.get(ownKey)));
  const state = new Map<string, AnyTensor>();
  for (const { name, source } of model.graph.parameters)
    if (name !== undefined && source.kind === 'parameter' && !own.has(name)) state.set(name, source.tensor);
  for (const [name, holder] of Object.entries(record(model.metadata.get(tiedKey)))) {
    const tensor = state.get(holder);
    if (tensor !== undefined && !state.has(name)) state.set(name, tensor);
  }
  return state;
}

function strings(text: string | undefined): readonly string[] {
  const value = parsed(text);
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function record(text: string | undefined): Readonly<Record<string, string>> {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(([, item]) => typeof item === 'string')) as Record<
    string,
    string
  >;
}

/** Metadata of a file may hold anything. */
function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
