import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged } from './judge.ts';

type Convolved = NonNullable<Parameters<typeof op.conv>[3]>;

function conv(
  name: string,
  x: readonly number[],
  w: readonly number[],
  attributes: Convolved,
  torch: string,
  more: Partial<Case> = {},
): Case {
  const { bias = true, ...rest } = more as Partial<Case> & { readonly bias?: boolean };
  return {
    name,
    inputs: { x, w, ...(bias ? { b: [w[0] ?? 0] } : {}) },
    build: (v) => op.conv(v.x as Value, v.w as Value, v.b, attributes),
    torch: bias ? torch : torch.replace(', b', ', None'),
    engines: ['reference'],
    ...rest,
  };
}

judged('co-states of Conv', [
  conv('2-D', [2, 3, 5, 6], [4, 3, 3, 3], { pads: [1, 1, 1, 1] }, 'F.conv2d(x, w, b, padding=1)'),
  conv('1-D', [2, 3, 7], [4, 3, 3], {}, 'F.conv1d(x, w, b)'),
  conv(
    '3-D',
    [1, 2, 4, 3, 5],
    [3, 2, 2, 3, 2],
    { pads: [1, 1, 0, 0, 1, 1] },
    'F.conv3d(F.pad(x, (0, 1, 1, 1, 1, 0)), w, b)',
  ),
  conv('one image', [1, 3, 5, 6], [4, 3, 3, 3], {}, 'F.conv2d(x, w, b)'),
  conv('no kernel rim, no bias', [2, 3, 4, 5], [4, 3, 1, 1], {}, 'F.conv2d(x, w, b)', { bias: false } as Partial<Case>),
  conv('1x1 of one image', [1, 3, 4, 5], [4, 3, 1, 1], {}, 'F.conv2d(x, w, b)'),
  conv('1x1 with many channels', [3, 20, 2, 1], [24, 20, 1, 1], {}, 'F.conv2d(x, w, b)'),
  conv(
    '1x1 in strides and groups',
    [2, 4, 5, 6],
    [6, 2, 1, 1],
    { strides: [2, 3], group: 2 },
    'F.conv2d(x, w, b, (2, 3), groups=2)',
  ),
  conv('1x1 in strides', [2, 3, 5, 6], [4, 3, 1, 1], { strides: [2, 3] }, 'F.conv2d(x, w, b, (2, 3))'),
  conv(
    'strides that do not divide',
    [2, 3, 7, 8],
    [4, 3, 3, 2],
    { strides: [3, 2], pads: [0, 1, 1, 0] },
    'F.conv2d(F.pad(x, (1, 0, 0, 1)), w, b, (3, 2))',
  ),
  conv('strides beyond the kernel', [2, 3, 9, 8], [4, 3, 2, 1], { strides: [4, 3] }, 'F.conv2d(x, w, b, (4, 3))'),
  conv(
    'dilations',
    [2, 3, 7, 8],
    [4, 3, 3, 2],
    { dilations: [2, 1], pads: [1, 1, 1, 1] },
    'F.conv2d(x, w, b, padding=1, dilation=(2, 1))',
  ),
  conv(
    'dilation of the last axis, strides',
    [2, 3, 7, 8],
    [4, 3, 2, 3],
    { dilations: [1, 2], strides: [2, 1] },
    'F.conv2d(x, w, b, (2, 1), dilation=(1, 2))',
  ),
  conv(
    'dilations and strides',
    [1, 2, 9, 10],
    [3, 2, 2, 3],
    { dilations: [3, 2], strides: [2, 3], pads: [2, 1, 0, 2] },
    'F.conv2d(F.pad(x, (1, 2, 2, 0)), w, b, (2, 3), dilation=(3, 2))',
  ),
  conv(
    'groups',
    [2, 4, 5, 6],
    [6, 2, 3, 3],
    { group: 2, pads: [1, 1, 1, 1], kernelShape: [3, 3] },
    'F.conv2d(x, w, b, padding=1, groups=2)',
  ),
  conv(
    'groups in strides',
    [2, 4, 6, 7],
    [6, 2, 3, 2],
    { group: 2, strides: [2, 2] },
    'F.conv2d(x, w, b, 2, groups=2)',
  ),
  conv(
    'groups, dilated',
    [2, 4, 6, 7],
    [2, 2, 2, 2],
    { group: 2, dilations: [2, 2] },
    'F.conv2d(x, w, b, dilation=2, groups=2)',
  ),
  conv(
    'depthwise',
    [2, 3, 5, 6],
    [3, 1, 3, 3],
    { group: 3, pads: [1, 1, 1, 1] },
    'F.conv2d(x, w, b, padding=1, groups=3)',
  ),
  conv(
    'depthwise, two each, in strides',
    [1, 3, 5, 6],
    [6, 1, 3, 2],
    { group: 3, strides: [2, 1] },
    'F.conv2d(x, w, b, (2, 1), groups=3)',
  ),
  conv('SAME_UPPER', [2, 2, 5, 6], [3, 2, 2, 3], { autoPad: 'SAME_UPPER' }, 'F.conv2d(F.pad(x, (1, 1, 0, 1)), w, b)'),
  conv('SAME_LOWER', [2, 2, 5, 6], [3, 2, 2, 3], { autoPad: 'SAME_LOWER' }, 'F.conv2d(F.pad(x, (1, 1, 1, 0)), w, b)'),
  conv(
    'SAME_UPPER in strides',
    [2, 2, 6, 7],
    [3, 2, 3, 2],
    { autoPad: 'SAME_UPPER', strides: [2, 3] },
    'F.conv2d(F.pad(x, (0, 1, 0, 1)), w, b, (2, 3))',
  ),
  conv(
    'SAME_LOWER in strides',
    [2, 2, 6, 7],
    [3, 2, 3, 4],
    { autoPad: 'SAME_LOWER', strides: [2, 3] },
    'F.conv2d(F.pad(x, (2, 1, 1, 0)), w, b, (2, 3))',
  ),
  conv('VALID', [2, 2, 5, 6], [3, 2, 2, 3], { autoPad: 'VALID', strides: [2, 2] }, 'F.conv2d(x, w, b, 2)'),
  conv(
    'padding wider than the kernel',
    [1, 2, 4, 3],
    [3, 2, 2, 1],
    { pads: [3, 1, 2, 2] },
    'F.conv2d(F.pad(x, (1, 2, 3, 2)), w, b)',
  ),
]);
