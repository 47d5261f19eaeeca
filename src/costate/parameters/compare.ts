import { isFloat } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { type AnyTensor, fromNumbers, load, type Tensor, toNumbers } from '../../files/tensor.ts';
import type { Model } from '../../graph/graph.ts';
import { describeShape } from '../../graph/type.ts';
import type { Changed } from './changed.ts';
import { untangled } from './untangle.ts';

/** More modules around a network than this is none that anyone writes. */
const deepestWrapping = 8;

/**
 * The floating-point parameters of a model whose numbers are not those that a checkpoint has under their names. Names that the checkpoint
 * does not have say nothing. What stands before every name of the checkpoint (`module.`) is taken off where none is found without.
 * @throws UNMATCHED_WEIGHTS where it has none of the names.
 */
export async function changedFrom(model: Model, weights: ReadonlyMap<string, AnyTensor>): Promise<readonly Changed[]> {
  const held = heldBy(model);
  const known = seenThrough(weights, [...held.keys()]);
  const changed = await differing(held, known);
  // What the exporter merged is apart only then, under names that the file does not have.
  const apart = heldBy(untangled(model, changed).model);
  const more = new Map([...apart].filter(([name]) => !held.has(name)));
  return [...changed, ...(await differing(more, known))];
}

function heldBy({ graph }: Model): Map<string, AnyTensor> {
  return new Map(
    graph.parameters.flatMap(({ name, source, dtype }) =>
      name !== undefined && source.kind === 'parameter' && dtype !== undefined && isFloat(dtype)
        ? [[name, source.tensor] as const]
        : [],
    ),
  );
}

async function differing(
  held: ReadonlyMap<string, AnyTensor>,
  known: ReadonlyMap<string, AnyTensor>,
): Promise<readonly Changed[]> {
  const changed: Changed[] = [];
  for (const [name, tensor] of held) {
    const original = known.get(name);
    if (original === undefined) continue;
    const [from, to] = [describeShape(original.shape), describeShape(tensor.shape)];
    if (from !== to) changed.push({ name, why: `its shape is ${to}, in the checkpoint ${from}` });
    else if (!sameNumbers(await load(original), await load(tensor)))
      changed.push({ name, why: "its numbers are not the checkpoint's" });
  }
  return changed;
}

function seenThrough(
  weights: ReadonlyMap<string, AnyTensor>,
  names: readonly string[],
): ReadonlyMap<string, AnyTensor> {
  let current = weights;
  for (let depth = 0; depth <= deepestWrapping; depth++) {
    if (names.some((name) => current.has(name))) return current;
    const [first = ''] = current.keys();
    const prefix = first.slice(0, first.indexOf('.') + 1);
    if (prefix === '' || [...current.keys()].some((name) => !name.startsWith(prefix))) break;
    current = new Map([...current].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  }
  throw new HopfcoleError(
    'UNMATCHED_WEIGHTS',
    `the checkpoint has none of the model's parameters: it has ${some(weights.keys())}, the model ${some(names)}`,
    { argument: '--weights' },
    'Give the checkpoint of this model; parameters that the exporter renamed cannot be compared',
  );
}

function some(names: Iterable<string>): string {
  const all = [...names];
  const shown = all.slice(0, 3).map((name) => `'${name}'`);
  return all.length === 0 ? 'none' : `${shown.join(', ')}${all.length > shown.length ? ', ...' : ''}`;
}

/** Equal as the model's element type holds them; NaN is itself. */
function sameNumbers(original: Tensor, held: Tensor): boolean {
  const given = toNumbers(original);
  const [a, b] = [
    original.dtype === held.dtype ? given : toNumbers(fromNumbers(held.dtype, held.shape, given)),
    toNumbers(held),
  ];
  return a.every((number, index) => Object.is(number + 0, (b[index] ?? 0) + 0));
}
