import { describe, expect, it } from 'vitest';
import { gibbsWeights, logSumExp } from '../../ops/index.ts';
import { costate } from '../../src/costate/costate.ts';
import { memorySource } from '../../src/files/source.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { normal } from '../ops/run.ts';
import { compared } from './compare.ts';

const [w, b] = [normal('float32', [6, 4], 1), normal('float32', [6], 2)];

/** F(softmax(x / 0.5)): operators whose co-states are written with one another. */
function network(): Model {
  const x = input('x', 'float32', ['n', 4]);
  const pi = gibbsWeights(x, constant(0.5));
  return model({ inputs: [x], outputs: { f: logSumExp(pi, parameter('w', w), parameter('b', b), constant(0.5)) } });
}

/** As from a file: the functions are definitions of its own. */
const written = new Map<string, Model>();
async function again(name: string, made: Model): Promise<void> {
  const bytes = encodeModel(toProto(made));
  written.set(name, await fromProto(await readModel(memorySource(bytes))));
}
function read(name: string): Model {
  const found = written.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}
await again('network', network());
await again('co-state of it', costate(read('network'), {}).model);

const list = (tensor: typeof w) => JSON.stringify([...new Float32Array(tensor.bytes.buffer)]);
const body = `
w = torch.tensor(${list(w)}, dtype=torch.float64).reshape(6, 4)
b = torch.tensor(${list(b)}, dtype=torch.float64)
x.requires_grad_()
f = 0.5 * torch.logsumexp((torch.softmax(x / 0.5, 1) @ w.T + b) / 0.5, 1)
(g,) = torch.autograd.grad(f.sum(), x, create_graph=True)
`;
const feeds = { x: normal('float32', [3, 4], 3), direction_x: normal('float32', [3, 4], 4) };

compared('models of our own operators that were read from a file', [
  {
    name: 'first order',
    make: () => costate(read('network')).model,
    feeds,
    torch: `${body}return {"f": f, "costate_x": g}`,
  },
  {
    name: 'second order at once',
    make: () => costate(read('network'), { order: 2 }).model,
    feeds,
    torch: `${body}return {"costate_x": g, "hvp_x": torch.autograd.grad((g * direction_x).sum(), x)[0]}`,
  },
  {
    name: 'second order of a co-state graph that was read',
    make: () => costate(read('co-state of it'), { of: ['costate_x'], wrt: ['x'] }).model,
    feeds,
    torch: `${body}return {"costate_x": g, "costate_x_2": torch.autograd.grad(g.sum(), x)[0]}`,
  },
  {
    name: 'second order in blocks',
    make: () => costate(read('co-state of it'), { of: ['costate_x'], wrt: ['x'], recompute: 2 }).model,
    feeds,
    torch: `${body}return {"costate_x_2": torch.autograd.grad(g.sum(), x)[0]}`,
  },
]);

describe('functions of a model that was read', () => {
  it('stay as they were, and rules call them', () => {
    const before = read('network').functions;
    const { functions } = costate(read('network'), { order: 2 }).model;
    for (const { name, overload, origin } of before)
      expect(functions.find((one) => one.name === name && one.overload === overload)?.origin).toBe(origin);
    const names = functions.map(({ name, overload }) => `${name}:${overload}`);
    expect(new Set(names).size).toBe(names.length);
  });
});
