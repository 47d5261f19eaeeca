import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { independent, type References } from '../../src/analysis/references.ts';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { isFloat } from '../../src/files/dtype.ts';
import { openFile } from '../../src/files/node/file.ts';
import { fromNumbers, load, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { sitesOf } from '../../src/reading/sites.ts';
import { computed, failing, verified } from './networks.ts';

const folder = join(import.meta.dirname, '../../examples/specs');
const kept = join(import.meta.dirname, '../../fixtures/architectures');
const specs = readdirSync(folder).filter((name) => name.endsWith('.json'));

/** The network with the weights of PyTorch that are kept with it, as they are or changed; fresh ones where none are. */
async function made(name: string, changed: boolean): Promise<Model> {
  const spec = parseSpec(JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const checkpoint = join(kept, name.replace('.json', '.safetensors'));
  if (!existsSync(checkpoint)) return buildNetwork(spec, changed ? 2 : 1).model;
  const source = await openFile(checkpoint);
  const tensors = new Map<string, Tensor>();
  for (const [key, stored] of (await openCheckpoint(source)).tensors) {
    const tensor = await load(stored);
    const numbers = toNumbers(tensor).map((value, i) => (changed ? 0.7 * value + 0.1 * Math.sin(i) : value));
    tensors.set(key, isFloat(tensor.dtype) ? fromNumbers(tensor.dtype, tensor.shape, numbers) : tensor);
  }
  await source.close?.();
  return importNetwork(spec, tensors).model;
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
      for (const changed of [false, true]) {
        const model = await made(name, changed);
        expect(sitesOf(model).length).toBeGreaterThan(0);
        const checks = await verified(model);
        expect(checks.length).toBeGreaterThan(0);
        expect(failing(checks)).toEqual([]);
        // Of a network of open units nothing is computed.
        if (changed && computed(checks).length > 0)
          expect(failing(await verified(model, wrong)).length).toBeGreaterThan(0);
      }
    },
    120_000,
  );
});
