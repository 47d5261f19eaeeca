import type { Family } from './family.ts';
import type { Names } from './names.ts';

/** More layers than this is no network of linear layers alone. */
const mostLayers = 1000;

/**
 * nn.Linear by itself, and linear layers one after the other: which activation stands between them no weight tells, so those are
 * taken only where a configuration says it.
 */
export const linearFamily: Family = {
  family: 'linear',
  tell(names, facts) {
    const layers = linears(names);
    const [first] = layers;
    if (first === undefined) return undefined;
    const inputs = [{ name: 'x', shape: ['batch', first.in] }];
    if (layers.length === 1) {
      // A weight without a bias may as well be a table of vectors.
      if (!first.bias) return undefined;
      const layer = { kind: 'linear', name: first.path === '' ? '.' : first.path };
      return { network: 'nn.Linear', spec: { name: 'linear', inputs, layers: [layer] } };
    }
    const activation = facts.activation(['activation', 'hidden_act', 'nonlinearity']) ?? 'relu';
    const stack = layers.flatMap((layer, index) => [
      ...(index === 0 ? [] : [{ kind: activation }]),
      { kind: 'linear', name: layer.path, ...withoutBias(layer) },
    ]);
    return { network: `${layers.length} linear layers`, spec: { name: 'mlp', inputs, layers: stack } };
  },
};

interface Linear {
  readonly path: string;
  readonly in: number;
  readonly out: number;
  readonly bias: boolean;
}

function withoutBias({ bias }: Linear): { readonly bias?: false } {
  return bias ? {} : { bias: false };
}

/** The linear layers in the order they are stored in, where each takes what the one before gives; none where there is anything else. */
function linears(names: Names): readonly Linear[] {
  const found: Linear[] = [];
  for (const [name, { shape }] of names.all) {
    if (name.endsWith('bias') && names.has(`${name.slice(0, -'bias'.length)}weight`)) continue;
    const path = name === 'weight' ? '' : name.endsWith('.weight') ? name.slice(0, -'.weight'.length) : undefined;
    const [out, into] = shape;
    if (path === undefined || shape.length !== 2 || out === undefined || into === undefined) return [];
    const bias = names.shape(path === '' ? 'bias' : `${path}.bias`);
    if (bias !== undefined && (bias.length !== 1 || bias[0] !== out)) return [];
    found.push({ path, in: into, out, bias: bias !== undefined });
    if (found.length > mostLayers) return [];
  }
  const ordered = [...found].sort(byPlace);
  const chained = (list: readonly Linear[]) =>
    list.every((own, index) => index === 0 || list[index - 1]?.out === own.in);
  return chained(found) ? found : chained(ordered) ? ordered : [];
}

/** By the numbers in their paths, as nn.Sequential has them: safetensors sorts 10 before 2. */
function byPlace(a: Linear, b: Linear): number {
  return a.path.localeCompare(b.path, 'en', { numeric: true });
}
