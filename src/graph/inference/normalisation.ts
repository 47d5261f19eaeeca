import type { DType } from '../../files/dtype.ts';
import { dtypeOfCode } from '../../files/dtype.ts';
import { compareDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import { type Dim, describeShape } from '../type.ts';
import { badAttribute, intAttribute, intsAttribute } from './attributes.ts';
import { checkBroadcastsTo } from './broadcast.ts';
import {
  badShape,
  checkedAxes,
  checkedAxis,
  checkRank,
  checkRankAtLeast,
  checkShape,
  dtypeOf,
  isGiven,
  shapeOf,
  sharedDtype,
  tensor,
  versionOf,
} from './call.ts';

/** The output is like the input; `axis` must be one of it. */
function alongAxis(oldDefault: number | undefined): InferRule {
  return (call) => {
    const shape = shapeOf(call, 0);
    const fallback = oldDefault !== undefined && versionOf(call) < 13 ? oldDefault : -1;
    const axis = intAttribute(call, 'axis', fallback);
    /** The old forms take the axis as where a matrix is split, so the rank itself is one. */
    const last = oldDefault !== undefined && versionOf(call) < 13 && axis === shape?.length;
    const scalar = shape?.length === 0 && !call.attributes.has('axis');
    if (shape !== undefined && axis !== undefined && !last && !scalar) checkedAxis(call, axis, shape.length);
    return [tensor(dtypeOf(call, 0), shape)];
  };
}

const batchNormalisation: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const names = ['X', 'scale', 'B', 'mean', 'var'];
  const channels = shape === undefined || shape.length < 2 ? (shape === undefined ? undefined : 1) : shape[1];
  for (const index of [1, 2, 3, 4])
    checkShape(call, index, names[index] ?? '', [versionOf(call) < 9 ? undefined : channels]);
  if (versionOf(call) < 14) sharedDtype(call, [0, 1, 2, 3, 4], names);
  const statistics = tensor(versionOf(call) < 14 ? dtypeOf(call, 0) : dtypeOf(call, 3), [
    shapeOf(call, 3)?.[0] ?? shapeOf(call, 1)?.[0] ?? channels,
  ]);
  return [tensor(dtypeOf(call, 0), shape), statistics, statistics, statistics, statistics];
};

const instanceNormalisation: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const names = ['input', 'scale', 'B'];
  checkRankAtLeast(call, 0, 'input', 3);
  for (const index of [1, 2]) checkShape(call, index, names[index] ?? '', [shape?.[1]]);
  return [tensor(sharedDtype(call, [0, 1, 2], names), shape)];
};

const groupNormalisation: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const names = ['X', 'scale', 'bias'];
  checkRankAtLeast(call, 0, 'X', 2);
  const groups = intAttribute(call, 'num_groups', undefined);
  const channels = shape?.[1];
  if (groups !== undefined && (groups < 1 || (typeof channels === 'number' && channels % groups !== 0)))
    throw badAttribute(call, 'num_groups', `a divisor of the ${channels ?? ''} channels`, String(groups));
  /** Version 18 has one scale per group, later ones one per channel. */
  const size = versionOf(call) < 21 ? groups : channels;
  for (const index of [1, 2]) checkShape(call, index, names[index] ?? '', [size]);
  return [tensor(sharedDtype(call, [0, 1, 2], names), shape)];
};

function checkScale(call: Call, index: number, name: string, axis: number | undefined): void {
  const shape = shapeOf(call, 0);
  if (shape === undefined || axis === undefined) return;
  checkBroadcastsTo(call, name, shapeOf(call, index), shape);
}

function statisticsDtype(call: Call): DType | undefined {
  const code = intAttribute(call, 'stash_type', 1);
  return code === undefined ? undefined : dtypeOfCode(code);
}

const layerNormalisation: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = sharedDtype(call, isGiven(call, 2) ? [0, 1, 2] : [0, 1], ['X', 'Scale', 'B']);
  const axis = intAttribute(call, 'axis', -1);
  const statistics = statisticsDtype(call);
  if (shape === undefined || axis === undefined)
    return [tensor(dtype, shape), tensor(statistics, undefined), tensor(statistics, undefined)];
  const first = checkedAxis(call, axis, shape.length);
  checkScale(call, 1, 'Scale', axis);
  checkScale(call, 2, 'B', axis);
  const means = shape.map((dim, at): Dim => (at < first ? dim : 1));
  return [tensor(dtype, shape), tensor(statistics, means), tensor(statistics, means)];
};

const rmsNormalisation: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axis = intAttribute(call, 'axis', -1);
  if (shape !== undefined && axis !== undefined) checkedAxis(call, axis, shape.length);
  checkScale(call, 1, 'scale', axis);
  return [tensor(dtypeOf(call, 1), shape)];
};

const meanVariance: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axes = intsAttribute(call, 'axes');
  if (shape !== undefined && axes !== undefined) checkedAxes(call, axes, shape.length);
  return [tensor(dtypeOf(call, 0), shape)];
};

const localResponse: InferRule = (call) => {
  checkRankAtLeast(call, 0, 'X', 3);
  return [tensor(dtypeOf(call, 0), shapeOf(call, 0))];
};

const dropout: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const ratio = shapeOf(call, 1);
  if (ratio !== undefined && ratio.length > 0 && compareDims(ratio[0], 1) === 1)
    throw badShape(call, 'ratio', 'a scalar', ratio);
  const mask = versionOf(call) < 10 ? dtypeOf(call, 0) : 'bool';
  return [tensor(dtypeOf(call, 0), shape), tensor(mask, shape)];
};

const loss: InferRule = (call) => {
  const first =
    call.opType === 'NegativeLogLikelihoodLoss' ? ['input', 'target', 'weight'] : ['scores', 'labels', 'weights'];
  checkRankAtLeast(call, 0, first[0] ?? '', 2);
  const scores = shapeOf(call, 0);
  const target = scores && [scores[0], ...scores.slice(2)];
  if (target !== undefined) checkShape(call, 1, first[1] ?? '', target);
  checkShape(call, 2, first[2] ?? '', [scores?.[1]]);
  const dtype = sharedDtype(call, isGiven(call, 2) ? [0, 2] : [0], [first[0] ?? '', first[2] ?? '']);
  return [tensor(dtype, lossShape(call, target ?? shapeOf(call, 1))), tensor(dtype, scores)];
};

const reductions = ['none', 'mean', 'sum'];

function lossShape(call: Call, target: readonly Dim[] | undefined): readonly Dim[] | undefined {
  const attribute = call.attributes.get('reduction');
  if (attribute?.kind === 'reference') return undefined;
  const reduction = attribute === undefined ? 'mean' : String(attribute.value);
  if (!reductions.includes(reduction))
    throw badAttribute(call, 'reduction', `one of ${reductions.join(', ')}`, `'${reduction.slice(0, 40)}'`);
  return reduction === 'none' ? target : [];
}

const rotary: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = sharedDtype(call, [0, 1, 2], ['X', 'cos_cache', 'sin_cache']);
  checkRank(call, 0, 'X', [3, 4]);
  const cosines = shapeOf(call, 1);
  if (cosines !== undefined) checkShape(call, 2, 'sin_cache', cosines);
  const heads = intAttribute(call, 'num_heads', 0);
  const hidden = shape?.[2];
  if (shape?.length === 3 && heads === 0)
    throw badAttribute(call, 'num_heads', `given for X ${describeShape(shape)}`, 'nothing');
  if (shape?.length === 3 && typeof hidden === 'number' && heads !== undefined && hidden % heads !== 0)
    throw badAttribute(call, 'num_heads', `a divisor of ${hidden}`, String(heads));
  return [tensor(dtype, shape)];
};

export const normalisationRules: Readonly<Record<string, InferRule>> = {
  BatchNormalization: batchNormalisation,
  Dropout: dropout,
  GroupNormalization: groupNormalisation,
  Hardmax: alongAxis(1),
  InstanceNormalization: instanceNormalisation,
  LRN: localResponse,
  LayerNormalization: layerNormalisation,
  LogSoftmax: alongAxis(1),
  LpNormalization: alongAxis(undefined),
  MeanVarianceNormalization: meanVariance,
  NegativeLogLikelihoodLoss: loss,
  RMSNormalization: rmsNormalisation,
  RotaryEmbedding: rotary,
  Softmax: alongAxis(1),
  SoftmaxCrossEntropyLoss: loss,
};
