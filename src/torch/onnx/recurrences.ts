import { ints } from '../../../ops/precision.ts';
import type { Changed } from '../../costate/parameters/changed.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import type { Model } from '../../graph/graph.ts';
import { parameter } from '../../graph/make.ts';
import { withMetadata } from '../../graph/module-path.ts';
import * as op from '../../graph/op.ts';
import { constantTensor, intOf, textOf } from '../../graph/passes/constants.ts';
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
  const nodes = [...everyNode(model.graph)].filter(({ opType, domain }) => domain === '' && opType in kinds);
  return nodes.flatMap((node) => packedIn(node, nodes, evidence));
}

function packedIn(node: Node, all: readonly Node[], evidence: Evidence): readonly Found[] {
  const kind = kinds[node.opType] ?? 'rnn';
  const hidden = intOf(node, 'hidden_size', 0) ?? 0;
  const directions = textOf(node.attributes.get('direction')) === 'bidirectional' ? 2 : 1;
  const gates = torchOrder[kind].length;
  const stem = stemOf(node, all, evidence);
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
      make: () => withMetadata(node.metadata, () => packed(tensor, names, shape, kind, kindsOf.length)),
      changed: names.map(
        (name): Changed => ({ name, why: `the exporter packed it into '${value.name ?? ''}' for ${node.opType}` }),
      ),
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

/** `encoder.` and `l1` of the second layer of the module `encoder`; undefined where the file does not tell path or layer. */
function stemOf(node: Node, all: readonly Node[], evidence: Evidence): Stem | undefined {
  if (evidence.signature !== undefined) {
    const weights = node.inputs[1];
    const [first] = weights === undefined ? [] : (evidence.sourcesOf(weights) ?? []);
    const [, path, suffix] = /^(.*\.)?weight_ih_(l\d+)(?:_reverse)?$/.exec(first ?? '') ?? [];
    return suffix === undefined ? undefined : { path: path ?? '', suffix };
  }
  const [, scope, count] = /^((?:\/.*)?)\/(?:LSTM|GRU|RNN)(?:_(\d+))?$/.exec(node.name ?? '') ?? [];
  if (scope === undefined) return undefined;
  const path = modulePathOf(node);
  // A module that is called twice has its layers twice: the count is no layer then.
  const weights = node.inputs[1];
  const again = all.some((other) => {
    return other !== node && other.name?.startsWith(`${scope}/`) && sameNumbers(other.inputs[1], weights);
  });
  return again ? undefined : { path: path === undefined ? '' : `${path}.`, suffix: `l${count ?? 0}` };
}

interface Stem {
  readonly path: string;
  readonly suffix: string;
}

function sameNumbers(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  const [left, right] = [constantTensor(a), constantTensor(b)];
  if (left === undefined || right === undefined || left.bytes.length !== right.bytes.length) return false;
  return left.bytes.every((byte, index) => byte === right.bytes[index]);
}
