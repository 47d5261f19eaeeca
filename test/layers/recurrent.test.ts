import { join } from 'node:path';
import { judgedByTorch } from './judge.ts';

const forms = ['operator', 'scan'] as const;
const kinds = ['rnn', 'gru', 'lstm'] as const;

interface Asked {
  readonly states?: boolean;
  readonly lengths?: boolean;
  readonly timeFirst?: boolean;
  readonly unbatched?: boolean;
}

/** One recurrent layer called `net`, its states as inputs and outputs. */
function spec(kind: string, options: object, { states = true, lengths = false, timeFirst, unbatched }: Asked = {}) {
  const lstm = kind === 'lstm';
  const batch = unbatched ? [] : ['batch'];
  const x = { name: 'x', shape: unbatched ? ['time', 4] : timeFirst ? ['time', 'batch', 4] : ['batch', 'time', 4] };
  const state = (name: string) => ({ name, shape: [`${name}_layers`, ...batch, `${name}_features`] });
  const given = states ? ['h0', ...(lstm ? ['c0'] : [])] : [];
  const more = { ...(lengths ? { lengths: 'lengths' } : {}), ...(timeFirst ? { batchFirst: false } : {}) };
  return {
    inputs: [x, ...given.map(state)],
    layers: [{ kind, name: 'net', from: ['x', ...given], ...more, ...options }],
    outputs: { h_n: 'net.h_n', ...(lstm ? { c_n: 'net.c_n' } : {}) },
  };
}

const last = (kind: string, form: string) => ({
  inputs: [{ name: 'x', shape: ['batch', 'time', 4] }],
  layers: [
    { kind, name: 'net', form },
    { kind: 'linear', name: 'fc', from: 'net.last' },
  ],
});

const networks = forms.flatMap((form) =>
  kinds.flatMap((kind) => [
    { name: `${kind}-plain`, build: spec(kind, { form }, { states: false }) },
    { name: `${kind}-deep`, build: spec(kind, { form, layers: 2, bidirectional: true, hidden: 6 }) },
    { name: `${kind}-packed`, build: spec(kind, { form }, { lengths: true }) },
    { name: `${kind}-time-first`, build: spec(kind, { form, bias: false }, { timeFirst: true }) },
    { name: `${kind}-unbatched`, build: spec(kind, { form }, { unbatched: true }) },
    { name: `${kind}-last`, build: last(kind, form) },
  ]),
);

const cell = (kind: string, states: readonly string[], options: object = {}) => ({
  inputs: [{ name: 'x', shape: ['batch', 4] }, ...states.map((name) => ({ name, shape: ['batch', 6] }))],
  layers: [{ kind: `${kind}-cell`, name: 'cell', from: ['x', ...states], ...options }],
  outputs: kind === 'lstm' ? { c_n: 'cell.c' } : {},
});

const tagger = (options: object = {}, ...after: object[]) => ({
  inputs: [{ name: 'tokens', dtype: 'int64', shape: ['batch', 'time'] }],
  layers: [{ kind: 'lstm-tagger', ...options }, ...after],
});

judgedByTorch('recurrent networks', join(import.meta.dirname, 'recurrent.py'), [
  ...networks,
  ...forms.map((form) => ({ name: 'rnn-relu', build: spec('rnn', { form, nonlinearity: 'relu' }) })),
  { name: 'lstm-projected', build: spec('lstm', {}, { lengths: true }) },
  { name: 'rnn-cell', build: cell('rnn', ['h']) },
  { name: 'rnn-relu-cell', build: cell('rnn', ['h'], { nonlinearity: 'relu', bias: false }) },
  { name: 'gru-cell', build: cell('gru', ['h']) },
  { name: 'lstm-cell', build: cell('lstm', ['h', 'c']) },
  { name: 'lstm-cell-from-zero', build: cell('lstm', []) },
  { name: 'tagger', build: tagger({ paddingIdx: 0 }) },
  { name: 'tagger-lengths', build: tagger({ paddingIdx: 0, lengths: 'lengths' }) },
  {
    name: 'tagger-renamed',
    build: tagger({
      cell: 'gru',
      head: 0.5,
      names: { embedding: 'words', recurrent: 'rnn', classifier: 'classifier' },
    }),
  },
  { name: 'tagger-lse', build: tagger({ epsilon: 0.5, form: 'scan' }) },
  { name: 'tagger-crf', build: { ...tagger({}, { kind: 'viterbi', name: 'crf' }), outputs: { score: 'crf.score' } } },
]);
