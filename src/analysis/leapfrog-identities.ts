import { fromNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { inFloat64 } from '../graph/passes/precision.ts';
import type { Node, Value } from '../graph/value.ts';
import { usedBy } from '../graph/walk.ts';
import { makerOf, numberOf } from '../reading/arguments.ts';
import { type Site, sitesOf } from '../reading/sites.ts';
import { withFloat64Kernels } from './float64-kernels.ts';
import { type Check, check } from './identities.ts';
import type { Open } from './probe.ts';
import { cutAt, evaluate, type Feeds, named, numbers, runs } from './residual-graph.ts';
import { norm } from './vectors.ts';

/** a' = a1 + h/2 A(b'), b' = b + h B(a1), a1 = a + h/2 A(b): the leapfrog step, whichever of q and p is a. Signs are part of A and B. */
interface Leapfrog {
  readonly a: Value;
  readonly b: Value;
  readonly half: Value;
  readonly nextA: Value;
  readonly nextB: Value;
  /** A(b) and B(a1), by the graph, without sign. */
  readonly kick: Value;
  readonly drift: Value;
  readonly signs: readonly [kick: number, drift: number];
  readonly h: number;
}

/** An update of a state: op(state, field * number). */
interface Update {
  readonly state: Value;
  readonly field: Value;
  readonly factor: number;
}

/** The two halves of phase space. */
interface State {
  readonly a: Float64Array;
  readonly b: Float64Array;
}

const substeps = [1, 2, 4, 8];

/**
 * Leapfrog steps (docs/theory.md section 4): what the graph computes is the step of its own two fields; backward it returns to where it came from; and
 * in m substeps it nears the flow with order 2. By site.
 */
export async function leapfrogChecks(given: Model, open: Open, feeds: Feeds): Promise<Map<string, Check[]>> {
  const found = new Map<string, Check[]>();
  if (!sitesOf(given).some(({ architecture }) => architecture === 'leapfrog')) return found;
  const wide = withFloat64Kernels(await inFloat64(given));
  if (!(await runs(wide, open))) return found;
  for (const site of sitesOf(wide).filter(({ architecture }) => architecture === 'leapfrog')) {
    const step = leapfrogOf(site);
    if (step !== undefined) found.set(site.name, await checksOf(wide, step, open, feeds));
  }
  return found;
}

async function checksOf(wide: Model, step: Leapfrog, open: Open, feeds: Feeds): Promise<Check[]> {
  const { h, signs } = step;
  const exposed = named(wide, [step.a, step.b, step.half, step.nextA, step.nextB], 'leapfrog');
  let used: number | undefined;
  const base = await evaluate(exposed.model, open, (session, length) => {
    used = length;
    return feeds(session, length);
  });
  const tensor = (index: number) => base.get(exposed.names[index] ?? '');
  const value = (index: number) => numbers(base, exposed.names[index] ?? '');
  const start: State = { a: value(0), b: value(1) };
  const reached: State = { a: value(3), b: value(4) };
  const cut = cutAt(
    wide,
    new Map([
      ['verify/a', step.half],
      ['verify/b', step.b],
    ]),
    [
      { name: 'verify/kick', value: step.kick },
      { name: 'verify/drift', value: step.drift },
    ],
  );
  const session = await open(cut);
  try {
    const fields = async (a: Float64Array, b: Float64Array): Promise<State> => {
      const own = new Map([
        ['verify/a', fromNumbers('float64', tensor(2)?.shape ?? [], a)],
        ['verify/b', fromNumbers('float64', tensor(1)?.shape ?? [], b)],
      ]);
      const { outputs } = await session.run(new Map([...feeds(session, used), ...own]));
      return {
        a: numbers(outputs, 'verify/kick').map((entry) => signs[0] * entry),
        b: numbers(outputs, 'verify/drift').map((entry) => signs[1] * entry),
      };
    };
    const leap = async (from: State, time: number, m: number): Promise<State> => {
      let { a, b } = from;
      const dt = time / m;
      for (let i = 0; i < m; i++) {
        const half = moved(a, (await fields(a, b)).a, dt / 2);
        b = moved(b, (await fields(half, b)).b, dt);
        a = moved(half, (await fields(half, b)).a, dt / 2);
      }
      return { a, b };
    };
    const exact = await flow(start, h, 4 * Math.max(...substeps), fields);
    const size = Math.max(distance(exact, start), 1e-300);
    const once = await leap(start, h, 1);
    const back = await leap(once, -h, 1);
    const errors: number[] = [];
    for (const m of substeps) errors.push(distance(await leap(start, h, m), exact) / size);
    const [coarse = 0, fine = 0] = errors.slice(-2);
    const order = fine < 1e-11 ? undefined : Math.log2(coarse / fine);
    const told = order === undefined ? 'none: the step is exact' : order.toFixed(2);
    const shown = errors.map((error) => error.toExponential(1)).join(', ');
    return [
      check(
        'step',
        "p1 = p - h/2 grad V(q), q' = q + h grad T(p1), p' = p1 - h/2 grad V(q')",
        'the next state by the graph in float64',
        'the step of its own two fields, float64',
        [distance(once, reached) / size],
        1e-6,
      ),
      check(
        'reversible',
        'the step with -h leads back',
        'a step, then a step back, float64',
        'the state before',
        [distance(back, start) / size],
        1e-9,
      ),
      check(
        'order',
        `order ${told}, 2 expected; errors at m = ${substeps.join(', ')}: ${shown}`,
        'the state after m substeps',
        'the flow: small steps of RK4, float64',
        [order === undefined ? 0 : Math.abs(order - 2)],
        0.35,
      ),
    ];
  } finally {
    await session.close();
  }
}

/** By RK4 on both halves at once. */
async function flow(
  start: State,
  time: number,
  m: number,
  fields: (a: Float64Array, b: Float64Array) => Promise<State>,
): Promise<State> {
  let state = start;
  const dt = time / m;
  const at = (slope: State, by: number) => fields(moved(state.a, slope.a, by), moved(state.b, slope.b, by));
  for (let i = 0; i < m; i++) {
    const k1 = await fields(state.a, state.b);
    const k2 = await at(k1, dt / 2);
    const k3 = await at(k2, dt / 2);
    const k4 = await at(k3, dt);
    const summed = (part: 'a' | 'b') =>
      state[part].map((value, j) => {
        const slopes = (k1[part][j] ?? 0) + 2 * (k2[part][j] ?? 0) + 2 * (k3[part][j] ?? 0) + (k4[part][j] ?? 0);
        return value + (dt / 6) * slopes;
      });
    state = { a: summed('a'), b: summed('b') };
  }
  return state;
}

/** The step behind a node that is marked as one: its last update. undefined where it is built otherwise. */
function leapfrogOf({ node, step }: Site): Leapfrog | undefined {
  const [nextA] = node.outputs;
  const last = updateOf(node);
  const first = last === undefined ? undefined : updateOf(makerOf(last.state));
  if (nextA === undefined || last === undefined || first === undefined) return undefined;
  const middle = middleOf(last.field, last.state);
  const found = updateOf(middle);
  const nextB = middle?.outputs[0];
  if (found === undefined || nextB === undefined) return undefined;
  const h = typeof step === 'number' ? step : Math.abs(found.factor);
  const sign = (update: Update) => update.factor / h;
  return {
    a: first.state,
    b: found.state,
    half: last.state,
    nextA,
    nextB,
    kick: first.field,
    drift: found.field,
    signs: [2 * sign(first), sign(found)],
    h,
  };
}

function updateOf(node: Node | undefined): Update | undefined {
  const [state, added] = node?.inputs ?? [];
  if (node === undefined || state === undefined || added === undefined) return undefined;
  if (node.domain !== '' || (node.opType !== 'Add' && node.opType !== 'Sub')) return undefined;
  const sign = node.opType === 'Add' ? 1 : -1;
  const scaling = makerOf(added);
  const [x, y] = scaling?.opType === 'Mul' ? scaling.inputs : [];
  const [right, left] = [numberOf(y), numberOf(x)];
  if (right !== undefined && x !== undefined) return { state, field: x, factor: sign * right };
  if (left !== undefined && y !== undefined) return { state, field: y, factor: sign * left };
  return { state, field: added, factor: sign };
}

/** The update of the other half: of the nodes before the last field, the nearest whose own field comes from the half-step state. */
function middleOf(field: Value, half: Value): Node | undefined {
  const queue: Node[] = field.source.kind === 'output' ? [field.source.node] : [];
  const seen = new Set<Node>();
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    if (seen.has(node)) continue;
    seen.add(node);
    const update = updateOf(node);
    if (update !== undefined && reaches(update.field, half) && !reaches(update.state, half)) return node;
    for (const value of usedBy(node)) if (value?.source.kind === 'output') queue.push(value.source.node);
  }
  return undefined;
}

function reaches(from: Value, to: Value): boolean {
  const stack: (Value | undefined)[] = [from];
  const seen = new Set<Value>();
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (value === to) return true;
    if (seen.has(value)) continue;
    seen.add(value);
    if (value.source.kind === 'output') stack.push(...usedBy(value.source.node).filter((own) => own !== undefined));
  }
  return false;
}

function moved(x: Float64Array, slope: Float64Array, by: number): Float64Array {
  return x.map((value, i) => value + by * (slope[i] ?? Number.NaN));
}

function distance(one: State, other: State): number {
  const difference = (part: 'a' | 'b') => one[part].map((value, i) => value - (other[part][i] ?? Number.NaN));
  return Math.hypot(norm(difference('a')), norm(difference('b')));
}
