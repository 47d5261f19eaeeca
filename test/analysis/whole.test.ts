import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { independent, type References } from '../../src/analysis/references.ts';
import type { Model } from '../../src/graph/graph.ts';
import { buildNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { sitesOf } from '../../src/reading/sites.ts';
import { computed, failing, verified } from './networks.ts';

const folder = join(import.meta.dirname, '../../examples/specs');
const specs = readdirSync(folder).filter((name) => name.endsWith('.json'));

function made(name: string, seed: number): Model {
  return buildNetwork(parseSpec(JSON.parse(readFileSync(join(folder, name), 'utf8'))), seed).model;
}

/** Every path wrong in one thing: the temperature doubled, 2t for 4t, minimum and maximum changed, h half kept. */
const wrong: Partial<References> = {
  logSumExp: (z, epsilon) => independent.logSumExp(z, 2 * epsilon),
  decode: (w, b, t) => ({ y: independent.decode(w, b, 2 * t).y, g: independent.decode(w, b, t).g }),
  hopfLax: (x, y, g, t) => ({ u0: -independent.hopfLax(x, y, g, t).u0 }),
  cellStep: (cell, given, before) => {
    const right = independent.cellStep(cell, given, before);
    return { h: right.h.map((value, i) => value + (before.h[i] ?? 0)), c: right.c };
  },
  heldStep: (h, a, u, dt) => independent.heldStep(h, a, u, dt / 2),
};

describe('verify', () => {
  it.each(specs)(
    'holds for %s with any weights, and not by wrong paths',
    async (name) => {
      for (const seed of [1, 2]) {
        const model = made(name, seed);
        expect(sitesOf(model).length).toBeGreaterThan(0);
        const checks = await verified(model);
        expect(checks.length).toBeGreaterThan(0);
        expect(failing(checks)).toEqual([]);
        // Of a network of open units nothing is computed.
        if (seed === 2 && computed(checks).length > 0)
          expect(failing(await verified(model, wrong)).length).toBeGreaterThan(0);
      }
    },
    120_000,
  );
});
