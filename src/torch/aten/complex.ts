import { ints } from '../../../ops/precision.ts';
import { isValue } from '../../graph/apply.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import { Complex, type Result, type Tensorial } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, vectorOf } from '../lower/sizes.ts';
import { axesOf } from './axes.ts';
import { trigonometric } from './complex-functions.ts';
import * as numbers from './complex-numbers.ts';
import { like } from './kernels.ts';
import { vectorNorm } from './vector-norms.ts';

/** An operand, a tensor or a number, real or complex, in the precision of the result. */
function operand(call: Call, name: string): Tensorial {
  const dtype = call.outDType();
  const argument = call.argument(name);
  if (argument?.kind === 'constant' && typeof argument.value === 'object') {
    const { real, imaginary } = argument.value;
    return new Complex(constant(real, dtype), constant(imaginary, dtype));
  }
  if (argument?.kind !== 'tensor') return call.number(name, dtype);
  const content = call.content(name);
  if (isValue(content)) return cast(content, dtype);
  return new Complex(cast(content.real, dtype), cast(content.imaginary, dtype));
}

const unary =
  (maker: (x: Tensorial) => Tensorial, name = 'self'): Lowering =>
  (call) =>
    maker(operand(call, name));

const binary =
  (maker: (a: Tensorial, b: Tensorial) => Tensorial): Lowering =>
  (call) =>
    maker(operand(call, 'self'), operand(call, 'other'));

/** With `alpha`, which multiplies the second (of rsub the first). */
const sum =
  (maker: (a: Tensorial, b: Tensorial) => Tensorial): Lowering =>
  (call) => {
    const b = operand(call, 'other');
    const scaled = call.has('alpha') ? numbers.product(operand(call, 'alpha'), b) : b;
    return maker(operand(call, 'self'), scaled);
  };

const both = (name: string, rule: Lowering): Rules => ({
  [`aten.${name}.Tensor`]: rule,
  [`aten.${name}.Scalar`]: rule,
});

const power = (call: Call): Result => {
  const [base, exponent] = [operand(call, 'self'), call.argument('exponent')];
  if (exponent?.kind === 'constant' && typeof exponent.value === 'number') {
    if (Number.isInteger(exponent.value) && Math.abs(exponent.value) <= 64)
      return numbers.wholePower(base, exponent.value);
    if (exponent.value === 0.5) return numbers.root(base);
  }
  return numbers.exponential(numbers.product(operand(call, 'exponent'), numbers.logarithm(base)));
};

const equal = (call: Call): Value => {
  const names = ['self', 'other'].map((name) => {
    const argument = call.argument(name);
    return argument?.kind === 'tensor' ? call.content(name) : constant(call.float(name), 'float32');
  }) as [Tensorial, Tensorial];
  const dtype = names.map((own) => numbers.realOf(own)).find((own) => rankOf(own) > 0)?.dtype ?? 'float32';
  const [a, b] = names.map((own) => numbers.asComplex(own)) as [Complex, Complex];
  return op.and(
    op.equal(cast(a.real, dtype), cast(b.real, dtype)),
    op.equal(cast(a.imaginary, dtype), cast(b.imaginary, dtype)),
  );
};

const norm =
  (p: string): Lowering =>
  (call) => {
    const x = numbers.size(call.content('self'));
    const order = call.has(p) ? call.float(p) : 2;
    return vectorNorm(
      cast(x, call.dtype('dtype') ?? call.outDType()),
      order,
      axesOf(call, x),
      call.bool('keepdim', false),
    );
  };

/** A condition is real. */
const choice: Lowering = (call) => {
  const [a, b] = [numbers.asComplex(operand(call, 'self')), numbers.asComplex(operand(call, 'other'))];
  const condition = call.tensor('condition');
  return new Complex(op.where(condition, a.real, b.real), op.where(condition, a.imaginary, b.imaginary));
};

const masked: Lowering = (call) => {
  const [a, value] = [numbers.asComplex(operand(call, 'self')), numbers.asComplex(operand(call, 'value'))];
  const mask = call.tensor('mask');
  return new Complex(op.where(mask, value.real, a.real), op.where(mask, value.imaginary, a.imaginary));
};

/** A complex tensor where the element type that is asked for is one, otherwise its real part. */
const converted: Lowering = (call) => {
  call.ignore('copy', 'dtype');
  const content = call.content('self');
  return /^complex/.test(call.outMeta().dtype) ? content : numbers.realOf(content);
};

const joined =
  (stack: boolean): Lowering =>
  (call) => {
    const contents = call.contents('tensors').map(numbers.asComplex);
    const rank = rankOf(contents[0]?.real as Value) + (stack ? 1 : 0);
    const axis = axisOf(call.int('dim', 0), rank);
    const join = (values: readonly Value[]) =>
      op.concat(stack ? values.map((own) => op.unsqueeze(own, constant([axis], 'int64'))) : values, { axis });
    return new Complex(join(contents.map(({ real }) => real)), join(contents.map(({ imaginary }) => imaginary)));
  };

/** All of one number. */
const filled: Lowering = (call) => numbers.asComplex(operand(call.ignore('self'), 'value'));

/** Rules for complex arguments. */
export const complexRules: Rules = {
  'aten.view_as_real.default': (call) => numbers.pairs(call.content('self')),
  'aten.real.default': (call) => numbers.realOf(call.content('self')),
  'aten.imag.default': (call) => numbers.imaginaryOf(call.content('self')),
  'aten._conj.default': unary(numbers.conjugate),
  'aten.conj.default': unary(numbers.conjugate),
  'aten._conj_physical.default': unary(numbers.conjugate),
  'aten.conj_physical.default': unary(numbers.conjugate),
  'aten.resolve_conj.default': (call) => call.content('self'),
  'aten.resolve_neg.default': (call) => call.content('self'),
  'aten._neg_view.default': unary(numbers.negated),
  'aten.abs.default': (call) => numbers.size(call.content('self')),
  'aten.angle.default': (call) => numbers.angle(call.content('self')),
  'aten.sgn.default': (call) => {
    const a = call.content('self');
    const length = numbers.size(a);
    const zero = op.equal(length, like(length, 0));
    return numbers.quotient(a, op.where(zero, like(length, 1), length));
  },
  ...both('add', sum(numbers.plus)),
  ...both('sub', sum(numbers.minus)),
  ...both('rsub', (call) => numbers.minus(operand(call, 'other'), operand(call.ignore('alpha'), 'self'))),
  ...both('mul', binary(numbers.product)),
  ...both('div', binary(numbers.quotient)),
  'aten.true_divide.Tensor': binary(numbers.quotient),
  'aten.square.default': unary((a) => numbers.product(a, a)),
  'aten.neg.default': unary(numbers.negated),
  'aten.reciprocal.default': unary(numbers.reciprocal),
  'aten.exp.default': unary(numbers.exponential),
  'aten.log.default': unary(numbers.logarithm),
  'aten.sqrt.default': unary(numbers.root),
  'aten.rsqrt.default': unary((a) => numbers.reciprocal(numbers.root(a))),
  'aten.pow.Tensor_Scalar': power,
  'aten.pow.Tensor_Tensor': power,
  'aten.pow.Scalar': power,
  ...Object.fromEntries(Object.entries(trigonometric).map(([name, maker]) => [`aten.${name}.default`, unary(maker)])),
  ...both('eq', equal),
  ...both('ne', (call) => op.not(equal(call))),
  'aten.where.self': choice,
  'aten.where.ScalarOther': choice,
  'aten.where.ScalarSelf': choice,
  'aten.where.Scalar': choice,
  'aten.masked_fill.Scalar': masked,
  'aten.masked_fill.Tensor': masked,
  'aten.linalg_vector_norm.default': norm('ord'),
  'aten.norm.Scalar': norm('p'),
  'aten.norm.ScalarOpt_dim': norm('p'),
  'aten._to_copy.default': converted,
  'aten.to.dtype': converted,
  'aten.to.dtype_layout': converted,
  'aten.to.device': converted,
  'aten.type_as.default': (call) => converted(call.ignore('other')),
  'aten.cat.default': joined(false),
  'aten.concat.default': joined(false),
  'aten.stack.default': joined(true),
  'aten.full.default': (call) => {
    const value = operand(call, 'fill_value') as Complex;
    call.ignore('dtype');
    const sizes = vectorOf(call.sizes('size'));
    return new Complex(op.expand(value.real, sizes), op.expand(value.imaginary, sizes));
  },
  'aten.copy.default': (call) => numbers.asComplex(call.ignore('self').content('src')),
  'aten.fill.Scalar': filled,
  'aten.fill.Tensor': filled,
  'aten.zero.default': (call) => {
    const zero = numbers.filledLike(call.content('self'), 0);
    return new Complex(zero, zero);
  },
  'aten.scalar_tensor.default': (call) => operand(call.ignore('dtype'), 's'),
  'aten.full_like.default': (call) => {
    const [a, value] = [call.ignore('dtype').content('self'), numbers.asComplex(operand(call, 'fill_value'))];
    const sizes = op.shape(numbers.realOf(a));
    return new Complex(op.expand(value.real, sizes), op.expand(value.imaginary, sizes));
  },
  'aten.constant_pad_nd.default': (call) => {
    const a = numbers.asComplex(call.content('self'));
    const said = call.ints('pad');
    const axes = Array.from({ length: said.length / 2 }, (_, pair) => rankOf(a.real) - 1 - pair);
    const pads = ints(...axes.map((_, pair) => said[2 * pair] ?? 0), ...axes.map((_, pair) => said[2 * pair + 1] ?? 0));
    const value = call.has('value') ? numbers.asComplex(operand(call, 'value')) : undefined;
    return new Complex(
      op.pad(a.real, pads, value?.real, ints(...axes)),
      op.pad(a.imaginary, pads, value?.imaginary, ints(...axes)),
    );
  },
  'aten.ones_like.default': (call) => {
    const a = call.ignore('dtype').content('self');
    return new Complex(numbers.filledLike(a, 1), numbers.filledLike(a, 0));
  },
};

/** Rules for real arguments whose results are complex, and for what is the same on real numbers. */
export const complexMakerRules: Rules = {
  'aten.view_as_complex.default': (call) => numbers.fromPairs(call.tensor('self')),
  'aten.complex.default': (call) => new Complex(...(call.together('real', 'imag') as [Value, Value])),
  'aten.polar.default': (call) => numbers.fromPolar(...(call.together('abs', 'angle') as [Value, Value])),
  'aten.real.default': (call) => call.tensor('self'),
  'aten._conj.default': (call) => call.tensor('self'),
  'aten.conj.default': (call) => call.tensor('self'),
  'aten.conj_physical.default': (call) => call.tensor('self'),
  'aten.resolve_conj.default': (call) => call.tensor('self'),
  'aten.resolve_neg.default': (call) => call.tensor('self'),
  'aten._neg_view.default': (call) => op.neg(call.tensor('self')),
  'aten.angle.default': (call) => {
    const x = cast(call.tensor('self'), call.outDType());
    // Of what is not a number, neither.
    const turned = op.where(op.less(x, like(x, 0)), like(x, Math.PI), like(x, 0));
    return op.where(op.isNaN(x), x, turned);
  },
};
