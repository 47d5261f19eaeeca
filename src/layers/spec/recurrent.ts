import * as z from 'zod';
import { HopfcoleError } from '../../files/error.ts';
import type { Value } from '../../graph/value.ts';
import { lstmTagger } from '../models/tagger.ts';
import { gruCell, lstmCell, rnnCell } from '../recurrent/cells.ts';
import type { RecurrentValues } from '../recurrent/options.ts';
import { gru, lstm, rnn } from '../recurrent/recurrent.ts';
import { epsilon, kind, type LayerKind, type Place, size } from './kind.ts';

const nonlinearity = z.enum(['tanh', 'relu']).default('tanh');

const cellFields = {
  in: size.optional().describe('input features; sizes may be left out where a checkpoint gives them'),
  hidden: size.optional().describe('features of the state'),
  bias: z.boolean().default(true),
};

const fields = {
  ...cellFields,
  layers: size.max(10_000).optional().describe('default: as many as the checkpoint has, or 1'),
  bidirectional: z.boolean().optional().describe('default: as the checkpoint has, or false'),
  batchFirst: z.boolean().default(true).describe("x is [batch, time, in]; false: [time, batch, in], PyTorch's default"),
  form: z
    .enum(['operator', 'scan'])
    .optional()
    .describe('one ONNX operator for each layer, or an explicit Scan of the Hamilton-Jacobi step: the same numbers'),
  dropout: z.number().min(0).lt(1).default(0).describe('between the layers, in training'),
  training: z
    .string()
    .min(1)
    .optional()
    .describe('name of a bool input that switches dropout on; without it there is none'),
  lengths: z
    .string()
    .min(1)
    .optional()
    .describe(
      'name of an int64 input [batch], the length of each sequence, as packed sequences; made where it is not there',
    ),
};

/** h_n, c_n and the last layer's final state, under PyTorch's names. */
function offer({ expose }: Pick<Place<unknown>, 'expose'>, values: RecurrentValues & { readonly c?: Value }): Value {
  expose('h_n', values.h);
  expose('last', values.last);
  if (values.c !== undefined) expose('c_n', values.c);
  return values.output;
}

interface Wanted {
  readonly lengths?: string | undefined;
  readonly training?: string | undefined;
  readonly batchFirst?: boolean;
}

/** The graph's inputs that the options name. */
function wanted({ input, options, graphInput }: Place<Wanted>): {
  lengths: Value | undefined;
  training: Value | undefined;
} {
  const { lengths, training, batchFirst = true } = options;
  const batch = input.dtype === 'int64' || input.shape?.length === 3 ? input.shape?.[batchFirst ? 0 : 1] : 1;
  return {
    lengths: lengths === undefined ? undefined : graphInput(lengths, 'int64', [batch]),
    training: training === undefined ? undefined : graphInput(training, 'bool', []),
  };
}

/** @throws BAD_SPEC where one state of an LSTM is given without the other. */
function both(place: Place<unknown>): readonly [h: Value | undefined, c: Value | undefined] {
  const [, h, c] = place.inputs;
  if (place.inputs.length === 2)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${place.module.describe()} expects h and c, got one state`,
      {},
      'Name both in "from"',
    );
  return [h, c];
}

/** Recurrent networks and single cells. Initial states follow x in "from": h, and c of an LSTM. */
export const recurrentKinds: readonly LayerKind[] = [
  kind(
    'rnn',
    { ...fields, nonlinearity },
    (place) => {
      const { module, input, inputs, options } = place;
      return offer(place, rnn(module, input, { ...options, initial: inputs[1], ...wanted(place) }));
    },
    {
      takes: [1, 2],
      about:
        "nn.RNN of 1..n layers in one or both directions: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ..._reverse; from: x and h_0; a further output each for the final states (h_n, in PyTorch's shape) and the last layer's (last).",
    },
  ),
  kind(
    'gru',
    fields,
    (place) => {
      const { module, input, inputs, options } = place;
      return offer(place, gru(module, input, { ...options, initial: inputs[1], ...wanted(place) }));
    },
    {
      takes: [1, 2],
      about:
        "nn.GRU, with nn.RNN's names; from: x and h_0; a further output each for the final states (h_n, in PyTorch's shape) and the last layer's (last).",
    },
  ),
  kind(
    'lstm',
    { ...fields, projection: size.optional().describe('proj_size: h = W_hr (o * tanh c) of so many features') },
    (place) => {
      const { module, input, options } = place;
      const [initial, initialCell] = both(place);
      return offer(place, lstm(module, input, { ...options, initial, initialCell, ...wanted(place) }));
    },
    {
      takes: [1, 3],
      about:
        "nn.LSTM, with nn.RNN's names (gates i, f, g, o), and weight_hr_l0 with a projection; from: x, h_0 and c_0; further outputs h_n, c_n and last.",
    },
  ),
  kind(
    'rnn-cell',
    { ...cellFields, nonlinearity },
    ({ module, input, inputs, options }) => rnnCell(module, input, { ...options, h: inputs[1] }),
    { takes: [1, 2], about: 'nn.RNNCell: one step, [batch, in] and h -> h.' },
  ),
  kind(
    'gru-cell',
    cellFields,
    ({ module, input, inputs, options }) => gruCell(module, input, { ...options, h: inputs[1] }),
    { takes: [1, 2], about: 'nn.GRUCell: one step, [batch, in] and h -> h.' },
  ),
  kind(
    'lstm-cell',
    cellFields,
    (place) => {
      const { module, input, options, expose } = place;
      const [before, cell] = both(place);
      const { h, c } = lstmCell(module, input, { ...options, h: before, c: cell });
      expose('c', c);
      return h;
    },
    { takes: [1, 3], about: 'nn.LSTMCell: one step, [batch, in], h and c -> h; further output c.' },
  ),
  kind(
    'lstm-tagger',
    {
      vocabulary: size
        .optional()
        .describe('rows of the embedding; sizes may be left out where a checkpoint gives them'),
      features: size.optional().describe('features of the embedding'),
      hidden: size.optional().describe('features of the state, by direction'),
      tags: size.optional(),
      layers: fields.layers,
      bidirectional: z.boolean().optional().describe('default: as the checkpoint has, or true'),
      paddingIdx: z.int().optional(),
      cell: z.enum(['lstm', 'gru', 'rnn']).default('lstm'),
      form: fields.form,
      lengths: fields.lengths,
      dropout: fields.dropout,
      training: fields.training,
      atoms: size.optional().describe('each tag is a log-sum-exp unit of so many atoms; default: linear scores'),
      epsilon: epsilon.optional().describe('of the log-sum-exp units; saying it asks for them'),
      head: epsilon.optional().describe('ends in softmax weights of the tags at this temperature'),
      names: z
        .strictObject({
          embedding: z.string().min(1).default('embedding'),
          recurrent: z.string().min(1).optional().describe('default: the name of the cell'),
          classifier: z.string().min(1).default('fc'),
        })
        .optional()
        .describe('names of the parts in the state dict'),
    },
    (place) => lstmTagger(place.module, place.input, { ...place.options, ...wanted(place) }),
    {
      root: true,
      about:
        'Embedding, recurrent network, a score for every tag at every step: embedding.weight, lstm.weight_ih_l0, ..., fc.weight; int64 tokens [batch, time] -> [batch, time, tags]. With viterbi after it a linear-chain CRF.',
    },
  ),
];
