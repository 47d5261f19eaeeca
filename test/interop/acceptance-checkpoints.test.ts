import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { run } from '../../src/cli/commands/run.ts';
import { readArrays } from '../../src/cli/tensor-files.ts';
import { toNumbers } from '../../src/files/tensor.ts';
import { perform } from '../support/command.ts';
import { hasPython, python } from '../support/python.ts';

/** Checkpoints as their writers leave them: tied weights dropped and noted, wrappers of any name, shards of two formats. */
const write = `
import json, sys, torch, numpy as np
from pathlib import Path
from safetensors.torch import save_file, save_model
folder = Path(sys.argv[1])
torch.manual_seed(11)
class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(6, 6), torch.nn.Linear(6, 6)
        self.b.weight = self.a.weight
    def forward(self, x): return self.b(torch.relu(self.a(x)))
x, net = torch.randn(5, 6), Tied()
state = net.state_dict()
save_model(net, folder / 'dropped.safetensors')
save_file({'a.weight': state['a.weight'].clone()}, folder / 'one.safetensors')
save_file({'a.bias': state['a.bias'], 'b.bias': state['b.bias']}, folder / 'two.safetensors')
places = {'a.weight': 'one.safetensors', 'a.bias': 'two.safetensors', 'b.bias': 'two.safetensors'}
(folder / 'sharded.json').write_text(json.dumps({'metadata': {'total_size': 192, 'b.weight': 'a.weight'}, 'weight_map': places}))
torch.save(state, folder / 'shared.pt')
torch.save({'policy.net.' + k: v for k, v in state.items()}, folder / 'wrapped.pt')
strided = state['a.weight'].t().contiguous().t()
torch.save({**state, 'a.weight': strided, 'b.weight': strided}, folder / 'strided.pt')
fused = torch.cat([torch.randn(6, 6), state['a.weight']], 1)
torch.save({'left': fused[:, :6], 'right': fused[:, 6:], 'bias': state['a.bias']}, folder / 'fused.pt')
(folder / 'bin.json').write_text(json.dumps({'metadata': {}, 'weight_map': {k: 'shared.pt' for k in state}}))
np.savez(folder / 'x.npz', x=x.numpy())
np.savez(folder / 'y.npz', tied=net(x).detach().numpy())
`;

const tied = [{ kind: 'linear', name: 'a' }, { kind: 'relu' }, { kind: 'linear', name: 'b' }];

describe('an empty archive', () => {
  it('is no checkpoint', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hopfcole-acceptance-'));
    const file = join(folder, 'empty.pt');
    writeFileSync(file, Uint8Array.from([0x50, 0x4b, 5, 6, ...new Uint8Array(18)]));
    await expect(perform(check, { file })).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
    rmSync(folder, { recursive: true });
  });
});

describe.skipIf(!hasPython)('checkpoints as their writers leave them', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hopfcole-acceptance-'));
    python(write, [folder]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const imported = (checkpoint: string, layers: unknown) => {
    const spec = join(folder, 'spec.json');
    writeFileSync(spec, JSON.stringify({ inputs: [{ name: 'x', shape: ['batch', 6] }], layers }));
    return perform(importWeights, { file: join(folder, checkpoint), spec, output: join(folder, `${checkpoint}.onnx`) });
  };

  it.each(['dropped.safetensors', 'sharded.json', 'shared.pt', 'wrapped.pt', 'strided.pt', 'bin.json'])(
    'imports %s: tied weights are used under both names and held once',
    async (checkpoint) => {
      const { json } = await imported(checkpoint, tied);
      const { parameters } = json as { parameters: { used: string[]; unused: string[]; missing: string[] } };
      expect(parameters.used.map((name) => name.replace('policy.net.', '')).sort()).toEqual([
        'a.bias',
        'a.weight',
        'b.bias',
        'b.weight',
      ]);
      expect(parameters.unused).toEqual([]);
      const output = join(folder, 'out.npz');
      const model = join(folder, `${checkpoint}.onnx`);
      await perform(run, { model, input: join(folder, 'x.npz'), output, ep: 'cpu' });
      const got = toNumbers([...(await readArrays(output)).values()][0] as never);
      const want = toNumbers([...(await readArrays(join(folder, 'y.npz'))).values()][0] as never);
      got.forEach((value, i) => {
        expect(value).toBeCloseTo(want[i] ?? Number.NaN, 5);
      });
      // 36 float32 of the weight: a second copy would show.
      expect(
        readFileSync(model)
          .toString('latin1')
          .match(/b\.weight/g),
      ).toBeNull();
    },
  );

  it('tells a view that is left unused, though another of the same storage is used', async () => {
    const layers = [{ kind: 'linear', weight: 'right', bias: 'bias' }];
    await expect(imported('fused.pt', layers)).rejects.toMatchObject({
      code: 'UNUSED_PARAMETERS',
      message: expect.stringContaining('left'),
    });
  });

  it("keeps the checkpoint's own names in what it says is missing", async () => {
    await expect(imported('wrapped.pt', [{ kind: 'linear', name: 'c' }])).rejects.toMatchObject({
      hint: expect.stringContaining('policy.net.a.weight'),
    });
  });
});
