import { expect, it } from 'vitest';
import { buildNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { computed, failing, verified } from './networks.ts';

const flat: Readonly<Record<string, readonly object[]>> = {
  lse: [{ kind: 'lse', atoms: 6, units: 3, epsilon: 0.5 }, { kind: 'softmax' }],
  units: [
    { kind: 'linear', out: 4 },
    { kind: 'relu' },
    { kind: 'softplus', epsilon: 0.5 },
    { kind: 'tropical', atoms: 3, units: 2 },
  ],
  'hopf-cole': [{ kind: 'hopf-cole', atoms: 5, epsilon: 0.5 }],
  hopfield: [{ kind: 'hopfield', count: 5 }],
};

const sequences: Readonly<Record<string, readonly object[]>> = {
  attention: [{ kind: 'attention', heads: 2, causal: true }],
  lstm: [{ kind: 'lstm', hidden: 4 }],
  gru: [{ kind: 'gru', hidden: 4 }],
  s4d: [{ kind: 's4d', state: 8 }],
  'selective-scan': [{ kind: 'selective-scan', inner: 6, state: 4 }],
  hmm: [{ kind: 'hmm' }],
};

/** float64 models are held to float64, half precision to what it can give: the checks must not take rounding for a wrong equation. */
const cases = [...Object.entries(flat), ...Object.entries(sequences)].flatMap(([name, layers]) =>
  (['float16', 'float64'] as const).map((dtype) => [name, dtype, layers] as const),
);

it.each(cases)('%s holds in %s', async (name, dtype, layers) => {
  const shape = name in flat ? ['batch', 4] : ['batch', 'time', 4];
  const { model } = buildNetwork(parseSpec({ inputs: [{ name: 'x', dtype, shape }], layers }), 1);
  const checks = await verified(model);
  expect(failing(checks)).toEqual([]);
  expect(computed(checks).length).toBeGreaterThan(0);
});
