import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { int, ints } from '../../src/costate/pieces.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { remake } from '../../src/graph/passes/rewrite.ts';
import type { Node, Value } from '../../src/graph/value.ts';
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

/** Pooled and resized to the size it had, twice, by arithmetic long enough that blocks part it; a slice of no elements beside it. */
function resizing() {
  const x = input('x', 'float32', ['n', 2, 'height', 'width']);
  let h: Value = x;
  for (let turn = 0; turn < 2; turn++) {
    const [small] = op.maxPool(op.tanh(h), { kernelShape: [2, 2], strides: [2, 2] });
    const place = (axis: number) => op.max([op.squeeze(op.shape(x, { start: axis, end: axis + 1 })), int(1)]);
    const [height, width] = [place(2), place(3)].map((size) => op.reshape(size, ints(-1))) as [Value, Value];
    const sizes = op.concat([op.shape(small, { start: 0, end: 2 }), op.concat([height, width], { axis: 0 })], {
      axis: 0,
    });
    const resized = op.resize(op.sin(small), undefined, undefined, sizes, { mode: 'linear' });
    const nothing = op.reduceSum(op.slice(h, ints(2), ints(2), ints(1)), ints(1));
    h = op.add(op.mul(resized, h), nothing);
  }
  return model({ inputs: [x], outputs: { y: h } });
}

compared(
  'resized values computed again',
  ([2, 4, 8, 30] as const).map((recompute) => ({
    name: `in ${recompute} blocks`,
    make: () => costate(resizing(), { seed: 'input', recompute }).model,
    feeds: { x: normal('float32', [1, 2, 5, 7], 5), cotangent_y: normal('float32', [1, 2, 5, 7], 6) },
    torch: `
x.requires_grad_()
h = x
for turn in range(2):
  h = F.interpolate(torch.sin(F.max_pool2d(torch.tanh(h), 2)), size=(5, 7), mode="bilinear") * h
return {"y": h, "costate_x": torch.autograd.grad((h * cotangent_y).sum(), x)[0]}`,
    tolerance: 1e-4,
  })),
);

describe('what is kept', () => {
  it('is the arithmetic of shapes, of which the full check knows too little in branches', () => {
    const { graph } = costate(resizing(), { recompute: 4 }).model;
    const found = (nodes: Iterable<Node>) => [...nodes].filter(({ opType }) => opType === 'Max');
    expect(found(graph.nodes).length).toBeGreaterThan(0);
    expect(found(everyNode(graph))).toEqual(found(graph.nodes));
  });
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
