import fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, whole } from './judge.ts';

type Convolved = NonNullable<Parameters<typeof op.conv>[3]>;
type Transposed = NonNullable<Parameters<typeof op.convTranspose>[3]>;

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

/** Attributes and sizes as they come; kernels stored in the graph among them. */
const drawn = fc
  .record({
    rank: fc.integer({ min: 1, max: 3 }),
    batch: fc.integer({ min: 1, max: 4 }),
    group: fc.integer({ min: 1, max: 3 }),
    inner: fc.integer({ min: 1, max: 3 }),
    outer: fc.integer({ min: 1, max: 2 }),
    axes: fc.array(
      fc.record({
        kernel: fc.integer({ min: 1, max: 3 }),
        stride: fc.integer({ min: 1, max: 3 }),
        dilation: fc.integer({ min: 1, max: 2 }),
        begin: fc.integer({ min: 0, max: 2 }),
        end: fc.integer({ min: 0, max: 2 }),
        more: fc.integer({ min: 1, max: 4 }),
      }),
      { minLength: 3, maxLength: 3 },
    ),
    plain: fc.boolean(),
    stored: fc.boolean(),
    transposes: fc.boolean(),
  })
  .map(({ rank, batch, group, inner, outer, axes, plain, stored, transposes }): Case => {
    const of = axes.slice(0, rank).map((axis) => (plain ? { ...axis, stride: 1 } : axis));
    const strides = of.map(({ stride }) => stride);
    const dilations = of.map(({ dilation }) => dilation);
    const reach = of.map(({ kernel, dilation }) => (kernel - 1) * dilation + 1);
    const kernel = of.map((axis) => axis.kernel);
    const [begins, ends] = [of.map(({ begin }) => begin), of.map(({ end }) => end)];
    const pads = [...begins, ...ends];
    const shape = [group * outer, inner, ...kernel];
    const sizes = of.map(({ more, begin, end }, axis) =>
      transposes
        ? more + Math.ceil((begin + end) / (strides[axis] ?? 1))
        : Math.max((reach[axis] ?? 1) + more - begin - end, 1) + begin,
    );
    const x = [batch, transposes ? group * outer : group * inner, ...sizes];
    const numbers = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => Math.sin(at + 1));
    const attributes = { group, strides, dilations, pads };
    const rims = (list: readonly number[], sign: number): string =>
      list
        .map((_, axis) => `${sign * (begins[axis] ?? 0)}, ${sign * (ends[axis] ?? 0)}`)
        .reverse()
        .join(', ');
    const rest = `(${strides.join(', ')},)`;
    const weights = stored
      ? `w = torch.tensor(${JSON.stringify(numbers)}, dtype=x.dtype).reshape(${shape.join(', ')})\n`
      : '';
    return {
      name: `${transposes ? 'transposed ' : ''}${stored ? 'stored ' : ''}${JSON.stringify({ x, shape, ...attributes })}`,
      inputs: { x, ...(stored ? {} : { w: shape }) },
      build: (v, dtype) => {
        const value = op.mul(v.x as Value, v.x as Value);
        const w = v.w ?? constant(fromNumbers(dtype, shape, numbers));
        return transposes
          ? op.convTranspose(value, w, undefined, attributes)
          : op.conv(value, w, undefined, attributes);
      },
      torch: `${weights}return ${
        transposes
          ? `F.pad(F.conv_transpose${rank}d(x * x, w, None, ${rest}, 0, 0, ${group}, (${dilations.join(', ')},)), (${rims(strides, -1)}))`
          : `F.conv${rank}d(F.pad(x * x, (${rims(strides, 1)})), w, None, ${rest}, 0, (${dilations.join(', ')},), ${group})`
      }`,
      engines: ['reference'],
    };
  });

judged(
  'co-states of convolutions as they come',
  fc.sample(drawn, { numRuns: 60, seed: 20 }).map((one, index) => ({ ...one, name: `${index}: ${one.name}` })),
);

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

/** Deformable convolution in two dimensions, by its definition. */
function deformed(stride: number, pad: number, dilation: number, group: number, offsetGroups: number): string {
  return `
n, c, h, w_ = x.shape
kh, kw = w.shape[2:]
oh, ow = o.shape[2:]
at = o.reshape(n, ${offsetGroups}, kh * kw, 2, oh, ow)
k = torch.arange(kh * kw)
py = at[:, :, :, 0] + ((k // kw) * ${dilation} - ${pad})[:, None, None] + (torch.arange(oh) * ${stride})[:, None]
px = at[:, :, :, 1] + ((k % kw) * ${dilation} - ${pad})[:, None, None] + torch.arange(ow) * ${stride}
y0, x0 = py.floor(), px.floor()
rows = x.reshape(n, ${offsetGroups}, c // ${offsetGroups}, h * w_)
cols = 0
for i in (0, 1):
    for j in (0, 1):
        yy, xx = y0 + i, x0 + j
        inside = (yy >= 0) & (yy < h) & (xx >= 0) & (xx < w_)
        part = ((py - y0 if i else 1 - (py - y0)) * (px - x0 if j else 1 - (px - x0)) * inside)[:, :, None]
        index = (yy * w_ + xx).where(inside, 0 * yy).long().reshape(n, ${offsetGroups}, 1, -1).expand(-1, -1, rows.shape[2], -1)
        cols = cols + rows.gather(3, index).reshape(*rows.shape[:3], *py.shape[2:]) * part
if m is not None:
    cols = cols * m.reshape(n, ${offsetGroups}, 1, kh * kw, oh, ow)
cols = cols.reshape(n, ${group}, -1, oh * ow)
y = (w.reshape(${group}, -1, cols.shape[2]) @ cols).reshape(n, -1, oh, ow)
return y if b is None else y + b[:, None, None]`;
}

type Deformed = NonNullable<Parameters<typeof op.deformConv>[5]>;

function deform(
  name: string,
  inputs: Case['inputs'],
  attributes: Deformed,
  torch: string,
  more: Partial<Case> = {},
): Case {
  const missing = ['b', 'm'].filter((one) => !(one in inputs));
  return {
    name,
    inputs,
    build: (v) => op.deformConv(v.x as Value, v.w as Value, v.o as Value, v.b, v.m, attributes),
    torch: missing.map((one) => `${one} = None\n`).join('') + torch.trimStart(),
    // Where windows lie is told by the sizes of the kernel.
    static: ['w'],
    engines: ['ort'],
    ...more,
  };
}

judged('co-states of DeformConv', [
  deform(
    'plain',
    { x: [2, 2, 5, 4], w: [3, 2, 2, 2], o: [2, 8, 4, 3], b: [3], m: [2, 4, 4, 3] },
    {},
    deformed(1, 0, 1, 1, 1),
  ),
  deform(
    'no mask, no bias',
    { x: [1, 2, 4, 4], w: [2, 2, 3, 3], o: [1, 18, 4, 4] },
    { pads: [1, 1, 1, 1] },
    deformed(1, 1, 1, 1, 1),
  ),
  deform(
    'groups, strides, dilations',
    { x: [2, 4, 6, 7], w: [6, 2, 2, 2], o: [2, 16, 3, 4], b: [6], m: [2, 8, 3, 4] },
    { group: 2, offsetGroup: 2, strides: [2, 2], dilations: [2, 2], pads: [1, 1, 1, 1] },
    deformed(2, 1, 2, 2, 2),
  ),
  deform(
    'offsets of nothing',
    { x: [1, 2, 4, 4], w: [2, 2, 2, 2], o: whole('float64', [1, 8, 3, 3], new Array<number>(72).fill(0)) },
    {},
    deformed(1, 0, 1, 1, 1),
    // Elements are kinks.
    { tolerance: { differences: 10, second: 10 } },
  ),
]);

type Blocks = NonNullable<Parameters<typeof op.col2Im>[3]>;

function blocks(
  name: string,
  x: readonly number[],
  image: readonly number[],
  block: readonly number[],
  attributes: Blocks,
  torch?: string,
): Case {
  return {
    name,
    inputs: { x, image: whole('int64', [image.length], image), block: whole('int64', [block.length], block) },
    build: (v) => op.col2Im(op.mul(v.x as Value, v.x as Value), v.image as Value, v.block as Value, attributes),
    engines: ['reference'],
    static: ['image', 'block'],
    ...(torch === undefined ? {} : { torch }),
  };
}

judged('co-states of Col2Im', [
  blocks('2-D', [2, 12, 12], [4, 5], [2, 2], {}, 'F.fold(x * x, (4, 5), 2)'),
  blocks(
    '2-D with everything',
    [1, 12, 6],
    [6, 5],
    [3, 2],
    { strides: [2, 3], dilations: [1, 2], pads: [1, 1, 0, 1] },
    'F.fold(x * x, (7, 7), (3, 2), (1, 2), 0, (2, 3))[:, :, 1:, 1:-1]',
  ),
  blocks('1-D', [2, 6, 4], [6], [3], {}, 'F.fold(x * x, (1, 6), (1, 3)).reshape(2, 2, 6)'),
]);
