import * as op from '../../graph/op.ts';
import { type Rule, rule } from '../call.ts';
import { cast, expandTo, scalarLike } from '../pieces.ts';
import { spatial, spatialOf } from './convolution/windows.ts';
import { averagePoolRule } from './pooling/average.ts';
import { globalMaxPoolRule, maxPoolRule, maxUnpoolRule } from './pooling/greatest.ts';
import { globalLpPoolRule, lpPoolRule } from './pooling/powers.ts';
import { maxRoiPoolRule } from './pooling/regions.ts';

/** Pools over windows, and over all of an image. */
export const poolingRules: Readonly<Record<string, Rule>> = {
  AveragePool: averagePoolRule,
  GlobalAveragePool: rule('g / n, spread', (call) => [
    call.to(0, () => {
      const [g, x] = [call.g(), call.x(0)];
      call.rank(x);
      const sizes = spatial(x);
      const share = sizes.every((size) => size !== undefined)
        ? op.mul(
            g,
            scalarLike(
              g,
              1 /
                Math.max(
                  sizes.reduce((all, size) => all * size, 1),
                  1,
                ),
            ),
          )
        : op.div(g, cast(op.reduceProd(spatialOf(x), undefined, { keepdims: 0 }), g.dtype ?? 'float32'));
      return expandTo(share, x);
    }),
  ]),
  GlobalLpPool: globalLpPoolRule,
  GlobalMaxPool: globalMaxPoolRule,
  LpPool: lpPoolRule,
  MaxPool: maxPoolRule,
  MaxRoiPool: maxRoiPoolRule,
  MaxUnpool: maxUnpoolRule,
};
