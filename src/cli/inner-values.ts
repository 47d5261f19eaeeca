import type { Model } from '../graph/graph.ts';
import { moduleKey } from '../graph/module-path.ts';
import type { Node, Value } from '../graph/value.ts';
import { usedBy } from '../graph/walk.ts';

/** A value inside a graph that a file of expected values names. */
export interface Inner {
  /** As the file names it: a module's path, or a value's own name. */
  readonly name: string;
  readonly value: Value;
  /** Where the value stands in the order of the graph. */
  readonly at: number;
}

/**
 * The values inside a graph that `names` name: modules by their path (`blocks.0.attn`, also written `module:blocks.0.attn`, `inner/blocks.0.attn`), values by
 * their own name.
 * In the order in which the graph computes them.
 */
export function innerValues(
  model: Model,
  names: Iterable<string>,
  modules: ReadonlyMap<string, Value> = modulesOf(model),
  values: ReadonlyMap<string, Value> = valuesOf(model),
): Inner[] {
  const order = new Map<Node, number>(model.graph.nodes.map((node, index) => [node, index]));
  const found: Inner[] = [];
  for (const name of names) {
    const path = name.replace(/^(?:modules?|inner)[:/.]/, '');
    const value = modules.get(name) ?? values.get(name) ?? modules.get(path) ?? values.get(path);
    const at = value?.source.kind === 'output' ? order.get(value.source.node) : undefined;
    if (value !== undefined && at !== undefined) found.push({ name, value, at });
  }
  return found.sort((a, b) => a.at - b.at);
}

/** What each module gives: the first output of the last node that is in it or below it. */
function modulesOf(model: Model): Map<string, Value> {
  const modules = new Map<string, Value>();
  for (const node of model.graph.nodes) {
    const path = node.metadata.get(moduleKey);
    const [value] = node.outputs;
    if (path === undefined || value === undefined) continue;
    const parts = path.split('.');
    for (let length = 1; length <= parts.length; length++) modules.set(parts.slice(0, length).join('.'), value);
  }
  return modules;
}

function valuesOf(model: Model): Map<string, Value> {
  const named = model.graph.nodes
    .flatMap((node) => node.outputs)
    .filter(({ name }) => name !== undefined && name !== '');
  return new Map(named.map((value) => [value.name ?? '', value]));
}

/** Operators that only move elements, where a wrong number does not begin. */
const movement = new Set([
  'Reshape',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Identity',
  'Cast',
  'Expand',
  'Slice',
  'Split',
  'Concat',
  'Shape',
  'Gather',
  'Constant',
  'ConstantOfShape',
  'Flatten',
]);

/**
 * The module in which a difference begins: of the nodes between values that agree and the first that differs, that of the one which can be meant; where several can,
 * the module that holds them all.
 */
export function moduleOfDifference(differs: Value, agree: ReadonlySet<Value>): string {
  const found = new Set<string>();
  const moved = new Set<string>();
  const seen = new Set<Node>();
  const waiting: (Value | undefined)[] = [differs];
  for (let value = waiting.pop(); waiting.length > 0 || value !== undefined; value = waiting.pop()) {
    if (value === undefined || value.source.kind !== 'output' || seen.has(value.source.node)) continue;
    const { node } = value.source;
    seen.add(node);
    (movement.has(node.opType) ? moved : found).add(node.metadata.get(moduleKey) ?? '');
    waiting.push(...usedBy(node).filter((input) => input !== undefined && !agree.has(input)));
  }
  return commonPath([...(found.size > 0 ? found : moved)]);
}

function commonPath(paths: readonly string[]): string {
  const [first, ...rest] = paths.map((path) => path.split('.'));
  if (first === undefined) return '';
  let length = first.length;
  for (const parts of rest)
    while (length > 0 && parts.slice(0, length).join('.') !== first.slice(0, length).join('.')) length--;
  return first.slice(0, length).join('.');
}
