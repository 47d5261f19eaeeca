import { fromNumbers } from '../src/files/tensor.ts';
import type { CostateRule } from '../src/graph/costate.ts';
import * as op from '../src/graph/op.ts';
import { tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectPositiveScalar } from './epsilon.ts';
import { at, type Matrix, type Vector } from './float64.ts';
import { as, commonType, type FloatType, floatTypeOf, last, scalar, widened, workType } from './precision.ts';
import { nearest, quadraticLogits } from './quadratic.ts';
import { summedTo } from './reduction.ts';
import { lastAxis } from './rules.ts';
import { Dimensions, expectAtoms } from './shapes.ts';
import { unknown } from './solution.ts';
import { positive } from './stable.ts';

/**
 * HopfLax: X [B, d], Y [N, d], g [N], t -> U0 [B] = min_j g_j + |x - y_j|^2/(4t), and the index [B] (int64) of the atom that attains it
 * (theory.md section 1: the limit epsilon -> 0 of HopfCole). g_j = +inf takes an atom away; with none left U0 = +inf.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, EMPTY_ATOMS, BAD_TIME
 */
export function hopfLax(x: Value, y: Value, g: Value, t: Value): readonly [u0: Value, index: Value] {
  return constructing('HopfLax', hopfLax, () => {
    const dims = new Dimensions();
    dims.fit('X', x, 'B', 'd');
    dims.fit('Y', y, 'N', 'd');
    dims.fit('g', g, 'N');
    expectAtoms('Y', dims.of('N'));
    expectPositiveScalar('t', t);
    const dtype = commonType({ X: x, Y: y, g });
    const rows = [dims.of('B')];
    const outputs = callForm(form(dtype), [x, y, g, t], [tensorType(dtype, rows), tensorType('int64', rows)]);
    return [nth(outputs, 0), nth(outputs, 1)];
  });
}

function form(dtype: FloatType): Form {
  return {
    name: 'HopfLax',
    parts: [typePart(dtype)],
    inputs: [
      ['X', unknown(dtype, 2)],
      ['Y', unknown(dtype, 2)],
      ['g', unknown(dtype, 1)],
      ['t', tensorType('float32')],
    ],
    outputs: ['U0', 'index'],
    doc: 'U0 = min_j g_j + |x - y_j|^2 / (4t), and which j: the inviscid solution of u_t + |grad u|^2 = 0.',
    body: ([x, y, g, t]) => {
      if (x === undefined || y === undefined || g === undefined || t === undefined) return [];
      const work = workType(dtype);
      const time = positive(t, work);
      const data = widened(g);
      const { cost, index } = nearest(quadraticLogits(widened(x), widened(y), data, time, work), data, time, work);
      return [as(cost, dtype), index];
    },
    costate,
  };
}

/** That of the atom that attains the minimum: of several, the first. */
export const costate: CostateRule = (node, [uBar], wanted) => {
  const [x, y, g, t] = node.inputs;
  const index = node.outputs[1];
  if (uBar === undefined || x === undefined || y === undefined || g === undefined || t === undefined) return [];
  if (index === undefined) return [];
  const dtype = floatTypeOf(x);
  const work = workType(dtype);
  const time = as(t, work);
  const offset = op.sub(widened(x), op.gather(widened(y), index));
  const bar = widened(uBar);
  const perRow = op.div(op.mul(lastAxis(bar), offset), op.mul(time, scalar(2, work)));
  // Not by ScatterND: two threads of ONNX Runtime that meet at an atom lose sums there.
  const scattered = (like: Value, places: Value, updates: Value): Value => {
    const zeros = op.constantOfShape(op.shape(like), { value: fromNumbers(work, [1], [0]) });
    return as(op.scatterElements(zeros, places, updates, { axis: 0, reduction: 'add' }), dtype);
  };
  const square = op.reduceSum(op.mul(offset, offset), last(offset), { keepdims: 0 });
  const slope = op.neg(op.div(op.div(square, op.mul(time, scalar(4, work))), time));
  return [
    wanted[0] === true ? as(perRow, dtype) : undefined,
    wanted[1] === true ? scattered(y, op.expand(lastAxis(index), op.shape(perRow)), op.neg(perRow)) : undefined,
    wanted[2] === true ? scattered(g, index, bar) : undefined,
    wanted[3] === true ? summedTo(op.mul(bar, slope), t) : undefined,
  ];
};

/** The float64 reference: one row. */
export function hopfLaxReference(
  x: Vector,
  y: Matrix,
  g: Vector,
  t: number,
): { readonly u0: number; readonly index: number } {
  let u0 = Number.POSITIVE_INFINITY;
  let index = 0;
  y.forEach((atom, j) => {
    const cost = at(g, j) + squaredDistance(x, atom) / (4 * t);
    if (cost < u0) {
      u0 = cost;
      index = j;
    }
  });
  return { u0, index };
}

export function squaredDistance(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (at(a, i) - at(b, i)) ** 2;
  return sum;
}
