import type { Graph } from '../graph/graph.ts';
import { intOf, textOf } from '../graph/passes/constants.ts';
import type { Node, Value } from '../graph/value.ts';
import { capturesOf } from '../graph/walk.ts';
import type { Site } from '../reading/sites.ts';
import { type Found, queries, rowOf } from './probe.ts';
import type { Cell, CellKind, CellState } from './recurrence.ts';
import { recurrentChecks, type Sequence } from './recurrent-identities.ts';
import type { References } from './references.ts';
import { type Probing, precisionOf } from './site-checks.ts';
import { dot } from './vectors.ts';

const gateCount = { rnn: 1, gru: 3, lstm: 4 } as const;
/** Where PyTorch's gates stand among ONNX's: i, f, g, o of i, o, f, c; r, z, n of z, r, h. */
const torchOrder = { rnn: [0], gru: [1, 0, 2], lstm: [0, 2, 3, 1] } as const;

/** A recurrent layer as ONNX's operator or as a Scan of the step; undefined where it is neither, or has parts the step has not. */
export function recurrentProbing({ node, kind }: Site, references: References): Probing | undefined {
  if (kind !== 'rnn' && kind !== 'gru' && kind !== 'lstm') return undefined;
  if (node.opType === 'Scan') return scanned(node, kind, references);
  return node.opType === kind.toUpperCase() ? operator(node, kind, references) : undefined;
}

/** Options of the operators that the equations of the table do not have. */
function isPlain(node: Node, kind: CellKind): boolean {
  const activations = node.attributes.get('activations');
  const names = activations?.kind === 'strings' ? activations.value.map((name) => String(name)) : undefined;
  const usual = { rnn: [['Tanh'], ['Relu']], gru: [['Sigmoid', 'Tanh']], lstm: [['Sigmoid', 'Tanh', 'Tanh']] }[kind];
  const known =
    names === undefined ||
    usual.some((own) => names.every((name, i) => name.toLowerCase() === own[i % own.length]?.toLowerCase()));
  const peepholes = node.inputs[7] !== undefined;
  return (
    known &&
    !peepholes &&
    !node.attributes.has('clip') &&
    intOf(node, 'layout', 0) === 0 &&
    intOf(node, 'input_forget', 0) === 0
  );
}

function operator(node: Node, kind: CellKind, references: References): Probing | undefined {
  const [x, w, r, b, lengths, h0, c0] = node.inputs;
  const [y] = node.outputs;
  if (!x || !w || !r || !y || !isPlain(node, kind)) return undefined;
  const optional: Readonly<Record<string, Value | undefined>> = { b, lengths, h0, c0 };
  const present = Object.fromEntries(
    Object.entries(optional).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  );
  const activation = node.attributes.get('activations');
  const relu = kind === 'rnn' && activation?.kind === 'strings' && /relu/i.test(String(activation.value[0]));
  const backward = textOf(node.attributes.get('direction')) === 'reverse';
  return {
    wanted: { x, w, r, y, ...present },
    checks: (found) => {
      const own = found as Record<'x' | 'w' | 'r' | 'y', Found>;
      const [time = 0, batch = 0] = own.x.shape;
      const directions = own.w.shape[0] ?? 1;
      const sequences: Sequence[] = [];
      for (let direction = 0; direction < directions; direction++) {
        const weights = inTorchOrder(own, found.b, kind, direction);
        const cell: Cell = {
          kind,
          hidden: own.r.shape.at(-1) ?? 0,
          r: weights.r,
          nonlinearity: relu ? 'relu' : 'tanh',
          bias: weights.candidate,
          resetAfter: intOf(node, 'linear_before_reset', 0) === 1,
        };
        for (let row = 0; row < Math.min(batch, queries); row++) {
          const steps = found.lengths?.values[row] ?? time;
          const order = Array.from({ length: steps }, (_, step) => step);
          if (backward || direction === 1) order.reverse();
          sequences.push({
            cell,
            first: stateAt(found.h0, found.c0, [direction, row], cell.hidden),
            given: order.map((step) => {
              const input = rowOf(own.x, [step, row]);
              return Float64Array.from(weights.w, (unit, index) => dot(unit, input) + (weights.bias[index] ?? 0));
            }),
            h: order.map((step) => rowOf(own.y, [step, direction, row])),
          });
        }
      }
      return recurrentChecks(sequences, precisionOf(x), references);
    },
  };
}

/** W, R and biases of one direction with PyTorch's order of gates; the bias of a GRU's R_n h by itself. */
function inTorchOrder(
  own: Readonly<Record<'w' | 'r', Found>>,
  b: Found | undefined,
  kind: CellKind,
  direction: number,
): { w: Float64Array[]; r: Float64Array[]; bias: Float64Array; candidate: Float64Array | undefined } {
  const hidden = own.r.shape.at(-1) ?? 0;
  const units = torchOrder[kind].flatMap((gate) => Array.from({ length: hidden }, (_, i) => gate * hidden + i));
  const both = b === undefined ? new Float64Array(2 * units.length) : rowOf(b, [direction]);
  const split = kind === 'gru' ? 2 * hidden : units.length;
  const ofInput = (unit: number) => both[unit] ?? 0;
  const ofState = (unit: number) => both[units.length + unit] ?? 0;
  return {
    w: units.map((unit) => rowOf(own.w, [direction, unit])),
    r: units.map((unit) => rowOf(own.r, [direction, unit])),
    bias: Float64Array.from(units, (unit, place) => ofInput(unit) + (place < split ? ofState(unit) : 0)),
    candidate: kind === 'gru' ? Float64Array.from(units.slice(split), ofState) : undefined,
  };
}

function stateAt(h: Found | undefined, c: Found | undefined, place: readonly number[], hidden: number): CellState {
  const zero = new Float64Array(hidden);
  return { h: h === undefined ? zero : rowOf(h, place), c: c === undefined ? zero : rowOf(c, place) };
}

/** The Scan of a layer's step: states h (and c), what x gives to the gates [time, batch, gates * H], and R captured by the body. */
function scanned(node: Node, kind: CellKind, references: References): Probing | undefined {
  const body = node.attributes.get('body');
  const graph = body?.kind === 'graph' ? body.value : undefined;
  const states = kind === 'lstm' ? 2 : 1;
  const [h0, c0] = node.inputs;
  const given = node.inputs[states];
  const y = node.outputs[states];
  const product = graph === undefined ? undefined : recurrentProduct(graph);
  if (!h0 || !given || !y || graph === undefined || product === undefined) return undefined;
  // A further sequence says what is within each length.
  if (node.inputs.length > states + 1) return undefined;
  const { r, bias } = product;
  const towards = node.attributes.get('scan_input_directions');
  const backward = towards?.kind === 'ints' && Number(towards.value[0]) === 1;
  const relu = kind === 'rnn' && graph.nodes.some(({ opType }) => opType === 'Relu');
  return {
    wanted: { h0, given, y, r, ...(kind === 'lstm' && c0 ? { c0 } : {}), ...(kind === 'gru' && bias ? { bias } : {}) },
    checks: (found) => {
      const own = found as Record<'h0' | 'given' | 'y' | 'r', Found>;
      const hidden = own.r.shape[1] ?? 0;
      // With a projection h has other features than the cell.
      if ((own.r.shape[0] ?? 0) !== gateCount[kind] * hidden) return [];
      const added = found.bias?.values;
      const cell: Cell = {
        kind,
        hidden,
        r: Array.from({ length: own.r.shape[0] ?? 0 }, (_, unit) => rowOf(own.r, [unit])),
        nonlinearity: relu ? 'relu' : 'tanh',
        bias: added?.subarray(2 * hidden),
        resetAfter: true,
      };
      const [time = 0, batch = 0] = own.given.shape;
      const order = Array.from({ length: time }, (_, step) => step);
      if (backward) order.reverse();
      const sequences = Array.from(
        { length: Math.min(batch, queries) },
        (_, row): Sequence => ({
          cell,
          first: stateAt(own.h0, found.c0, [row], hidden),
          given: order.map((step) =>
            Float64Array.from(rowOf(own.given, [step, row]), (value, unit) =>
              unit < 2 * hidden ? value + (added?.[unit] ?? 0) : value,
            ),
          ),
          h: order.map((step) => rowOf(own.y, [step, row])),
        }),
      );
      return recurrentChecks(sequences, precisionOf(given), references);
    },
  };
}

/** The body's product of the state with what it captures: Gemm(h, R'), and the bias it adds where that is captured too. */
function recurrentProduct(graph: Graph): { readonly r: Value; readonly bias: Value | undefined } | undefined {
  const captured = new Set(capturesOf(graph));
  for (const node of graph.nodes) {
    const [h, r, bias] = node.inputs;
    if (node.opType !== 'Gemm' || h !== graph.inputs[0] || r === undefined || !captured.has(r)) continue;
    if (intOf(node, 'transB', 0) !== 1) continue;
    return { r, bias: bias !== undefined && captured.has(bias) ? bias : undefined };
  }
  return undefined;
}
