import { toNumbers } from '../../../files/tensor.ts';
import type { Node, Value } from '../../value.ts';
import { constantTensor, int64, textOf } from '../constants.ts';
import { remake } from '../rewrite.ts';
import {
  type Context,
  type Conversion,
  type Conversions,
  helper,
  integer,
  numberOf,
  string,
  successor,
  unsupported,
  withAttributes,
} from './conversion.ts';

/** Until version 13 these worked on the input flattened to a matrix at `axis`. */
const flattened: Conversion = (node, context) => {
  const [x] = node.inputs;
  if (x === undefined) throw unsupported(node, 13, 'it has no input');
  const axis = numberOf(node, 'axis', 1, 13);
  const rank = x.shape?.length;
  if (axis === -1 || (rank !== undefined && axis === rank - 1)) return withAttributes(node, { axis: integer(-1) });
  const matrix = helper(context, 'Flatten', [x], new Map([['axis', integer(axis)]]));
  const applied = helper(context, node.opType, [matrix], new Map([['axis', integer(-1)]]));
  return successor(context, node, 'Reshape', [applied, helper(context, 'Shape', [x])], new Map());
};

const batchNormalization9: Conversion = (node) => {
  if (numberOf(node, 'spatial', 1, 9) === 0) throw unsupported(node, 9, 'spatial = 0 has no counterpart');
  return withAttributes(node, { spatial: undefined });
};

/** More than one output meant training until version 14; the saved statistics are gone since. */
const batchNormalization14: Conversion = (node) => {
  if (node.outputs.length <= 1) return node;
  if (node.outputs.length <= 3) return withAttributes(node, { training_mode: integer(1) });
  const [x, scale, bias, mean, variance] = node.inputs;
  if (node.outputs.slice(1).every((value) => value.name === undefined || value.name === ''))
    return remake(node, { inputs: [x, scale, bias, mean, variance], outputCount: 1 });
  throw unsupported(node, 14, 'its saved_mean and saved_var outputs are gone');
};

const dropout10: Conversion = (node) => {
  if (node.outputs.length > 1 && node.outputs[1]?.name !== undefined && node.outputs[1].name !== '')
    throw unsupported(node, 10, 'its mask output has changed its element type');
  return node;
};

/** Upsample's coordinates: x_in = floor(x_out / scale), or linear between the neighbours there. */
const upsample: Conversion = (node) => {
  const mode = textOf(node.attributes.get('mode')) ?? 'nearest';
  const attributes = new Map([
    ['mode', string(mode)],
    ['coordinate_transformation_mode', string('asymmetric')],
    ['nearest_mode', string('floor')],
  ]);
  return remake(node, {
    opType: 'Resize',
    version: 11,
    inputs: [node.inputs[0], undefined, node.inputs[1]],
    attributes,
  });
};

/** Version 10 of Resize rounded down where it enlarged and up where it shrank. */
const resize11: Conversion = (node) => {
  const [x, scales] = node.inputs;
  const mode = textOf(node.attributes.get('mode')) ?? 'nearest';
  const tensor = constantTensor(scales);
  const factors = tensor === undefined ? undefined : [...toNumbers(tensor)];
  const shrinks = factors?.some((factor) => factor < 1);
  if (mode === 'nearest') {
    if (factors === undefined) throw unsupported(node, 11, 'its scales are not constant, and rounding depends on them');
    if (shrinks === true && factors.some((factor) => factor > 1))
      throw unsupported(node, 11, 'it enlarges one axis and shrinks another');
  }
  return withAttributes(
    node,
    {
      coordinate_transformation_mode: string('asymmetric'),
      nearest_mode: mode === 'nearest' ? string(shrinks === true ? 'ceil' : 'floor') : undefined,
    },
    { inputs: [x, undefined, scales] },
  );
};

/** Empty tensors stood for inputs left out. */
const resize13: Conversion = (node) => {
  const inputs = node.inputs.map((value, i) => (i > 0 && isEmpty(value) ? undefined : value));
  return inputs.every((value, i) => value === node.inputs[i]) ? node : remake(node, { inputs });
};

function isEmpty(value: Value | undefined): boolean {
  return value?.shape?.length === 1 && value.shape[0] === 0;
}

const modes: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic', nearest: 'nearest' };

const gridSample: Conversion = (node) => {
  const attribute = node.attributes.get('mode');
  if (attribute === undefined) return withAttributes(node, { mode: string('linear') });
  const mode = modes[textOf(attribute) ?? ''];
  if (mode === undefined) throw unsupported(node, 20, 'its mode is not known');
  return withAttributes(node, { mode: string(mode) });
};

const scatter: Conversion = (node) => remake(node, { opType: 'ScatterElements', version: 11 });

const roiAlign: Conversion = (node) =>
  withAttributes(node, { coordinate_transformation_mode: string('output_half_pixel') });

/** Scale and bias were given per group, and are per channel since 21. */
const groupNormalization: Conversion = (node, context) => {
  const [x, scale, bias] = node.inputs;
  if (x === undefined || scale === undefined || bias === undefined) throw unsupported(node, 21, 'it lacks an input');
  const groups = numberOf(node, 'num_groups', 1, 21);
  return remake(node, {
    inputs: [x, perChannel(context, x, scale, groups), perChannel(context, x, bias, groups)],
  });
};

function perChannel(context: Context, x: Value, perGroup: Value, groups: number): Value {
  const count = int64([groups]);
  const channels = helper(context, 'Slice', [helper(context, 'Shape', [x]), int64([1]), int64([2]), int64([0])]);
  const shape = helper(
    context,
    'Concat',
    [count, helper(context, 'Div', [channels, count])],
    new Map([['axis', integer(0)]]),
  );
  const column = helper(context, 'Unsqueeze', [perGroup, int64([1])]);
  return helper(context, 'Reshape', [helper(context, 'Expand', [column, shape]), int64([-1])]);
}

const lpPool: Conversion = (node) => withAttributes(node, { p: integer(Math.round(numberOf(node, 'p', 2, 2))) });

const scan: Conversion = (node: Node) => {
  throw unsupported(node, 9, 'its batch axis and sequence lengths are gone');
};

export const changedSemantics: Conversions = {
  'Softmax@13': flattened,
  'LogSoftmax@13': flattened,
  'Hardmax@13': flattened,
  'BatchNormalization@9': batchNormalization9,
  'BatchNormalization@14': batchNormalization14,
  'Dropout@10': dropout10,
  'Upsample@10': upsample,
  'Resize@11': resize11,
  'Resize@13': resize13,
  'GridSample@20': gridSample,
  'Scatter@11': scatter,
  'RoiAlign@16': roiAlign,
  'GroupNormalization@21': groupNormalization,
  'LpPool@2': lpPool,
  'GlobalLpPool@2': lpPool,
  'Scan@9': scan,
};
