import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers, toNumbers, viewOf } from '../../src/files/tensor.ts';
import type { Attribute } from '../../src/graph/attribute.ts';
import type { FunctionDefinition } from '../../src/graph/function.ts';
import type { Graph, Model } from '../../src/graph/graph.ts';
import { constant, input, makeNode, parameter } from '../../src/graph/make.ts';
import { constantTensor } from '../../src/graph/passes/constants.ts';
import { removeDead } from '../../src/graph/passes/dead.ts';
import { foldByRunning } from '../../src/graph/passes/fold/evaluate.ts';
import { foldConstants } from '../../src/graph/passes/fold/fold.ts';
import { inlineFunctions } from '../../src/graph/passes/inline.ts';
import { remake, rewriteGraph } from '../../src/graph/passes/rewrite.ts';
import { shareCommon } from '../../src/graph/passes/share.ts';
import { schemaOf } from '../../src/graph/schema.ts';
import type { Node, Value } from '../../src/graph/value.ts';

const node = (
  opType: string,
  inputs: readonly (Value | undefined)[],
  attributes: Record<string, Attribute> = {},
): Node =>
  makeNode({
    opType,
    version: schemaOf(opType, 21)?.sinceVersion,
    inputs,
    attributes: new Map(Object.entries(attributes)),
    outputCount: 1,
  });
const out = (made: Node): Value => made.outputs[0] as Value;

function graphOf(
  inputs: readonly Value[],
  nodes: readonly Node[],
  result: Value,
  parameters: readonly Value[] = [],
): Graph {
  const outputs = [{ name: 'y', value: result }];
  return { name: 'g', inputs, nodes, outputs, parameters, doc: undefined, metadata: new Map(), origin: undefined };
}

function modelOf(graph: Graph, functions: readonly FunctionDefinition[] = []): Model {
  return {
    graph,
    functions,
    opsets: new Map([
      ['', 21],
      ['d', 1],
    ]),
    irVersion: 10,
    producer: { name: '', version: '' },
    domain: '',
    modelVersion: 0,
    doc: undefined,
    metadata: new Map(),
    origin: undefined,
  };
}

function functionOf(name: string, body: Graph): FunctionDefinition {
  const opsets = new Map([
    ['', 21],
    ['d', 1],
  ]);
  const none = { attributes: [], defaults: new Map(), doc: undefined, metadata: new Map(), origin: undefined };
  return { domain: 'd', name, overload: '', body, opsets, ...none };
}

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return error instanceof HopfcoleError ? error.code : String(error);
  }
  return undefined;
};

describe('rewriting', () => {
  it('keeps what is not downstream of a change, and everything when nothing changes', () => {
    const x = input('x', 'float32', [2]);
    const [a, b] = [node('Relu', [x]), node('Abs', [x])];
    const c = node('Neg', [out(a)]);
    const d = node('Add', [out(c), out(b)]);
    const graph = graphOf([x], [a, b, c, d], out(d));
    expect(rewriteGraph(graph, () => undefined)).toBe(graph);
    const changed = rewriteGraph(graph, (now) => (now.opType === 'Neg' ? [out(node('Exp', now.inputs))] : undefined));
    expect(changed.nodes.map(({ opType }) => opType)).toEqual(['Relu', 'Abs', 'Exp', 'Add']);
    expect(changed.nodes[0]).toBe(a);
    expect(changed.nodes[1]).toBe(b);
    expect(changed.nodes[3]).not.toBe(d);
    expect(graph.nodes[2]).toBe(c);
  });

  it('places what a replacement needs before it, parameters too', () => {
    const x = input('x', 'float32', [2]);
    const a = node('Relu', [x]);
    const w = parameter('w', fromNumbers('float32', [2], [1, 2]));
    const replacement = node('Mul', [out(node('Exp', [x])), w]);
    const changed = rewriteGraph(graphOf([x], [a], out(a)), () => [out(replacement)]);
    expect(changed.nodes.map(({ opType }) => opType)).toEqual(['Exp', 'Mul']);
    expect(changed.parameters).toEqual([w]);
  });

  it('follows captured values into subgraphs', () => {
    const [x, c] = [input('x', 'float32', [2]), input('c', 'bool', [])];
    const a = node('Relu', [x]);
    const branch = (opType: string): Attribute => {
      const inner = node(opType, [out(a)]);
      return { kind: 'graph', value: graphOf([], [inner], out(inner)) };
    };
    const chosen = node('If', [c], { then_branch: branch('Exp'), else_branch: branch('Neg') });
    const graph = graphOf([x, c], [a, chosen], out(chosen));
    const changed = rewriteGraph(graph, (now) => (now.opType === 'Relu' ? [out(node('Abs', now.inputs))] : undefined));
    const then = changed.nodes[1]?.attributes.get('then_branch');
    const captured = then?.kind === 'graph' ? then.value.nodes[0]?.inputs[0] : undefined;
    expect(captured).toBe(changed.nodes[0]?.outputs[0]);
  });

  it('goes through 100,000 nodes in a row', () => {
    const x = input('x', 'float32', [2]);
    const nodes: Node[] = [];
    let last = x;
    for (let i = 0; i < 100_000; i++) {
      nodes.push(node('Relu', [last]));
      last = out(nodes.at(-1) as Node);
    }
    const graph = graphOf([x], nodes, last);
    const changed = rewriteGraph(graph, (now, was) =>
      was === nodes[0] ? remake(now, { opType: 'Abs' }).outputs : undefined,
    );
    expect(changed.nodes).toHaveLength(100_000);
    expect(removeDead(modelOf(graph)).graph).toBe(graph);
  });
});

describe('passes', () => {
  it('removes what no output needs, and nothing else', () => {
    const x = input('x', 'float32', [2]);
    const used = parameter('used', fromNumbers('float32', [2], [1, 2]));
    const unused = parameter('unused', fromNumbers('float32', [2], [1, 2]));
    const dead = node('Mul', [x, unused]);
    const alive = node('Mul', [x, used]);
    const nodes = [dead, node('Exp', [out(dead)]), alive];
    const { graph } = removeDead(modelOf(graphOf([x], nodes, out(alive), [used, unused])));
    expect(graph.nodes).toEqual([alive]);
    expect(graph.parameters).toEqual([used]);
  });

  it('shares equal nodes, never random ones', () => {
    const x = input('x', 'float32', [2]);
    const [a, b] = [node('Exp', [x]), node('Exp', [x])];
    const sum = node('Add', [out(a), out(b)]);
    expect(shareCommon(modelOf(graphOf([x], [a, b, sum], out(sum)))).graph.nodes).toHaveLength(2);
    const [r, s] = [node('RandomUniformLike', [x]), node('RandomUniformLike', [x])];
    const noise = node('Sub', [out(r), out(s)]);
    const model = modelOf(graphOf([x], [r, s, noise], out(noise)));
    expect(shareCommon(model)).toBe(model);
  });

  it('folds int64 exactly, beyond 2^53', () => {
    const big = constant(fromNumbers('int64', [1], [2n ** 62n + 1n]));
    const sum = node('Add', [big, constant(fromNumbers('int64', [1], [2n]))]);
    const halved = node('Div', [out(sum), constant(fromNumbers('int64', [1], [-3n]))]);
    const folded = foldConstants(modelOf(graphOf([], [sum, halved], out(halved))));
    const tensor = constantTensor(folded.graph.outputs[0]?.value);
    expect(folded.graph.nodes).toEqual([]);
    expect(tensor === undefined ? undefined : viewOf(tensor, 'int64')[0]).toBe((2n ** 62n + 3n) / -3n);
  });

  it('has a runtime compute what depends on constants alone', async () => {
    const x = input('x', 'float32', [2]);
    const exponential = node('Exp', [constant(fromNumbers('float32', [2], [0, 1]))]);
    const product = node('Mul', [x, out(exponential)]);
    const model = modelOf(graphOf([x], [exponential, product], out(product)));
    const folded = await foldByRunning(model, async (part) => {
      expect(part.graph.nodes).toEqual([exponential]);
      expect(part.graph.inputs).toEqual([]);
      return [fromNumbers('float32', [2], [1, Math.E])];
    });
    expect(folded.graph.nodes.map(({ opType }) => opType)).toEqual(['Mul']);
    const tensor = constantTensor(folded.graph.nodes[0]?.inputs[1]);
    expect(tensor === undefined ? undefined : [...toNumbers(tensor)]).toEqual([1, Math.fround(Math.E)]);
  });

  it('does not build what a hostile shape asks for, nor divide by zero', () => {
    const shape = constant(fromNumbers('int64', [3], [1e6, 1e6, 1e6]));
    const huge = node('ConstantOfShape', [shape]);
    const hostile = modelOf(graphOf([], [huge], out(huge)));
    expect(foldConstants(hostile)).toBe(hostile);
    const zero = node('Div', [constant(fromNumbers('int32', [1], [1])), constant(fromNumbers('int32', [1], [0]))]);
    const undefinedThere = modelOf(graphOf([], [zero], out(zero)));
    expect(foldConstants(undefinedThere)).toBe(undefinedThere);
  });

  it('folds Shape of known dimensions', () => {
    const shape = node('Shape', [input('x', 'float32', [4, 5])]);
    const x = shape.inputs[0] as Value;
    const folded = foldConstants(modelOf(graphOf([x], [shape], out(shape))));
    const tensor = constantTensor(folded.graph.outputs[0]?.value);
    expect(tensor === undefined ? undefined : [...toNumbers(tensor)]).toEqual([4, 5]);
  });

  it('counts what inlining would build before it builds it, and finds functions that call themselves', () => {
    const x = input('x', 'float32', [2]);
    const functions: FunctionDefinition[] = [];
    for (let i = 0; i < 60; i++) {
      const a = input('a', 'float32');
      const callee = functions.at(-1);
      const call = (value: Value): Node =>
        callee === undefined
          ? node('Relu', [value])
          : makeNode({ opType: callee.name, domain: 'd', inputs: [value], outputCount: 1, callee, inferred: [] });
      const first = call(a);
      const second = call(out(first));
      functions.push(functionOf(`f${i}`, graphOf([a], [first, second], out(second))));
    }
    const callee = functions.at(-1) as FunctionDefinition;
    const call = makeNode({ opType: callee.name, domain: 'd', inputs: [x], outputCount: 1, callee, inferred: [] });
    expect(codeOf(() => inlineFunctions(modelOf(graphOf([x], [call], out(call)), functions)))).toBe('INLINE_TOO_LARGE');
    const a = input('a', 'float32');
    const itself = makeNode({ opType: 'f', domain: 'd', inputs: [a], outputCount: 1, inferred: [] });
    const recursive = functionOf('f', graphOf([a], [itself], out(itself)));
    expect(codeOf(() => inlineFunctions(modelOf(graphOf([x], [], x), [recursive])))).toBe('RECURSIVE_FUNCTION');
  });
});
