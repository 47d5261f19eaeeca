import { toNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantTensor } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, type RuleCall, rule, unary } from '../call.ts';
import { masked, staysFinite } from '../masked.ts';
import { cast, numbers, scalarLike } from '../pieces.ts';

/** Activation functions; each by its output where that saves an operator, by products where Where would be slow (see `masked`). */
export const activationRules: Readonly<Record<string, Rule>> = {
  Relu: unary('g where y > 0', (g, _, y) => masked(g, op.greater(y, scalarLike(y, 0))), '0 at 0'),
  LeakyRelu: unary('g where x > 0, alpha g elsewhere', (g, x, _, call) =>
    op.mul(g, choice(positive(x), g, 1, call.float('alpha', 0.01))),
  ),
  PRelu: rule('g where x > 0, g slope elsewhere; g x where x <= 0', (call) => {
    const [g, x, slope] = [call.g(), call.x(0), call.x(1)];
    return [
      call.to(0, () => {
        const right = numbers(positive(x), g);
        const left = op.sub(scalarLike(g, 1), right);
        return op.mul(g, op.add(right, op.mul(left, slope)));
      }),
      call.to(1, () => summedTo(op.mul(g, negativePart(x)), slope, [x])),
    ];
  }),
  Elu: unary('g where x > 0, g (y + alpha) elsewhere', (g, x, y, call) => {
    const alpha = call.float('alpha', 1);
    if (alpha < 0) return op.mul(g, op.where(positive(x), scalarLike(g, 1), plus(y, alpha)));
    return op.mul(g, alpha === 1 ? plus(negativePart(y), 1) : onBothSides(x, y, 1, alpha));
  }),
  Celu: unary('g where x > 0, g (y / alpha + 1) elsewhere', (g, _, y, call) =>
    op.mul(g, plus(scaled(negativePart(y), 1 / call.float('alpha', 1)), 1)),
  ),
  Selu: unary('gamma g where x > 0, g (y + gamma alpha) elsewhere', (g, x, y, call) => {
    const gamma = call.float('gamma', 1.0507010221481323);
    const alpha = call.float('alpha', 1.6732631921768188);
    if (gamma * alpha < 0) return op.mul(g, op.where(positive(x), scalarLike(g, gamma), plus(y, gamma * alpha)));
    return op.mul(g, onBothSides(x, y, gamma, gamma * alpha));
  }),
  Sigmoid: unary('g y (1 - y)', (g, _, y) => op.mul(g, op.sub(y, op.mul(y, y)))),
  HardSigmoid: unary('alpha g where 0 < alpha x + beta < 1', (g, x, _, call) => {
    const [alpha, beta] = [call.float('alpha', 0.2), call.float('beta', 0.5)];
    const inside = op.less(op.abs(plus(x, (beta - 0.5) / alpha)), scalarLike(x, 0.5 / Math.abs(alpha)));
    return staysFinite(g) ? op.mul(g, choice(inside, g, alpha, 0)) : masked(scaled(g, alpha), inside);
  }),
  HardSwish: unary('g where x >= 3, g (x / 3 + 1/2) where -3 < x < 3', (g, x) => {
    const [zero, one] = [scalarLike(x, 0), scalarLike(x, 1)];
    const middle = op.where(op.greater(x, scalarLike(x, -3)), plus(scaled(x, 1 / 3), 0.5), zero);
    return op.mul(g, op.where(op.less(x, scalarLike(x, 3)), middle, one));
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
  Gelu: unary('g (Phi(x) + x phi(x)), or that of the tanh form', (g, x, y, call) =>
    op.mul(g, call.text('approximate', 'none') === 'tanh' ? tanhSlope(x, y) : normalSlope(x)),
  ),
  ThresholdedRelu: unary('g where x > alpha', (g, x, _, call) =>
    masked(g, op.greater(x, scalarLike(x, call.float('alpha', 1)))),
  ),
  Shrink: unary('g where |x| > lambd', (g, x, _, call) =>
    masked(g, op.greater(op.abs(x), scalarLike(x, call.float('lambd', 0.5)))),
  ),
  Swish: unary('g s (1 + alpha x (1 - s)), s = sigmoid(alpha x)', (g, x, y, call) => {
    const alpha = call.float('alpha', 1);
    const s = op.sigmoid(scaled(x, alpha));
    return op.mul(g, op.add(s, scaled(op.sub(y, op.mul(y, s)), alpha)));
  }),
  Dropout: rule(
    'g at inference; g / (1 - ratio) where the mask kept x in training',
    (call) => [call.to(0, () => dropped(call))],
    { note: 'in training the mask is asked of the operator itself; no derivative with respect to the ratio' },
  ),
};

function positive(x: Value): Value {
  return op.greater(x, scalarLike(x, 0));
}

/** One of two numbers of the type of g. */
function choice(condition: Value, g: Value, yes: number, no: number): Value {
  return op.where(condition, scalarLike(g, yes), scalarLike(g, no));
}

/** min(x, 0), with the derivative 1 at 0. */
function negativePart(x: Value): Value {
  return op.clip(x, undefined, scalarLike(x, 0));
}

/** `right` where x > 0, y + `left` elsewhere, of a y that has the sign of x. */
function onBothSides(x: Value, y: Value, right: number, left: number): Value {
  return op.add(negativePart(y), choice(positive(x), y, right, left));
}

function scaled(x: Value, factor: number): Value {
  return factor === 1 ? x : op.mul(x, scalarLike(x, factor));
}

function plus(x: Value, number: number): Value {
  return number === 0 ? x : op.add(x, scalarLike(x, number));
}

/** Phi(x) + x phi(x) of the normal distribution, with z = x / sqrt(2): (1 + erf z + 2/sqrt(pi) z exp(-z^2)) / 2. */
function normalSlope(x: Value): Value {
  const z = scaled(x, Math.SQRT1_2);
  const density = op.exp(op.sub(scalarLike(x, Math.log(2 / Math.sqrt(Math.PI))), op.mul(z, z)));
  return scaled(plus(op.add(op.erf(z), op.mul(z, density)), 1), 0.5);
}

/** Of y = x s, s = sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3): s + y (1 - s) 2 u'. */
function tanhSlope(x: Value, y: Value): Value {
  const c = Math.sqrt(8 / Math.PI);
  const square = op.mul(x, x);
  const s = op.sigmoid(op.mul(x, plus(scaled(square, c * 0.044715), c)));
  const inner = plus(scaled(square, 3 * c * 0.044715), c);
  return op.add(s, op.mul(op.mul(y, op.sub(scalarLike(s, 1), s)), inner));
}

function dropped(call: RuleCall): Value {
  const [g, training] = [call.g(), call.maybe(2)];
  const known = constantTensor(training)?.bytes[0];
  if (training === undefined || known === 0) return g;
  const mask = call.node.outputs[1];
  if (mask === undefined) throw call.unsupported('it trains, and its mask is not there');
  const bar = masked(op.mul(g, scaleOfKept(call, g)), mask);
  return known === undefined ? op.where(training, bar, g) : bar;
}

/** 1 / (1 - ratio). */
function scaleOfKept(call: RuleCall, g: Value): Value {
  const ratio = call.maybe(1);
  if (ratio === undefined) return scalarLike(g, 2);
  const tensor = constantTensor(ratio);
  const known = tensor === undefined || tensor.dtype === 'string' ? undefined : toNumbers(tensor)[0];
  return known === undefined
    ? op.reciprocal(op.sub(scalarLike(g, 1), cast(ratio, g.dtype ?? 'float32')))
    : scalarLike(g, 1 / (1 - known));
}
