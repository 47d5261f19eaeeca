import type { AnyTensor } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { listedConstants } from '../graph/program-constants.ts';

/** Metadata key of a model: JSON, the names of the parameters that are weights of a state dict; temperatures, tables and the like are not. */
export const stateKey = 'hopfcole.state';
/**
 * Metadata key of a model: JSON, names of the state dict that stand for the weights of another, and that other. The parts of such a name stand apart:
 * a name that is found in a file as it is, is that of weights which the file holds.
 */
export const tiedKey = 'hopfcole.tied';

/**
 * The weights of a model under their state-dict names, as PyTorch stores them, tied ones under each of their names; of a model that does not say
 * which of its parameters are weights, all of them that it does not list as numbers of the program. Nothing is copied.
 */
export function stateDictOf(model: Model): Map<string, AnyTensor> {
  const listed = parsed(model.metadata.get(stateKey));
  const weights = Array.isArray(listed) ? new Set<unknown>(listed) : undefined;
  const constants = listedConstants(model);
  const state = new Map<string, AnyTensor>();
  for (const { name, source } of model.graph.parameters)
    if (name !== undefined && source.kind === 'parameter' && (weights?.has(name) ?? !constants.has(name)))
      state.set(name, source.tensor);
  for (const [name, holder] of readTied(model.metadata.get(tiedKey))) {
    const tensor = state.get(holder);
    if (tensor !== undefined && !state.has(name)) state.set(name, tensor);
  }
  return state;
}

/** The value of `tiedKey`. */
export function writeTied(tied: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(tied).map(([name, holder]) => [name.split('.'), holder]));
}

function readTied(text: string | undefined): (readonly [name: string, holder: string])[] {
  const value = parsed(text);
  if (!Array.isArray(value)) return [];
  return value.flatMap((pair: unknown) => {
    const [parts, holder]: unknown[] = Array.isArray(pair) ? pair : [];
    const isName = Array.isArray(parts) && parts.every((part) => typeof part === 'string');
    return isName && typeof holder === 'string' ? [[parts.join('.'), holder] as const] : [];
  });
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
