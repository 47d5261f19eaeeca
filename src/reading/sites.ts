import { domain } from '../../ops/domain.ts';
import { recognise } from '../../ops/table.ts';
import { toNumbers } from '../files/tensor.ts';
import type { FunctionDefinition } from '../graph/function.ts';
import type { Model } from '../graph/graph.ts';
import { moduleKey } from '../graph/module-path.ts';
import { constantTensor } from '../graph/passes/constants.ts';
import type { Node, Value } from '../graph/value.ts';
import { everyNode } from '../graph/walk.ts';

/** What a site computes. */
export type SiteKind = 'lse' | 'softmax-head' | 'max' | 'attention';

/** A place of a model that is a Hamilton-Jacobi layer by itself, with what is known of it (docs/cli.md). */
export interface Site {
  /** The module's path where the file knows it, otherwise the node's name. */
  readonly name: string;
  readonly kind: SiteKind;
  readonly status: 'exact' | 'structural' | 'open';
  /** A number, the name of the value that holds it, or null where neither is known. */
  readonly epsilon: number | string | null;
  /** N, and d of W [N, d]; null where the file does not say. */
  readonly atoms: number | null;
  readonly dim: number | null;
  /** Units of a bank, heads of an attention. */
  readonly heads?: number;
  readonly hamiltonian: string;
  readonly viscosity: number | string | null;
  /** Node and operator. */
  readonly where: string;
  readonly node: Node;
}

const kinds: Readonly<Record<string, SiteKind>> = {
  LogSumExp: 'lse',
  Solution: 'lse',
  CoState: 'lse',
  HopfCole: 'lse',
  Attribution: 'lse',
  GibbsWeights: 'softmax-head',
  HopfLax: 'max',
  GibbsAttention: 'attention',
};

/** The sites of a model, in the order of its nodes, subgraphs included. */
export function sitesOf(model: Model): Site[] {
  const sites: Site[] = [];
  const taken = new Set<string>();
  for (const node of everyNode(model.graph)) {
    const kind = node.domain === domain ? kinds[node.opType] : undefined;
    if (kind === undefined) continue;
    const site = siteOf(node, kind, sites.length);
    const name = taken.has(site.name) ? `${site.name}#${sites.length}` : site.name;
    taken.add(name);
    sites.push({ ...site, name });
  }
  return sites;
}

function siteOf(node: Node, kind: SiteKind, position: number): Site {
  const name = node.metadata.get(moduleKey) || node.name || node.outputs[0]?.name || `site${position}`;
  const given = argumentsOf(node);
  const epsilon = epsilonOf(given.get('epsilon'));
  const sizes = sizesOf(kind, node, given);
  return {
    name,
    kind,
    status: 'exact',
    epsilon,
    ...sizes,
    hamiltonian: recognise(node)?.operator.hamiltonian ?? '|p|^2',
    viscosity: kind === 'max' ? 0 : epsilon,
    where: `node '${node.name ?? ''}', ${node.domain}::${node.opType}`,
    node,
  };
}

/** The inputs of a call under the names its function gives them. */
export function argumentsOf(node: Node): Map<string, Value> {
  const given = new Map<string, Value>();
  const formal: FunctionDefinition['body']['inputs'] = node.callee?.body.inputs ?? [];
  node.inputs.forEach((value, index) => {
    const name = formal[index]?.name;
    if (value !== undefined && name !== undefined) given.set(name, value);
  });
  return given;
}

/** The blocks of a formal input in order: `W`, or `W0`, `W1`, `W2` ... */
export function blocksOf(given: ReadonlyMap<string, Value>, name: string): Value[] {
  const numbered = [...given].filter(([key]) => key.startsWith(name) && /^\d*$/.test(key.slice(name.length)));
  return numbered
    .sort(([a], [b]) => Number(a.slice(name.length)) - Number(b.slice(name.length)))
    .map(([, value]) => value);
}

function epsilonOf(value: Value | undefined): number | string | null {
  const tensor = constantTensor(value);
  if (tensor === undefined) return value?.name ?? null;
  const numbers = toNumbers(tensor);
  return numbers.length === 1 ? (numbers[0] ?? null) : (value?.name ?? null);
}

function sizesOf(kind: SiteKind, node: Node, given: ReadonlyMap<string, Value>): Pick<Site, 'atoms' | 'dim' | 'heads'> {
  const number = (dim: unknown) => (typeof dim === 'number' ? dim : null);
  if (kind === 'softmax-head') return { atoms: number(given.get('Z')?.shape?.at(-1)), dim: null };
  if (kind === 'attention') {
    const heads = number(given.get('Q')?.shape?.at(1));
    const sizes = { atoms: number(given.get('K')?.shape?.at(-2)), dim: number(given.get('Q')?.shape?.at(-1)) };
    return given.get('Q')?.shape?.length === 4 && heads !== null ? { ...sizes, heads } : sizes;
  }
  const weights = blocksOf(given, 'W');
  const blocks = weights.length > 0 ? weights : blocksOf(given, 'Y');
  const first = blocks[0]?.shape;
  const dim = number(first?.at(-1));
  if (node.overload.split('_').includes('streamed')) {
    const [count, d, n] = first ?? [];
    const total = typeof count === 'number' && typeof n === 'number' ? count * n : null;
    return { atoms: total, dim: number(d) };
  }
  const counts = blocks.map(({ shape }) => number(shape?.at(-2)));
  const atoms =
    blocks.length === 0
      ? null
      : counts.reduce<number | null>((sum, n) => (sum === null || n === null ? null : sum + n), 0);
  const heads = first?.length === 3 ? number(first[0]) : null;
  return { atoms, dim, ...(heads === null ? {} : { heads }) };
}
