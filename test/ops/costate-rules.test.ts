import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attribution } from '../../ops/attribution.ts';
import { coState, solution } from '../../ops/co-state.ts';
import { gibbsAttention, gibbsAttentionReading } from '../../ops/gibbs-attention.ts';
import { gibbsEntropy } from '../../ops/gibbs-entropy.ts';
import { gibbsWeights } from '../../ops/gibbs-weights.ts';
import { hopfCole } from '../../ops/hopf-cole.ts';
import { hopfLax } from '../../ops/hopf-lax.ts';
import { logSumExp } from '../../ops/log-sum-exp.ts';
import { mergeSolutions } from '../../ops/merge-solutions.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { hasPython, python } from '../support/python.ts';
import { type Case, normal, number32, runAll, worst } from './run.ts';

type Values = Readonly<Record<string, Value>>;

interface Rule {
  readonly name: string;
  /** In vjp.py. */
  readonly judge: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** The operator's outputs that are differentiated, in the judge's order; undefined where this form has not got one. */
  readonly build: (v: Values) => readonly (Value | undefined)[];
  readonly tolerance?: number;
}

function get(v: Values, name: string): Value {
  const value = v[name];
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}

/** The co-states of all float inputs, by the rule of the one call that made the outputs. */
function bars(
  v: Values,
  outputs: readonly (Value | undefined)[],
  names: readonly string[],
  seeds: Values,
): Record<string, Value> {
  const made = outputs.find((value) => value !== undefined);
  if (made?.source.kind !== 'output') throw new Error('not a call');
  const { node } = made.source;
  const rule = node.callee?.costate;
  if (rule === undefined) throw new Error(`${node.opType} has no rule`);
  const cotangents = node.outputs.map((output) => {
    const at = outputs.indexOf(output);
    return at < 0 ? undefined : seeds[`bar${at}`];
  });
  const result = rule(
    node,
    cotangents,
    node.inputs.map((value) => value?.dtype !== 'int64'),
  );
  const out: Record<string, Value> = {};
  node.inputs.forEach((value, index) => {
    const name = names.find((one) => v[one] === value);
    const bar = result[index];
    if (name !== undefined && bar !== undefined) out[`d_${name}`] = bar;
  });
  return out;
}

function shapeOf(value: Value): number[] {
  return (value.shape ?? []).map(Number);
}

/** The model of a rule, and what PyTorch is asked. */
function prepared(rule: Rule, dtype: 'float64' | 'float32' = 'float64'): { case: Case; ask: object } {
  const names = Object.keys(rule.inputs);
  const probe = Object.fromEntries(Object.entries(rule.inputs).map(([name, tensor]) => [name, constant(tensor)]));
  const seeds = Object.fromEntries(
    rule
      .build(probe)
      .flatMap((value, index) =>
        value === undefined ? [] : [[`bar${index}`, normal(dtype, shapeOf(value), 40 + index)] as const],
      ),
  );
  const encode = ({ dtype: type, shape, bytes }: Tensor): object => ({
    dtype: type,
    shape,
    data: Buffer.from(bytes).toString('base64'),
  });
  return {
    case: {
      inputs: { ...rule.inputs, ...seeds },
      outputs: (v) => bars(v, rule.build(v), names, v),
    },
    ask: {
      function: rule.judge,
      inputs: Object.fromEntries(Object.entries(rule.inputs).map(([name, tensor]) => [name, encode(tensor)])),
      bars: Object.fromEntries(Object.entries(seeds).map(([name, tensor]) => [name.slice(3), encode(tensor)])),
    },
  };
}

function judged(asks: readonly object[]): readonly Record<string, number[] | null>[] {
  const program = readFileSync(join(import.meta.dirname, 'vjp.py'), 'utf8');
  return JSON.parse(python(program, [], JSON.stringify(asks))) as Record<string, number[] | null>[];
}

const n = (shape: readonly number[], seed: number): Tensor => normal('float64', shape, seed);
const count = (k: number): Tensor => fromNumbers('int64', [], [k]);
const low = Number.NEGATIVE_INFINITY;
const atoms = { X: n([4, 3], 1), W: n([6, 3], 2), b: n([6], 3), epsilon: number32(0.7) };
const bank = { X: n([4, 3], 1), W: n([2, 6, 3], 2), b: n([2, 6], 3), epsilon: number32(0.7) };
const some = fromNumbers(
  'float64',
  [4, 6],
  Array.from({ length: 24 }, (_, i) => (i % 5 === 2 ? low : (i % 7) / 7)),
);
const call = (v: Values): [Value, Value, Value, Value] => [get(v, 'X'), get(v, 'W'), get(v, 'b'), get(v, 'epsilon')];
const data = { X: n([4, 3], 1), Y: n([6, 3], 2), g: n([6], 3), epsilon: number32(0.7), t: number32(0.8) };
const heads = { Q: n([2, 3, 4, 5], 1), K: n([2, 3, 6, 5], 2), V: n([2, 3, 6, 4], 3) };
const reading = (v: Values): Value[] => {
  const options = v.mask === undefined ? {} : { mask: v.mask };
  const {
    output,
    weights,
    entropy,
    logSumExp: value,
  } = gibbsAttentionReading(get(v, 'Q'), get(v, 'K'), get(v, 'V'), get(v, 'epsilon'), options);
  return [output, weights, entropy, value];
};
const ranked = (v: Values, options: object): Value[] => {
  const made = attribution(...call(v), get(v, 'k'), options);
  return [made.f, made.costate, made.entropy, made.weights, made.rest, made.top];
};
const falling = (tensor: Tensor): Tensor => {
  const rows = toNumbers(tensor).map(Math.abs);
  const width = tensor.shape.at(-1) ?? 1;
  const sorted = Array.from({ length: rows.length / width }, (_, i) =>
    [...rows.slice(i * width, (i + 1) * width)].sort((a, b) => b - a),
  ).flat();
  return fromNumbers('float64', tensor.shape, sorted);
};

const rules: readonly Rule[] = [
  { name: 'LogSumExp', judge: 'solution', inputs: atoms, build: (v) => [logSumExp(...call(v))] },
  { name: 'LogSumExp bank', judge: 'solution', inputs: bank, build: (v) => [logSumExp(...call(v))] },
  {
    name: 'LogSumExp mask',
    judge: 'solution',
    inputs: { ...atoms, mask: some },
    build: (v) => [logSumExp(...call(v), { mask: get(v, 'mask') })],
  },
  { name: 'CoState', judge: 'solution', inputs: atoms, build: (v) => [undefined, coState(...call(v))] },
  { name: 'CoState bank', judge: 'solution', inputs: bank, build: (v) => [undefined, coState(...call(v))] },
  { name: 'Solution', judge: 'solution', inputs: atoms, build: (v) => solution(...call(v)) },
  {
    name: 'Solution mask',
    judge: 'solution',
    inputs: { ...atoms, mask: some },
    build: (v) => solution(...call(v), { mask: get(v, 'mask') }),
  },
  {
    name: 'GibbsWeights',
    judge: 'weights',
    inputs: { Z: n([3, 4, 5], 1), epsilon: number32(0.6) },
    build: (v) => [gibbsWeights(get(v, 'Z'), get(v, 'epsilon'))],
  },
  {
    name: 'GibbsWeights per head',
    judge: 'weights',
    inputs: { Z: n([2, 3, 4, 5], 1), epsilon: fromNumbers('float32', [3, 1, 1], [0.5, 1, 2]) },
    build: (v) => [gibbsWeights(get(v, 'Z'), get(v, 'epsilon'))],
  },
  {
    name: 'GibbsEntropy',
    judge: 'entropy',
    inputs: { Z: n([3, 4, 5], 1), epsilon: number32(0.6) },
    build: (v) => [gibbsEntropy(get(v, 'Z'), get(v, 'epsilon'))],
  },
  {
    name: 'HopfCole',
    judge: 'hopf_cole',
    inputs: data,
    build: (v) => hopfCole(get(v, 'X'), get(v, 'Y'), get(v, 'g'), get(v, 'epsilon'), get(v, 't')),
  },
  {
    name: 'HopfCole metric',
    judge: 'hopf_cole',
    inputs: { ...data, L: fromNumbers('float64', [3, 3], [1.5, 9, 9, 0.3, 0.8, 9, -0.4, 0.2, 2]) },
    build: (v) =>
      hopfCole(get(v, 'X'), get(v, 'Y'), get(v, 'g'), get(v, 'epsilon'), get(v, 't'), { metric: get(v, 'L') }),
  },
  {
    name: 'HopfLax',
    judge: 'hopf_lax',
    inputs: { X: data.X, Y: data.Y, g: data.g, t: data.t },
    build: (v) => [hopfLax(get(v, 'X'), get(v, 'Y'), get(v, 'g'), get(v, 't'))[0]],
  },
  {
    name: 'GibbsAttention',
    judge: 'attention',
    inputs: { ...heads, epsilon: number32(2) },
    build: (v) => [gibbsAttention(get(v, 'Q'), get(v, 'K'), get(v, 'V'), get(v, 'epsilon'))],
  },
  {
    name: 'GibbsAttention reading',
    judge: 'attention',
    inputs: { ...heads, epsilon: fromNumbers('float32', [3, 1, 1], [0.5, 1, 2]) },
    build: reading,
  },
  {
    name: 'GibbsAttention mask',
    judge: 'attention',
    inputs: { ...heads, epsilon: number32(2), mask: some },
    build: reading,
  },
  {
    name: 'Attribution',
    judge: 'attribution',
    inputs: { ...atoms, k: count(3) },
    build: (v) => ranked(v, { form: 'dense' }),
  },
  {
    name: 'MergeSolutions',
    judge: 'merge',
    inputs: {
      F: n([3, 4], 1),
      P: n([3, 4, 5], 2),
      H: n([3, 4], 3),
      weights: falling(n([3, 4, 2], 4)),
      indices: fromNumbers(
        'int64',
        [3, 4, 2],
        Array.from({ length: 24 }, (_, i) => i % 2),
      ),
      F_rest: n([3, 4], 5),
      top: n([3, 4], 6),
      offsets: fromNumbers('int64', [3], [0, 2, 4]),
      epsilon: number32(0.7),
      k: count(3),
    },
    build: (v) => {
      const of = (name: string): Value => get(v, name);
      const shards = {
        f: of('F'),
        costate: of('P'),
        entropy: of('H'),
        weights: of('weights'),
        indices: of('indices'),
        rest: of('F_rest'),
        top: of('top'),
      };
      const made = mergeSolutions(shards, of('offsets'), of('epsilon'), constant(count(3)));
      return [made.f, made.costate, made.entropy, made.weights, made.rest, made.top];
    },
  },
];

describe.skipIf(!hasPython)('co-state rules', () => {
  it('equal PyTorch, for every input, to float64', () => {
    const ready = rules.map((rule) => prepared(rule));
    const got = runAll(ready.map((one) => one.case));
    const exact = judged(ready.map((one) => one.ask));
    rules.forEach((rule, index) => {
      for (const [name, expected] of Object.entries(exact[index] ?? {})) {
        const bar = got[index]?.[`d_${name}`];
        if (expected === null || expected.every((value) => value === 0)) continue;
        // epsilon and t are float32, and so are their co-states.
        const tolerance = name === 'epsilon' || name === 't' ? 2e-6 : 1e-11;
        const scale = Math.max(1, ...expected.map(Math.abs));
        expect(
          worst(bar ?? [], expected, scale),
          `${rule.name} d${name}: ${bar?.slice(0, 4)} for ${expected.slice(0, 4)}`,
        ).toBeLessThan(tolerance);
      }
    });
  });

  it('are the same whatever the form of the atoms', () => {
    const forms = [{ form: 'dense' }, { form: 'blocked', blockSize: 2 }] as const;
    const cases = forms.map((options): Case => {
      const build = (v: Values): Record<string, Value> => {
        const blocks = (value: Value, size: number): Value[] =>
          options.form === 'dense'
            ? [value]
            : [0, 2, 4].map((from) => op.slice(value, at(from), at(from + size), at(0)));
        const [x, w, b, epsilon] = call(v);
        const [ws, bs] = [blocks(w, 2), blocks(b, 2)];
        const given: [Value, Value[] | Value, Value[] | Value, Value] =
          options.form === 'dense' ? [x, w, b, epsilon] : [x, ws, bs, epsilon];
        const mask = get(v, 'mask');
        const [f, p] = solution(...given, { mask });
        const rank = attribution(...given, constant(count(2)), { mask });
        const collect = (outputs: readonly Value[], prefix: string): [string, Value][] => {
          const [made] = outputs;
          if (made?.source.kind !== 'output') throw new Error('not a call');
          const { node } = made.source;
          const cotangents = node.outputs.map((output) => (output.dtype === 'int64' ? undefined : op.cos(output)));
          const result =
            node.callee?.costate?.(
              node,
              cotangents,
              node.inputs.map(() => true),
            ) ?? [];
          const k = ws.length;
          const whole = (values: readonly (Value | undefined)[]): Value =>
            op.concat(
              values.filter((value) => value !== undefined),
              { axis: 0 },
            );
          const rest = result.slice(1 + 2 * k);
          return [
            [`${prefix}X`, result[0]],
            [`${prefix}W`, whole(result.slice(1, 1 + k))],
            [`${prefix}b`, whole(result.slice(1 + k, 1 + 2 * k))],
            [`${prefix}epsilon`, rest[0]],
            [`${prefix}mask`, rest.at(-1)],
          ].filter((entry): entry is [string, Value] => entry[1] !== undefined);
        };
        return Object.fromEntries([...collect([f, p], 'solution_'), ...collect([rank.f], 'attribution_')]);
      };
      return { inputs: { ...atoms, mask: some }, outputs: build };
    });
    const [dense, blocked] = runAll(cases);
    expect(Object.keys(dense ?? {}).length).toBe(10);
    for (const [name, expected] of Object.entries(dense ?? {}))
      expect(worst(blocked?.[name] ?? [], expected), name).toBeLessThan(name.endsWith('epsilon') ? 1e-6 : 1e-12);
  });

  it('stay finite where every atom of a row is masked, and in float32 at logits of 1e4 and epsilon 1e-6', () => {
    const none = fromNumbers('float32', [2, 3], [low, low, low, 0, low, 0]);
    const cases = [1, 1e-6].map((epsilon): Case => {
      const inputs = {
        X: normal('float32', [2, 3], 1, 100),
        W: normal('float32', [3, 3], 2, 100),
        b: normal('float32', [3], 3),
        epsilon: number32(epsilon),
        mask: none,
      };
      return {
        inputs,
        outputs: (v) => {
          const outputs = solution(...call(v), { mask: get(v, 'mask') });
          const [made] = outputs;
          if (made.source.kind !== 'output') throw new Error('not a call');
          const { node } = made.source;
          const ones = node.outputs.map((output) =>
            op.add(
              op.mul(output, constant(fromNumbers('float32', [], [0]))),
              constant(fromNumbers('float32', [], [1])),
            ),
          );
          const seeds = [
            op.where(op.isNaN(ones[0] as Value), constant(fromNumbers('float32', [], [1])), ones[0] as Value),
            ones[1],
          ];
          const result =
            node.callee?.costate?.(
              node,
              seeds,
              node.inputs.map(() => true),
            ) ?? [];
          return Object.fromEntries(
            result.flatMap((value, index) => (value === undefined ? [] : [[`bar${index}`, value]])),
          );
        },
      };
    });
    for (const got of runAll(cases))
      for (const [name, values] of Object.entries(got))
        expect(values.every(Number.isFinite), `${name}: ${values}`).toBe(true);
  });
});

function at(index: number): Value {
  return constant(fromNumbers('int64', [1], [index]));
}
