import { bodyOpset } from '../../ops/domain.ts';
import { logSumExp } from '../../ops/log-sum-exp.ts';
import { isFloat } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers, load, type Tensor, toNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { input, parameter } from '../graph/make.ts';
import { model as makeModel } from '../graph/model.ts';
import { opsetOf } from '../graph/passes/opset/raise.ts';
import type { Dim } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { argumentsOf, blocksOf } from '../reading/arguments.ts';
import { type Site, sitesOf } from '../reading/sites.ts';
import type { Session } from '../runtime/session.ts';
import { attributionGraph, attributionResult } from './attribution.ts';
import { headChecks } from './head-identities.ts';
import { type Atoms, type Check, type Given, graphChecks, solutionChecks } from './identities.ts';
import { residualChecks } from './residual-identities.ts';

/** Opens a graph that was made here. */
export type Open = (model: Model) => Promise<Session>;

/** Queries per site. */
const queries = 3;

/** Relative precision that a graph of an element type is held to. */
const precisions: Readonly<Record<string, number>> = { float64: 1e-9, float32: 1e-5, float16: 1e-2, bfloat16: 5e-2 };

/**
 * Every identity of docs/theory.md that the LSE sites and softmax heads of a model allow: what the graph computes, run in ONNX Runtime, against the
 * viscous HJ equation solved in float64 from the initial data that the weights decode to. A changed weight still passes (every (W,b)
 * is valid initial data); a wrong operator does not.
 */
export async function verifyModel(given: Model, open: Open): Promise<Check[]> {
  const checks: Check[] = [];
  for (const site of sitesOf(given)) {
    if (site.kind === 'softmax-head') checks.push(...(await verifyHead(given, site, open)));
    if (site.kind === 'lse' && blocksOf(argumentsOf(site.node), 'W').length > 0)
      checks.push(...(await verifySite(given, site, open)));
  }
  return [...checks, ...(await residualChecks(given, open, sampleFeeds))];
}

/** A softmax head on its own logits, as the model computes both. */
async function verifyHead(given: Model, site: Site, open: Open): Promise<Check[]> {
  const args = argumentsOf(site.node);
  const [z, epsilon, pi] = [args.get('Z'), args.get('epsilon'), site.node.outputs[0]];
  if (z === undefined || epsilon === undefined || pi === undefined || args.has('mask')) return [];
  const { graph, opsets, irVersion, functions } = given;
  const session = await open(
    makeModel({
      inputs: graph.inputs,
      outputs: { 'verify/z': z, 'verify/pi': pi, 'verify/epsilon': epsilon },
      opset: opsetOf(opsets) ?? bodyOpset,
      ir: irVersion,
      functions,
      opsets: Object.fromEntries([...opsets].filter(([domain]) => domain !== '' && domain !== 'ai.onnx')),
    }),
  );
  const outputs = await session.run(sampleFeeds(session)).finally(() => session.close());
  const [zs, pis, temperature] = ['z', 'pi', 'epsilon'].map((name) => {
    const tensor = outputs.outputs.get(`verify/${name}`);
    return { values: tensor === undefined ? new Float64Array(0) : toNumbers(tensor), width: tensor?.shape.at(-1) ?? 1 };
  });
  if (zs === undefined || pis === undefined || temperature === undefined) return [];
  const rows = Array.from({ length: zs.width === 0 ? 0 : zs.values.length / zs.width }, (_, row) => ({
    z: zs.values.subarray(row * zs.width, (row + 1) * zs.width),
    pi: pis.values.subarray(row * zs.width, (row + 1) * zs.width),
  }));
  const precision = precisions[z.dtype ?? 'float32'] ?? 1e-5;
  return worstOf(headChecks(rows.slice(0, queries), temperature.values[0] ?? Number.NaN, precision), site.name);
}

/** Without a model: the four atoms of the paper's first experiment, d = 1, at five viscosities, and a bank in three dimensions. */
export async function verifyReference(open: Open): Promise<Check[]> {
  const y = [-1.5, -0.5, 0.5, 1.5];
  const g = [1, 0.3, 0.3, 1];
  const time = 1;
  const checks: Check[] = [];
  for (const epsilon of [1, 0.5, 0.2, 0.1, 0.05]) {
    const w = y.map((value) => value / (2 * time));
    const b = y.map((value, j) => -(g[j] ?? 0) - value ** 2 / (4 * time));
    const model = unitModel([4, 1], w, b, epsilon);
    for (const check of await verifyModel(model, open))
      checks.push({ ...check, name: `${check.name}, eps ${epsilon}` });
  }
  const bank = Array.from({ length: 2 * 5 * 3 }, (_, i) => Math.sin(i * 1.3) * 1.2);
  const bias = Array.from({ length: 2 * 5 }, (_, i) => Math.cos(i * 2.1) * 0.5);
  for (const check of await verifyModel(unitModel([2, 5, 3], bank, bias, 0.3), open))
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

async function verifySite(given: Model, site: Site, open: Open): Promise<Check[]> {
  const x = argumentsOf(site.node).get('X');
  const graph = attributionGraph(given, { site: site.name, top: 'all', withQuery: true });
  const session = await open(graph.model);
  let outputs: Map<string, Tensor>;
  try {
    outputs = (await session.run(sampleFeeds(session))).outputs;
  } finally {
    await session.close();
  }
  const result = attributionResult(outputs);
  const heads = await headsOf(site, result.epsilon);
  const rows = rowsOf(result, heads.length);
  const precision = precisions[x?.dtype ?? 'float32'] ?? 1e-5;
  const checks = heads.flatMap((atoms, head) => {
    const own = rows[head] ?? [];
    return [
      ...graphChecks(atoms, own, precision),
      ...solutionChecks(
        atoms,
        own.map((row) => row.x),
      ),
    ];
  });
  return worstOf(checks, site.name);
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

/** Fixed, smooth numbers of moderate size for every floating input; zeros for the others. */
function sampleFeeds(session: Session): Map<string, Tensor> {
  return new Map(
    session.inputs.map(({ name, dtype, shape }) => {
      const sizes = (shape ?? []).map((dim: Dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? queries : 1));
      const count = sizes.reduce((a, b) => a * b, 1);
      const values = Float64Array.from({ length: count }, (_, i) =>
        isFloat(dtype) ? Math.sin(0.7 + 1.9 * i + (i % 7)) : 0,
      );
      return [name, fromNumbers(dtype, sizes, values)];
    }),
  );
}

/** The atoms of each head of a site, in float64. */
async function headsOf(site: Site, epsilon: number): Promise<Atoms[]> {
  const args = argumentsOf(site.node);
  const { heads = 1, atoms, dim } = site;
  if (atoms === null || dim === null) throw noWeights(site);
  const w = await numbersOf(site, blocksOf(args, 'W'), heads, atoms * dim);
  const b = await numbersOf(site, blocksOf(args, 'b'), heads, atoms);
  return w.map((own, head) => ({
    w: Array.from({ length: atoms }, (_, j) => own.subarray(j * dim, (j + 1) * dim)),
    b: b[head] ?? new Float64Array(atoms),
    epsilon,
  }));
}

/** The stored numbers of each head, of all blocks in their order. */
async function numbersOf(site: Site, blocks: readonly Value[], heads: number, each: number): Promise<Float64Array[]> {
  const all = Array.from({ length: heads }, () => new Float64Array(each));
  let offset = 0;
  for (const block of blocks) {
    const numbers = toNumbers(await load(weightOf(site, block)));
    const size = numbers.length / heads;
    all.forEach((own, head) => {
      own.set(numbers.subarray(head * size, (head + 1) * size), offset);
    });
    offset += size;
  }
  return all;
}

/** The stored weight behind a value, through the Cast that brings it to the type of the computation. */
function weightOf(site: Site, value: Value) {
  const { source } = value;
  if ('tensor' in source) return source.tensor;
  const [inner] = source.kind === 'output' && source.node.opType === 'Cast' ? source.node.inputs : [];
  if (inner !== undefined && 'tensor' in inner.source) return inner.source.tensor;
  throw noWeights(site);
}

function noWeights(site: Site): HopfcoleError {
  return new HopfcoleError(
    'UNSUPPORTED_SITE',
    `the weights of site '${site.name}' are computed, not stored`,
    {},
    'verify reads the initial data from stored weights',
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
