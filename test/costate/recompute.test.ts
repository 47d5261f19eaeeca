import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { remake } from '../../src/graph/passes/rewrite.ts';
import type { Value } from '../../src/graph/value.ts';
import { everyNode, subgraphsOf } from '../../src/graph/walk.ts';
import { normal } from '../ops/run.ts';
import { compared } from './compare.ts';

const depth = 12;
const weights = Array.from({ length: depth }, (_, layer) => normal('float32', [4, 4], layer + 10));

function called(value: Value, name: string): Value {
  if (value.source.kind !== 'output') throw new Error('not a node');
  return remake(value.source.node, { outputNames: [name] }).outputs[0] ?? value;
}

/** Layers h + tanh(h w), a skip from the third to the last, the value before layer 7 named. */
function network(skips: boolean) {
  const x = input('x', 'float32', ['n', 4]);
  let [h, early] = [x, x];
  weights.forEach((tensor, layer) => {
    const step = op.tanh(op.matMul(h, parameter(`w${layer}`, tensor)));
    h = skips ? op.add(h, step) : step;
    if (layer === 2) early = h;
    if (layer === 6) h = called(h, 'inner');
  });
  return model({ inputs: [x], outputs: { y: skips ? op.mul(h, early) : h } });
}

const torch = (skips: boolean, result: string) => `
ws = [torch.tensor(w, dtype=torch.float64).reshape(4, 4).requires_grad_() for w in ${JSON.stringify(
  weights.map(({ bytes }) => [...new Float32Array(bytes.buffer)]),
)}]
x.requires_grad_()
h = x
for layer, w in enumerate(ws):
  step = torch.tanh(h @ w)
  h = h + step if ${skips ? 'True' : 'False'} else step
  early = h if layer == 2 else early if layer > 2 else None
  inner = h if layer == 6 else inner if layer > 6 else None
y = h * early if ${skips ? 'True' : 'False'} else h
${result}`;

const first = `
gx, gi, *gw = torch.autograd.grad((y * cotangent_y).sum(), [x, inner, *ws])
return {"y": y, "costate_x": gx, "costate_inner": gi, **{f"costate_w{i}": g for i, g in enumerate(gw)}}`;
const second = `
loss = F.mse_loss(y, target)
(gx,) = torch.autograd.grad(loss, x, create_graph=True)
return {"loss": loss, "costate_x": gx, "hvp_x": torch.autograd.grad((gx * direction_x).sum(), x)[0]}`;

const feeds = { x: normal('float32', [3, 4], 1), cotangent_y: normal('float32', [3, 4], 2) };
const more = { x: feeds.x, target: normal('float32', [3, 4], 3), direction_x: normal('float32', [3, 4], 4) };

compared(
  'co-states with the forward pass computed again',
  [true, false].flatMap((skips) => [
    ...([2, 3, 5, 'auto', 1000] as const).map((recompute) => ({
      name: `${skips ? 'residual' : 'plain'} network in ${recompute} blocks`,
      make: () => costate(network(skips), { wrt: ['all', 'inner'], seed: 'input', recompute }).model,
      feeds,
      torch: torch(skips, first),
    })),
    {
      name: `${skips ? 'residual' : 'plain'} network, second order`,
      make: () => costate(network(skips), { loss: 'mse', order: 2, recompute: 3 }).model,
      feeds: more,
      torch: torch(skips, second),
      tolerance: 1e-4,
    },
    {
      name: `${skips ? 'residual' : 'plain'} network, NaN arrives as NaN`,
      make: () => costate(network(skips), { seed: 'input', recompute: 3 }).model,
      feeds: { ...feeds, cotangent_y: fromNumbers('float32', [3, 4], new Array(12).fill(Number.NaN)) },
      torch: 'return {"costate_x": torch.full((3, 4), np.nan)}',
    },
  ]),
);

describe('what is kept', () => {
  it('is what passes between blocks', () => {
    const { graph } = costate(network(false), { recompute: 4 }).model;
    const ifs = graph.nodes.filter(({ opType }) => opType === 'If');
    expect(ifs).toHaveLength(3);
    const forward = graph.nodes.filter(({ opType }) => opType === 'Tanh').map(({ outputs }) => outputs[0]);
    const last = graph.nodes.findIndex(({ opType }) => opType === 'If');
    const later = graph.nodes
      .slice(last)
      .flatMap((node) => [
        ...node.inputs,
        ...subgraphsOf(node).flatMap((body) => [...everyNode(body)].flatMap(({ inputs }) => inputs)),
      ]);
    // The three values between the blocks; x is the input.
    expect(forward.filter((value) => later.includes(value)).length).toBeLessThanOrEqual(3);
    expect([...everyNode(graph)].filter(({ opType }) => opType === 'Tanh').length).toBeGreaterThan(depth + 6);
  });
});
