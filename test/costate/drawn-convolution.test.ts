import fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged } from './judge.ts';

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
