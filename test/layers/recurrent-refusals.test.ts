import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { fresh } from '../../src/layers/module.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { gruCell, lstmCell } from '../../src/layers/recurrent/cells.ts';
import { gru, lstm, rnn } from '../../src/layers/recurrent/recurrent.ts';
import { hmm, viterbi } from '../../src/layers/semiring.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';

const [IN, H] = [4, 5];
const zeros = (shape: readonly number[]) =>
  fromNumbers('float32', shape, new Float64Array(shape.reduce((a, b) => a * b, 1)));

function refusal(make: () => unknown): HopfcoleError {
  try {
    make();
  } catch (error) {
    if (error instanceof HopfcoleError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('what does not fit', () => {
  const x = input('x', 'float32', ['batch', 'time', IN]);
  const net = () => fresh().at('net');
  it.each<[string, () => unknown, string, RegExp]>([
    [
      'no steps',
      () => lstm(net(), input('x', 'float32', ['batch', 0, IN]), { hidden: H }),
      'SHAPE_MISMATCH',
      /layer 'net' \(lstm\) expects a sequence of at least one step, but input 'x' gives length 0/,
    ],
    [
      'a state of other layers',
      () => lstm(net(), x, { hidden: H, layers: 2, initial: input('h0', 'float32', [1, 'batch', H]) }),
      'SHAPE_MISMATCH',
      /initial of shape \[2, batch, 5\] \(layers \* directions, batch, features\), but input 'h0' gives \[1, batch, 5\]/,
    ],
    [
      'a state of other features',
      () => gru(net(), x, { hidden: H, initial: input('h0', 'float32', [1, 'batch', 6]) }),
      'SHAPE_MISMATCH',
      /got|gives \[1, batch, 6\]/,
    ],
    [
      'a cell of the projection',
      () => lstm(net(), x, { hidden: H, projection: 2, initialCell: input('c0', 'float32', [1, 'batch', 2]) }),
      'SHAPE_MISMATCH',
      /initialCell of shape \[1, batch, 5\]/,
    ],
    [
      'a state without batch',
      () => rnn(net(), x, { hidden: H, initial: input('h0', 'float32', [1, H]) }),
      'SHAPE_MISMATCH',
      /gives \[1, 5\]/,
    ],
    [
      'lengths of floats',
      () => rnn(net(), x, { hidden: H, lengths: input('n', 'float32', ['batch']) }),
      'DTYPE_MISMATCH',
      /lengths of int64 or int32, but input 'n' gives float32/,
    ],
    [
      'lengths by step',
      () => rnn(net(), x, { hidden: H, lengths: input('n', 'int64', ['batch', 'time']) }),
      'SHAPE_MISMATCH',
      /lengths of shape \[batch\]/,
    ],
    [
      'another batch of lengths',
      () => rnn(net(), input('x', 'float32', [2, 'time', IN]), { hidden: H, lengths: input('n', 'int64', [3]) }),
      'SHAPE_MISMATCH',
      /lengths of shape \[2\]/,
    ],
    [
      'an image',
      () => gru(net(), input('x', 'float32', ['batch', 3, 8, 8]), { hidden: H }),
      'SHAPE_MISMATCH',
      /expects the axes \[batch, time, features\]/,
    ],
    [
      'other features',
      () => gru(net(), x, { hidden: H, in: 9 }),
      'SHAPE_MISMATCH',
      /expects 9 input features, but input 'x' gives 4/,
    ],
    ['no size', () => gru(net(), x), 'BAD_SPEC', /does not say "hidden"/],
    [
      'an operator with a projection',
      () => lstm(net(), x, { hidden: H, projection: 2, form: 'operator' }),
      'BAD_ARGUMENT',
      /no operator/,
    ],
    [
      'a projection to more',
      () => lstm(net(), x, { hidden: H, projection: 5 }),
      'BAD_SPEC',
      /fewer than 5 features, got 5/,
    ],
    [
      'a sequence for a cell',
      () => gruCell(net(), x, { hidden: H }),
      'SHAPE_MISMATCH',
      /expects the axes \[batch, features\]/,
    ],
    [
      'a state of a cell',
      () =>
        lstmCell(net(), input('x', 'float32', ['batch', IN]), { hidden: H, c: input('c', 'float32', ['batch', 4]) }),
      'SHAPE_MISMATCH',
      /c of shape \[batch, 5\]/,
    ],
    [
      'no steps of emissions',
      () => hmm(net(), input('x', 'float32', ['batch', 0, 3])),
      'SHAPE_MISMATCH',
      /at least one step, but input 'x' gives length 0/,
    ],
    [
      'symbols without their number',
      () => hmm(net(), input('x', 'int64', ['batch', 'time']), { states: 3 }),
      'BAD_SPEC',
      /does not say "symbols"/,
    ],
    [
      'emissions of other states',
      () => viterbi(net(), x, { states: 3 }),
      'SHAPE_MISMATCH',
      /\(viterbi\) expects 3 input features, but input 'x' gives 4/,
    ],
    [
      'emissions without time',
      () => viterbi(net(), input('x', 'float32', ['batch', 3])),
      'SHAPE_MISMATCH',
      /\[batch, time, states\]/,
    ],
    ['an epsilon of 0', () => hmm(net(), x, { epsilon: 0 }), 'BAD_EPSILON', /epsilon > 0/],
  ])('%s', (_, make, code, words) => {
    const error = refusal(make);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(words);
  });

  const spec = (layer: object) =>
    parseSpec({ inputs: [{ name: 'x', shape: ['batch', 'time', IN] }], layers: [{ name: 'net', ...layer }] });

  it('a state of an LSTM alone, at its JSON path', () => {
    const error = refusal(() =>
      buildNetwork(
        parseSpec({
          inputs: [
            { name: 'x', shape: ['batch', 'time', IN] },
            { name: 'h0', shape: [1, 'batch', H] },
          ],
          layers: [{ kind: 'lstm', hidden: H, from: ['x', 'h0'] }],
        }),
        0,
      ),
    );
    expect(error.line()).toMatch(/expects h and c, got one state .*\$\.layers\[0\]/);
  });

  it('lists every parameter of a checkpoint that is missing or misshapen', () => {
    const tensors = new Map([
      ['net.weight_ih_l0', zeros([4 * H, IN + 1])],
      ['net.weight_hh_l0', zeros([4 * H, H - 1])],
      ['net.bias_ih_l0', zeros([4 * H])],
    ]);
    const { message } = refusal(() => importNetwork(spec({ kind: 'lstm' }), tensors));
    expect(message).toContain('missing: net.bias_hh_l0');
    expect(message).toContain('net.weight_ih_l0 expected [20, 4], got [20, 5]');
    expect(message).toContain('net.weight_hh_l0 expected [20, 5], got [20, 4]');
  });

  it('a checkpoint of another kind', () => {
    const tensors = stateDictOf(buildNetwork(spec({ kind: 'gru', hidden: 4 }), 0).model);
    expect(refusal(() => importNetwork(spec({ kind: 'lstm', hidden: 4 }), tensors)).message).toContain(
      'net.weight_ih_l0 expected [16, 4], got [12, 4]',
    );
  });

  it('more layers or directions than the specification has are unused', () => {
    const tensors = stateDictOf(
      buildNetwork(spec({ kind: 'gru', hidden: 4, layers: 2, bidirectional: true }), 0).model,
    );
    const { parameters } = importNetwork(spec({ kind: 'gru', layers: 1, bidirectional: true }), tensors);
    expect(parameters.unused).toContain('net.weight_hh_l1_reverse');
    expect(importNetwork(spec({ kind: 'gru' }), tensors).parameters.unused).toEqual([]);
  });
});
