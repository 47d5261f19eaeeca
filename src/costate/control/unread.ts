import type { Attribute } from '../../graph/attribute.ts';
import type { Graph, Model } from '../../graph/graph.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
import { subgraphsOf } from '../../graph/walk.ts';
import { int } from '../pieces.ts';
import { firstRecorded, recordedKey } from './states.ts';
import { bodyOf, firstResult, isTurning, stateCount } from './turning.ts';

/** A model whose loops give of what they record only what something reads, and whose Scans read only what their bodies use: with dead nodes. */
export function withoutUnread(model: Model): Model {
  const reading = new Reading();
  reading.graph(
    model.graph,
    model.graph.outputs.map(({ value }) => value),
  );
  const graph = rewriteGraph(model.graph, (node, original) => reading.cut(node, original));
  return graph === model.graph ? model : { ...model, graph };
}

const nothing = int(0);

class Reading {
  /** What the outputs depend on, at any depth. */
  readonly read = new Set<Value>();

  /** Marks what these outputs of a graph need, from the last node to the first: what subgraphs capture is marked before its maker is asked. */
  graph({ nodes }: Graph, outputs: readonly Value[]): void {
    for (const value of outputs) this.read.add(value);
    for (const node of nodes.toReversed()) if (node.outputs.some((value) => this.read.has(value))) this.node(node);
  }

  private node(node: Node): void {
    for (const inner of subgraphsOf(node)) {
      const kept = isTurning(node) ? this.keptOutputs(node) : undefined;
      const lead = firstResult(node);
      const outputs = inner.outputs.filter(
        (_, index) => kept === undefined || index < lead || kept[index - lead] === true,
      );
      this.graph(
        inner,
        outputs.map(({ value }) => value),
      );
    }
    const kept = this.keptInputs(node);
    node.inputs.forEach((value, index) => {
      if (value !== undefined && kept[index] === true) this.read.add(value);
    });
  }

  private keptOutputs(node: Node): readonly boolean[] {
    const first = firstRecorded(node) ?? node.outputs.length;
    return node.outputs.map((value, index) => index < first || this.read.has(value));
  }

  /** Of the sequences that a Scan of the way back reads, those that its body uses; one at least, for its length. */
  private keptInputs(node: Node): readonly boolean[] {
    const own = node.opType === 'Scan' && isTurning(node) && node.name === undefined && node.origin === undefined;
    if (!own) return node.inputs.map(() => true);
    const count = stateCount(node);
    const { inputs } = bodyOf(node);
    const kept = node.inputs.map((_, index) => index < count || this.read.has(inputs[index] as Value));
    if (!kept.includes(true, count)) kept[count] = true;
    return kept;
  }

  /** The node without what nothing reads. `original` is what was looked at. */
  cut(node: Node, original: Node): readonly (Value | undefined)[] | undefined {
    if (!isTurning(node)) return undefined;
    const [outputs, inputs] = [this.keptOutputs(original), this.keptInputs(original)];
    const recorded = firstRecorded(node) !== undefined;
    if (!recorded && outputs.every(Boolean) && inputs.every(Boolean)) return undefined;
    const [lead, count] = [firstResult(node), stateCount(node)];
    const body = bodyOf(node);
    const inner: Graph = {
      ...body,
      inputs: body.inputs.filter((_, index) => node.opType === 'Loop' || inputs[index] === true),
      outputs: body.outputs.filter((_, index) => index < lead || outputs[index - lead] === true),
      origin: undefined,
    };
    const attributes = new Map<string, Attribute>(node.attributes).set('body', { kind: 'graph', value: inner });
    const [keptReads, keptResults] = [inputs.slice(count), outputs.slice(count)];
    if (node.opType === 'Scan')
      attributes.set('num_scan_inputs', { kind: 'int', value: keptReads.filter(Boolean).length });
    for (const [name, kept] of [
      ['scan_input_axes', keptReads],
      ['scan_input_directions', keptReads],
      ['scan_output_axes', keptResults],
      ['scan_output_directions', keptResults],
    ] as const) {
      const list = attributes.get(name);
      if (list?.kind !== 'ints') continue;
      const value = list.value.filter((_, index) => kept[index] === true);
      if (value.length === 0) attributes.delete(name);
      else attributes.set(name, { kind: 'ints', value });
    }
    const metadata = new Map(node.metadata);
    metadata.delete(recordedKey);
    const there = node.outputs.filter((_, index) => outputs[index] === true);
    const made = remake(node, {
      inputs: node.inputs.filter((_, index) => inputs[index] === true),
      attributes,
      metadata,
      origin: recorded ? undefined : node.origin,
      outputCount: there.length,
      outputNames: there.map(({ name }) => name),
      inferred: there.map(({ type, known }) => ({ type, known })),
    });
    let next = 0;
    // What is not there any more may stand among the outputs of a body around it, that are cut after it.
    return outputs.map((one) => (one ? made.outputs[next++] : nothing));
  }
}
