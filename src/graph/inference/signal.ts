import { addDims, floorDivideDims, multiplyDims, subtractDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import type { Dim } from '../type.ts';
import { badAttribute, intAttribute } from './attributes.ts';
import { badShape, checkedAxis, checkRank, dtypeOf, isGiven, shapeOf, tensor, unknownDims, versionOf } from './call.ts';
import { knownScalar } from './constant.ts';

/** Frequencies that a real signal of this length has. */
function oneSided(length: Dim): Dim {
  return addDims(floorDivideDims(length, 2), 1);
}

/** The discrete Fourier transform; complex numbers are a last axis of 2, real ones of 1. */
const fourier: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = dtypeOf(call, 0);
  const onesided = intAttribute(call, 'onesided', 0);
  const inverse = intAttribute(call, 'inverse', 0);
  if (shape === undefined) return [tensor(dtype, undefined)];
  const axis = transformAxis(call, shape.length);
  if (onesided === undefined || inverse === undefined) return [tensor(dtype, unknownDims(shape.length))];
  const last = shape.at(-1);
  if (typeof last === 'number' && last !== 1 && last !== 2)
    throw badShape(call, 'input', 'of 1 or 2 in its last axis', shape);
  const real = onesided !== 0 && inverse !== 0;
  const complex = real ? 1 : 2;
  if (onesided === 0 && !isGiven(call, 1)) return [tensor(dtype, shape.with(-1, complex))];
  if (axis === undefined) return [tensor(dtype, unknownDims(shape.length).with(-1, complex))];
  const size = shape[axis];
  const full = real ? multiplyDims(2, subtractDims(size, 1)) : size;
  const length = isGiven(call, 1) ? knownScalar(call.inputs[1]) : full;
  const transformed = shape.with(axis, onesided !== 0 && !real ? oneSided(length) : length);
  return [tensor(dtype, transformed.with(-1, complex))];
};

function transformAxis(call: Call, rank: number): number | undefined {
  const [axis, name] = versionOf(call) < 20 ? [intAttribute(call, 'axis', 1), 'axis'] : [axisInput(call), 'axis'];
  if (axis === undefined) return undefined;
  const checked = checkedAxis(call, axis, rank, name);
  if (checked === rank - 1) throw badAttribute(call, name, 'other than the last axis', String(axis));
  return checked;
}

function axisInput(call: Call): number | undefined {
  if (!isGiven(call, 2)) return -2;
  const axis = knownScalar(call.inputs[2]);
  return typeof axis === 'number' ? axis : undefined;
}

/** Short-time transform: signal [batch, length, 1 or 2] to [batch, frames, frequencies, 2]. */
const shortTime: InferRule = (call) => {
  checkRank(call, 0, 'signal', [2, 3]);
  const shape = shapeOf(call, 0);
  const step = knownScalar(call.inputs[1]);
  const onesided = intAttribute(call, 'onesided', 1);
  const frame = isGiven(call, 3) ? knownScalar(call.inputs[3]) : shapeOf(call, 2)?.[0];
  const frames = addDims(floorDivideDims(subtractDims(shape?.[1], frame), step), 1);
  const bins = onesided === undefined ? undefined : onesided !== 0 ? oneSided(frame) : frame;
  return [tensor(dtypeOf(call, 0), [shape?.[0], typeof frames === 'number' && frames < 0 ? 0 : frames, bins, 2])];
};

export const signalRules: Readonly<Record<string, InferRule>> = { DFT: fourier, STFT: shortTime };
