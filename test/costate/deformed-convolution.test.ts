import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, whole } from './judge.ts';

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
