import { domain } from '../../ops/domain.ts';
import type { Graph, Model } from '../graph/graph.ts';
import { moduleKey } from '../graph/module-path.ts';
import { modulePathOf } from '../graph/place.ts';
import type { Node } from '../graph/value.ts';
import { everyGraph } from '../graph/walk.ts';
import { architectures, type Reading, type ReadingKind, readingKey, readingOf } from '../layers/reading.ts';
import { epsilonOf, type Found, operatorSite, operatorSizes } from './operators.ts';
import { equationOf, type Site, siteKindOf } from './site.ts';
import { structuralSites } from './structure.ts';

export type { Site, SiteKind } from './site.ts';

/**
 * The sites of a model, in the order of its nodes, subgraphs included: layers that say what they are, calls of our operators, and, where
 * a file says nothing, what its operators are by how they stand together.
 */
export function sitesOf(model: Model): Site[] {
  const told = new Map<Node, Found>();
  const modules = new Set<string>();
  for (const graph of everyGraph(model.graph)) {
    const inner = innerNodes(graph);
    for (const node of graph.nodes) {
      const site = markedSite(node);
      if (site === undefined) continue;
      modules.add(node.metadata.get(moduleKey) ?? '');
      if (!inner.has(node)) told.set(node, site);
    }
  }
  const sites: Site[] = [];
  const taken = new Set<string>();
  for (const graph of everyGraph(model.graph)) {
    const structural = structuralSites(graph);
    for (const node of graph.nodes) {
      // What a layer that says what it is is made of is no site beside it.
      const inside = modules.has(node.metadata.get(moduleKey) ?? '');
      const site = told.get(node) ?? operatorSite(node) ?? (inside ? undefined : structural.get(node));
      if (site !== undefined) sites.push(placed(site, node, sites.length, taken));
    }
  }
  return sites;
}

/** Layers that are calls of our operators. */
const called: ReadonlySet<string | undefined> = new Set<ReadingKind>([
  'lse',
  'hopf-cole',
  'softmax-head',
  'lse-feed-forward',
  'convex',
  'attention',
  'hopfield',
]);

/**
 * Nodes of a layer's own that another of its nodes reads: where a call of our operators was replaced by its body, each node of the body says what
 * the call said, and the last is the layer.
 */
function innerNodes({ nodes }: Graph): ReadonlySet<Node> {
  const inner = new Set<Node>();
  for (const node of nodes) {
    const said = node.metadata.get(readingKey);
    if (said === undefined || node.domain === domain || !called.has(readingIn(said)?.kind)) continue;
    for (const value of node.inputs) {
      const maker = value?.source.kind === 'output' ? value.source.node : undefined;
      if (maker !== undefined && maker.domain !== domain && maker.metadata.get(readingKey) === said) inner.add(maker);
    }
  }
  return inner;
}

function placed(site: Found, node: Node, position: number, taken: Set<string>): Site {
  const own = modulePathOf(node) || node.name || node.outputs[0]?.name || `site${position}`;
  const name = taken.has(own) ? `${own}#${position}` : own;
  taken.add(name);
  const operator = node.domain === '' ? node.opType : `${node.domain}::${node.opType}`;
  const { kind, status, epsilon, atoms, dim, heads, hamiltonian, viscosity, ...rest } = site;
  const sized = heads === undefined ? { atoms, dim } : { atoms, dim, heads };
  const where = `node '${node.name ?? ''}', ${operator}`;
  return { name, kind, status, epsilon, ...sized, hamiltonian, viscosity, ...rest, where, node };
}

/** A layer that says what it is, in the metadata of the node that is it. */
function markedSite(node: Node): Found | undefined {
  const reading = readingIn(node.metadata.get(readingKey));
  const kind = reading === undefined ? undefined : siteKindOf(reading.kind);
  if (reading === undefined || kind === undefined) return undefined;
  const own = operatorSite(node);
  if (own === undefined) {
    const { viscosity, step } = reading;
    const atoms = kind === 'relu' || kind === 'softplus' ? 2 : null;
    const hidden = node.attributes.get('hidden_size');
    const dim = hidden?.kind === 'int' ? Number(hidden.value) : atoms === 2 ? 1 : featuresOf(node);
    const epsilon = typeof viscosity === 'number' && step === null ? viscosity : null;
    return { kind, ...equationOf(reading), epsilon, atoms, dim, architecture: reading.kind };
  }
  // The temperature that the file holds now, not the one the layer was built with.
  const epsilon = node.opType === 'HopfLax' ? 0 : epsilonOf(node);
  const now = typeof epsilon === 'number' ? epsilon : reading.viscosity;
  const renewed = { ...equationOf(reading), viscosity: now, equation: renewedEquation(reading, now) };
  return {
    kind: own.kind === 'max' ? 'max' : kind,
    ...renewed,
    epsilon: own.epsilon,
    architecture: reading.kind,
    ...operatorSizes(node),
  };
}

/** Features on the last axis of what is no picture. */
function featuresOf({ outputs: [value] }: Node): number | null {
  const { shape = [] } = value ?? {};
  const last = shape.at(-1);
  return typeof last === 'number' && (shape.length === 2 || shape.length === 3) ? last : null;
}

/** The equation of the table at another viscosity, where the layer says it as the table does. */
function renewedEquation(reading: Reading, viscosity: number | string): string {
  const { kind, name, step, equation } = reading;
  const asTold = readingOf(kind, name, { viscosity: reading.viscosity, step }).equation === equation;
  return asTold ? readingOf(kind, name, { viscosity, step }).equation : equation;
}

/** The reading that a file holds, where it is one. */
function readingIn(text: string | undefined): Reading | undefined {
  if (text === undefined) return undefined;
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof found !== 'object' || found === null) return undefined;
  const { name, kind, status, hamiltonian, viscosity, discretisation, step, equation, latex } = found as Reading;
  const texts = [name, kind, hamiltonian, discretisation, equation].every((part) => typeof part === 'string');
  const quantity = (value: unknown) => typeof value === 'number' || typeof value === 'string';
  if (!texts || !Object.hasOwn(architectures, kind) || !quantity(viscosity)) return undefined;
  if (!['exact', 'structural', 'open'].includes(status) || (step !== null && !quantity(step))) return undefined;
  return { name, kind, status, hamiltonian, viscosity, discretisation, step, equation, latex: String(latex ?? '') };
}

/** Whether a site is a call of one of our operators, whose atoms are its arguments. */
export function isOperator({ node }: Site): boolean {
  return node.domain === domain;
}
