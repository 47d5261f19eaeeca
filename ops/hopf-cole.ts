import type { CostateRule } from '../src/graph/costate.ts';
import * as op from '../src/graph/op.ts';
import { tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectPositiveScalar } from './epsilon.ts';
import { at, average, gibbsRow, type Matrix, type Vector } from './float64.ts';
import { gibbsEntropy } from './gibbs-entropy.ts';
import { gibbsWeights } from './gibbs-weights.ts';
import { squaredDistance } from './hopf-lax.ts';
import {
  as,
  commonType,
  type FloatType,
  floatTypeOf,
  last,
  scalar,
  type WorkType,
  widened,
  workType,
} from './precision.ts';
import { inverseOfLower, nearest, quadraticLogits } from './quadratic.ts';
import { summedTo } from './reduction.ts';
import { epsilonFrom, lastAxis, rowSum, scaledLogits, throughWeights, total } from './rules.ts';
import { Dimensions, expectAtoms } from './shapes.ts';
import { unknown } from './solution.ts';
import { dropLast, exponentials, positive, reciprocal, weightsFrom } from './stable.ts';

export interface HopfColeOptions {
  /** L [d, d], lower triangular, of A = L L' in the Hamiltonian p'Ap; left out, A = I. Of the element type of X. */
  readonly metric?: Value | undefined;
}

/**
 * HopfCole: X [B, d], Y [N, d], g [N], epsilon, t -> U [B], its gradient [B, d] and the foot point [B, d] = E_pi y, where
 * U = -epsilon log sum_j exp(-(g_j + |L^-1 (x - y_j)|^2/(4t))/epsilon) (theory.md section 1, 2.1, 2.10). g_j = +inf takes an atom away; with
 * none left U = +inf, and gradient and foot point mean nothing.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, EMPTY_ATOMS, BAD_EPSILON, BAD_TIME
 */
export function hopfCole(
  x: Value,
  y: Value,
  g: Value,
  epsilon: Value,
  t: Value,
  options: HopfColeOptions = {},
): readonly [u: Value, gradient: Value, foot: Value] {
  return constructing('HopfCole', hopfCole, () => {
    const { metric } = options;
    const dims = new Dimensions();
    dims.fit('X', x, 'B', 'd');
    dims.fit('Y', y, 'N', 'd');
    dims.fit('g', g, 'N');
    if (metric !== undefined) dims.fit('metric', metric, 'd', 'd');
    expectAtoms('Y', dims.of('N'));
    expectPositiveScalar('epsilon', epsilon);
    expectPositiveScalar('t', t);
    const dtype = commonType({ X: x, Y: y, g, metric });
    const vectors = tensorType(dtype, [dims.of('B'), dims.of('d')]);
    const outputs = callForm(
      form(dtype, metric !== undefined),
      [x, y, g, epsilon, t, ...(metric === undefined ? [] : [metric])],
      [tensorType(dtype, [dims.of('B')]), vectors, vectors],
    );
    return [nth(outputs, 0), nth(outputs, 1), nth(outputs, 2)];
  });
}

function form(dtype: FloatType, metric: boolean): Form {
  return {
    name: 'HopfCole',
    parts: [metric ? 'metric' : '', typePart(dtype)],
    inputs: [
      ['X', unknown(dtype, 2)],
      ['Y', unknown(dtype, 2)],
      ['g', unknown(dtype, 1)],
      ['epsilon', tensorType('float32')],
      ['t', tensorType('float32')],
      ...(metric ? ([['metric', unknown(dtype, 2)]] as const) : []),
    ],
    outputs: ['U', 'gradient', 'foot'],
    doc: metric
      ? "U = -epsilon log sum_j exp(-(g_j + |inv(L)(x - y_j)|^2/(4t)) / epsilon), L the metric, A = L L': solves u_t + grad u'A grad u = epsilon tr(A D2u) up to a constant rate."
      : 'U = -epsilon log sum_j exp(-(g_j + |x - y_j|^2/(4t)) / epsilon): solves u_t + |grad u|^2 = epsilon Lap u up to a constant rate.',
    body: (inputs) => body(dtype, inputs),
    costate,
  };
}

function body(dtype: FloatType, [x, y, g, epsilon, t, metric]: readonly Value[]): readonly Value[] {
  if (x === undefined || y === undefined || g === undefined || epsilon === undefined || t === undefined) return [];
  const work = workType(dtype);
  const eps = positive(epsilon, work);
  const time = positive(t, work);
  const inverse = metric === undefined ? undefined : inverseOfLower(widened(metric));
  const data = widened(g);
  const mapped = quadraticLogits(map(widened(x), inverse), map(widened(y), inverse), data, time, work);
  const parts = exponentials(mapped.z, reciprocal(eps, work), work);
  const { cost } = nearest(mapped, data, time, work);
  const u = op.sub(cost, op.mul(eps, op.log(dropLast(parts.sum))));
  const pi = weightsFrom(parts, work);
  const mean = op.matMul(pi, mapped.y);
  const slope = op.div(op.sub(mapped.x, mean), op.mul(time, scalar(2, work)));
  const gradient = inverse === undefined ? slope : op.matMul(slope, inverse);
  const at0 = op.add(mean, mapped.centre);
  const foot = metric === undefined ? at0 : op.matMul(at0, byColumn(lowerOf(widened(metric))));
  return [as(u, dtype), as(gradient, dtype), as(foot, dtype)];
}

/** Rows mapped by L^-1. */
function map(rows: Value, inverse: Value | undefined): Value {
  return inverse === undefined ? rows : op.matMul(rows, byColumn(inverse));
}

function byColumn(matrix: Value): Value {
  return op.transpose(matrix, { perm: [1, 0] });
}

function lowerOf(matrix: Value): Value {
  return op.trilu(matrix, undefined, { upper: 0 });
}

/** With a metric, everything happens in x' = L^-1 x, y' = L^-1 y: gradient = L^-T gradient', foot = L foot'. */
export const costate: CostateRule = (node, cotangents, wanted) => {
  const [x, y, g, epsilon, t, metric] = node.inputs;
  if (x === undefined || y === undefined || g === undefined || epsilon === undefined || t === undefined) return [];
  const dtype = floatTypeOf(x);
  const [uBar, gradientBar, footBar] = cotangents.map((bar) => (bar === undefined ? undefined : widened(bar)));
  const lowered = (value: Value | undefined): Value | undefined => (value === undefined ? undefined : as(value, dtype));
  if (metric === undefined) {
    const bars = plain({ x: widened(x), y: widened(y), g: widened(g), epsilon, t }, uBar, gradientBar, footBar, wanted);
    return [lowered(bars[0]), lowered(bars[1]), lowered(bars[2]), bars[3], bars[4]];
  }
  const l = lowerOf(widened(metric));
  const inverse = inverseOfLower(l);
  const x0 = widened(x);
  const y0 = widened(y);
  const mapped = { x: map(x0, inverse), y: map(y0, inverse), g: widened(g), epsilon, t };
  const slopeBar = gradientBar === undefined ? undefined : op.matMul(gradientBar, byColumn(inverse));
  const innerFoot = footBar === undefined ? undefined : op.matMul(footBar, l);
  const wantsMetric = wanted[5] === true;
  const needed = [
    wanted[0] === true || wantsMetric,
    wanted[1] === true || wantsMetric,
    wanted[2] === true,
    wanted[3] === true,
    wanted[4] === true,
  ];
  const [xBar, yBar, gBar, epsBar, tBar] = plain(mapped, uBar, slopeBar, innerFoot, needed);
  const back = (bar: Value | undefined): Value | undefined => (bar === undefined ? undefined : op.matMul(bar, inverse));
  const outer = (left: Value | undefined, right: Value | undefined): Value | undefined =>
    left === undefined || right === undefined ? undefined : op.matMul(byColumn(left), right);
  const metricBar = (): Value | undefined => {
    const [, slope, foot] = hopfCole(mapped.x, mapped.y, mapped.g, epsilon, t);
    const inverseBar = total(outer(xBar, x0), outer(yBar, y0), outer(slope, gradientBar));
    const through =
      inverseBar === undefined
        ? undefined
        : op.neg(op.matMul(byColumn(inverse), op.matMul(inverseBar, byColumn(inverse))));
    const sum = total(through, outer(footBar, foot));
    return sum === undefined ? undefined : lowerOf(sum);
  };
  return [
    wanted[0] === true ? lowered(back(xBar)) : undefined,
    wanted[1] === true ? lowered(back(yBar)) : undefined,
    lowered(gBar),
    epsBar,
    tBar,
    wantsMetric ? lowered(metricBar()) : undefined,
  ];
};

interface Given {
  readonly x: Value;
  readonly y: Value;
  readonly g: Value;
  readonly epsilon: Value;
  readonly t: Value;
}

/** The rule without metric, all in the work type. zBar is the co-state of z_j = -(g_j + |x - y_j|^2/(4t)). */
function plain(
  { x, y, g, epsilon, t }: Given,
  uBar: Value | undefined,
  gradientBar: Value | undefined,
  footBar: Value | undefined,
  wanted: readonly boolean[],
): readonly (Value | undefined)[] {
  const work: WorkType = x.dtype === 'float64' ? 'float64' : 'float32';
  const eps = as(epsilon, work);
  const time = as(t, work);
  const twice = op.mul(time, scalar(2, work));
  const quadratic = quadraticLogits(x, y, g, time, work);
  const pi = gibbsWeights(quadratic.z, epsilon);
  const offset = op.sub(quadratic.x, op.matMul(pi, quadratic.y));
  const fromGradient = gradientBar === undefined ? undefined : op.div(gradientBar, twice);
  const phi = total(footBar, fromGradient === undefined ? undefined : op.neg(fromGradient));
  const fromFoot = phi === undefined ? undefined : throughWeights(pi, op.matMul(phi, byColumn(quadratic.y)), eps);
  const zBar = total(fromFoot, uBar === undefined ? undefined : op.neg(op.mul(lastAxis(uBar), pi)));
  if (zBar === undefined) return [];
  const mass = rowSum(zBar);
  const byAtom = byColumn(zBar);
  const pulled = op.div(op.sub(op.matMul(zBar, quadratic.y), op.mul(mass, quadratic.x)), twice);
  const atomMass = op.reduceSum(byAtom, last(byAtom));
  const pushed = op.div(op.sub(op.matMul(byAtom, quadratic.x), op.mul(atomMass, quadratic.y)), twice);
  return [
    wanted[0] === true ? total(pulled, fromGradient) : undefined,
    wanted[1] === true ? total(pushed, phi === undefined ? undefined : op.matMul(byColumn(pi), phi)) : undefined,
    wanted[2] === true ? op.neg(dropLast(atomMass)) : undefined,
    wanted[3] === true ? toEpsilon(quadratic.z, pi, eps, epsilon, uBar, fromFoot, work) : undefined,
    wanted[4] === true ? toTime(quadratic.x, quadratic.y, zBar, offset, gradientBar, time, t) : undefined,
  ];
}

/** dU/deps = -H, and what the averages pass, by homogeneity in (z, eps). */
function toEpsilon(
  z: Value,
  pi: Value,
  eps: Value,
  epsilon: Value,
  uBar: Value | undefined,
  fromFoot: Value | undefined,
  work: WorkType,
): Value | undefined {
  const fromU = uBar === undefined ? undefined : op.neg(lastAxis(op.mul(uBar, gibbsEntropy(z, epsilon))));
  const fromMean = fromFoot === undefined ? undefined : epsilonFrom(fromFoot, scaledLogits(z, pi, eps, work));
  const sum = total(fromU, fromMean);
  return sum === undefined ? undefined : summedTo(sum, epsilon);
}

/** dz_j/dt = |x - y_j|^2/(4t^2), summed with zBar as |x|^2 - 2 x.y + |y|^2; and the gradient's own 1/(2t). */
function toTime(
  x: Value,
  y: Value,
  zBar: Value,
  offset: Value,
  gradientBar: Value | undefined,
  time: Value,
  t: Value,
): Value {
  const work: WorkType = x.dtype === 'float64' ? 'float64' : 'float32';
  const two = scalar(2, work);
  const ownSquare = op.mul(rowSum(op.mul(x, x)), rowSum(zBar));
  const cross = op.mul(two, rowSum(op.mul(x, op.matMul(zBar, y))));
  const atomSquare = op.matMul(zBar, rowSum(op.mul(y, y)));
  const squares = op.add(op.sub(ownSquare, cross), atomSquare);
  const fromZ = op.div(squares, op.mul(scalar(4, work), op.mul(time, time)));
  const fromSlope =
    gradientBar === undefined
      ? undefined
      : op.neg(op.div(rowSum(op.mul(gradientBar, offset)), op.mul(two, op.mul(time, time))));
  return summedTo(total(fromZ, fromSlope) ?? fromZ, t);
}

/** The float64 reference: one row, straight from the definition. */
export function hopfColeReference(
  x: Vector,
  y: Matrix,
  g: Vector,
  epsilon: number,
  t: number,
): { readonly u: number; readonly gradient: Float64Array; readonly foot: Float64Array } {
  const z = Float64Array.from(y, (atom, j) => -(at(g, j) + squaredDistance(x, atom) / (4 * t)));
  const { f, weights } = gibbsRow(z, epsilon);
  const foot = average(weights, y);
  return { u: -f, gradient: foot.map((mean, i) => (at(x, i) - mean) / (2 * t)), foot };
}
