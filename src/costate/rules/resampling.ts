import type { Rule } from '../call.ts';
import { affineGridRule } from './affine-grid.ts';
import { gridSampleRule } from './grid-sample.ts';
import { resizeRule } from './resize.ts';
import { roiAlignRule } from './roi-align.ts';

/** Resampling: Resize, GridSample, AffineGrid, RoiAlign. */
export const resamplingRules: Readonly<Record<string, Rule>> = {
  AffineGrid: affineGridRule,
  GridSample: gridSampleRule,
  Resize: resizeRule,
  RoiAlign: roiAlignRule,
};
