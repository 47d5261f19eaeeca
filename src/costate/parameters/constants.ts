import type { Model } from '../../graph/graph.ts';
import { listedConstants } from '../../graph/program-constants.ts';
import { foldedFrom } from './folded.ts';
import { signatureOf } from './signature.ts';

/**
 * Initializers that torch.export's exporter made of numbers in the program (the exponent of `x ** 2`), not of parameters or buffers: nothing
 * to differentiate by, unless asked for by name; and those that a cleaned file lists. `model` is as read; nothing is known of files of other exporters.
 */
export function programConstants(model: Model): ReadonlySet<string> {
  const signature = signatureOf(model);
  const listed = listedConstants(model);
  if (signature === undefined) return listed;
  const targets = [...new Set(signature.values())];
  const named = new Set(targets);
  const sources = foldedFrom(model.graph);
  const ofParameters = (name: string): boolean => {
    const seen = new Set<string>();
    const stack = [name];
    for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
      const own = one;
      // Rewriters name what they make behind what it is made of: `conv.weight_bias`.
      if (named.has(own) || targets.some((target) => own.startsWith(target))) return true;
      if (seen.has(own)) continue;
      seen.add(own);
      stack.push(...(sources.get(own) ?? []));
    }
    return false;
  };
  const names = model.graph.parameters.map(({ name }) => name ?? '');
  return new Set([...listed, ...names.filter((name) => !ofParameters(name))]);
}
