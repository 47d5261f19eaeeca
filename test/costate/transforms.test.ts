import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { jvp } from '../../src/costate/forward.ts';
import { jacobian } from '../../src/costate/jacobian.ts';
import { hvp, vjp } from '../../src/costate/transforms.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { normal } from '../ops/run.ts';
import { compared } from './compare.ts';

const [w1, w2] = [normal('float32', [5, 3], 11), normal('float32', [4, 5], 12)];

/** tanh(x w1') w2' of float32, and its mean over the classes. */
function network(shape: readonly (number | string)[]) {
  const x = input('x', 'float32', shape);
  const h = op.tanh(op.matMul(x, op.transpose(parameter('w1', w1), { perm: [1, 0] })));
  const y = op.matMul(h, op.transpose(parameter('w2', w2), { perm: [1, 0] }));
  return model({ inputs: [x], outputs: { y, mean: op.reduceMean(y, constant([1n], 'int64'), { keepdims: 0 }) } });
}

const body = `
def net(x, w1=w1, w2=w2):
  return torch.tanh(x @ w1.T) @ w2.T
`;
const weights = (text: string) =>
  `w1 = torch.tensor(${JSON.stringify([...new Float32Array(w1.bytes.buffer)])}, dtype=torch.float64).reshape(5, 3)
w2 = torch.tensor(${JSON.stringify([...new Float32Array(w2.bytes.buffer)])}, dtype=torch.float64).reshape(4, 5)
${body}
${text}`;

compared('jvp', [
  ...[
    [2, 3],
    ['n', 3],
  ].map((shape) => ({
    name: `of an MLP along its input, ${shape}`,
    make: () => jvp(network(shape)).model,
    feeds: { x: normal('float32', [2, 3], 1), tangent_x: normal('float32', [2, 3], 2) },
    torch: weights(`
y, moved = torch.func.jvp(net, (x,), (tangent_x,))
return {"y": y, "mean": y.mean(1), "jvp_y": moved, "jvp_mean": moved.mean(1)}`),
  })),
  {
    name: 'along parameters and input at once',
    make: () => jvp(network(['n', 3]), { wrt: ['all'], of: ['y'] }).model,
    feeds: {
      x: normal('float32', [2, 3], 1),
      tangent_x: normal('float32', [2, 3], 2),
      tangent_w1: normal('float32', [5, 3], 3),
      tangent_w2: normal('float32', [4, 5], 4),
    },
    torch: weights(`
y, moved = torch.func.jvp(net, (x, w1, w2), (tangent_x, tangent_w1, tangent_w2))
return {"y": y, "jvp_y": moved}`),
  },
  {
    name: 'of a loss',
    make: () => jvp(network([2, 3]), { loss: 'mse' }).model,
    feeds: {
      x: normal('float32', [2, 3], 1),
      tangent_x: normal('float32', [2, 3], 2),
      target: normal('float32', [2, 4], 3),
    },
    torch: weights(`
loss, moved = torch.func.jvp(lambda x: F.mse_loss(net(x), target), (x,), (tangent_x,))
return {"loss": loss, "jvp_loss": moved}`),
  },
]);

const whole = weights(`
jac = torch.func.jacrev(net, argnums=(0, 1, 2))(x, w1, w2)
return {"y": net(x), "jacobian_x": jac[0], "jacobian_w1": jac[1], "jacobian_w2": jac[2]}`);

compared('jacobian', [
  ...[
    [2, 3],
    ['n', 3],
  ].map((shape) => ({
    name: `row by row, ${shape}`,
    make: () => jacobian(network(shape), { wrt: ['all'], of: ['y'] }).model,
    feeds: { x: normal('float32', [2, 3], 1) },
    torch: whole,
  })),
  {
    name: 'of one number',
    make: () => jacobian(network([2, 3]), { loss: 'mse' }).model,
    feeds: { x: normal('float32', [2, 3], 1), target: normal('float32', [2, 4], 3) },
    torch: weights('return {"jacobian_x": torch.func.grad(lambda x: F.mse_loss(net(x), target))(x)}'),
  },
  {
    name: 'of samples, all at once',
    make: () => jacobian(network(['n', 3]), { perSample: true, of: ['y'] }).model,
    feeds: { x: normal('float32', [4, 3], 1) },
    torch: weights('return {"y": net(x), "jacobian_x": torch.func.vmap(torch.func.jacrev(net))(x)}'),
  },
  {
    name: 'of samples of images, through a convolution',
    make: () => {
      const x = input('x', 'float32', ['n', 1, 4, 'side']);
      const y = op.sigmoid(
        op.conv(x, parameter('k', normal('float32', [2, 1, 3, 3], 5)), undefined, { pads: [1, 1, 1, 1] }),
      );
      return jacobian(model({ inputs: [x], outputs: { y } }), { perSample: true }).model;
    },
    feeds: { x: normal('float32', [2, 1, 4, 3], 1), k: normal('float32', [2, 1, 3, 3], 5) },
    torch:
      'return {"jacobian_x": torch.func.vmap(torch.func.jacrev(lambda x: torch.sigmoid(F.conv2d(x, k, padding=1))))(x)}',
  },
  {
    name: 'of no samples',
    make: () => jacobian(network(['n', 3]), { perSample: true, of: ['y'] }).model,
    feeds: { x: normal('float32', [0, 3], 1) },
    torch: 'return {"jacobian_x": torch.zeros(0, 4, 3)}',
  },
]);

compared('vjp, hvp and the Hessian', [
  {
    name: 'vjp',
    make: () => vjp(network(['n', 3]), { of: ['y', 'mean'] }).model,
    feeds: {
      x: normal('float32', [2, 3], 1),
      cotangent_y: normal('float32', [2, 4], 2),
      cotangent_mean: normal('float32', [2], 3),
    },
    torch: weights(`
y, pull = torch.func.vjp(lambda x: (net(x), net(x).mean(1)), x)
return {"costate_x": pull((cotangent_y, cotangent_mean))[0]}`),
  },
  {
    name: 'hvp',
    make: () => hvp(network(['n', 3]), { loss: 'mse', wrt: ['x', 'w1'] }).model,
    feeds: {
      x: normal('float32', [2, 3], 1),
      target: normal('float32', [2, 4], 3),
      direction_x: normal('float32', [2, 3], 4),
      direction_w1: normal('float32', [5, 3], 5),
    },
    torch: weights(`
def f(x, w1):
  return F.mse_loss(net(x, w1), target)
x.requires_grad_(); w1.requires_grad_()
gx, gw = torch.autograd.grad(f(x, w1), (x, w1), create_graph=True)
hx, hw = torch.autograd.grad((gx * direction_x).sum() + (gw * direction_w1).sum(), (x, w1))
return {"loss": f(x, w1), "costate_x": gx, "costate_w1": gw, "hvp_x": hx, "hvp_w1": hw}`),
  },
  {
    name: 'the Jacobian of the co-state is the Hessian',
    make: () => jacobian(costate(network([2, 3]), { of: ['mean'] }).model, { of: ['costate_x'] }).model,
    feeds: { x: normal('float32', [2, 3], 1) },
    torch: weights(`return {"jacobian_x": torch.func.hessian(lambda x: net(x).mean(1).sum())(x)}`),
  },
  {
    name: 'the co-state of a Jacobian',
    make: () => costate(jacobian(network([2, 3]), { of: ['y'] }).model, { of: ['jacobian_x'] }).model,
    feeds: { x: normal('float32', [2, 3], 1) },
    torch: weights(`return {"costate_x": torch.func.grad(lambda x: torch.func.jacrev(net)(x).sum())(x)}`),
  },
]);

describe('jvp', () => {
  it('leaves nothing of the way back', () => {
    const { model: made, tangents, wrt } = jvp(network([2, 3]), { of: ['y'] });
    expect(tangents).toEqual([{ of: 'y', name: 'jvp_y', dtype: 'float32', shape: [2, 4] }]);
    expect(wrt).toEqual(['x']);
    const kinds = made.graph.nodes.map(({ opType }) => opType);
    // y and mean, then 1 - h^2 and two products.
    expect(kinds).toEqual(['Gemm', 'Tanh', 'Gemm', 'ReduceMean', 'Mul', 'Sub', 'Gemm', 'Mul', 'Gemm']);
  });
});
