import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import * as op13 from '../../src/graph/generated/opset13.ts';
import * as op22 from '../../src/graph/generated/opset22.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { between, type Case, judged, whole } from './judge.ts';
import { asScans } from './recurrent-scan.ts';

const inTorch = readFileSync(join(import.meta.dirname, 'recurrent.py'), 'utf8');

type Kind = 'LSTM' | 'GRU' | 'RNN';
type Attributes = Readonly<Record<string, string | number | readonly number[] | readonly string[]>>;

interface Call {
  readonly kind: Kind;
  /** Optional inputs that are given: B, lengths, initial states, peepholes. */
  readonly given?: string;
  readonly attributes?: Attributes;
  /** Activations, from that place of the list on. */
  readonly from?: number;
  /** Which of Y, Y_h and Y_c are outputs: 'y', 'h', 'c'. */
  readonly outputs?: string;
  readonly sizes?: readonly [time: number, batch: number, input: number, hidden: number];
  readonly lengths?: readonly number[];
  /** By PyTorch's own module instead of step by step. */
  readonly module?: true;
  /** First order only: what differs does so in the first already. */
  readonly first?: boolean;
  readonly opset?: 13 | 21 | 22;
}

const operators = { 13: op13, 21: op, 22: op22 };

function recurrent(name: string, call: Call): Case {
  const { kind, opset = 21 } = call;
  const lstm = kind === 'LSTM';
  const given = [...(call.given ?? 'b')].filter((one) => lstm || !'cp'.includes(one)).join('');
  const outputs = [...(call.outputs ?? 'yhc')].filter((one) => lstm || one !== 'c').join('') || 'h';
  const foreign = lstm
    ? ['linearBeforeReset']
    : kind === 'GRU'
      ? ['inputForget']
      : ['inputForget', 'linearBeforeReset'];
  const direction = call.attributes?.direction ?? 'forward';
  const attributes: Attributes = Object.fromEntries(
    Object.entries({
      ...call.attributes,
      ...(call.from === undefined
        ? {}
        : activated(call.from, (direction === 'bidirectional' ? 2 : 1) * (lstm ? 3 : kind === 'GRU' ? 2 : 1))),
    }).filter(([key]) => !foreign.includes(key)),
  );
  const [time, batch, width, hidden] = call.sizes ?? [4, 3, 2, 3];
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }[kind];
  const count = attributes.direction === 'bidirectional' ? 2 : 1;
  const first = attributes.layout === 1;
  const state = first ? [batch, count, hidden] : [count, batch, hidden];
  const all: Record<string, Case['inputs'][string]> = {
    x: first ? [batch, time, width] : [time, batch, width],
    // Small enough for activations without a bound.
    w: between([count, gates * hidden, width], 2, -0.8, 0.8),
    r: between([count, gates * hidden, hidden], 3, -0.8, 0.8),
    b: between([count, 2 * gates * hidden], 4, -0.8, 0.8),
    lens: whole(
      'int32',
      [batch],
      call.lengths ?? Array.from({ length: batch }, (_, index) => 1 + ((index + 3) % time)),
    ),
    h0: state,
    c0: state,
    p: between([count, 3 * hidden], 5, -0.8, 0.8),
  };
  const letters: Readonly<Record<string, string>> = { b: 'b', l: 'lens', h: 'h0', c: 'c0', p: 'p' };
  const names = [
    'x',
    'w',
    'r',
    ...Object.keys(letters).flatMap((one) => (given.includes(one) ? [letters[one] as string] : [])),
  ];
  const chosen = [...outputs].map((one) => 'yhc'.indexOf(one));
  const asked = { hiddenSize: hidden, ...attributes };
  const last = `${call.module ? 'module' : 'recurrent'}('${kind}', ${JSON.stringify(asked).replaceAll('true', 'True')}, ${names
    .map((one) => `${one}=${one}`)
    .join(', ')})`;
  return {
    name: `${kind} ${name}`,
    inputs: Object.fromEntries(names.map((one) => [one, all[one] as Case['inputs'][string]])),
    build: (v) => {
      const [x, w, r] = [v.x, v.w, v.r] as [Value, Value, Value];
      const made: readonly Value[] =
        kind === 'LSTM'
          ? operators[opset].lstm(x, w, r, v.b, v.lens, v.h0, v.c0, v.p, asked)
          : operators[opset][kind === 'GRU' ? 'gru' : 'rnn'](x, w, r, v.b, v.lens, v.h0, asked);
      return chosen.map((index) => made[index] as Value);
    },
    torch: `${inTorch}\nmade = ${last}\nreturn [made[k] for k in ${JSON.stringify(chosen)}]`,
    wide: asScans,
    ...(call.first ? { second: false as const } : {}),
    // Shapes and activations have nothing to do with each other.
    ...(call.from === undefined ? {} : { static: true as const }),
    opset,
  };
}

const kinds: readonly Kind[] = ['LSTM', 'GRU', 'RNN'];
const each = (name: string, call: Omit<Call, 'kind'>): Case[] =>
  kinds.map((kind) => recurrent(name, { kind, ...call }));
const directions = ['forward', 'reverse', 'bidirectional'];

/** All of ONNX's activations, with alpha and beta where they take them. */
const activations: readonly (readonly [name: string, alpha?: number, beta?: number])[] = [
  ['Relu'],
  ['Affine', 0.25, 0.125],
  ['Tanh'],
  ['LeakyRelu', 0.125],
  ['HardSigmoid', 0.5, 0.375],
  ['ThresholdedRelu', 0.25],
  ['Sigmoid'],
  ['Softsign'],
  ['ScaledTanh', 1.5, 0.75],
  ['Elu', -0.5],
  ['LeakyRelu', -0.5],
  ['Softplus'],
  ['ThresholdedRelu', -0.25],
  ['Elu', 0.5],
];

/** So many of them, from `start` on. */
function activated(start: number, count: number): Attributes {
  const chosen = Array.from({ length: count }, (_, index) => activations[(start + index) % activations.length]);
  const [alphas, betas] = [chosen.flatMap((one) => one?.[1] ?? []), chosen.flatMap((one) => one?.[2] ?? [])];
  return {
    activations: chosen.map((one) => one?.[0] ?? ''),
    ...(alphas.length > 0 ? { activationAlpha: alphas } : {}),
    ...(betas.length > 0 ? { activationBeta: betas } : {}),
  };
}

/** Sizes, directions, optional inputs and lengths as they come; always the same. */
const drawn = fc.sample(
  fc.record({
    kind: fc.constantFrom(...kinds),
    sizes: fc.tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
    ),
    direction: fc.constantFrom(...directions),
    given: fc.subarray([...'blhcp']).map((letters) => letters.join('')),
    linearBeforeReset: fc.integer({ min: 0, max: 1 }),
    part: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 4, maxLength: 4 }),
  }),
  { seed: 20, numRuns: 8 },
);

const cases: readonly Case[] = [
  ...drawn.map(({ kind, sizes, direction, given, linearBeforeReset, part }, index) =>
    recurrent(`drawn, ${index}`, {
      kind,
      sizes,
      given,
      lengths: part.slice(0, sizes[1]).map((share, k) => (k === 0 ? sizes[0] : Math.floor(share * (sizes[0] + 1)))),
      attributes: { direction, linearBeforeReset },
      first: true,
    }),
  ),
  ...each('as PyTorch has it', { module: true, given: 'bhc', attributes: { linearBeforeReset: 1 } }),
  ...each('as PyTorch has it, both ways', {
    module: true,
    given: 'bhc',
    attributes: { linearBeforeReset: 1, direction: 'bidirectional' },
  }),
  ...each('as PyTorch has packed sequences', {
    module: true,
    given: 'blhc',
    lengths: [4, 3, 1],
    attributes: { linearBeforeReset: 1, direction: 'bidirectional' },
  }),
  ...directions.flatMap((direction) => {
    const first = direction !== 'bidirectional';
    return [
      ...each(`${direction}, no optional input`, { given: '', attributes: { direction }, first: true }),
      ...each(`${direction}, every optional input`, {
        given: 'blhcp',
        lengths: [4, 0, 3],
        attributes: { direction },
        first,
      }),
      ...each(`${direction}, lengths and zero states`, {
        given: 'bl',
        lengths: [2, 4, 1],
        attributes: { direction },
        first: true,
      }),
      ...each(`${direction}, clip, coupled gates, reset last`, {
        given: 'bhc',
        attributes: { direction, clip: 0.375, inputForget: 1, linearBeforeReset: 1 },
        first,
      }),
      ...each(`${direction}, clip, coupled gates, peepholes, lengths, reset last`, {
        given: 'blhcp',
        attributes: { direction, clip: 0.375, inputForget: 1, linearBeforeReset: 1 },
        first,
      }),
    ];
  }),
  ...each('batch first', { given: 'blhcp', attributes: { direction: 'bidirectional', layout: 1 }, first: true }),
  ...each('only Y', { outputs: 'y', first: true }),
  ...each('only Y_h', { outputs: 'h', given: 'bhc' }),
  ...each('only Y_c', { outputs: 'c', given: 'bhcl' }),
  ...each('one step', { sizes: [1, 2, 3, 2], given: 'bhcp' }),
  ...each('one of each', { sizes: [1, 1, 1, 1], first: true }),
  ...each('clip', { attributes: { clip: 0.25 }, first: true }),
  ...each('of opset 13', { given: 'bhc', opset: 13, first: true }),
  ...each('of opset 22', { given: 'bhc', opset: 22 }),
  ...[0, 3, 6, 9, 12].flatMap((from) =>
    each(`activations from ${from} on`, {
      given: 'bp',
      outputs: 'yc',
      from,
      attributes: { direction: 'bidirectional' },
    }),
  ),
  ...[2, 4, 8, 10].map((from) =>
    recurrent(`activations from ${from} on`, { kind: 'RNN', from, attributes: { direction: 'bidirectional' } }),
  ),
  ...['LeakyRelu', 'ThresholdedRelu', 'HardSigmoid', 'Elu'].map((name) =>
    recurrent(`${name} by default`, { kind: 'RNN', attributes: { activations: [name] }, first: true }),
  ),
];

judged('co-states of recurrent operators', cases);
