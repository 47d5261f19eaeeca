import type { Attribute, Attributes } from './attribute.ts';
import type { FunctionDefinition } from './function.ts';
import type { Graph } from './graph.ts';
import { innerInputTypes } from './inner-types.ts';
import { makeNode, makeValue } from './make.ts';
import type { Inferred } from './rule.ts';
import { signatureOf } from './signature.ts';
import type { Node, Value } from './value.ts';

/** Nodes that one outermost call may walk through: functions that call functions can multiply without bound. */
const stepLimit = 20_000;
const depthLimit = 200;
let steps = 0;
let depth = 0;
/** What is left to all calls together, while a file is read. */
let remaining = Number.POSITIVE_INFINITY;

/** Runs `work` with a bound on the nodes that inference of function calls may walk through in all: beyond it types stay unknown. */
export function withStepBudget<T>(budget: number, work: () => T): T {
  const before = remaining;
  remaining = budget;
  try {
    return work();
  } finally {
    remaining = before;
  }
}

const remembered = new WeakMap<FunctionDefinition, Map<string, readonly Inferred[]>>();
const mostRemembered = 64;

/** Types of a function's outputs for these inputs and attributes, found by walking its body; unknown where that takes too long. */
export function inferFunction(
  definition: FunctionDefinition,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
): readonly Inferred[] {
  const key = signatureOf(inputs, attributes);
  const memory = remembered.get(definition) ?? new Map<string, readonly Inferred[]>();
  remembered.set(definition, memory);
  const before = key === undefined ? undefined : memory.get(key);
  if (before !== undefined) return before;
  if (depth === 0) steps = 0;
  if (depth >= depthLimit || remaining <= 0) return [];
  depth++;
  try {
    const walk = new Walk(definition, inputs, attributes);
    const inferred = walk.outputs(definition.body).map((value) => ({ type: value?.type, known: value?.known }));
    if (key !== undefined && steps <= stepLimit && memory.size < mostRemembered) memory.set(key, inferred);
    return inferred;
  } finally {
    depth--;
  }
}

class Walk {
  private readonly values = new Map<Value, Value | undefined>();
  private readonly definition: FunctionDefinition;
  private readonly given: Attributes;

  constructor(definition: FunctionDefinition, inputs: readonly (Value | undefined)[], given: Attributes) {
    this.definition = definition;
    this.given = given;
    definition.body.inputs.forEach((input, index) => {
      this.values.set(input, inputs[index]);
    });
  }

  outputs(graph: Graph): readonly (Value | undefined)[] {
    for (const node of graph.nodes) {
      remaining--;
      if (++steps > stepLimit || remaining <= 0) return [];
      this.node(node);
    }
    return graph.outputs.map(({ value }) => this.valueOf(value));
  }

  private valueOf(value: Value | undefined): Value | undefined {
    if (value === undefined) return undefined;
    return this.values.has(value) ? this.values.get(value) : value;
  }

  private node(node: Node): void {
    const inputs = node.inputs.map((value) => this.valueOf(value));
    const { opType, domain, overload, version, callee } = node;
    const attributes = new Map<string, Attribute>();
    for (const [name, attribute] of node.attributes) {
      const bound = this.bind(attribute, node, inputs);
      if (bound !== undefined) attributes.set(name, bound);
    }
    const outputCount = node.outputs.length;
    const made = makeNode({ opType, domain, overload, version, callee, inputs, attributes, outputCount });
    node.outputs.forEach((output, index) => {
      const value = made.outputs[index];
      this.values.set(output, value?.type === undefined && output.type !== undefined ? output : value);
    });
  }

  private bind(attribute: Attribute, node: Node, inputs: readonly (Value | undefined)[]): Attribute | undefined {
    if (attribute.kind === 'reference')
      return this.given.get(attribute.value) ?? this.definition.defaults.get(attribute.value);
    if (attribute.kind === 'graph') return { kind: 'graph', value: this.inner(attribute.value, node, inputs) };
    return attribute;
  }

  /** A subgraph as a rule needs it: its outputs with their types here. */
  private inner(graph: Graph, node: Node, inputs: readonly (Value | undefined)[]): Graph {
    const types = innerInputTypes(node, inputs);
    const own = graph.inputs.map((input, index) => {
      const value = makeValue({ kind: 'input' }, input.type ?? types[index], input.name);
      this.values.set(input, value);
      return value;
    });
    const outputs = this.outputs(graph);
    return {
      ...graph,
      inputs: own,
      outputs: graph.outputs.map(({ name, value }, index) => ({ name, value: outputs[index] ?? value })),
    };
  }
}
