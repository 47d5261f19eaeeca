import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { ints, sumOver, zerosLike } from '../pieces.ts';
import { col2ImRule } from './convolution/blocks.ts';
import { deformConvRule } from './convolution/deformable.ts';
import { toImage } from './convolution/image.ts';
import { toKernel } from './convolution/kernel.ts';
import { framedTransposed } from './convolution/transposed.ts';
import { attributesOf, framed, kernelOf, spatialAxes, spatialOf } from './convolution/windows.ts';

/** Convolutions. */
export const convolutionRules: Readonly<Record<string, Rule>> = {
  Col2Im: col2ImRule,
  Conv: rule(
    'transposed convolution of g with w; convolution of x by g, batch and channels swapped; sum g',
    (call) => {
      const [g, x, weight] = [call.g(), call.x(0), call.x(1)];
      call.rank(x);
      const group = call.int('group', 1);
      const { image, windows, rim } = framed(call, x, call.y(), kernelOf(call, weight), weight);
      return [
        call.to(0, () => (isEmpty(g) ? zerosLike(x) : toImage(g, weight, x, call.y(), { windows, group, rim }))),
        call.to(1, () => toKernel({ image, g, windows, group, weight })),
        call.to(2, () => ofBias(call)),
      ];
    },
    { note: 'the forms are chosen by what is known of sizes; none unfolds the image' },
  ),
  ConvTranspose: rule('convolution of g with w; convolution of g by x, batch and channels swapped; sum g', (call) => {
    const [g, x, weight] = [call.g(), call.x(0), call.x(1)];
    const rank = call.rank(x) - 2;
    const group = call.int('group', 1);
    const { image, windows, exact } = framedTransposed(call, g, x, weight);
    return [
      call.to(0, () => {
        if (isEmpty(x) || isEmpty(g)) return zerosLike(x);
        const made = op.conv(image, weight, undefined, {
          ...attributesOf(windows, windows.begins, windows.ends),
          ...(group === 1 ? {} : { group }),
        });
        return exact ? made : op.slice(made, ints(...new Array<number>(rank).fill(0)), spatialOf(x), spatialAxes(rank));
      }),
      call.to(1, () => toKernel({ image, g: x, windows, group, weight })),
      call.to(2, () => ofBias(call)),
    ];
  }),
  DeformConv: deformConvRule,
};

/** The sum over batch and windows. */
function ofBias(call: RuleCall): Value {
  const rank = call.rank(call.x(0)) - 2;
  return sumOver(call.g(), ints(0, ...Array.from({ length: rank }, (_, axis) => axis + 2)), false);
}

function isEmpty(x: Value): boolean {
  return x.shape?.includes(0) === true;
}
