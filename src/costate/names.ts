import { isFloat } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { suggestion } from '../files/nearest.ts';
import type { Graph } from '../graph/graph.ts';
import { describeType } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import type { Changed } from './parameters/changed.ts';

/** What the co-state is asked of and for, under the names of the model. */
export interface Named {
  readonly name: string;
  readonly value: Value;
}

export interface NotDifferentiable {
  readonly name: string;
  readonly why: string;
}

/** A `--wrt` item: one of the words, or a name (`name:inputs` for a value that is called like a word). */
export type Wrt = string;

const words = ['inputs', 'parameters', 'all'] as const;

export interface Asked {
  /** Floating-point values, each once, in the order asked for. */
  readonly values: readonly Named[];
  /** Those among them that were asked for by their own name: no gradient for one of them is an error. */
  readonly byName: ReadonlySet<string>;
  readonly left: readonly NotDifferentiable[];
}

/** Parameters in `changed` and `constants` are left out of groups. @throws UNKNOWN_NAME, NOT_FLOAT, CHANGED_PARAMETER. */
export function resolveWrt(
  graph: Graph,
  asked: readonly Wrt[],
  changed: ReadonlyMap<string, Changed>,
  constants: ReadonlySet<string>,
): Asked {
  const values = new Map<string, Value>();
  const byName = new Set<string>();
  const left: NotDifferentiable[] = [];
  const all = namedValues(graph);
  for (const item of asked) {
    if (isWord(item)) {
      for (const value of groupOf(graph, item)) {
        const name = value.name ?? '';
        if (changed.has(name) || constants.has(name)) continue;
        if (isFloating(value)) values.set(name, value);
        else if (!left.some((one) => one.name === name) && value.source.kind === 'input')
          left.push({ name, why: `${describeType(value.type)} has no derivative` });
      }
      continue;
    }
    const name = item.startsWith('name:') ? item.slice('name:'.length) : item;
    const value = all.get(name);
    if (value === undefined) throw unknownName('wrt', name, all.keys());
    if (!isFloating(value))
      throw new HopfcoleError(
        'NOT_FLOAT',
        `expected a floating-point tensor for '${name}', got ${describeType(value.type)}`,
        { argument: '--wrt', tensor: name },
        'Ask for the embedding or the value it selects instead',
      );
    const change = changed.get(name);
    if (change !== undefined) throw changedParameter(change);
    values.set(name, value);
    byName.add(name);
  }
  return { values: [...values].map(([name, value]) => ({ name, value })), byName, left };
}

/** Outputs or inner values by name; every floating-point output without names. @throws UNKNOWN_NAME, NOT_FLOAT. */
export function resolveOf(graph: Graph, asked: readonly string[] | undefined): readonly Named[] {
  if (asked === undefined || asked.length === 0) {
    const floating = graph.outputs.filter(({ value }) => isFloating(value));
    if (floating.length > 0) return floating;
    throw new HopfcoleError(
      'NOT_FLOAT',
      `no output is a floating-point tensor: ${graph.outputs.map(({ name, value }) => `${name} is ${describeType(value.type)}`).join(', ')}`,
      { argument: '--of' },
      'Name an inner value with --of',
    );
  }
  const all = namedValues(graph);
  return [...new Set(asked)].map((name) => {
    const value = graph.outputs.find((output) => output.name === name)?.value ?? all.get(name);
    if (value === undefined)
      throw unknownName('of', name, [...graph.outputs.map((output) => output.name), ...all.keys()]);
    if (isFloating(value)) return { name, value };
    throw new HopfcoleError(
      'NOT_FLOAT',
      `expected a floating-point tensor for '${name}', got ${describeType(value.type)}`,
      { argument: '--of', tensor: name },
    );
  });
}

function isWord(item: string): item is (typeof words)[number] {
  return (words as readonly string[]).includes(item);
}

function groupOf(graph: Graph, word: (typeof words)[number]): readonly Value[] {
  const inputs = graph.inputs.filter(({ source }) => source.kind === 'input');
  if (word === 'inputs') return inputs;
  return word === 'parameters' ? graph.parameters : [...inputs, ...graph.parameters];
}

function isFloating({ type, dtype }: Value): boolean {
  return type?.kind === 'tensor' && dtype !== undefined && isFloat(dtype);
}

/** Every value of the main graph that has a name. */
function namedValues(graph: Graph): Map<string, Value> {
  const all = new Map<string, Value>();
  const add = (value: Value): void => {
    if (value.name !== undefined && value.name !== '' && !all.has(value.name)) all.set(value.name, value);
  };
  for (const value of [...graph.inputs, ...graph.parameters]) add(value);
  for (const node of graph.nodes) node.outputs.forEach(add);
  for (const { name, value } of graph.outputs) if (!all.has(name)) all.set(name, value);
  return all;
}

function changedParameter({ name, why }: Changed): HopfcoleError {
  return new HopfcoleError(
    'CHANGED_PARAMETER',
    `what the file calls '${name}' is not the parameter of that name: ${why}`,
    { argument: '--wrt', tensor: name },
    'Export the model in training mode, or without optimisation, to have it as it is',
  );
}

function unknownName(argument: string, name: string, names: Iterable<string>): HopfcoleError {
  return new HopfcoleError(
    'UNKNOWN_NAME',
    `the model has no value '${name}'`,
    { argument: `--${argument}` },
    suggestion(name, names) || 'See the names with inspect',
  );
}

/** The name, or with the first number behind it that makes it free; taken from then on. */
export function freeName(base: string, taken: Set<string>): string {
  let name = base;
  for (let number = 2; taken.has(name); number++) name = `${base}_${number}`;
  taken.add(name);
  return name;
}
