import type { DType } from '../../files/dtype.ts';
import { isValue } from '../../graph/apply.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf, vectorOf } from '../lower/sizes.ts';
import { full } from './creation.ts';
import { inSingle } from './kernels.ts';

const kept = ['dtype', 'requires_grad', 'generator'];

/** The sizes asked for, or the tensor whose sizes are. */
function shaped(call: Call): readonly Size[] | Value {
  return call.has('size') ? call.sizes('size') : call.tensor('self');
}

function uniform(call: Call, low = 0, high = 1): Value {
  const more = { low, high };
  return draw(call, shaped(call), (x, dtype) => op.randomUniformLike(x, { dtype, ...more }), op.randomUniform, more);
}

function normal(call: Call, mean = 0, scale = 1): Value {
  const more = { mean, scale };
  return draw(call, shaped(call), (x, dtype) => op.randomNormalLike(x, { dtype, ...more }), op.randomNormal, more);
}

/** Random numbers are drawn anew with every run, by the runtime's own generator: of PyTorch's distributions, not its numbers. */
function draw(
  call: Call,
  sizes: readonly Size[] | Value,
  alike: (x: Value, dtype: DType) => Value,
  of: (attributes: { shape: readonly number[]; dtype: DType }) => Value,
  more: object,
): Value {
  call.ignore(...kept);
  const dtype = call.outDType() === 'float64' ? 'float64' : 'float32';
  const dims = isValue(sizes) ? (sizes.shape ?? []) : sizes;
  if (dims.every((size): size is number => typeof size === 'number'))
    return of({ ...more, shape: dims as readonly number[], dtype });
  return alike(isValue(sizes) ? sizes : full(sizes, 0, 'float32'), dtype);
}

const integers: Lowering = (call) => {
  const [low, high] = [call.int('low', 0), call.int('high')];
  return op.floor(uniform(call, low, high));
};

/** 1 with the probability that each element gives, or that all have. */
const bernoulli: Lowering = (call) => {
  call.ignore(...kept);
  const self = call.tensor('self');
  if (call.has('p'))
    return cast(
      op.less(op.randomUniformLike(inSingle(self), {}), constant(call.float('p'), 'float32')),
      call.outDType(),
    );
  const p = inSingle(self);
  return cast(op.less(op.randomUniformLike(p, {}), p), call.outDType());
};

/** Means and deviations that are tensors, or numbers. */
const gaussian: Lowering = (call) => {
  call.ignore(...kept);
  const tensors = ['mean', 'std']
    .filter((name) => call.argument(name)?.kind === 'tensor')
    .map((name) => call.tensor(name));
  const [first, second] = tensors;
  if (first === undefined) return normal(call, call.float('mean', 0), call.float('std', 1));
  const dtype = first.dtype ?? 'float32';
  const [mean, std] = [
    call.tensorOrScalar('mean', dtype),
    call.has('std') ? call.tensorOrScalar('std', dtype) : constant(1, dtype),
  ];
  const shape = second === undefined ? first : op.add(first, second);
  return op.add(op.mul(cast(op.randomNormalLike(shape, {}), dtype), std), mean);
};

/** An order of the numbers below n: that of as many random ones. */
const permutation: Lowering = (call) => {
  call.ignore(...kept);
  const n = call.size('n');
  const numbers = draw(call, [n], (shape, dtype) => op.randomUniformLike(shape, { dtype }), op.randomUniform, {});
  return op.topK(numbers, vectorOf([n]), {})[1];
};

/** Places drawn by weight; without replacement the largest of log w + Gumbel noise. */
const multinomial: Lowering = (call) => {
  call.ignore(...kept);
  const weights = op.log(cast(inSingle(call.tensor('self')), 'float32'));
  const count = call.size('num_samples');
  const tall = rankOf(weights) === 1 ? op.unsqueeze(weights, constant([0], 'int64')) : weights;
  const flat = (x: Value) => (rankOf(weights) === 1 ? op.squeeze(x, constant([0], 'int64')) : x);
  if (call.bool('replacement', false)) {
    if (typeof count !== 'number') throw call.unsupported('a number of samples that is not known');
    return flat(op.multinomial(tall, { sampleSize: count, dtype: 'int64' }));
  }
  const gumbel = op.neg(op.log(op.neg(op.log(op.randomUniformLike(tall, { dtype: 'float32', low: 1e-20 })))));
  return flat(op.topK(op.add(tall, gumbel), vectorOf([count]), {})[1]);
};

const bySeed = (name: string, rule: Lowering): Rules => ({
  [`aten.${name}.default`]: rule,
  [`aten.${name}.generator`]: rule,
});

/** In the place of what a tensor held. */
const filledNormal: Lowering = (call) => normal(call, call.float('mean', 0), call.float('std', 1));

export const randomRules: Rules = {
  ...bySeed('rand', (call) => uniform(call)),
  ...bySeed('rand_like', (call) => uniform(call)),
  ...bySeed('randn', (call) => normal(call)),
  ...bySeed('randn_like', (call) => normal(call)),
  ...bySeed('randint', integers),
  ...bySeed('randint_like', integers),
  ...bySeed('randperm', permutation),
  'aten.randint.low': integers,
  'aten.randint.low_generator': integers,
  'aten.randint_like.low_dtype': integers,
  'aten.randint_like.low_generator_dtype': integers,
  'aten.multinomial.default': multinomial,
  'aten.bernoulli.default': bernoulli,
  'aten.bernoulli.p': bernoulli,
  'aten.bernoulli.float': bernoulli,
  'aten.bernoulli.Tensor': bernoulli,
  'aten.normal.float_float': gaussian,
  'aten.normal.Tensor_float': gaussian,
  'aten.normal.float_Tensor': gaussian,
  'aten.normal.Tensor_Tensor': gaussian,
  'aten.normal.default': filledNormal,
  'aten.normal_functional.default': filledNormal,
  'aten.uniform.default': (call) => uniform(call, call.float('from', 0), call.float('to', 1)),
  'aten.exponential.default': (call) => {
    const rest = op.sub(constant(1, 'float32'), cast(uniform(call), 'float32'));
    return op.div(op.neg(op.log(rest)), constant(call.float('lambd', 1), 'float32'));
  },
};
