import { domain } from '../../ops/domain.ts';
import { logSumExp } from '../../ops/log-sum-exp.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { input, parameter } from '../graph/make.ts';
import { model as makeModel } from '../graph/model.ts';
import type { Node, Value } from '../graph/value.ts';
import { argumentsOf, blocksOf } from '../reading/arguments.ts';
import { residualChains } from '../reading/residual.ts';
import { type Site, sitesOf } from '../reading/sites.ts';
import { attentionProbing } from './attention-site.ts';
import { hopfColeProbing } from './hopf-cole-site.ts';
import type { Check } from './identities.ts';
import { leapfrogChecks } from './leapfrog-identities.ts';
import { lseChecks } from './lse-site.ts';
import { type Found, type Open, probe, sampleFeeds } from './probe.ts';
import { recurrentProbing } from './recurrent-site.ts';
import { independent, type References } from './references.ts';
import { residualChecks } from './residual-identities.ts';
import { semiringProbing } from './semiring-site.ts';
import { type Probing, told } from './site-checks.ts';
import { ssmProbing } from './ssm-site.ts';
import { headProbing, unitProbing } from './unit-site.ts';

export type { Open } from './probe.ts';

/**
 * Inference as evaluation: every site of a model, run in ONNX Runtime, against its Hamilton-Jacobi equation solved in float64 by an
 * independent path (docs/theory.md sections 2 and 4): log-sum-exp layers against Hopf-Cole from the initial data that the weights decode to, attention
 * against the gradient of its log-sum-exp, recurrences against the explicit step, residual chains against their flow. What is structural or open is
 * said to be. A changed weight still passes (every (W,b) is valid initial data); a wrong operator, decoding or reference does not.
 */
export async function verifyModel(given: Model, open: Open, references: References = independent): Promise<Check[]> {
  const sites = sitesOf(given);
  const outer = new Set(given.graph.nodes);
  const chained = new Set(residualChains(given.graph).flatMap(({ steps }) => steps.map(({ to }) => nodeOf(to))));
  const probings = new Map<Site, Probing>();
  for (const site of sites) {
    const probing = outer.has(site.node) ? probingOf(given, site, references) : undefined;
    if (probing !== undefined) probings.set(site, probing);
  }
  const found = await probeAll(given, open, probings);
  const steps = await leapfrogChecks(given, open, sampleFeeds);
  const checks: Check[] = [];
  for (const site of sites) {
    const own = found.get(site) ?? steps.get(site.name);
    const made = isSolution(site) && outer.has(site.node) ? await solved(given, site, open, references) : (own ?? []);
    if (made.length > 0) checks.push(...worstOf(made, site.name));
    // Residual steps are looked at as chains, below.
    else if (!chained.has(site.node)) checks.push(told(site));
  }
  return [...checks, ...(await residualChecks(given, open, sampleFeeds))];
}

function nodeOf({ source }: Value): Node | undefined {
  return source.kind === 'output' ? source.node : undefined;
}

/** A log-sum-exp over atoms of its own. */
function isSolution({ kind, node }: Site): boolean {
  return kind === 'lse' && node.domain === domain && blocksOf(argumentsOf(node), 'W').length > 0;
}

async function solved(given: Model, site: Site, open: Open, references: References): Promise<readonly Check[]> {
  try {
    return await lseChecks(given, site, open, references);
  } catch (error) {
    if (!(error instanceof HopfcoleError) || error.code !== 'UNSUPPORTED_SITE') throw error;
    return [];
  }
}

/** What the checks of a site need of the graph, where it is of a kind that numbers can confirm. */
function probingOf(given: Model, site: Site, references: References): Probing | undefined {
  const { node, kind, architecture } = site;
  const args = argumentsOf(node);
  switch (kind) {
    case 'softmax-head': {
      const z = args.get('Z') ?? (node.domain === '' ? node.inputs[0] : undefined);
      return z === undefined || args.has('mask') ? undefined : headProbing(site, z, args.get('epsilon'));
    }
    case 'attention':
    case 'hopfield':
      return attentionProbing(given, site, references);
    case 'rnn':
    case 'gru':
    case 'lstm':
      return recurrentProbing(site, references);
    case 'ssm':
      return ssmProbing(given, site, references);
    default:
      if (architecture === 'log-semiring') return semiringProbing(site, references);
      return args.has('Y') ? hopfColeProbing(site, references) : unitProbing(site, references);
  }
}

/** Everything that the probings want of the graph, in one run, and their checks. */
async function probeAll(
  given: Model,
  open: Open,
  probings: ReadonlyMap<Site, Probing>,
): Promise<Map<Site, readonly Check[]>> {
  const wanted = new Map<string, Value>();
  const names = new Map<Value, string>();
  for (const { wanted: own } of probings.values())
    for (const value of Object.values(own)) {
      if (names.has(value)) continue;
      const name = `verify/${names.size}`;
      names.set(value, name);
      wanted.set(name, value);
    }
  if (wanted.size === 0) return new Map();
  const found = await probe(given, open, wanted);
  return new Map(
    [...probings].map(([site, probing]) => {
      const own: Record<string, Found> = {};
      for (const [name, value] of Object.entries(probing.wanted)) {
        const values = found.get(names.get(value) ?? '');
        if (values !== undefined) own[name] = values;
      }
      return [site, probing.checks(own)];
    }),
  );
}

/** Without a model: the four atoms of the paper's first experiment, d = 1, at five viscosities, and a bank in three dimensions. */
export async function verifyReference(open: Open, references: References = independent): Promise<Check[]> {
  const y = [-1.5, -0.5, 0.5, 1.5];
  const g = [1, 0.3, 0.3, 1];
  const time = 1;
  const checks: Check[] = [];
  for (const epsilon of [1, 0.5, 0.2, 0.1, 0.05]) {
    const w = y.map((value) => value / (2 * time));
    const b = y.map((value, j) => -(g[j] ?? 0) - value ** 2 / (4 * time));
    const model = unitModel([4, 1], w, b, epsilon);
    for (const check of await verifyModel(model, open, references))
      checks.push({ ...check, name: `${check.name}, eps ${epsilon}` });
  }
  const bank = Array.from({ length: 2 * 5 * 3 }, (_, i) => Math.sin(i * 1.3) * 1.2);
  const bias = Array.from({ length: 2 * 5 }, (_, i) => Math.cos(i * 2.1) * 0.5);
  for (const check of await verifyModel(unitModel([2, 5, 3], bank, bias, 0.3), open, references))
    checks.push({ ...check, name: `${check.name}, bank` });
  return checks;
}

function unitModel(shape: readonly number[], w: readonly number[], b: readonly number[], epsilon: number): Model {
  const x = input('x', 'float32', ['batch', shape.at(-1)]);
  const W = parameter('W', fromNumbers('float32', shape, w));
  const B = parameter('b', fromNumbers('float32', shape.slice(0, -1), b));
  const E = parameter('epsilon', fromNumbers('float32', [], [epsilon]));
  return makeModel({ inputs: [x], outputs: { f: logSumExp(x, W, B, E) } });
}

/** One line per identity: the worst over the heads of a site. */
function worstOf(checks: readonly Check[], site: string): Check[] {
  const worst = new Map<string, Check>();
  for (const check of checks) {
    const known = worst.get(check.name);
    if (known === undefined || check.error > known.error) worst.set(check.name, check);
  }
  return [...worst.values()].map((check) => ({ ...check, name: `${site}: ${check.name}` }));
}
