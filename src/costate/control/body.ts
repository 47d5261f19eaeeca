import type { Graph } from '../../graph/graph.ts';
import * as op from '../../graph/op.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import { tensorType, type ValueType } from '../../graph/type.ts';
import type { Node, Value } from '../../graph/value.ts';
import { costateType } from '../quantized.ts';
import { sumOfBars } from './sequence-sum.ts';

/** A subgraph's body made anew in the graph that is being built. */
export interface Instance {
  readonly nodes: readonly Node[];
  readonly outputs: readonly Value[];
}

/** The nodes of a subgraph once more, on values that stand for its inputs. What it captures it captures still. */
export function instantiate(graph: Graph, inputs: readonly Value[]): Instance {
  const values = new Map<Value, Value>();
  graph.inputs.forEach((input, index) => {
    const value = inputs[index];
    if (value !== undefined) values.set(input, value);
  });
  const copy = { rename: (): undefined => undefined };
  const copied = rewriteGraph(graph, () => undefined, { values, copy });
  return { nodes: copied.nodes, outputs: copied.outputs.map(({ value }) => value) };
}

/** The co-states of a body's outputs by value: an output may be an input or a captured value itself, and two may be one. */
export function seedsOf(outputs: readonly Value[], bars: readonly (Value | undefined)[]): Map<Value, Value> {
  const seeds = new Map<Value, Value>();
  outputs.forEach((value, index) => {
    const bar = bars[index];
    if (bar === undefined) return;
    const before = seeds.get(value);
    const known = shapedAs(bar, value);
    const sum = before === undefined ? known : sumOfBars([before, known]);
    if (sum !== undefined) seeds.set(value, sum);
  });
  return seeds;
}

/** A co-state with what is known of the shape of its value: a branch knows more of what it gives than the If does. */
function shapedAs(bar: Value, value: Value): Value {
  if (bar.dtype === undefined || value.shape === undefined || bar.shape?.every((dim) => dim !== undefined)) return bar;
  return typedAs([op.identity(bar)], [tensorType(bar.dtype, value.shape)])[0] ?? bar;
}

/** The outputs of one node, with types that are known from elsewhere. */
export function typedAs(outputs: readonly Value[], types: readonly ValueType[]): readonly Value[] {
  const source = outputs[0]?.source;
  if (source?.kind !== 'output') return outputs;
  const inferred = source.node.outputs.map(({ type, known }, index) => ({
    type: isShaped(types[index]) ? types[index] : type,
    known,
  }));
  return remake(source.node, { inferred }).outputs;
}

/** The type of a value's co-state: its own, but for quantised numbers. */
export function barType(value: Value): ValueType {
  return value.type?.kind === 'tensor' ? tensorType(costateType(value), value.shape) : value.type;
}

function isShaped(type: ValueType): boolean {
  return type?.kind === 'tensor' && type.dtype !== undefined && type.shape !== undefined;
}
