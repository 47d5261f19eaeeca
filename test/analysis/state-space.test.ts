import { describe, expect, it } from 'vitest';
import { independent, type References } from '../../src/analysis/references.ts';
import { computed, failing, network, verified } from './networks.ts';

const layers: Readonly<Record<string, object>> = {
  s4d: { kind: 's4d', state: 8 },
  'selective-scan': { kind: 'selective-scan', inner: 6, state: 4 },
};

/** Forward Euler for the held step; the input twice; what damps, grows. */
const wrongSteps: Readonly<Record<string, Partial<References>>> = {
  'Euler for the exact step': {
    heldStep: (h, a, u, dt) => ({
      re: h.re + dt * (a.re * h.re - a.im * h.im + u.re),
      im: h.im + dt * (a.re * h.im + a.im * h.re + u.im),
    }),
  },
  'the sign of A': { heldStep: (h, a, u, dt) => independent.heldStep(h, { re: -a.re, im: a.im }, u, dt) },
  'half the step': { heldStep: (h, a, u, dt) => independent.heldStep(h, a, u, dt / 2) },
};

describe.each(Object.keys(layers))('%s', (name) => {
  const made = (options: object = {}, seed = 1) => network(['time', 3], [{ ...layers[name], ...options }], seed);
  const forms =
    name === 's4d' ? ['recurrence', 'blocks', 'convolution', 'associative'] : ['recurrence', 'blocks', 'associative'];

  it.each(forms)('by %s is the equation over each step', async (form) => {
    for (const seed of [1, 2]) {
      const checks = await verified(made({ form }, seed));
      expect(failing(checks)).toEqual([]);
      expect(computed(checks)).toEqual([name === 's4d' ? 'zero-order hold' : 'step', 'co-state recursion']);
    }
  });

  it.each(Object.keys(wrongSteps))('is not that with %s', async (wrong) => {
    expect(failing(await verified(made(), wrongSteps[wrong]))).toContain(name === 's4d' ? 'zero-order hold' : 'step');
  });

  it('has no other co-state', async () => {
    const flipped: Partial<References> = {
      heldCostate: (p, a, dt) => independent.heldCostate({ re: p.re, im: -p.im }, a, dt),
    };
    expect(failing(await verified(made(), flipped))).toEqual(['co-state recursion']);
  });
});
