import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { inspect } from '../../src/cli/commands/inspect.ts';
import { verify } from '../../src/cli/commands/verify.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { perform } from '../support/command.ts';
import { network } from './networks.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-verify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('on the command line', () => {
  const model = join(folder, 'model.onnx');
  writeFileSync(
    model,
    encodeModel(
      toProto(
        network(
          ['time', 3],
          [
            { kind: 'lstm', hidden: 4, name: 'lstm' },
            { kind: 'attention', heads: 2, name: 'attention' },
            { kind: 'gelu', name: 'open' },
            { kind: 'linear', out: 5, name: 'linear' },
            { kind: 'softmax', name: 'head', epsilon: 0.5 },
          ],
        ),
      ),
    ),
  );

  it('verify checks every site in a session of its own process, and tells the rest', async () => {
    const { json, text, passed } = await perform(verify, { model, ep: 'cpu' });
    expect(passed).toBe(true);
    const names = (json.checks as { name: string }[]).map(({ name }) => name);
    for (const name of ['lstm: step', 'attention: gradient', 'open: reading', 'head: gradient of f'])
      expect(names).toContain(name);
    const told = text.find((line) => line.includes('open: reading'));
    expect(told).toMatch(/^ *- .*open: no Hamilton-Jacobi equation is known for it/);
  }, 60_000);

  it('inspect lists the same sites with their equations', async () => {
    const { json } = await perform(inspect, { file: model });
    expect(json.sites).toMatchObject([
      { name: 'lstm', kind: 'lstm', status: 'structural', dim: 4, step: 1 },
      { name: 'attention', kind: 'attention', status: 'exact' },
      { name: 'open', kind: 'activation', status: 'open' },
      { name: 'head', kind: 'softmax-head', viscosity: 0.5 },
    ]);
  });
});
