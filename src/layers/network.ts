import { gibbsWeights } from '../../ops/gibbs-weights.ts';
import { logSumExp } from '../../ops/log-sum-exp.ts';
import type { DType } from '../files/dtype.ts';
import { fromNumbers } from '../files/tensor.ts';
import { inModule } from '../graph/label.ts';
import { constant, parameter } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import type { EpsilonPlan, LayerPlan, ParameterPlan } from './plan.ts';
import { linearReading, lseReading, type Reading, reluReading, softmaxReading } from './reading.ts';

/** The value of a parameter, in the dtype the network computes in. */
export type ParameterValues = (plan: ParameterPlan) => Value;

/** Composes planned layers into one chain of Values; the readings say which equation each layer is. */
export function composeNetwork(
  input: Value,
  plans: readonly LayerPlan[],
  parameters: ParameterValues,
  dtype: DType,
): { readonly output: Value; readonly readings: readonly Reading[] } {
  const readings: Reading[] = [];
  let x = input;
  for (const plan of plans) {
    x = composeLayer(x, plan, parameters, dtype);
    readings.push(readingOf(plan));
  }
  return { output: x, readings };
}

function composeLayer(x: Value, plan: LayerPlan, parameters: ParameterValues, dtype: DType): Value {
  switch (plan.kind) {
    case 'linear':
      return linear(x, plan, parameters);
    case 'relu':
      return inModule(op.relu(x), plan.name);
    case 'softmax':
      return inModule(gibbsWeights(x, epsilonValue(plan.epsilon, plan.name, parameters)), plan.name);
    case 'lse': {
      const W = parameters(plan.weight);
      const b = plan.bias === undefined ? zeros(plan.weight.shape.slice(0, -1), dtype) : parameters(plan.bias);
      const f = inModule(logSumExp(x, W, b, epsilonValue(plan.epsilon, plan.name, parameters)), plan.name);
      return plan.keepdim && plan.units === undefined ? op.unsqueeze(f, constant(fromNumbers('int64', [1], [1]))) : f;
    }
  }
}

/** nn.Linear: Gemm on [batch, in], MatMul and Add on more axes. */
function linear(x: Value, plan: Extract<LayerPlan, { kind: 'linear' }>, parameters: ParameterValues): Value {
  const W = parameters(plan.weight);
  const b = plan.bias === undefined ? undefined : parameters(plan.bias);
  if (x.shape?.length === 2) return inModule(op.gemm(x, W, b, { transB: !plan.transposed }), plan.name);
  const y = inModule(op.matMul(x, plan.transposed ? W : op.transpose(W, { perm: [1, 0] })), plan.name);
  return b === undefined ? y : op.add(y, b);
}

/** Epsilon as the operators take it: a float32 scalar. A fixed one is a parameter too, so that it can be found and changed. */
function epsilonValue(plan: EpsilonPlan, layer: string, parameters: ParameterValues): Value {
  if ('value' in plan) return parameter(`${layer}.epsilon`, fromNumbers('float32', [], [plan.value]));
  const stored = op.cast(parameters(plan.parameter), { to: 'float32' });
  const scalar = plan.parameter.shape.length === 0 ? stored : op.squeeze(stored);
  switch (plan.transform) {
    case 'none':
      return scalar;
    case 'exp':
      return op.exp(scalar);
    case 'softplus':
      return op.softplus(scalar);
  }
}

function zeros(shape: readonly number[], dtype: DType): Value {
  return constant(fromNumbers(dtype, shape, new Float64Array(shape.reduce((a, b) => a * b, 1))));
}

function readingOf(plan: LayerPlan): Reading {
  switch (plan.kind) {
    case 'linear':
      return linearReading(plan.name);
    case 'relu':
      return reluReading(plan.name);
    case 'softmax':
      return softmaxReading(plan.name, viscosityOf(plan.epsilon));
    case 'lse':
      return lseReading(plan.name, viscosityOf(plan.epsilon));
  }
}

function viscosityOf(plan: EpsilonPlan): number | string {
  if ('value' in plan) return plan.value;
  return plan.transform === 'none' ? plan.parameter.name : `${plan.transform}(${plan.parameter.name})`;
}
