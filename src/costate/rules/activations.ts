import * as op from '../../graph/op.ts';
import { constantTensor } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, type RuleCall, rule, unary, zero } from '../call.ts';
import { cast, scalarLike } from '../pieces.ts';

/** Activation functions; each by its output where that saves an operator. */
export const activationRules: Readonly<Record<string, Rule>> = {
  Relu: unary('g where y > 0', (g, _, y) => where(op.greater(y, scalarLike(y, 0)), g, 0), '0 at 0'),
  LeakyRelu: unary('g where x > 0, alpha g elsewhere', (g, x, _, call) =>
    op.where(op.greater(x, scalarLike(x, 0)), g, scaled(g, call.float('alpha', 0.01))),
  ),
  PRelu: rule('g where x > 0, g slope elsewhere; g x where x <= 0', (call) => {
    const [g, x, slope] = [call.g(), call.x(0), call.x(1)];
    const positive = op.greater(x, scalarLike(x, 0));
    return [
      call.to(0, () => op.where(positive, g, op.mul(g, slope))),
      call.to(1, () => summedTo(op.where(positive, scalarLike(g, 0), op.mul(g, x)), slope, [x])),
    ];
  }),
  Elu: unary('g where x > 0, g (y + alpha) elsewhere', (g, x, y, call) =>
    op.where(op.greater(x, scalarLike(x, 0)), g, op.mul(g, plus(y, call.float('alpha', 1)))),
  ),
  Celu: unary('g where x > 0, g (y / alpha + 1) elsewhere', (g, x, y, call) =>
    op.where(op.greater(x, scalarLike(x, 0)), g, op.mul(g, plus(scaled(y, 1 / call.float('alpha', 1)), 1))),
  ),
  Selu: unary('gamma g where x > 0, g (y + gamma alpha) elsewhere', (g, x, y, call) => {
    const gamma = call.float('gamma', 1.0507010221481323);
    const alpha = call.float('alpha', 1.6732631921768188);
    return op.mul(g, op.where(op.greater(x, scalarLike(x, 0)), scalarLike(g, gamma), plus(y, gamma * alpha)));
  }),
  Sigmoid: unary('g y (1 - y)', (g, _, y) => op.mul(g, op.sub(y, op.mul(y, y)))),
  HardSigmoid: unary('alpha g where 0 < y < 1', (g, _, y, call) => {
    const inside = op.and(op.greater(y, scalarLike(y, 0)), op.less(y, scalarLike(y, 1)));
    return where(inside, scaled(g, call.float('alpha', 0.2)), 0);
  }),
  HardSwish: unary('g where x >= 3, g (x / 3 + 1/2) where -3 < x < 3', (g, x) => {
    const slope = plus(scaled(x, 1 / 3), 0.5);
    const low = where(op.greater(x, scalarLike(x, -3)), op.mul(g, slope), 0);
    return op.where(op.less(x, scalarLike(x, 3)), low, g);
  }),
  Softplus: unary('g sigmoid(x)', (g, x) => op.mul(g, op.sigmoid(x))),
  Softsign: unary('g (1 - |y|)^2', (g, _, y) => {
    const rest = op.sub(scalarLike(y, 1), op.abs(y));
    return op.mul(g, op.mul(rest, rest));
  }),
  Mish: unary('g (t + x (1 - t^2) sigmoid(x)), t = tanh(softplus(x))', (g, x) => {
    const t = op.tanh(op.softplus(x));
    const slope = op.mul(op.mul(x, op.sub(scalarLike(t, 1), op.mul(t, t))), op.sigmoid(x));
    return op.mul(g, op.add(t, slope));
  }),
  Gelu: unary('g (Phi(x) + x phi(x)), or that of the tanh form', (g, x, _, call) =>
    op.mul(g, call.text('approximate', 'none') === 'tanh' ? tanhSlope(x) : normalSlope(x)),
  ),
  ThresholdedRelu: unary('g where x > alpha', (g, x, _, call) =>
    where(op.greater(x, scalarLike(x, call.float('alpha', 1))), g, 0),
  ),
  Shrink: unary('g where |x| > lambd', (g, x, _, call) =>
    where(op.greater(op.abs(x), scalarLike(x, call.float('lambd', 0.5))), g, 0),
  ),
  Swish: unary('g s (1 + alpha x (1 - s)), s = sigmoid(alpha x)', (g, x, y, call) => {
    const alpha = call.float('alpha', 1);
    const s = op.sigmoid(scaled(x, alpha));
    return op.mul(g, op.add(s, scaled(op.sub(y, op.mul(y, s)), alpha)));
  }),
  Dropout: rule('g at inference; g / (1 - ratio) where the mask kept x in training', (call) => [
    call.to(0, () => dropped(call)),
  ]),
  Hardmax: zero('0'),
};

function where(condition: Value, g: Value, otherwise: number): Value {
  return op.where(condition, g, scalarLike(g, otherwise));
}

function scaled(x: Value, factor: number): Value {
  return factor === 1 ? x : op.mul(x, scalarLike(x, factor));
}

function plus(x: Value, number: number): Value {
  return number === 0 ? x : op.add(x, scalarLike(x, number));
}

/** Phi(x) + x phi(x) of the normal distribution. */
function normalSlope(x: Value): Value {
  const area = scaled(plus(op.erf(scaled(x, Math.SQRT1_2)), 1), 0.5);
  const density = scaled(op.exp(scaled(op.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return op.add(area, op.mul(x, density));
}

/** Of x (1 + t) / 2, t = tanh(sqrt(2/pi) (x + 0.044715 x^3)). */
function tanhSlope(x: Value): Value {
  const c = Math.sqrt(2 / Math.PI);
  const square = op.mul(x, x);
  const t = op.tanh(op.mul(x, plus(scaled(square, c * 0.044715), c)));
  const inner = plus(scaled(square, 3 * c * 0.044715), c);
  const slope = op.mul(op.mul(x, op.sub(scalarLike(t, 1), op.mul(t, t))), inner);
  return scaled(op.add(plus(t, 1), slope), 0.5);
}

function dropped(call: RuleCall): Value {
  const [g, training] = [call.g(), call.maybe(2)];
  const known = constantTensor(training)?.bytes[0];
  if (training === undefined || known === 0) return g;
  const mask = call.node.outputs[1];
  if (mask === undefined) throw call.unsupported('it trains, and its mask is not there');
  const ratio = call.maybe(1);
  const kept =
    ratio === undefined ? scalarLike(g, 2) : op.reciprocal(op.sub(scalarLike(g, 1), cast(ratio, g.dtype ?? 'float32')));
  const bar = op.where(mask, op.mul(g, kept), scalarLike(g, 0));
  return known === 1 ? bar : op.where(training, bar, g);
}
