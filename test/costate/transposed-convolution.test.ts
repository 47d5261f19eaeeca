import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged } from './judge.ts';

type Transposed = NonNullable<Parameters<typeof op.convTranspose>[3]>;

function transposed(
  name: string,
  x: readonly number[],
  w: readonly number[],
  attributes: Transposed,
  torch: string,
  more: Partial<Case> = {},
): Case {
  return {
    name,
    inputs: { x, w, b: [(w[1] ?? 0) * Number(attributes.group ?? 1)] },
    build: (v) => op.convTranspose(v.x as Value, v.w as Value, v.b, attributes),
    torch,
    engines: ['reference'],
    ...more,
  };
}

judged('co-states of ConvTranspose', [
  transposed('2-D', [2, 3, 4, 5], [3, 4, 3, 2], {}, 'F.conv_transpose2d(x, w, b)'),
  transposed(
    '1-D in strides',
    [2, 3, 4],
    [3, 2, 3],
    { strides: [2], pads: [1, 0] },
    'F.conv_transpose1d(x, w, b, 2)[:, :, 1:]',
  ),
  transposed('3-D', [1, 2, 3, 2, 3], [2, 3, 2, 2, 3], { strides: [1, 2, 1] }, 'F.conv_transpose3d(x, w, b, (1, 2, 1))'),
  transposed(
    'output_padding',
    [2, 3, 4, 5],
    [3, 4, 3, 3],
    { strides: [2, 3], pads: [1, 1, 1, 1], outputPadding: [1, 2] },
    'F.conv_transpose2d(x, w, b, (2, 3), 1, (1, 2))',
  ),
  transposed(
    'output_padding as wide as the strides',
    [1, 2, 4, 3],
    [2, 3, 2, 2],
    { strides: [2, 1], dilations: [3, 2], outputPadding: [2, 1] },
    'F.conv_transpose2d(x, w, b, (2, 1), 0, (2, 1), dilation=(3, 2))',
    { float32: false },
  ),
  transposed(
    'groups',
    [2, 4, 3, 4],
    [4, 3, 3, 2],
    { group: 2, strides: [2, 1] },
    'F.conv_transpose2d(x, w, b, (2, 1), groups=2)',
  ),
  transposed(
    'depthwise',
    [2, 3, 3, 4],
    [3, 1, 2, 2],
    { group: 3, strides: [2, 2] },
    'F.conv_transpose2d(x, w, b, 2, groups=3)',
  ),
  transposed(
    'dilations',
    [2, 3, 4, 3],
    [3, 2, 2, 3],
    { dilations: [2, 3] },
    'F.conv_transpose2d(x, w, b, dilation=(2, 3))',
  ),
  transposed('1x1', [2, 3, 4, 3], [3, 2, 1, 1], {}, 'F.conv_transpose2d(x, w, b)'),
  transposed(
    'output_shape',
    [2, 3, 4, 5],
    [3, 2, 3, 3],
    { strides: [2, 2], outputShape: [8, 10] },
    'F.conv_transpose2d(x, w, b, 2)[:, :, 1:, 1:]',
  ),
  transposed(
    'output_shape, SAME_UPPER',
    [2, 3, 4, 5],
    [3, 2, 3, 3],
    { strides: [2, 2], outputShape: [6, 8], autoPad: 'SAME_UPPER' },
    'F.conv_transpose2d(x, w, b, 2)[:, :, 1:-2, 1:-2]',
  ),
  transposed(
    'output_shape beyond',
    [1, 2, 3, 3],
    [2, 2, 2, 2],
    { strides: [2, 2], outputShape: [7, 6] },
    'F.pad(F.conv_transpose2d(x, w, None, 2), (0, 0, 0, 1)) + b[:, None, None]',
  ),
  transposed(
    'SAME_UPPER',
    [2, 3, 4, 5],
    [3, 2, 3, 4],
    { strides: [2, 2], autoPad: 'SAME_UPPER' },
    'F.conv_transpose2d(x, w, b, 2)[:, :, :-1, 1:-1]',
  ),
  transposed(
    'SAME_LOWER',
    [2, 3, 4, 5],
    [3, 2, 3, 4],
    { strides: [2, 2], autoPad: 'SAME_LOWER' },
    'F.conv_transpose2d(x, w, b, 2)[:, :, 1:, 1:-1]',
  ),
  transposed(
    'VALID',
    [2, 3, 4, 5],
    [3, 2, 3, 4],
    { strides: [2, 2], autoPad: 'VALID' },
    'F.conv_transpose2d(x, w, b, 2)',
  ),
]);
