import type { Graph, Output } from '../../graph/graph.ts';
import { randomOperators } from '../../graph/passes/random.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
import { capturesOf, usedBy } from '../../graph/walk.ts';
import { isCheap } from './cheap.ts';
import { withKnownInputs } from './shapes.ts';
import { bodyOf, firstResult, firstState, isTurning, layoutOfResult, stateCount } from './turning.ts';

/** A graph, and the values in it that stand for those that were followed. */
export interface Recorded {
  readonly graph: Graph;
  readonly followed: readonly Value[];
}

/** metadata_props key of a loop that gives what the way back needs: the index of the first of it among its outputs. */
export const recordedKey = 'hopfcole.states';

/**
 * A graph whose loops also give, stacked over all turns, each carried tensor as it was before the turn and what the body computes at some
 * cost, for the way back to take from there (what it does not take is not given in the end, see `withoutUnread`). Loops that do so already
 * stay; those inside others are among them.
 */
export function recordStates(graph: Graph, followed: readonly Value[]): Recorded {
  const asOutputs = followed.map((value): Output => ({ name: '', value }));
  const rewritten = rewriteGraph({ ...graph, outputs: [...graph.outputs, ...asOutputs] }, (node) =>
    isTurning(node) && !node.metadata.has(recordedKey) ? recording(node) : undefined,
  );
  const count = graph.outputs.length;
  return {
    graph: { ...rewritten, outputs: rewritten.outputs.slice(0, count) },
    followed: rewritten.outputs.slice(count).map(({ value }) => value),
  };
}

/** Where the first output that only records stands; undefined for a loop that does not. */
export function firstRecorded(node: Node): number | undefined {
  const text = node.metadata.get(recordedKey);
  return text === undefined ? undefined : Number(text);
}

/** The values of the body that the loop gives stacked in the order of its turns along the first axis, each with its stack. */
export function stacksOf(node: Node): ReadonlyMap<Value, Value> {
  const stacks = new Map<Value, Value>();
  const { outputs } = bodyOf(node);
  for (let index = stateCount(node); index < node.outputs.length; index++) {
    const [inside, stack] = [outputs[index + firstResult(node)]?.value, node.outputs[index]];
    const { axis, direction } = layoutOfResult(node, index);
    if (axis === 0 && direction === 0 && inside !== undefined && stack !== undefined) stacks.set(inside, stack);
  }
  return stacks;
}

function recording(given: Node): readonly Value[] | undefined {
  const node = withKnownInputs(given);
  const body = bodyOf(node);
  const there = stacksOf(node);
  const symbols = symbolsAround(node, body);
  const states = body.inputs.slice(firstState(node), firstState(node) + stateCount(node)).filter(isTensor);
  const inner = variant(body).flatMap((one) =>
    isCheap(one) ? [] : one.outputs.filter((value) => isSteady(value, symbols)),
  );
  // Something must tell how many turns there were.
  const turn = node.opType === 'Loop' && states.length === 0 ? body.inputs.slice(0, 1) : [];
  const stacked = [...turn, ...states, ...inner].filter((value) => !there.has(value));
  if (stacked.length === 0) return undefined;
  const outputs = [...body.outputs, ...stacked.map((value): Output => ({ name: '', value }))];
  const attributes = new Map(node.attributes).set('body', {
    kind: 'graph',
    value: { ...body, outputs, origin: undefined },
  });
  for (const name of ['scan_output_axes', 'scan_output_directions']) {
    const list = attributes.get(name);
    if (list?.kind === 'ints') attributes.set(name, { kind: 'ints', value: [...list.value, ...stacked.map(() => 0)] });
  }
  const before = node.outputs.length;
  const changes = {
    attributes,
    metadata: new Map([...node.metadata, [recordedKey, String(before)]]),
    origin: undefined,
    outputCount: before + stacked.length,
  };
  // The outputs it had keep their names and types.
  const inferred = remake(node, { ...changes, outputNames: [], infer: true }).outputs;
  const made = remake(node, { ...changes, inferred: inferred.map((value, index) => node.outputs[index] ?? value) });
  return made.outputs.slice(0, before);
}

/** The nodes of a body that do not give the same in every turn. */
function variant({ nodes, inputs }: Graph): readonly Node[] {
  const values = new Set<Value | undefined>(inputs);
  return nodes.filter((node) => {
    const varies = randomOperators.has(node.opType) || usedBy(node).some((value) => values.has(value));
    if (varies) for (const value of node.outputs) values.add(value);
    return varies && node.outputs.length > 0;
  });
}

function isTensor({ type }: Value): boolean {
  return type === undefined || type.kind === 'tensor';
}

/** The sizes with names outside the body: they are the same in all turns. */
function symbolsAround(node: Node, body: Graph): ReadonlySet<unknown> {
  return new Set([...node.inputs, ...capturesOf(body)].flatMap((value) => value?.shape ?? []));
}

/** Whether a value is a tensor of the same shape in every turn. */
function isSteady({ shape }: Value, symbols: ReadonlySet<unknown>): boolean {
  return shape?.every((dim) => typeof dim === 'number' || (dim !== undefined && symbols.has(dim))) === true;
}
