import type { Attributes } from '../graph/attribute.ts';
import type { Model } from '../graph/graph.ts';
import { makeNode } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import { intOf } from '../graph/passes/constants.ts';
import { remake, rewriteModel } from '../graph/passes/rewrite.ts';
import type { Node, Value } from '../graph/value.ts';

const recurrent: ReadonlySet<string> = new Set(['LSTM', 'GRU', 'RNN']);

/**
 * A model whose recurrent operators stand as their rules need them: with time before batch (layout 0, the only one that ONNX Runtime's CPU
 * runs), and with a name for Y, every step's h, where the file asks for the last step only. What nothing reads is not written.
 */
export function settledRecurrences(model: Model): Model {
  return rewriteModel(model, (node) => {
    if (node.domain !== '' || !recurrent.has(node.opType)) return undefined;
    if (intOf(node, 'layout', 0) === 1) return backToBatch(node, timeFirst(node));
    if (node.outputs.every(({ name }) => name !== '')) return undefined;
    const outputNames = node.outputs.map(({ name }) => (name === '' ? undefined : name));
    return remake(node, { outputNames, origin: undefined }).outputs;
  });
}

/** X and the initial states are at 0, 5 and 6. */
const batched: readonly number[] = [0, 5, 6];

function timeFirst(node: Node): Node {
  const attributes: Attributes = new Map([...node.attributes].filter(([name]) => name !== 'layout'));
  const inputs = node.inputs.map((value, index) =>
    value === undefined || !batched.includes(index) ? value : op.transpose(value, { perm: [1, 0, 2] }),
  );
  return remake(node, {
    inputs,
    attributes,
    outputNames: node.outputs.map(() => undefined),
    infer: true,
    origin: undefined,
  });
}

/** The outputs as layout 1 has them, under their names. */
function backToBatch(node: Node, plain: Node): readonly Value[] {
  return plain.outputs.map((value, index) => {
    const perm = index === 0 ? [2, 0, 1, 3] : [1, 0, 2];
    const made = op.transpose(value, { perm }).source;
    if (made.kind !== 'output') return value;
    const { version, attributes } = made.node;
    const name = node.outputs[index]?.name;
    const outputNames = [name === '' ? undefined : name];
    return (
      makeNode({ opType: 'Transpose', version, inputs: [value], attributes, outputCount: 1, outputNames }).outputs[0] ??
      value
    );
  });
}
