import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { summedTo } from '../../broadcast.ts';
import { type Rule, type RuleCall, rule } from '../../call.ts';
import { balancedSum } from '../../pieces.ts';
import { throughForward } from '../../through.ts';
import { places } from '../attention/masks.ts';
import { normalizedBars } from '../layer-normalizations.ts';

/** Normalisations, with the sums that ONNX Runtime fuses before them. */
export const normalizationRules: Readonly<Record<string, Rule>> = {
  SkipLayerNormalization: rule(
    'as LayerNormalization of input + skip + bias, to each of which it is the same',
    (call) => ofSum(call, true),
  ),
  SkipSimplifiedLayerNormalization: rule(
    'as RMSNormalization of input + skip + bias, to each of which it is the same',
    (call) => ofSum(call, false),
  ),
  EmbedLayerNormalization: rule('as LayerNormalization of the embeddings; to each embedding as Gather', (call) =>
    throughForward(call, () => {
      const positions = call.maybe(8);
      const rows = [
        op.gather(call.x(2), call.x(0)),
        op.gather(call.x(3), positions ?? places(call.x(0), 1)),
        ...(call.maybe(4) === undefined || call.maybe(1) === undefined ? [] : [op.gather(call.x(4), call.x(1))]),
      ];
      const sum = rows.reduce((all, one) => op.add(all, one));
      const epsilon = call.float('epsilon', 1e-12);
      return [op.layerNormalization(sum, call.x(5), call.x(6), { axis: -1, epsilon })[0], undefined, sum];
    }),
  ),
};

/** Bars of [input, skip, gamma, beta, bias], without beta where the mean is not taken away. */
function ofSum(call: RuleCall, centred: boolean): readonly (Value | undefined)[] {
  const last = centred ? 4 : 3;
  const bias = call.maybe(last);
  const both = (): Value => {
    const sum = op.add(call.x(0), call.x(1));
    return bias === undefined ? sum : op.add(sum, bias);
  };
  // Its type may not be known: no rule of inference is that of another domain.
  const kept = call.node.outputs[3];
  const bars = normalizedBars({
    x: kept?.dtype === undefined || kept.shape === undefined ? both() : kept,
    scale: call.x(2),
    axes: [-1],
    epsilon: call.float('epsilon', 1e-12),
    centred,
    g: call.bars[0],
  });
  const sum = balancedSum(
    [call.wants(0) || call.wants(1) || call.wants(last) ? bars.x() : undefined, call.bars[3]].filter(
      (bar) => bar !== undefined,
    ),
  );
  const to = (index: number): Value | undefined => call.to(index, () => sum && summedTo(sum, call.x(index)));
  return [
    to(0),
    to(1),
    call.to(2, () => bars.scale(call.x(2))),
    ...(centred ? [call.to(3, () => bars.bias(call.x(3)))] : []),
    to(last),
  ];
}
