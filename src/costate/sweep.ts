import { HopfcoleError } from '../files/error.ts';
import type { Graph } from '../graph/graph.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { recordStates } from './control/states.ts';
import type { Pullback } from './control/table.ts';
import { cutOf } from './cuts.ts';
import type { Named, NotDifferentiable } from './names.ts';
import { reshapeTo, zerosLike } from './pieces.ts';
import { pullback } from './pullback.ts';
import type { Begun } from './request.ts';

/** A graph whose loops keep what the way back needs, and in it what is differentiated, and with respect to what. */
export interface Recorded {
  readonly graph: Graph;
  readonly of: readonly Named[];
  readonly wrt: readonly Named[];
}

export function recorded(graph: Graph, of: readonly Named[], wrt: readonly Named[]): Recorded {
  const all = [...of, ...wrt];
  const { graph: made, followed } = recordStates(
    graph,
    all.map(({ value }) => value),
  );
  const there = all.map(({ name, value }, index) => ({ name, value: followed[index] ?? value }));
  return { graph: made, of: there.slice(0, of.length), wrt: there.slice(of.length) };
}

/** The co-state that each output begins with; two outputs may be one value. */
export function seedsFor(of: readonly Named[], seed: (one: Named) => Value): ReadonlyMap<Value, Value> {
  const seeds = new Map<Value, Value>();
  for (const one of of) {
    const before = seeds.get(one.value);
    const more = seed(one);
    seeds.set(one.value, before === undefined ? more : op.add(before, more));
  }
  return seeds;
}

export interface Found extends Named {
  /** The co-state of the value. */
  readonly bar: Value;
}

export interface Swept {
  readonly found: readonly Found[];
  readonly left: readonly NotDifferentiable[];
}

/**
 * The co-states of all that was asked for; zeros where the derivative is zero wherever it exists.
 * @throws NO_COSTATE_RULE; NOT_DIFFERENTIABLE where nothing has one, or a value asked for by its name has none.
 */
export function swept(
  recording: Recorded,
  seeds: ReadonlyMap<Value, Value>,
  asked: Begun['wrt'],
  backward: Pullback = pullback,
): Swept {
  const { nodes } = recording.graph;
  const pulled = (values: readonly Value[]) => backward({ nodes, seeds, wrt: values });
  const bars = pulled(recording.wrt.map(({ value }) => value));
  const found: Found[] = [];
  const left: NotDifferentiable[] = [];
  recording.wrt.forEach((one, index) => {
    const bar = bars[index];
    if (bar !== undefined) {
      found.push({ ...one, bar: ranked(bar, one.value) });
      return;
    }
    const cut = cutOf(nodes, recording.of, one, (values) => pulled(values).map((value) => value !== undefined));
    if (cut.kind === 'zero') found.push({ ...one, bar: zerosLike(one.value) });
    else left.push({ name: one.name, why: cut.why });
  });
  const missing = left.find(({ name }) => asked.byName.has(name));
  if (missing !== undefined || found.length === 0) throw noPath(missing ?? left[0] ?? asked.left[0], recording.of);
  return { found, left: [...asked.left, ...left] };
}

/** Every output of a graph must say its rank, which is lost where a co-state comes out of a loop: it is that of the value. */
function ranked(bar: Value, value: Value): Value {
  return bar.shape === undefined && value.shape !== undefined ? reshapeTo(bar, value) : bar;
}

function noPath(missing: NotDifferentiable | undefined, of: readonly Named[]): HopfcoleError {
  const to = of.map(({ name }) => `'${name}'`).join(', ');
  const what = missing === undefined ? 'any value asked for' : `'${missing.name}'`;
  return new HopfcoleError(
    'NOT_DIFFERENTIABLE',
    `no differentiable path from ${what} to ${to}${missing === undefined ? '' : `: ${missing.why}`}`,
    { argument: '--wrt' },
    'Ask for parameters (--wrt parameters) or inner values that the output depends on through floating-point operators',
  );
}
