import * as op from '../../graph/op.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { vectorOf } from '../lower/sizes.ts';

/** PyTorch's numbers of its modes, in the words of ONNX. */
const interpolations = ['linear', 'nearest', 'cubic'];
const paddings = ['zeros', 'border', 'reflection'];

const sampled: Lowering = (call) => {
  const [x, grid] = [call.tensor('input'), call.tensor('grid')];
  const mode = interpolations[call.int('interpolation_mode')];
  const paddingMode = paddings[call.int('padding_mode')];
  if (mode === undefined || paddingMode === undefined) throw call.unsupported('a mode that is not known');
  return op.gridSample(x, grid, { mode, paddingMode, alignCorners: call.bool('align_corners') ? 1 : 0 });
};

export const gridRules: Rules = {
  'aten.grid_sampler.default': sampled,
  'aten.grid_sampler_2d.default': sampled,
  'aten.grid_sampler_3d.default': sampled,
  'aten.affine_grid_generator.default': (call) =>
    op.affineGrid(call.tensor('theta'), vectorOf(call.sizes('size')), {
      alignCorners: call.bool('align_corners') ? 1 : 0,
    }),
};
