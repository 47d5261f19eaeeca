import { callForm, type Form, nth, typePart } from '../../ops/define.ts';
import { expectPositiveScalar } from '../../ops/epsilon.ts';
import { as, commonType, floatTypeOf, ints, type WorkType, workType } from '../../ops/precision.ts';
import { summedTo } from '../../ops/reduction.ts';
import { Dimensions, expectAtoms } from '../../ops/shapes.ts';
import {
  dropLast,
  type Exponentials,
  entropyFrom,
  exponentials,
  positive,
  reciprocal,
  valueFrom,
  weightsFrom,
} from '../../ops/stable.ts';
import type { CostateRule } from '../graph/costate.ts';
import * as op from '../graph/op.ts';
import { tensorType } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';

/**
 * The product of a row and a matrix in the log-semiring: alpha [B, S], A [S', S] (row j: what leads to j), epsilon ->
 * F [B, S'] = epsilon log sum_i exp((alpha_i + A_ji)/epsilon), the log-sum-exp of every state's predecessors, with its co-state E_pi. -inf is 0 of
 * the semiring: a state that nothing leads to gets -inf, and passes no co-state. A function of the model: ONNX Runtime inlines it.
 */
export function logSemiringProduct(alpha: Value, matrix: Value, epsilon: Value): Value {
  const dims = new Dimensions();
  dims.fit('alpha', alpha, 'B', 'S');
  dims.fit('A', matrix, 'T', 'S');
  expectAtoms('A', dims.of('S'));
  expectPositiveScalar('epsilon', epsilon);
  const dtype = workType(commonType({ alpha, A: matrix }));
  const type = tensorType(dtype, [dims.of('B'), dims.of('T')]);
  return nth(callForm(form(dtype), [alpha, matrix, epsilon], [type]), 0);
}

function form(dtype: WorkType): Form {
  return {
    name: 'LogSemiringProduct',
    parts: [typePart(dtype)],
    inputs: [
      ['alpha', tensorType(dtype, [undefined, undefined])],
      ['A', tensorType(dtype, [undefined, undefined])],
      ['epsilon', tensorType('float32')],
    ],
    outputs: ['F'],
    doc: 'F_j = epsilon log sum_i exp((alpha_i + A_ji)/epsilon): a row times a matrix in the log-semiring.',
    body: ([alpha, matrix, epsilon]) => {
      if (alpha === undefined || matrix === undefined || epsilon === undefined) return [];
      const { max, sum } = gibbs(alpha, matrix, epsilon, dtype);
      return [dropLast(valueFrom(max, sum, positive(epsilon, dtype)))];
    },
    costate,
  };
}

/** exp((alpha_i + A_ji - max)/epsilon), [B, S', S]. */
function gibbs(alpha: Value, matrix: Value, epsilon: Value, work: WorkType): Exponentials {
  const z = op.add(op.unsqueeze(alpha, ints(1)), matrix);
  return exponentials(z, reciprocal(positive(epsilon, work), work), work);
}

/** p_i = sum_j p_j pi_ji: the co-state of F carried to the predecessors by their Gibbs weights; epsilon's is the entropy. */
const costate: CostateRule = (node, [bar], wanted) => {
  const [alpha, matrix, epsilon] = node.inputs;
  if (bar === undefined || alpha === undefined || matrix === undefined || epsilon === undefined) return [];
  const work = workType(floatTypeOf(alpha));
  const found = gibbs(alpha, matrix, epsilon, work);
  const pi = weightsFrom(found, work);
  const byState = op.unsqueeze(bar, ints(1));
  return [
    wanted[0] === true ? op.squeeze(op.matMul(byState, pi), ints(1)) : undefined,
    wanted[1] === true ? op.reduceSum(op.mul(op.unsqueeze(bar, ints(2)), pi), ints(0), { keepdims: 0 }) : undefined,
    wanted[2] === true ? summedTo(op.mul(bar, as(dropLast(entropyFrom(found, work)), work)), epsilon) : undefined,
  ];
};
