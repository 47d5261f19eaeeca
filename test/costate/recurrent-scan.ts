import { fromNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import { rewriteModel } from '../../src/graph/passes/rewrite.ts';
import type { Node, Value } from '../../src/graph/value.ts';

/**
 * A model with its recurrent operators written as Scans of plain operators, step by step as the schema has them: ONNX Runtime has no
 * LSTM, GRU or RNN in float64.
 */
export function asScans(model: Model): Model {
  return rewriteModel(model, (node) => (node.opType in cells && node.domain === '' ? written(node) : undefined));
}

type Activate = (x: Value) => Value;
type State = readonly [h: Value, c: Value];
interface Weights {
  readonly w: Value;
  readonly r: Value;
  readonly wb: Value;
  readonly rb: Value;
  readonly p: Value | undefined;
}
interface Options {
  readonly acts: readonly Activate[];
  readonly clip: number | undefined;
  readonly flag: (name: string) => boolean;
}
type Cell = (x: Value, state: State, weights: Weights, options: Options) => State;

const ints = (...values: number[]): Value => constant(fromNumbers('int64', [values.length], values));
const num = (like: Value, value: number): Value => constant(fromNumbers(like.dtype ?? 'float64', [], [value]));
const parts = (x: Value, count: number, axis: number): Value[] => [
  ...op.split(x, undefined, { axis, numOutputs: count }),
];
const linear = (x: Value, w: Value, b?: Value): Value => op.gemm(x, w, b, { transB: 1 });
const held = (x: Value, clip: number | undefined): Value =>
  clip === undefined ? x : op.clip(x, num(x, -clip), num(x, clip));

const cells: Readonly<Record<string, Cell>> = {
  LSTM: (x, [h, c], { w, r, wb, rb, p }, { acts, clip, flag }) => {
    const [f, g, out] = acts as [Activate, Activate, Activate];
    const [i, o, fg, n] = parts(op.add(linear(x, w, wb), linear(h, r, rb)), 4, 1) as [Value, Value, Value, Value];
    const [pi, po, pf] = p === undefined ? [] : parts(p, 3, 1);
    const gate = (pre: Value, weight: Value | undefined, cell: Value): Value =>
      f(held(weight === undefined ? pre : op.add(pre, op.mul(weight, cell)), clip));
    const input = gate(i, pi, c);
    const forget = flag('input_forget') ? op.sub(num(x, 1), input) : gate(fg, pf, c);
    const cell = op.add(op.mul(forget, c), op.mul(input, g(held(n, clip))));
    return [op.mul(gate(o, po, cell), out(cell)), cell];
  },
  GRU: (x, [h, c], { w, r, wb, rb }, { acts, clip, flag }) => {
    const [f, g] = acts as [Activate, Activate];
    const [xz, xr, xn] = parts(linear(x, w, wb), 3, 1) as [Value, Value, Value];
    const [rz, rr, rn] = parts(r, 3, 0) as [Value, Value, Value];
    const [bz, br, bn] = parts(rb, 3, 1) as [Value, Value, Value];
    const z = f(held(op.add(xz, linear(h, rz, bz)), clip));
    const reset = f(held(op.add(xr, linear(h, rr, br)), clip));
    const way = flag('linear_before_reset') ? op.mul(reset, linear(h, rn, bn)) : linear(op.mul(reset, h), rn, bn);
    const n = g(held(op.add(xn, way), clip));
    return [op.add(op.mul(op.sub(num(x, 1), z), n), op.mul(z, h)), c];
  },
  RNN: (x, [h, c], { w, r, wb, rb }, { acts, clip }) => [
    (acts[0] as Activate)(held(op.add(linear(x, w, wb), linear(h, r, rb)), clip)),
    c,
  ],
};

const activations: Readonly<Record<string, (x: Value, a: number, b: number) => Value>> = {
  sigmoid: (x) => op.sigmoid(x),
  tanh: (x) => op.tanh(x),
  relu: (x) => op.relu(x),
  affine: (x, a, b) => op.add(op.mul(x, num(x, a)), num(x, b)),
  scaledtanh: (x, a, b) => op.mul(num(x, a), op.tanh(op.mul(num(x, b), x))),
  hardsigmoid: (x, a, b) => op.clip(op.add(op.mul(x, num(x, a)), num(x, b)), num(x, 0), num(x, 1)),
  elu: (x, a) => op.where(op.less(x, num(x, 0)), op.mul(num(x, a), op.sub(op.exp(x), num(x, 1))), x),
  leakyrelu: (x, a) => op.where(op.less(x, num(x, 0)), op.mul(num(x, a), x), x),
  thresholdedrelu: (x, a) => op.where(op.greater(x, num(x, a)), x, num(x, 0)),
  softsign: (x) => op.div(x, op.add(num(x, 1), op.abs(x))),
  softplus: (x) => op.log(op.add(num(x, 1), op.exp(x))),
};
const takes: Readonly<Record<string, readonly number[]>> = {
  affine: [0, 0],
  scaledtanh: [0, 0],
  hardsigmoid: [0.2, 0.5],
  elu: [1],
  leakyrelu: [0.01],
  thresholdedrelu: [0],
};
const usual: Readonly<Record<string, readonly string[]>> = {
  LSTM: ['sigmoid', 'tanh', 'tanh'],
  GRU: ['sigmoid', 'tanh'],
  RNN: ['tanh'],
};

function written(node: Node): readonly Value[] {
  const attribute = (name: string): unknown => {
    const given = node.attributes.get(name);
    return given !== undefined && 'value' in given ? given.value : undefined;
  };
  const both = attribute('direction') === 'bidirectional';
  const count = both ? 2 : 1;
  const batchFirst = Number(attribute('layout') ?? 0) === 1;
  const turned = (value: Value | undefined): Value | undefined =>
    value === undefined || !batchFirst ? value : op.transpose(value, { perm: [1, 0, 2] });
  const [x, w, r, b, lens, h0, c0, p] = [0, 1, 2, 3, 4, 5, 6, 7].map((index) =>
    index === 0 || index === 5 || index === 6 ? turned(node.inputs[index]) : node.inputs[index],
  ) as [Value, Value, Value, ...(Value | undefined)[]];
  const hidden = Number(attribute('hidden_size'));
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }[node.opType] ?? 1;
  const each = (value: Value | undefined): (Value | undefined)[] => (value === undefined ? [] : parts(value, count, 0));
  const flat = (value: Value | undefined): Value | undefined =>
    value === undefined ? value : op.squeeze(value, ints(0));
  const acts = actsOf(attribute, node.opType, count);
  const zeros = op.constantOfShape(op.concat([op.shape(x, { start: 1, end: 2 }), ints(hidden)], { axis: 0 }), {
    value: fromNumbers(x.dtype ?? 'float64', [1], [0]),
  });
  const none = constant(
    fromNumbers(x.dtype ?? 'float64', [1, 2 * gates * hidden], new Array(2 * gates * hidden).fill(0)),
  );
  const tracks = Array.from({ length: count }, (_, d) => {
    const [wb, rb] = parts(each(b)[d] ?? none, 2, 1) as [Value, Value];
    const weights = { w: flat(each(w)[d]) as Value, r: flat(each(r)[d]) as Value, wb, rb, p: each(p)[d] };
    const clip = attribute('clip') as number | undefined;
    const options = { acts: acts[d] ?? [], clip, flag: (name: string) => Number(attribute(name) ?? 0) !== 0 };
    const state = [flat(each(h0)[d]) ?? zeros, flat(each(c0)[d]) ?? zeros];
    const limit = lens === undefined ? undefined : op.unsqueeze(lens, ints(1));
    const total = op.cast(op.squeeze(op.shape(x, { start: 0, end: 1 })), { to: 'int32' });
    const time = op.range(constant(fromNumbers('int32', [], [0])), total, constant(fromNumbers('int32', [], [1])));
    const backward = attribute('direction') === 'reverse' || d === 1;
    const [h, c, y] = op.scan(
      state,
      [x, time],
      (now, slices) => {
        const [xt, t] = slices as [Value, Value];
        const next = (cells[node.opType] as Cell)(xt, now as unknown as State, weights, options);
        if (limit === undefined) return { carried: next, scanned: [next[0]] };
        const on = op.less(t, limit);
        const kept = next.map((value, index) => op.where(on, value, now[index] as Value));
        return { carried: kept, scanned: [op.where(on, next[0], num(x, 0))] };
      },
      backward ? { scanInputDirections: [1, 1], scanOutputDirections: [1] } : {},
    ) as [Value, Value, Value];
    const some = (value: Value): Value =>
      limit === undefined
        ? value
        : op.where(op.greater(limit, constant(fromNumbers('int32', [], [0]))), value, num(x, 0));
    return [op.unsqueeze(y, ints(1)), op.unsqueeze(some(h), ints(0)), op.unsqueeze(some(c), ints(0))];
  });
  return node.outputs.map((_, index) => {
    const made = op.concat(
      tracks.map((track) => track[index] as Value),
      { axis: index === 0 ? 1 : 0 },
    );
    return batchFirst ? op.transpose(made, { perm: index === 0 ? [2, 0, 1, 3] : [1, 0, 2] }) : made;
  });
}

function actsOf(attribute: (name: string) => unknown, kind: string, count: number): Activate[][] {
  const defaults = usual[kind] ?? [];
  const given = (attribute('activations') as string[] | undefined) ?? new Array(count).fill(defaults).flat();
  const alphas = [...((attribute('activation_alpha') as number[] | undefined) ?? [])];
  const betas = [...((attribute('activation_beta') as number[] | undefined) ?? [])];
  const all = given.map((text: string): Activate => {
    const name = text.toLowerCase();
    const [a, b] = takes[name] ?? [];
    const alpha = a === undefined ? 0 : (alphas.shift() ?? a);
    const beta = b === undefined ? 0 : (betas.shift() ?? b);
    return (x) => (activations[name] as (x: Value, a: number, b: number) => Value)(x, alpha, beta);
  });
  return Array.from({ length: count }, (_, d) => all.slice(d * defaults.length, (d + 1) * defaults.length));
}
