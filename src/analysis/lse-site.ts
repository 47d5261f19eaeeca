import { HopfcoleError } from '../files/error.ts';
import { type AnyTensor, load, type Tensor, toNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import type { Value } from '../graph/value.ts';
import { argumentsOf, blocksOf } from '../reading/arguments.ts';
import type { Site } from '../reading/sites.ts';
import { attributionGraph, attributionResult } from './attribution.ts';
import { type Atoms, type Check, type Given, graphChecks, solutionChecks } from './identities.ts';
import { type Open, probe, runOnSamples } from './probe.ts';
import type { References } from './references.ts';
import { precisionOf } from './site-checks.ts';

/** The identities of a log-sum-exp site: one Attribution graph, run once, against the solution decoded from its weights. */
export async function lseChecks(given: Model, site: Site, open: Open, references: References): Promise<Check[]> {
  const x = argumentsOf(site.node).get('X');
  const graph = attributionGraph(given, { site: site.name, top: 'all', withQuery: true });
  const session = await open(graph.model);
  let outputs: Map<string, Tensor>;
  try {
    outputs = await runOnSamples(session);
  } finally {
    await session.close();
  }
  const result = attributionResult(outputs);
  const heads = await headsOf(given, site, open, result.epsilon);
  const rows = rowsOf(result, heads.length);
  const precision = precisionOf(x);
  const checks = heads.flatMap((atoms, head) => {
    const own = rows[head] ?? [];
    return [
      ...graphChecks(atoms, own, precision, references),
      ...solutionChecks(
        atoms,
        own.map((row) => row.x),
        references,
      ),
    ];
  });
  return checks;
}

/** The atoms of each head of a site, in float64. */
async function headsOf(given: Model, site: Site, open: Open, epsilon: number): Promise<Atoms[]> {
  const args = argumentsOf(site.node);
  const { heads = 1, atoms, dim } = site;
  if (atoms === null || dim === null) throw noWeights(site);
  const compute = async (value: Value): Promise<Float64Array> =>
    (await probe(given, open, new Map([['verify/weights', value]]))).get('verify/weights')?.values ??
    new Float64Array(0);
  const w = await numbersOf(blocksOf(args, 'W'), heads, atoms * dim, compute);
  const b = await numbersOf(blocksOf(args, 'b'), heads, atoms, compute);
  return w.map((own, head) => ({
    w: Array.from({ length: atoms }, (_, j) => own.subarray(j * dim, (j + 1) * dim)),
    b: b[head] ?? new Float64Array(atoms),
    epsilon,
  }));
}

/** The numbers of each head, of all blocks in their order: as they are stored, or, where they are computed, as the graph computes them. */
async function numbersOf(
  blocks: readonly Value[],
  heads: number,
  each: number,
  compute: (value: Value) => Promise<Float64Array>,
): Promise<Float64Array[]> {
  const all = Array.from({ length: heads }, () => new Float64Array(each));
  let offset = 0;
  for (const block of blocks) {
    const stored = weightOf(block);
    const numbers = stored === undefined ? await compute(block) : toNumbers(await load(stored));
    const size = numbers.length / heads;
    all.forEach((own, head) => {
      own.set(numbers.subarray(head * size, (head + 1) * size), offset);
    });
    offset += size;
  }
  return all;
}

/** The stored weight behind a value, through the Cast that brings it to the type of the computation; undefined where it is computed. */
function weightOf({ source }: Value): AnyTensor | undefined {
  if ('tensor' in source) return source.tensor;
  const [inner] = source.kind === 'output' && source.node.opType === 'Cast' ? source.node.inputs : [];
  return inner !== undefined && 'tensor' in inner.source ? inner.source.tensor : undefined;
}

function noWeights(site: Site): HopfcoleError {
  return new HopfcoleError(
    'UNSUPPORTED_SITE',
    `the sizes of site '${site.name}' are not known`,
    {},
    'verify decodes the initial data from the weights',
  );
}

/** What the graph gave, by head and query. */
function rowsOf(result: ReturnType<typeof attributionResult>, heads: number): Given[][] {
  const [x, f, costate, entropy, index, weight, left] = [
    result.query,
    // The model's own node is what is verified, not the attribution beside it.
    result.value ?? result.f,
    result.costate,
    result.entropy,
    result.index,
    result.weight,
    result.leaveOneOut,
  ].map((tensor) => (tensor === undefined ? new Float64Array(0) : toNumbers(tensor)));
  if (!x || !f || !costate || !entropy || !index || !weight || !left) return [];
  const count = f.length / heads;
  const d = costate.length / f.length;
  const n = weight.length / f.length;
  return Array.from({ length: heads }, (_, head) =>
    Array.from({ length: count }, (_unused, row): Given => {
      const at = row * heads + head;
      const byAtom = (values: Float64Array) => {
        const sorted = new Float64Array(n);
        for (let place = 0; place < n; place++)
          sorted[index[at * n + place] ?? 0] = values[at * n + place] ?? Number.NaN;
        return sorted;
      };
      return {
        x: x.subarray(row * d, (row + 1) * d),
        f: f[at] ?? Number.NaN,
        costate: costate.subarray(at * d, (at + 1) * d),
        entropy: entropy[at] ?? Number.NaN,
        weights: byAtom(weight),
        leaveOneOut: byAtom(left),
      };
    }),
  );
}
