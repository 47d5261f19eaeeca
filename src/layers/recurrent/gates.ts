import { as } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { uniform } from '../initial.ts';
import type { Module } from '../module.ts';
import { gateCount, type Recurrence, type RecurrentKind } from './options.ts';

/** The parameters of one cell in PyTorch's layout: gates i, f, g, o of an LSTM and r, z, n of a GRU below one another. */
export interface CellWeights {
  /** weight_ih [gates * H, in] */
  readonly w: Value;
  /** weight_hh [gates * H, state] */
  readonly r: Value;
  readonly bias: readonly [ih: Value, hh: Value] | undefined;
  /** weight_hr [P, H] */
  readonly projection: Value | undefined;
}

/** Sizes a cell's parameters need. */
export type CellSizes = Pick<Recurrence, 'kind' | 'hidden' | 'state' | 'bias' | 'work'>;

/** The parameters `weight_ih<suffix>` ..., in the element type of the recursion. PyTorch draws all from U(-1/sqrt H, 1/sqrt H). */
export function cellWeights(module: Module, sizes: CellSizes, suffix: string, input: number): CellWeights {
  const { kind, hidden, state, bias, work } = sizes;
  const rows = gateCount[kind] * hidden;
  const initial = uniform(1 / Math.sqrt(hidden));
  const get = (name: string, shape: readonly number[]): Value =>
    as(module.parameter(`${name}${suffix}`, shape, initial), work);
  return {
    w: get('weight_ih', [rows, input]),
    r: get('weight_hh', [rows, state]),
    bias: bias ? [get('bias_ih', [rows]), get('bias_hh', [rows])] : undefined,
    projection: state === hidden ? undefined : get('weight_hr', [state, hidden]),
  };
}

/** Where ONNX's gates stand among PyTorch's: i, o, f, g of i, f, g, o; z, r, n of r, z, n. */
const onnxOrder: Readonly<Record<RecurrentKind, readonly number[]>> = { rnn: [0], gru: [1, 0, 2], lstm: [0, 3, 1, 2] };

/** Rows in ONNX's order of gates, made in the graph: the parameter stays as PyTorch has it, and ONNX Runtime folds this at load. */
export function inOnnxOrder(rows: Value, kind: RecurrentKind): Value {
  const order = onnxOrder[kind];
  if (order.length === 1) return rows;
  const gates = op.split(rows, undefined, { axis: 0, numOutputs: order.length });
  return op.concat(
    order.map((place) => gates[place] ?? rows),
    { axis: 0 },
  );
}
