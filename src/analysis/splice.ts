import type { Graph, Model } from '../graph/graph.ts';
import { inputValue, makeNode } from '../graph/make.ts';
import { model } from '../graph/model.ts';
import { raiseOpset } from '../graph/passes/opset/raise.ts';
import type { Value } from '../graph/value.ts';

/**
 * Builds on values of a model whatever its opset: the builder sees stand-ins of them and uses the constructors of opset 21; what it
 * made is raised to the model's opset and then put on the values themselves.
 */
export function buildOn(
  opset: number,
  build: (standIn: (value: Value) => Value) => Readonly<Record<string, Value>>,
): Record<string, Value> {
  const standIns = new Map<Value, Value>();
  const standIn = (value: Value): Value => {
    // Parameters belong to no opset, and the operators look at them to choose their form.
    if (value.source.kind === 'parameter' || value.source.kind === 'constant') return value;
    const known = standIns.get(value);
    const made = known ?? inputValue(`stand-in/${standIns.size}`, value.type);
    standIns.set(value, made);
    return made;
  };
  const outputs = build(standIn);
  const built = model({ inputs: [...standIns.values()], outputs });
  return spliced(opset > 21 ? raiseOpset(built, opset) : built, [...standIns.keys()]);
}

function spliced(made: Model, reals: readonly Value[]): Record<string, Value> {
  const places = new Map<Value, Value>();
  // Passes may make inputs anew: they keep their order.
  reals.forEach((real, index) => {
    const stand = made.graph.inputs[index];
    if (stand !== undefined) places.set(stand, real);
  });
  substitute(made.graph, places);
  return Object.fromEntries(made.graph.outputs.map(({ name, value }) => [name, places.get(value) ?? value]));
}

/** Makes every node anew on the values that stand for its inputs. */
function substitute(graph: Graph, places: Map<Value, Value>): void {
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => (value === undefined ? undefined : (places.get(value) ?? value)));
    const made = makeNode({
      ...node,
      inputs,
      outputCount: node.outputs.length,
      inferred: node.outputs.map(({ type, known }) => ({ type, known })),
    });
    node.outputs.forEach((output, index) => {
      const replacement = made.outputs[index];
      if (replacement !== undefined) places.set(output, replacement);
    });
  }
}
