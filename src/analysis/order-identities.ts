import { fromNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import type { Value } from '../graph/value.ts';
import { makerOf, numberOf } from '../reading/arguments.ts';
import type { ResidualStep } from '../reading/residual.ts';
import { sitesOf } from '../reading/sites.ts';
import { type Check, check } from './identities.ts';
import { type Field, integrate, type Method, orders, type States } from './integrators.ts';
import type { Open } from './probe.ts';
import { cutAt, evaluate, type Feeds, named, numbers } from './residual-graph.ts';
import { norm } from './vectors.ts';

/** A residual step as one step of a method for dx/dt = F(x). */
interface Discretised {
  readonly step: ResidualStep;
  /** F(x), by the graph. */
  readonly field: Value;
  /** h; 1 where h is part of F. */
  readonly h: number;
  readonly method: Method;
}

/** Where an order is read off: the error falls by 2^order from m to 2m. */
const substeps = [1, 2, 4, 8];
/** Where m = 8 is too coarse for the order to show, finer still. */
const finer = [32, 128];
/** How far an order may be from the claimed one. */
const slack = 0.35;
/** Below this, relative to the change of x, errors are rounding. */
const flats = { float64: 1e-11, float32: 3e-4 } as const;

/** The graph's own numbers h/2, h/6 were rounded to float32. */
const stepTolerances = { float64: 1e-6, float32: 1e-4 } as const;

export type Precision = keyof typeof flats;

/** Operators with kinks: F is not smooth where they are, and no method keeps an order above 1 across a kink. */
const kinked = new Set([
  'Relu',
  'LeakyRelu',
  'PRelu',
  'MaxPool',
  'Max',
  'Min',
  'Clip',
  'Abs',
  'HardSwish',
  'HardSigmoid',
]);

/**
 * The order of the discretisation of residual steps: each layer's own F, taken out of the graph (in float64 where the runtime has kernels), is followed from the layer's state in m = 1, 2,
 * 4, 8 substeps of h/m and compared with the flow itself; and what the graph computes with the method's one step. One line per group of steps.
 */
export async function orderChecks(
  model: Model,
  groups: readonly { readonly name: string; readonly steps: readonly ResidualStep[] }[],
  precision: Precision,
  open: Open,
  feeds: Feeds,
): Promise<Map<string, Check[]>> {
  const readings = new Map(sitesOf(model).map((site) => [site.node, site]));
  const all = groups.flatMap(({ steps }) => steps.map((step) => discretised(step, readings)));
  if (all.length === 0) return new Map();
  const ends = named(
    model,
    all.flatMap(({ step }) => [step.from, step.to]),
    'state',
  );
  let used: number | undefined;
  const base = await evaluate(ends.model, open, (session, length) => {
    used = length;
    return feeds(session, length);
  });
  const at = (value: number) => base.get(ends.names[value] ?? '');
  const starts = all.map((_, layer) => numbers(base, ends.names[2 * layer] ?? ''));
  const reached = all.map((_, layer) => numbers(base, ends.names[2 * layer + 1] ?? ''));
  const cuts = new Map(all.map(({ step }, layer) => [`verify/x${layer}`, step.from]));
  const outputs = all.map(({ field }, layer) => ({ name: `verify/f${layer}`, value: field }));
  const session = await open(cutAt(model, cuts, outputs));
  try {
    const field: Field = async (states) => {
      const own = states.map(
        (x, layer) =>
          [`verify/x${layer}`, fromNumbers(at(2 * layer)?.dtype ?? precision, at(2 * layer)?.shape ?? [], x)] as const,
      );
      const found = await session.run(new Map([...feeds(session, used), ...own]));
      return states.map((_, layer) => numbers(found.outputs, `verify/f${layer}`));
    };
    const measured = await measure(all, starts, field, flats[precision]);
    const checks = new Map<string, Check[]>();
    let offset = 0;
    for (const { name, steps } of groups) {
      const own = measured.slice(offset, offset + steps.length);
      const ended = reached.slice(offset, offset + steps.length);
      checks.set(name, [stepCheck(name, own, ended, precision), orderCheck(name, own, precision)]);
      offset += steps.length;
    }
    return checks;
  } finally {
    await session.close();
  }
}

interface Measured extends Discretised {
  /** After one step of the method in float64 from F alone. */
  readonly once: Float64Array;
  readonly size: number;
  /** Error after m substeps relative to the change of x, by m. */
  readonly errors: ReadonlyMap<number, number>;
}

async function measure(all: readonly Discretised[], starts: States, field: Field, flat: number): Promise<Measured[]> {
  const h = all.map((own) => own.h);
  const methods = [...new Set(all.map(({ method }) => method))];
  const by = async (m: number): Promise<States> => {
    const made = new Map<Method, States>();
    for (const method of methods) made.set(method, await integrate(method, starts, h, m, field));
    return all.map(({ method }, layer) => made.get(method)?.[layer] ?? new Float64Array(0));
  };
  const errors = all.map(() => new Map<number, number>());
  let once: States = starts;
  // The flow must be known far better than the finest step of the method knows it.
  const beyond = methods.includes('rk4') ? 4 : 2;
  let exact = await integrate('rk4', starts, h, beyond * Math.max(...substeps), field);
  const size = exact.map((x, layer) => Math.max(distance(x, starts[layer]), 1e-300));
  const note = async (m: number): Promise<States> => {
    const x = await by(m);
    x.forEach((own, layer) => {
      errors[layer]?.set(m, distance(own, exact[layer]) / (size[layer] ?? 1));
    });
    return x;
  };
  for (const m of substeps) {
    const x = await note(m);
    if (m === 1) once = x;
  }
  for (const m of finer) {
    if (all.every(({ method }, layer) => isAbout(orderOf(errors[layer], flat), orders[method]))) break;
    exact = await integrate('rk4', starts, h, beyond * m, field);
    await note(m / 2);
    await note(m);
  }
  return all.map((own, layer) => ({
    ...own,
    once: once[layer] ?? new Float64Array(0),
    size: size[layer] ?? 1,
    errors: errors[layer] ?? new Map(),
  }));
}

/** By the two finest m; undefined where the error is rounding: the step is exact. */
function orderOf(errors: ReadonlyMap<number, number> | undefined, flat: number): number | undefined {
  const ms = [...(errors?.keys() ?? [])].sort((a, b) => b - a);
  const [fine, coarse] = [errors?.get(ms[0] ?? 0) ?? 0, errors?.get((ms[0] ?? 0) / 2) ?? 0];
  // At a high order the finest error may be rounding already where the one before is not.
  if (coarse < flat) return undefined;
  if (fine < flat) {
    const before = errors?.get((ms[0] ?? 0) / 4) ?? 0;
    return before < flat ? undefined : Math.log2(before / coarse);
  }
  return Math.log2(coarse / fine);
}

function isAbout(order: number | undefined, claimed: number): boolean {
  // What is not a number will be none at a finer step.
  return order === undefined || Number.isNaN(order) || Math.abs(order - claimed) <= slack;
}

function stepCheck(name: string, own: readonly Measured[], ended: States, precision: Precision): Check {
  const errors = own.map(({ once, size }, layer) => {
    const largest = Math.max(size, norm(ended[layer] ?? []), 1e-300);
    return distance(once, ended[layer]) / largest;
  });
  const method = [...new Set(own.map((one) => one.method))].join(', ');
  return check(
    `${name}: step`,
    `x_(l+1) is one step of ${method} for dx/dt = F(x)`,
    `x_(l+1) by the graph in ${precision}`,
    `the method's step from F alone, float64`,
    errors,
    stepTolerances[precision],
  );
}

function orderCheck(name: string, own: readonly Measured[], precision: Precision): Check {
  const claimed = Math.max(...own.map(({ method }) => orders[method]));
  const found = own.map((one) => {
    const order = orderOf(one.errors, flats[precision]);
    const kinks = one.step.nodes.some(({ opType, domain }) => domain === '' && kinked.has(opType));
    const excused = kinks && orders[one.method] > 1 && (order ?? 1) > 1 - slack;
    return { order, off: order === undefined || excused ? 0 : Math.abs(order - orders[one.method]) };
  });
  const seen = found.flatMap(({ order }) => (order === undefined ? [] : [order]));
  const text =
    seen.length === 0
      ? 'none: each step is exact'
      : [...new Set([Math.min(...seen), Math.max(...seen)])].map((order) => order.toFixed(2)).join(' to ');
  const errors = substeps.map((m) => Math.max(...own.map((one) => one.errors.get(m) ?? 0)).toExponential(1));
  return check(
    `${name}: order`,
    `order ${text}, ${claimed} expected; errors at m = ${substeps.join(', ')}: ${errors.join(', ')}`,
    'x after one layer in m substeps of its own F',
    `the flow of F: the finest substeps by RK4, F in ${precision}`,
    found.map(({ off }) => off),
    slack,
  );
}

/** The method a step says it is, and F: what the graph adds is h F itself (Euler), or made of F at several states. */
function discretised(
  step: ResidualStep,
  readings: ReadonlyMap<unknown, ReturnType<typeof sitesOf>[number]>,
): Discretised {
  const site = step.to.source.kind === 'output' ? readings.get(step.to.source.node) : undefined;
  const text = site?.discretisation ?? '';
  const method: Method = /midpoint/i.test(text) ? 'midpoint' : /fourth|rk4/i.test(text) ? 'rk4' : 'euler';
  if (method === 'euler') return { step, field: step.branch, h: 1, method };
  const h = typeof site?.step === 'number' ? site.step : 1;
  const field = firstStage(step, method);
  // A step without the inner states of its method is held to it, and fails.
  return field === undefined ? { step, field: step.branch, h: 1, method } : { step, field, h, method };
}

/** k1 of the first inner state x + c k1: of the additions to x, the first after F itself. */
function firstStage({ from, to, nodes }: ResidualStep, method: Method): Value | undefined {
  const inner = nodes.filter(
    ({ opType, inputs, outputs }) => opType === 'Add' && inputs.includes(from) && outputs[0] !== to,
  );
  const state = inner.at(method === 'midpoint' ? -1 : -3);
  const added = state?.inputs.find((value) => value !== from);
  const scaling = makerOf(added);
  return scaling?.opType === 'Mul' && numberOf(scaling.inputs[1]) !== undefined ? scaling.inputs[0] : added;
}

function distance(a: Float64Array, b: Float64Array | undefined): number {
  return norm(a.map((value, i) => value - (b?.[i] ?? Number.NaN)));
}
