import { ints } from '../../../ops/precision.ts';
import type { Changed } from '../../costate/parameters/changed.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import type { Model } from '../../graph/graph.ts';
import { parameter } from '../../graph/make.ts';
import { withModule } from '../../graph/module-path.ts';
import * as op from '../../graph/op.ts';
import { intOf, textOf } from '../../graph/passes/constants.ts';
import { modulePathOf } from '../../graph/place.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode } from '../../graph/walk.ts';
import { inOnnxOrder } from '../../layers/recurrent/gates.ts';
import type { RecurrentKind } from '../../layers/recurrent/options.ts';
import { type Evidence, weightOf } from './evidence.ts';
import type { Found } from './found.ts';
import { blocksOf } from './rearranged.ts';

const kinds: Readonly<Record<string, RecurrentKind>> = { LSTM: 'lstm', GRU: 'gru', RNN: 'rnn' };

/** Where PyTorch's gates stand among ONNX's: i, f, g, o of i, o, f, g; r, z, n of z, r, n. */
const torchOrder: Readonly<Record<RecurrentKind, readonly number[]>> = { lstm: [0, 2, 3, 1], gru: [1, 0, 2], rnn: [0] };

/**
 * Weights of LSTM, GRU and RNN that an exporter packed for ONNX (directions stacked, gates in another order, both biases in one) under names of its
 * own, as the parameters `weight_ih_l0` ... of the module, packed in the graph.
 */
export function packedRecurrences(model: Model, evidence: Evidence): readonly Found[] {
  return [...everyNode(model.graph)].flatMap((node) => {
    const kind = node.domain === '' ? kinds[node.opType] : undefined;
    return kind === undefined ? [] : packedIn(node, kind, evidence);
  });
}

function packedIn(node: Node, kind: RecurrentKind, evidence: Evidence): readonly Found[] {
  const hidden = intOf(node, 'hidden_size', 0) ?? 0;
  const directions = textOf(node.attributes.get('direction')) === 'bidirectional' ? 2 : 1;
  const gates = torchOrder[kind].length;
  const stem = stemOf(node, evidence);
  if (stem === undefined || hidden === 0 || intOf(node, 'layout', 0) !== 0) return [];
  const suffixes = directions === 2 ? [stem.suffix, `${stem.suffix}_reverse`] : [stem.suffix];
  const found: Found[] = [];
  const pack = (input: number, kindsOf: readonly string[], columns: boolean): void => {
    const value = node.inputs[input];
    const tensor = weightOf(value);
    const rows = gates * hidden;
    const [stacked, height, width] = tensor?.shape ?? [];
    const names = suffixes.flatMap((suffix) => kindsOf.map((one) => `${stem.path}${one}_${suffix}`));
    const fits = stacked === directions && height === rows * kindsOf.length && (columns ? width !== undefined : true);
    if (value === undefined || tensor === undefined || !fits || !isPacked(value, names, evidence)) return;
    const shape = columns ? [rows, width ?? 0] : [rows];
    found.push({
      node,
      input,
      key: names.join(' '),
      make: () => withModule(modulePathOf(node), () => packed(tensor, names, shape, kind, kindsOf.length)),
      changed: names.map((name): Changed => ({ name, why: `the exporter packed it into '${value.name ?? ''}' for ${node.opType}` })),
    });
  };
  pack(1, ['weight_ih'], true);
  pack(2, ['weight_hh'], true);
  pack(3, ['bias_ih', 'bias_hh'], false);
  return found;
}

/** W [directions, gates * H, in], R or B, of parameters in PyTorch's order of gates. */
function packed(
  tensor: AnyTensor,
  names: readonly string[],
  shape: readonly number[],
  kind: RecurrentKind,
  each: number,
): Value {
  const parts = names.map((name, index) =>
    inOnnxOrder(parameter(name, blocksOf(tensor, shape, { index, parts: names.length }, torchOrder[kind])), kind),
  );
  const rows = Array.from({ length: parts.length / each }, (_, direction) => {
    const own = parts.slice(direction * each, (direction + 1) * each);
    const [only] = own;
    return op.unsqueeze(own.length === 1 && only !== undefined ? only : op.concat(own, { axis: 0 }), ints(0));
  });
  const [only] = rows;
  return rows.length === 1 && only !== undefined ? only : op.concat(rows, { axis: 0 });
}

/** Whether an initializer holds those parameters: noted so, or under a name that the TorchScript exporter makes up. */
function isPacked(value: Value, names: readonly string[], evidence: Evidence): boolean {
  if (!names.every((name) => evidence.isFree(name))) return false;
  if (evidence.signature === undefined) return /^onnx::(LSTM|GRU|RNN)_\d+$/.test(value.name ?? '');
  const sources = evidence.sourcesOf(value);
  return sources?.length === names.length && names.every((name) => sources.includes(name));
}

/** `encoder.` and `l1` of the second layer of the module `encoder`; a path and layer that the file does not tell is none. */
function stemOf(node: Node, evidence: Evidence): { readonly path: string; readonly suffix: string } | undefined {
  if (evidence.signature !== undefined) {
    const weights = node.inputs[1];
    const [first] = weights === undefined ? [] : (evidence.sourcesOf(weights) ?? []);
    const [, path, suffix] = /^(.*\.)?weight_ih_(l\d+)(?:_reverse)?$/.exec(first ?? '') ?? [];
    return suffix === undefined ? undefined : { path: path ?? '', suffix };
  }
  const path = modulePathOf(node);
  const [, count] = new RegExp(`/${node.opType}(?:_(\\d+))?$`).exec(node.name ?? '') ?? [];
  if (path === undefined) return node.name === node.opType ? undefined : undefined;
  return evidence.isRepeated(node) ? undefined : { path: `${path}.`, suffix: `l${count ?? 0}` };
}
