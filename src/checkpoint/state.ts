import { HopfcoleError } from '../files/error.ts';
import { attributesOf, isModule, type Members, moduleState } from './module.ts';
import { missing } from './pickle/rebuild.ts';
import { isObject, type Leaf, leafOf, type PyObject, type PyValue } from './pickle/value.ts';
import { Places } from './places.ts';

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

interface Candidate {
  readonly path: string;
  readonly key: string;
  readonly members: Members;
  readonly isModule: boolean;
}

/**
 * The state dict in a checkpoint, as PyTorch users expect: a dict of tensors is one itself, and so is the state of a whole module; otherwise
 * the one dict or module in it, or the one of several dicts that has a usual name (`state_dict`, `model`, ..). Of several modules (a model
 * and its moving average) none is preferred. Lists count as dicts of '0', '1', ...
 * @throws NO_TENSORS; AMBIGUOUS_CHECKPOINT listing the candidates; BAD_CHECKPOINT
 */
export function chooseState(root: PyValue, file: string, options: StateOptions): State {
  const search = new Search(file);
  const members = search.membersOf(root);
  if (members === undefined) {
    const leaf = asLeaf(root);
    if (leaf === undefined || options.select !== undefined) throw noTensors(file);
    return { leaves: new Map([['', leaf]]), metadata: new Map() };
  }
  const top: Candidate = { path: '', key: '', members, isModule: isModule(root) };
  const metadata = plainValues(members);
  const chosen = options.select === undefined ? search.chosen(top, root) : search.selected(top, options.select, root);
  return { leaves: search.leavesOf(chosen), metadata };
}

class Search {
  readonly #file: string;
  /** A module's state is walked once. */
  readonly #states = new Map<PyValue, Members>();

  constructor(file: string) {
    this.#file = file;
  }

  chosen(top: Candidate, root: PyValue): Candidate {
    let level: Candidate[] = [top];
    let scalars: Candidate[] = [];
    const seen = new Set<PyValue>([root]);
    for (let depth = 0; depth <= deepest; depth++) {
      const below = this.#childrenOf(level, seen);
      const full = below.filter((candidate) => holds(candidate, isLeaf));
      const named = full.filter((candidate) => usual.includes(candidate.key));
      const modules = full.filter((candidate) => candidate.isModule);
      if (named.some((candidate) => candidate.isModule) && modules.length > 1) throw this.#ambiguous(modules);
      if (named.length > 0) return this.#pick(named);
      // A scalar beside the state dict (a best score, a step) does not make the whole a state dict.
      const found = level.filter((candidate) => holds(candidate, isWeight));
      if (found.length > 0) return this.#pick(found);
      if (scalars.length === 0) scalars = level.filter((candidate) => holds(candidate, isLeaf));
      level = below;
    }
    if (scalars.length > 0) return this.#pick(scalars);
    throw noTensors(this.#file);
  }

  #childrenOf(level: readonly Candidate[], seen: Set<PyValue>): Candidate[] {
    const below: Candidate[] = [];
    for (const parent of level)
      for (const [key, value] of parent.members) {
        // Seen first: a value that is shared a million times is looked into once.
        if (seen.has(value) || below.length >= widest || /optim|schedul/i.test(key)) continue;
        const members = this.membersOf(value);
        if (members === undefined) continue;
        seen.add(value);
        const path = parent.path === '' ? key : `${parent.path}.${key}`;
        below.push({ path, key, members, isModule: isModule(value) });
      }
    return below;
  }

  /** The members of a dict or list, the state of a module, the attributes of another object; undefined for anything else. */
  membersOf(value: PyValue | undefined): Members | undefined {
    if (!isObject(value)) return undefined;
    if (value.kind === 'list' || value.kind === 'tuple') return value.items.map((item, index) => [String(index), item]);
    if (value.kind === 'dict') return named(value.entries);
    if (value.kind !== 'record') return undefined;
    if (!isModule(value)) return [...named(value.entries), ...named(attributesOf(value))];
    const state = this.#states.get(value) ?? moduleState(value, this.#file);
    this.#states.set(value, state);
    return state;
  }

  #pick(candidates: readonly Candidate[]): Candidate {
    const named = candidates.filter((candidate) => usual.includes(candidate.key));
    const [one, ...others] = candidates.length === 1 || named.length === 0 ? candidates : named;
    if (one === undefined) throw noTensors(this.#file);
    if (others.length > 0) throw this.#ambiguous([one, ...others]);
    return one;
  }

  #ambiguous(candidates: readonly Candidate[]): HopfcoleError {
    const what = candidates.every((candidate) => candidate.isModule) ? 'modules' : 'dicts of tensors';
    return new HopfcoleError(
      'AMBIGUOUS_CHECKPOINT',
      `it holds several ${what}: ${said(candidates)}`,
      { file: this.#file },
      'Name the one you mean with --key, or save it by itself',
    );
  }

  selected(top: Candidate, select: string, root: PyValue): Candidate {
    let here = top;
    let rest = select;
    while (rest !== '') {
      // Keys may hold dots themselves: the longest that fits is meant.
      const fits = here.members.filter(([key]) => rest === key || rest.startsWith(`${key}.`));
      const best = fits.sort(([a], [b]) => b.length - a.length)[0];
      const members = this.membersOf(best?.[1]);
      if (best === undefined || members === undefined) throw this.#noDict(select, top, root);
      here = { path: select, key: best[0], members, isModule: isModule(best[1]) };
      rest = rest.slice(best[0].length + 1);
    }
    return here;
  }

  #noDict(select: string, top: Candidate, root: PyValue): HopfcoleError {
    const there: Candidate[] = [];
    const seen = new Set<PyValue>([root]);
    for (let level = [top], depth = 0; depth < 2 && there.length < 20; depth++) {
      level = this.#childrenOf(level, seen);
      there.push(...level.filter((candidate) => holds(candidate, isLeaf)));
    }
    return new HopfcoleError(
      'NO_TENSORS',
      `it holds no dict ${JSON.stringify(select.slice(0, 200))}`,
      { file: this.#file },
      there.length === 0 ? 'It holds no dict of tensors within another' : `It holds ${said(there)}`,
    );
  }

  /** The tensors of a state dict by name; those of dicts, lists and modules within it get the path, with dots. */
  leavesOf(candidate: Candidate): Map<string, Leaf> {
    const leaves = new Map<string, Leaf>();
    const fail = (message: string, tensor: string) =>
      new HopfcoleError('BAD_CHECKPOINT', message, { file: this.#file, tensor: tensor.slice(0, 200) });
    const places = new Places();
    const visit = (members: Members, of: object, path: string, depth: number) => {
      if (!places.enter(of, members.length)) throw fail('more values than is sensible', path);
      for (const [key, value] of members) {
        const name = `${path}${key}`;
        const leaf = asLeaf(value);
        if (leaf !== undefined) {
          if (leaves.has(name)) throw fail('two tensors would get this name', name);
          leaves.set(name, leaf);
        } else if (depth < deepest && isContainer(value))
          visit(this.membersOf(value) ?? [], value, `${name}.`, depth + 1);
      }
    };
    visit(candidate.members, candidate, '', 0);
    return leaves;
  }
}

/** What is looked through for the tensors of a state dict; the attributes of other objects are no part of one. */
function isContainer(value: PyValue): value is PyObject {
  return isObject(value) && (value.kind !== 'record' || isModule(value));
}

function said(candidates: readonly Candidate[]): string {
  return candidates
    .slice(0, 20)
    .map((candidate) => JSON.stringify(candidate.path.slice(0, 100)))
    .join(', ');
}

function holds(candidate: Candidate, test: (value: PyValue) => boolean): boolean {
  return candidate.members.some(([, value]) => test(value));
}

function isLeaf(value: PyValue): boolean {
  return asLeaf(value) !== undefined;
}

function isWeight(value: PyValue): boolean {
  // A quantised layer's weight and bias stand together under one name.
  if (isObject(value) && value.kind === 'tuple' && leafOf(value.items[0])?.kind === 'quantised') return true;
  const leaf = asLeaf(value);
  if (leaf === undefined || leaf.kind === 'unsupported') return leaf !== undefined;
  const { shape = [] } = leaf.kind === 'array' ? (leaf.state ?? {}) : leaf;
  return shape.length > 0;
}

function plainValues(members: Members): State['metadata'] {
  const plain: State['metadata'] = new Map();
  for (const [name, value] of members) {
    if (typeof value === 'bigint') plain.set(name, value.toString());
    else if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      plain.set(name, value);
  }
  return plain;
}

function named(entries: ReadonlyMap<PyValue, PyValue>): Members {
  return [...entries]
    .filter(([key]) => typeof key === 'string' || typeof key === 'number')
    .map(([key, item]) => [String(key), item]);
}

function asLeaf(value: PyValue): Leaf | undefined {
  const leaf = leafOf(value);
  if (leaf !== undefined || !isObject(value) || value.kind !== 'record') return leaf;
  // A class of tensors that pickles itself its own way (ShardedTensor): a tensor is missing, and is said to be.
  return /Tensor$|^torch\.ScriptObject$/.test(value.name)
    ? missing(`a tensor of the class ${JSON.stringify(value.name.slice(0, 100))}`)
    : undefined;
}

function noTensors(file: string): HopfcoleError {
  return new HopfcoleError('NO_TENSORS', 'it holds no tensors', { file }, 'Save a state dict: model.state_dict()');
}
