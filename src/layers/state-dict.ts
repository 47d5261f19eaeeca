import type { AnyTensor } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';

/** Metadata key of a model: JSON, the names of the parameters that are weights of a state dict; temperatures, tables and the like are not. */
export const stateKey = 'hopfcole.state';
/** Metadata key of a model: JSON, names of the state dict by the name of the parameter that holds the same weights. */
export const tiedKey = 'hopfcole.tied';

/**
 * The weights of a model under their state-dict names, as PyTorch stores them, tied ones under each of their names; of a model that does not say
 * which of its parameters are weights, all of them. Nothing is copied.
 */
export function stateDictOf(model: Model): Map<string, AnyTensor> {
  const listed = parsed(model.metadata.get(stateKey));
  const weights = Array.isArray(listed) ? new Set<unknown>(listed) : undefined;
  const state = new Map<string, AnyTensor>();
  for (const { name, source } of model.graph.parameters)
    if (name !== undefined && source.kind === 'parameter' && weights?.has(name) !== false)
      state.set(name, source.tensor);
  for (const [name, holder] of Object.entries(record(model.metadata.get(tiedKey)))) {
    const tensor = state.get(holder);
    if (tensor !== undefined && !state.has(name)) state.set(name, tensor);
  }
  return state;
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
