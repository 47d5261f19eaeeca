import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, whole } from './judge.ts';

type Attributes = NonNullable<Parameters<typeof op.roiAlign>[3]>;

const boxes = whole('float64', [4, 4], [0, 0, 5, 6, 1.3, 2.1, 7.7, 6.6, -2.5, -1, 12, 3, 2, 2, 2.1, 2.2]);
const images = whole('int64', [4], [0, 1, 1, 0]);

function aligned(name: string, attributes: Attributes, more: Partial<Case> = {}): Case {
  return {
    name,
    inputs: { x: [2, 3, 8, 9], boxes, images },
    fixed: ['boxes'],
    build: (v) => {
      const y = op.roiAlign(v.x as Value, v.boxes as Value, v.images as Value, {
        outputHeight: 3,
        outputWidth: 2,
        ...attributes,
      });
      return op.mul(y, y);
    },
    ...more,
  };
}

judged('co-states of RoiAlign', [
  aligned('mean', {}),
  aligned('mean of 2 x 2 samples', { samplingRatio: 2 }),
  aligned('mean, scaled', { samplingRatio: 3, spatialScale: 0.7 }),
  aligned('mean, without half a pixel', { coordinateTransformationMode: 'output_half_pixel' }),
  aligned('mean, scaled, without half a pixel', {
    coordinateTransformationMode: 'output_half_pixel',
    spatialScale: 0.4,
    samplingRatio: 1,
  }),
  aligned('of one image', {}, { inputs: { x: [1, 2, 7, 6], boxes, images: whole('int64', [4], [0, 0, 0, 0]) } }),
  aligned(
    'of a box turned inside out',
    {},
    {
      inputs: {
        x: [1, 2, 7, 6],
        boxes: whole('float64', [2, 4], [5, 5, 1, 1, 1, 1, 4, 5]),
        images: whole('int64', [2], [0, 0]),
      },
    },
  ),
  aligned('of no box', {}, { inputs: { x: [2, 2, 7, 6], boxes: [0, 4], images: whole('int64', [0], []) } }),
  aligned('greatest', { mode: 'max' }),
  aligned('greatest of 2 x 2 samples', { mode: 'max', samplingRatio: 2 }),
  aligned('greatest, without half a pixel', {
    mode: 'max',
    coordinateTransformationMode: 'output_half_pixel',
    spatialScale: 0.75,
  }),
]);
