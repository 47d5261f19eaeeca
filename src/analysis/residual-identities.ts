import { costate } from '../costate/costate.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import { levelOpsets } from '../graph/passes/opset/raise.ts';
import { inFloat64 } from '../graph/passes/precision.ts';
import { rewriteGraph } from '../graph/passes/rewrite.ts';
import { modulePathOf } from '../graph/place.ts';
import type { Value } from '../graph/value.ts';
import { type ResidualChain, type ResidualStep, residualChains } from '../reading/residual.ts';
import { withFloat64Kernels } from './float64-kernels.ts';
import type { Check } from './identities.ts';
import { orderChecks } from './order-identities.ts';
import type { Open } from './probe.ts';
import {
  cutAt,
  evaluate,
  type Feeds,
  floats,
  named,
  noKernel,
  numbers,
  relabelled,
  repeated,
  runs,
} from './residual-graph.ts';
import { dot, largest, norm, wave } from './vectors.ts';

/** What the co-state's inner product with a variation is held to, in float64 and where the runtime has only float32 kernels. */
const tolerances = { float64: 1e-7, float32: 2e-2 } as const;
const steps = { float64: 1e-5, float32: 2e-2 } as const;

/**
 * The invariants of residual chains (theory.md section 4): <p_l, dx_l> is the same at every layer, with p the co-state graph's and dx by
 * central differences of the forward graph; and where all layers share their weights, the Hamiltonian H = p_(l+1).F(x_l) along depth
 * drifts by O(h): halving h halves it. For layers with weights of their own the drift is only reported.
 */
export async function residualChecks(given: Model, open: Open, feeds: Feeds): Promise<Check[]> {
  const found = residualChains(given.graph);
  if (found.length === 0) return [];
  const wide = isLarge(given) ? given : withFloat64Kernels(await inFloat64(given));
  const runsWide = wide !== given && (await runs(wide, open));
  const model = runsWide ? wide : given;
  const read = residualChains(model.graph);
  const names = distinct(read.map((chain, index) => nameOf(chain, index, read.length)));
  const chains = read.map((chain, index) => ({ ...chain, index, name: names[index] ?? '' }));
  const narrow = chains.find(({ steps }) => !['float32', 'float64'].includes(steps[0]?.from.dtype ?? ''));
  if (narrow !== undefined)
    return chains.map(({ name }) => untold(name, 'in half precision, and the runtime has no float64 kernels for them'));
  const precision = runsWide ? 'float64' : 'float32';
  const all = names.length === 1 ? (names[0] ?? '') : 'residual chains';
  let measured = new Map<string, Check[]>();
  const checks = await attempted(`${all}: order`, async () => {
    measured = await orderChecks(model, chains, precision, open, feeds);
    return [];
  });
  for (const chain of chains) {
    const { name, index, steps } = chain;
    if (steps.length > 1)
      checks.push(
        ...(await attempted(`${name}: co-state`, async () => [
          await invariant(name, wide, given, index, runsWide, open, feeds),
          await hamiltonian(name, model, chain, runsWide, open, feeds),
        ])),
      );
    checks.push(...(measured.get(name) ?? []));
  }
  return checks;
}

/** Numbers of a model beyond which its float64 copy is not made. */
const large = 2e8;

function isLarge({ graph }: Model): boolean {
  const count = (shape: readonly unknown[]) => shape.reduce<number>((product, dim) => product * Number(dim), 1);
  return graph.parameters.reduce((sum, { shape = [] }) => sum + count(shape), 0) > large;
}

/** What is not there to be computed: no rule for an operator, no kernel, sizes that no sample meets. */
const impossible = new Set([
  'NO_COSTATE_RULE',
  'UNSUPPORTED_COSTATE',
  'NOT_DIFFERENTIABLE',
  'UNKNOWN_RANK',
  'RUN_FAILED',
  ...noKernel,
]);

async function attempted(name: string, compute: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await compute();
  } catch (error) {
    if (!(error instanceof HopfcoleError) || !impossible.has(error.code)) throw error;
    return [untold(name, error.message)];
  }
}

function untold(name: string, why: string): Check {
  return {
    name,
    statement: `not computed: ${why}`,
    pathA: 'the operators of the graph',
    pathB: 'none: nothing is computed',
    error: 0,
    tolerance: 0,
    ok: true,
  };
}

/** A single step by its module; chains by their number. */
function nameOf({ steps }: ResidualChain, index: number, count: number): string {
  const source = steps[0]?.to.source;
  const node = steps.length === 1 && source?.kind === 'output' ? source.node : undefined;
  const own = node === undefined ? undefined : (modulePathOf(node) ?? node.name);
  return own ?? (count === 1 ? 'residual chain' : `residual chain ${index + 1}`);
}

/** Names that are there already get their place. */
function distinct(names: readonly string[]): string[] {
  return names.map((name, index) => (names.indexOf(name) === index ? name : `${name}#${index}`));
}

/** <p_l, dx_l> over depth. */
async function invariant(
  name: string,
  wide: Model,
  narrow: Model,
  index: number,
  runsWide: boolean,
  open: Open,
  feeds: Feeds,
): Promise<Check> {
  const precision = runsWide ? 'float64' : 'float32';
  const model = precision === 'float64' ? wide : narrow;
  const chain = residualChains(model.graph)[index] as ResidualChain;
  const states = [...chain.steps.map(({ from }) => from), ...chain.steps.slice(-1).map(({ to }) => to)];
  const exposed = named(model, states, 'state');
  const p = costate(exposed.model, { of: floats(model), wrt: exposed.names.map((own) => `name:${own}`) });
  const base = await evaluate(p.model, open, feeds);
  const xs = exposed.names.map((own) => numbers(base, own));
  const ps = p.gradients.map((gradient) => numbers(base, gradient.name));
  const direction = wave(xs[0]?.length ?? 0);
  const scale = (largest(xs[0] ?? []) || 1) * steps[precision];
  const start = states[0] as Value;
  const others = exposed.model.graph.outputs.filter(({ name: own }) => own !== exposed.names[0]);
  const shifted = cutAt(exposed.model, new Map([['verify/x0', start]]), others);
  const dtype = precision;
  const at = async (sign: number): Promise<Float64Array[]> => {
    const x = (xs[0] ?? new Float64Array(0)).map((value, i) => value + sign * scale * (direction[i] ?? 0));
    const outputs = await evaluate(shifted, open, (session, length) => {
      const shape = base.get(exposed.names[0] ?? '')?.shape ?? [];
      return new Map([...feeds(session, length), ['verify/x0', fromNumbers(dtype, shape, x)]]);
    });
    return exposed.names.slice(1).map((own) => numbers(outputs, own));
  };
  const [ahead, behind] = [await at(1), await at(-1)];
  const dx = [
    direction,
    ...ahead.map((own, l) => own.map((value, i) => (value - (behind[l]?.[i] ?? 0)) / (2 * scale))),
  ];
  const products = dx.map((own, l) => dot(ps[l] ?? new Float64Array(0), own));
  const size = Math.max(...dx.map((own, l) => norm(ps[l] ?? new Float64Array(0)) * norm(own)), Number.MIN_VALUE);
  const error = Math.max(...products.map((product) => Math.abs(product - (products[0] ?? 0)))) / size;
  const tolerance = tolerances[precision];
  return {
    name: `${name}: <p, dx> over depth`,
    statement: `<p_l, dx_l> is the same at all ${states.length} states`,
    pathA: 'p by the co-state graph',
    pathB: `dx by central differences of the forward graph in ${precision}`,
    error,
    tolerance,
    ok: error <= tolerance,
  };
}

/** H along depth, by halving the step where the layers are one. */
async function hamiltonian(
  name: string,
  model: Model,
  chain: ResidualChain,
  runsWide: boolean,
  open: Open,
  feeds: Feeds,
): Promise<Check> {
  const common = { name: `${name}: Hamiltonian`, pathA: 'the largest change of H over depth' };
  if (!chain.tied || !runsWide) {
    const drift = await driftOf(model, chain, 1, open, feeds);
    const why = chain.tied ? 'no float64 kernels' : 'layers have weights of their own';
    return {
      ...common,
      statement: `H = p_(l+1).F(x_l) changes by ${drift.toExponential(2)} of itself: reported only, ${why}`,
      pathB: 'H of the first layer',
      error: drift,
      tolerance: Number.MAX_VALUE,
      ok: true,
    };
  }
  const [coarse, fine] = [await driftOf(model, chain, 4, open, feeds), await driftOf(model, chain, 8, open, feeds)];
  const order = Math.log2(coarse / fine);
  const flat = coarse < 1e-12;
  return {
    ...common,
    statement: `H drifts by O(h): halving h gives order ${flat ? 'none (H is constant)' : order.toFixed(2)}, 1 expected`,
    pathB: 'the same with half the step and twice the layers',
    error: flat ? 0 : Math.abs(order - 1),
    tolerance: 0.5,
    ok: flat || Math.abs(order - 1) <= 0.5,
  };
}

/** The largest relative change of H over the chain when each layer is cut into m steps of h/m. */
async function driftOf(model: Model, chain: ResidualChain, m: number, open: Open, feeds: Feeds): Promise<number> {
  const values = [...chain.steps];
  const first = values[0] as ResidualStep;
  const last = values.at(-1) as ResidualStep;
  const branches: Value[] = [];
  const states: Value[] = [];
  let x = first.from;
  for (const step of values)
    for (let part = 0; part < m; part++) {
      const branch = repeated(step, x);
      const added = m === 1 ? branch : op.mul(branch, constant(fromNumbers(branch.dtype ?? 'float64', [], [1 / m])));
      branches.push(branch);
      x = relabelled(op.add(x, added), `verify/x${states.length + 1}`);
      states.push(x);
    }
  const graph = rewriteGraph(model.graph, (node) => (node.outputs[0] === last.to ? [x] : undefined));
  const outputs = branches.map((value, index) => ({ name: `verify/f${index}`, value }));
  const fine = levelOpsets({ ...model, graph: { ...graph, outputs: [...graph.outputs, ...outputs] } });
  const names = states.map(({ name = '' }) => name);
  const made = costate(fine, { of: floats(model), wrt: names.map((own) => `name:${own}`) });
  const found = await evaluate(made.model, open, feeds);
  const energies = branches.map((_, index) =>
    dot(numbers(found, `costate_${names[index]}`), numbers(found, `verify/f${index}`)),
  );
  const start = energies[0] ?? 0;
  const size = Math.max(...energies.map(Math.abs), Number.MIN_VALUE);
  return Math.max(...energies.map((energy) => Math.abs(energy - start))) / size;
}
