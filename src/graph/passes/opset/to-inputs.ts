import { fromNumbers, toNumbers } from '../../../files/tensor.ts';
import { constant } from '../../make.ts';
import type { Value } from '../../value.ts';
import { constantTensor, int64 } from '../constants.ts';
import { trimmed } from '../rewrite.ts';
import {
  type Context,
  type Conversion,
  type Conversions,
  helper,
  integer,
  intsOf,
  numberOf,
  scalarLike,
  unsupported,
  withAttributes,
} from './conversion.ts';

/** Integer-list attributes that became inputs, at the places given. */
function integers(version: number, places: Readonly<Record<string, number>>): Conversion {
  return (node, context) => {
    const inputs: (Value | undefined)[] = [...node.inputs];
    for (const [name, place] of Object.entries(places)) {
      const reference = node.attributes.get(name);
      if (reference?.kind === 'reference') {
        put(inputs, place, referred(reference.value, context));
        continue;
      }
      const list = intsOf(node, name, version);
      if (list !== undefined && (list.length > 0 || name !== 'axes')) put(inputs, place, int64(list));
    }
    const gone = Object.fromEntries(Object.keys(places).map((name) => [name, undefined]));
    return withAttributes(node, gone, { inputs });
  };
}

/** Inside a function's body: the list its caller gives the attribute. */
function referred(name: string, context: Context): Value {
  return helper(context, 'Constant', [], new Map([['value_ints', { kind: 'reference', value: name, of: 'ints' }]]));
}

function put(inputs: (Value | undefined)[], place: number, value: Value): void {
  while (inputs.length <= place) inputs.push(undefined);
  inputs[place] = value;
}

const largest = 3.4028234663852886e38;

const clip: Conversion = (node, context) => {
  const [x] = node.inputs;
  if (x === undefined) throw unsupported(node, 11, 'it has no input');
  const min = numberOf(node, 'min', -largest, 11);
  const max = numberOf(node, 'max', largest, 11);
  const inputs = trimmed([
    x,
    min <= -largest ? undefined : scalarLike(context, x, min),
    max >= largest ? undefined : scalarLike(context, x, max),
  ]);
  return withAttributes(node, { min: undefined, max: undefined }, { inputs });
};

const dropout: Conversion = (node) => {
  const ratio = numberOf(node, 'ratio', 0.5, 12);
  return withAttributes(
    node,
    { ratio: undefined },
    { inputs: [node.inputs[0], constant(fromNumbers('float32', [], [ratio]))] },
  );
};

const pad: Conversion = (node, context) => {
  const [data] = node.inputs;
  const pads = intsOf(node, 'pads', 11);
  if (data === undefined || pads === undefined) throw unsupported(node, 11, 'it has no pads');
  const value = numberOf(node, 'value', 0, 11);
  const inputs = [data, int64(pads), ...(value === 0 ? [] : [scalarLike(context, data, value)])];
  return withAttributes(node, { pads: undefined, value: undefined }, { inputs });
};

const topK: Conversion = (node) =>
  withAttributes(node, { k: undefined }, { inputs: [node.inputs[0], int64([numberOf(node, 'k', 1, 10)])] });

const upsampleScales: Conversion = (node) => {
  const scales = node.attributes.get('scales');
  if (scales?.kind !== 'floats') throw unsupported(node, 9, 'its scales are not a list of numbers');
  const value = constant(fromNumbers('float32', [scales.value.length], scales.value));
  return withAttributes(node, { scales: undefined }, { inputs: [node.inputs[0], value] });
};

const reshape: Conversion = (node) => {
  const shape = intsOf(node, 'shape', 5);
  if (shape === undefined) throw unsupported(node, 5, 'it has no shape');
  return withAttributes(
    node,
    { shape: undefined, consumed_inputs: undefined },
    { inputs: [node.inputs[0], int64(shape)] },
  );
};

/** The axis counted from 1 in version 17 and from the end in 20 when left out, so it is always written. */
const dft: Conversion = (node) =>
  withAttributes(
    node,
    { axis: undefined },
    { inputs: [node.inputs[0], node.inputs[1], constant(fromNumbers('int64', [], [numberOf(node, 'axis', 1, 20)]))] },
  );

/** Version 18 wants the number of outputs where it is given no sizes. */
const splitCount: Conversion = (node) =>
  node.inputs[1] === undefined ? withAttributes(node, { num_outputs: integer(node.outputs.length) }) : node;

/** Version 1 could take the sizes as an input. */
const splitInput: Conversion = (node) => {
  const sizes = node.inputs[1];
  if (sizes === undefined) return node;
  const tensor = constantTensor(sizes);
  if (tensor === undefined) throw unsupported(node, 2, 'its sizes are not constant');
  return withAttributes(
    node,
    { split: { kind: 'ints', value: Array.from(toNumbers(tensor)) } },
    { inputs: [node.inputs[0]] },
  );
};

const reduces = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'];

export const toInputs: Conversions = {
  ...Object.fromEntries(reduces.map((name) => [`Reduce${name}@18`, integers(18, { axes: 1 })])),
  'ReduceSum@13': integers(13, { axes: 1 }),
  'Squeeze@13': integers(13, { axes: 1 }),
  'Unsqueeze@13': integers(13, { axes: 1 }),
  'Split@2': splitInput,
  'Split@13': integers(13, { split: 1 }),
  'Split@18': splitCount,
  'Slice@10': integers(10, { starts: 1, ends: 2, axes: 3 }),
  'Clip@11': clip,
  'Dropout@12': dropout,
  'Pad@11': pad,
  'TopK@10': topK,
  'Upsample@9': upsampleScales,
  'Reshape@5': reshape,
  'DFT@20': dft,
};
