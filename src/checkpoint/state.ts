import { HopfcoleError } from '../files/error.ts';
import { isObject, type PyArray, type PyTensor, type PyUnsupported, type PyValue } from './pickle/value.ts';

export type Leaf = PyTensor | PyArray | PyUnsupported;

export interface StateOptions {
  /** Which dict of a checkpoint holds the weights, where it cannot be told: a path such as `ema` or `nets.generator`. */
  readonly select?: string | undefined;
}

export interface State {
  readonly leaves: Map<string, Leaf>;
  readonly metadata: Map<string, string | number | boolean | null>;
}

/** Where training scripts keep the weights. */
const usual = [
  'state_dict',
  'model_state_dict',
  'model',
  'module',
  'params',
  'parameters',
  'weights',
  'net',
  'network',
  'model_state',
  'state',
];
const deepest = 4;
const widest = 10_000;
const mostNames = 1_000_000;

interface Candidate {
  readonly path: string;
  readonly key: string;
  readonly members: readonly (readonly [string, PyValue])[];
}

/**
 * The state dict in a checkpoint, as PyTorch users expect: a dict of tensors is one itself; otherwise the one dict of tensors in it,
 * or the one of several that has a usual name (`state_dict`, `model`, ..). Lists count as dicts of '0', '1', ...
 * @throws NO_TENSORS; AMBIGUOUS_CHECKPOINT listing the candidates.
 */
export function chooseState(root: PyValue, file: string, options: StateOptions): State {
  const members = membersOf(root);
  if (members === undefined) {
    const leaf = asLeaf(root);
    if (leaf === undefined) throw noTensors(file);
    return { leaves: new Map([['', leaf]]), metadata: new Map() };
  }
  const top: Candidate = { path: '', key: '', members };
  const metadata = plainValues(members);
  if (options.select !== undefined) return { leaves: leavesOf(selected(top, options.select, file), file), metadata };
  let level: Candidate[] = [top];
  let scalars: Candidate[] = [];
  const seen = new Set<PyValue>([root]);
  for (let depth = 0; depth <= deepest; depth++) {
    const below = childrenOf(level, seen);
    const named = below.filter((candidate) => usual.includes(candidate.key) && holds(candidate, isLeaf));
    if (named.length > 0) return { leaves: leavesOf(pick(named, file), file), metadata };
    // A scalar beside the state dict (a best score, a step) does not make the whole a state dict.
    const found = level.filter((candidate) => holds(candidate, isWeight));
    if (found.length > 0) return { leaves: leavesOf(pick(found, file), file), metadata };
    if (scalars.length === 0) scalars = level.filter((candidate) => holds(candidate, isLeaf));
    level = below;
  }
  if (scalars.length > 0) return { leaves: leavesOf(pick(scalars, file), file), metadata };
  throw noTensors(file);
}

function childrenOf(level: readonly Candidate[], seen: Set<PyValue>): Candidate[] {
  const below: Candidate[] = [];
  for (const parent of level)
    for (const [key, value] of parent.members) {
      // Seen first: a value that is shared a million times is looked into once.
      if (seen.has(value) || below.length >= widest || /optim|schedul/i.test(key)) continue;
      const members = membersOf(value);
      if (members === undefined) continue;
      seen.add(value);
      below.push({ path: parent.path === '' ? key : `${parent.path}.${key}`, key, members });
    }
  return below;
}

function holds(candidate: Candidate, test: (value: PyValue) => boolean): boolean {
  return candidate.members.some(([, value]) => test(value));
}

function isLeaf(value: PyValue): boolean {
  return asLeaf(value) !== undefined;
}

function isWeight(value: PyValue): boolean {
  const leaf = asLeaf(value);
  if (leaf === undefined || leaf.kind === 'unsupported') return leaf !== undefined;
  return leaf.kind === 'tensor' ? leaf.shape.length > 0 : (leaf.state?.shape.length ?? 0) > 0;
}

function pick(candidates: readonly Candidate[], file: string): Candidate {
  const named = candidates.filter((candidate) => usual.includes(candidate.key));
  const [one, ...others] = candidates.length === 1 || named.length === 0 ? candidates : named;
  if (one === undefined) throw noTensors(file);
  if (others.length > 0)
    throw new HopfcoleError(
      'AMBIGUOUS_CHECKPOINT',
      `it holds several dicts of tensors: ${[one, ...others]
        .slice(0, 20)
        .map((candidate) => JSON.stringify(candidate.path.slice(0, 100)))
        .join(', ')}`,
      { file },
      'Save the one you mean by itself, or name it',
    );
  return one;
}

function selected(top: Candidate, select: string, file: string): Candidate {
  let here = top;
  let rest = select;
  while (rest !== '') {
    // Keys may hold dots themselves: the longest that fits is meant.
    const fits = here.members.filter(([key]) => rest === key || rest.startsWith(`${key}.`));
    const best = fits.sort(([a], [b]) => b.length - a.length)[0];
    const members = best === undefined ? undefined : membersOf(best[1]);
    if (best === undefined || members === undefined)
      throw new HopfcoleError('NO_TENSORS', `it holds no dict ${JSON.stringify(select)}`, { file });
    here = { path: select, key: best[0], members };
    rest = rest.slice(best[0].length + 1);
  }
  return here;
}

/** The tensors of a state dict by name; those of dicts and lists within it get the path, with dots. */
function leavesOf(candidate: Candidate, file: string): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  const fail = (message: string, tensor: string) =>
    new HopfcoleError('BAD_CHECKPOINT', message, { file, tensor: tensor.slice(0, 200) });
  let visits = 0;
  const visit = (members: Candidate['members'], path: string, depth: number) => {
    for (const [key, value] of members) {
      const name = `${path}${key}`;
      visits += 1;
      if (visits > mostNames) throw fail('more values than is sensible', name);
      const leaf = asLeaf(value);
      if (leaf !== undefined) {
        if (leaves.has(name)) throw fail('two tensors would get this name', name);
        leaves.set(name, leaf);
      } else if (depth < deepest) visit(membersOf(value) ?? [], `${name}.`, depth + 1);
    }
  };
  visit(candidate.members, '', 0);
  return leaves;
}

function plainValues(members: readonly (readonly [string, PyValue])[]): State['metadata'] {
  const plain: State['metadata'] = new Map();
  for (const [name, value] of members) {
    if (typeof value === 'bigint') plain.set(name, value.toString());
    else if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      plain.set(name, value);
  }
  return plain;
}

function membersOf(value: PyValue): readonly (readonly [string, PyValue])[] | undefined {
  if (!isObject(value)) return undefined;
  if (value.kind === 'list' || value.kind === 'tuple') return value.items.map((item, index) => [String(index), item]);
  if (value.kind !== 'dict') return undefined;
  return [...value.entries]
    .filter(([key]) => typeof key === 'string' || typeof key === 'number')
    .map(([key, item]) => [String(key), item]);
}

function asLeaf(value: PyValue): Leaf | undefined {
  if (!isObject(value)) return undefined;
  if (value.kind === 'tensor' || value.kind === 'array') return value;
  const isTensor = value.kind === 'unsupported' && value.what.includes('tensor');
  return isTensor ? value : undefined;
}

function noTensors(file: string): HopfcoleError {
  return new HopfcoleError('NO_TENSORS', 'it holds no tensors', { file }, 'Save a state dict: model.state_dict()');
}
