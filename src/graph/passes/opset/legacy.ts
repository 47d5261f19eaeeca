import { dtypes } from '../../../files/dtype.ts';
import { fromNumbers } from '../../../files/tensor.ts';
import { constant } from '../../make.ts';
import { int64, textOf } from '../constants.ts';
import {
  type Conversion,
  type Conversions,
  helper,
  integer,
  numberOf,
  unsupported,
  withAttributes,
} from './conversion.ts';

/** Before opset 7 the second operand was broadcast only when asked, and from an axis on that had to be named. */
const broadcast: Conversion = (node, context) => {
  const [a, b] = node.inputs;
  const gone = { axis: undefined, broadcast: undefined };
  const axis = node.attributes.get('axis');
  if (axis === undefined || numberOf(node, 'broadcast', 0, 7) === 0) return withAttributes(node, gone);
  const rankA = a?.shape?.length;
  const rankB = b?.shape?.length;
  if (a === undefined || b === undefined || rankA === undefined || rankB === undefined)
    throw unsupported(node, 7, 'the ranks of its inputs are not known');
  const from = numberOf(node, 'axis', 0, 7);
  const behind = rankA - (from < 0 ? from + rankA : from) - rankB;
  if (behind < 0) throw unsupported(node, 7, `its second input does not fit the first from axis ${from} on`);
  if (behind === 0) return withAttributes(node, gone);
  const axes = int64(Array.from({ length: behind }, (_, i) => rankB + i));
  return withAttributes(node, gone, { inputs: [a, helper(context, 'Unsqueeze', [b, axes])] });
};

/** A slope of one number per channel stood for channels of axis 1. */
const pRelu: Conversion = (node, context) => {
  const [x, slope] = node.inputs;
  const rank = x?.shape?.length;
  if (slope?.shape?.length !== 1 || slope.shape[0] === 1) return node;
  if (rank === undefined) throw unsupported(node, 7, 'the rank of its input is not known');
  if (rank <= 2) return node;
  const axes = int64(Array.from({ length: rank - 2 }, (_, i) => i + 1));
  return withAttributes(node, {}, { inputs: [x, helper(context, 'Unsqueeze', [slope, axes])] });
};

const cast: Conversion = (node) => {
  const text = textOf(node.attributes.get('to'));
  const aliases: Readonly<Record<string, string>> = { float: 'float32', double: 'float64' };
  const name = text?.toLowerCase() ?? '';
  const dtype = aliases[name] ?? name;
  if (!(dtype in dtypes)) throw unsupported(node, 6, `its type '${text ?? ''}' is not known`);
  return withAttributes(node, { to: integer(dtypes[dtype as keyof typeof dtypes].code) });
};

/** The networks of that time were written for inference where they did not say so. */
const forInference: Conversion = (node) =>
  withAttributes(node, { is_test: undefined, consumed_inputs: undefined, output_sequence: undefined });

const concat: Conversion = (node) => (node.attributes.has('axis') ? node : withAttributes(node, { axis: integer(1) }));

const pad: Conversion = (node) => withAttributes(node, { pads: node.attributes.get('paddings'), paddings: undefined });

const gemm: Conversion = (node) => withAttributes(node, { broadcast: undefined });

const gru: Conversion = (node) => node;

const upsample: Conversion = (node) => {
  const height = numberOf(node, 'height_scale', 1, 7);
  const width = numberOf(node, 'width_scale', 1, 7);
  return withAttributes(node, {
    height_scale: undefined,
    width_scale: undefined,
    scales: { kind: 'floats', value: [1, 1, height, width] },
  });
};

/** Version 1 repeated along one axis. */
const tile: Conversion = (node, context) => {
  const [x, tiles, axis] = node.inputs;
  if (x === undefined || tiles === undefined || axis === undefined) throw unsupported(node, 6, 'it lacks an input');
  const rank = x.shape?.length;
  if (rank === undefined) throw unsupported(node, 6, 'the rank of its input is not known');
  const scalar = (value: typeof x) =>
    helper(context, 'Cast', [helper(context, 'Reshape', [value, int64([1])])], new Map([['to', integer(7)]]));
  const ones = constant(fromNumbers('int64', [rank], new Array<number>(rank).fill(1)));
  const repeats = helper(context, 'ScatterElements', [ones, scalar(axis), scalar(tiles)]);
  return withAttributes(node, {}, { inputs: [x, repeats] });
};

const operators = ['Add', 'Sub', 'Mul', 'Div', 'And', 'Or', 'Xor', 'Equal', 'Greater', 'Less', 'Pow'];

export const legacy: Conversions = {
  ...Object.fromEntries(operators.map((name) => [`${name}@7`, broadcast])),
  'PRelu@7': pRelu,
  'Cast@6': cast,
  'Concat@4': concat,
  'Pad@2': pad,
  'Gemm@7': gemm,
  'GRU@3': gru,
  'GRU@7': forInference,
  'RNN@7': forInference,
  'LSTM@7': forInference,
  'Dropout@7': forInference,
  'BatchNormalization@7': forInference,
  'Upsample@7': upsample,
  'Tile@6': tile,
};
