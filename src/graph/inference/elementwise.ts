import type { DType } from '../../files/dtype.ts';
import { isFloat } from '../../files/dtype.ts';
import { addDims, compareDims, productOf } from '../dim.ts';
import type { Call, InferRule, Inferred } from '../rule.ts';
import type { KnownDims } from '../value.ts';
import { badAttribute, dtypeAttribute, intAttribute, stringAttribute } from './attributes.ts';
import { broadcastInputs, checkBroadcastsTo } from './broadcast.ts';
import { badShape, dtypeOf, isGiven, mismatch, shapeOf, sharedDtype, tensor, typeOf, versionOf } from './call.ts';
import { knownDims } from './constant.ts';
import {
  floorModulo,
  type KnownFunction,
  knownElementwise,
  knownFunctions,
  representable,
  someKnown,
} from './known.ts';

function knownBy(call: Call, dtype: DType | undefined): KnownDims | undefined {
  const compute: KnownFunction | undefined = (knownFunctions as Readonly<Record<string, KnownFunction>>)[call.opType];
  return compute === undefined ? undefined : knownElementwise(call, dtype, compute);
}

/** One input, the output like it. */
const sameAsInput: InferRule = (call) => {
  const dtype = dtypeOf(call, 0);
  return [tensor(dtype, shapeOf(call, 0), knownBy(call, dtype))];
};

/** One input, bools out. */
const predicate: InferRule = (call) => [tensor('bool', shapeOf(call, 0))];

const sides = ['A', 'B'];

/** Operators before version 7 broadcast B into A at an `axis`, and only when asked. */
function oldBroadcast(call: Call): boolean {
  return versionOf(call) < 7 && (intAttribute(call, 'broadcast', 0) !== 0 || call.attributes.has('axis'));
}

function binaryShape(call: Call, names: readonly string[]): ReturnType<typeof shapeOf> {
  return oldBroadcast(call) ? shapeOf(call, 0) : broadcastInputs(call, [0, 1], names);
}

function binary(names: readonly string[]): InferRule {
  return (call) => {
    const dtype = sharedDtype(call, [0, 1], names);
    return [tensor(dtype, binaryShape(call, names), knownBy(call, dtype))];
  };
}

/** The right side has a type of its own (Pow's exponent). */
const power: InferRule = (call) => {
  const dtype = dtypeOf(call, 0);
  if (versionOf(call) < 12) sharedDtype(call, [0, 1], ['X', 'Y']);
  return [tensor(dtype, binaryShape(call, ['X', 'Y']), knownBy(call, dtype))];
};

const compared: InferRule = (call) => {
  sharedDtype(call, [0, 1], sides);
  return [tensor('bool', binaryShape(call, sides), knownBy(call, 'bool'))];
};

const modulo: InferRule = (call) => {
  const dtype = sharedDtype(call, [0, 1], sides);
  const fmod = intAttribute(call, 'fmod', 0);
  if (fmod === 0 && dtype !== undefined && isFloat(dtype) && versionOf(call) < 28)
    throw badAttribute(call, 'fmod', `1 for ${dtype}`, '0');
  const compute: KnownFunction = ([a, b]) => {
    if (typeof a === 'number' && typeof b === 'number') {
      if (b === 0) return undefined;
      return fmod === 1 ? (a % b) + 0 : a - b * Math.floor(a / b) + 0;
    }
    return compareDims(addDims(a, 1), 0) === 1 && compareDims(b, 0) !== -1 ? floorModulo(a, b) : undefined;
  };
  const known = fmod === undefined ? undefined : knownElementwise(call, dtype, compute);
  return [tensor(dtype, binaryShape(call, sides), known)];
};

const bitShift: InferRule = (call) => {
  const direction = stringAttribute(call, 'direction', '');
  if (direction !== undefined && direction !== 'LEFT' && direction !== 'RIGHT')
    throw badAttribute(call, 'direction', "'LEFT' or 'RIGHT'", `'${direction}'`);
  const dtype = sharedDtype(call, [0, 1], ['X', 'Y']);
  return [tensor(dtype, broadcastInputs(call, [0, 1], ['X', 'Y']))];
};

/** Any number of inputs of one type (Max, Min, Mean, Sum). */
const variadic: InferRule = (call) => {
  const indices = call.inputs.map((_, index) => index);
  const names = indices.map((index) => `data_${index}`);
  const dtype = sharedDtype(call, indices, names);
  return [tensor(dtype, broadcastInputs(call, indices, names), knownBy(call, dtype))];
};

const where: InferRule = (call) => {
  const names = ['condition', 'X', 'Y'];
  const dtype = sharedDtype(call, [1, 2], ['X', 'Y']);
  return [tensor(dtype, broadcastInputs(call, [0, 1, 2], names), knownBy(call, dtype))];
};

const clip: InferRule = (call) => {
  const names = ['input', 'min', 'max'];
  const given = [0, 1, 2].filter((index) => isGiven(call, index));
  const dtype = sharedDtype(
    call,
    given,
    given.map((index) => names[index] ?? ''),
  );
  for (const index of [1, 2]) {
    const shape = shapeOf(call, index);
    const count = shape === undefined ? undefined : productOf(shape);
    if (typeof count === 'number' && count !== 1) throw badShape(call, names[index] ?? '', 'a scalar', shape);
  }
  const compute: KnownFunction = (elements, float) =>
    given
      .slice(1)
      .reduce(
        (value, index, position) => knownFunctions[index === 1 ? 'Max' : 'Min']([value, elements[position + 1]], float),
        elements[0],
      );
  const attributes = call.attributes.has('min') || call.attributes.has('max');
  return [tensor(dtype, shapeOf(call, 0), attributes ? undefined : knownElementwise(call, dtype, compute, given))];
};

const prelu: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  if (versionOf(call) >= 7) checkBroadcastsTo(call, 'slope', shapeOf(call, 1), shape);
  return [tensor(sharedDtype(call, [0, 1], ['X', 'slope']), shape)];
};

/** Conversions keep sizes exact; a fraction is truncated, anything becomes a bool by being not zero. */
function knownCast(call: Call, to: DType | undefined): KnownDims | undefined {
  const known = knownDims(call.inputs[0]);
  if (known === undefined || to === undefined) return undefined;
  const cast = known.map((dim) => {
    if (to === 'bool') return typeof dim === 'number' ? Number(dim !== 0) : undefined;
    return representable(typeof dim === 'number' && !isFloat(to) ? Math.trunc(dim) + 0 : dim, to);
  });
  return someKnown(cast);
}

function castTo(call: Call, to: DType | undefined): readonly Inferred[] {
  return [tensor(to, shapeOf(call, 0), knownCast(call, to))];
}

const cast: InferRule = (call) => {
  /** Before version 6 the type was a name. */
  const named = call.attributes.get('to')?.kind === 'string';
  return castTo(call, named ? undefined : dtypeAttribute(call, 'to', undefined));
};

const castLike: InferRule = (call) => castTo(call, dtypeOf(call, 1));

const bitCast: InferRule = (call) => [tensor(dtypeAttribute(call, 'to', undefined), shapeOf(call, 0))];

const identity: InferRule = (call) => {
  const known = knownDims(call.inputs[0]);
  return [known === undefined ? { type: typeOf(call, 0) } : { type: typeOf(call, 0), known }];
};

const swiGlu: InferRule = (call) => {
  const dtype = sharedDtype(call, [0, 1], sides);
  return [tensor(dtype, broadcastInputs(call, [0, 1], sides))];
};

const stringPairs: InferRule = (call) => {
  for (const [index, name] of ['X', 'Y'].entries()) {
    const dtype = dtypeOf(call, index);
    if (dtype !== undefined && dtype !== 'string') throw mismatch('DTYPE_MISMATCH', call, name, 'string', dtype);
  }
  return [tensor('string', broadcastInputs(call, [0, 1], ['X', 'Y']))];
};

function each(names: readonly string[], rule: InferRule): Readonly<Record<string, InferRule>> {
  return Object.fromEntries(names.map((name) => [name, rule]));
}

const unaryNames = [
  ...['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'BitwiseNot', 'Ceil', 'Celu', 'Cos', 'Cosh', 'Elu'],
  ...['Erf', 'Exp', 'Floor', 'Gelu', 'HardSigmoid', 'HardSwish', 'LeakyRelu', 'Log', 'Mish', 'Neg', 'Not'],
  ...['Reciprocal', 'Relu', 'Round', 'Selu', 'Shrink', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Softplus', 'Softsign'],
  ...['Sqrt', 'Swish', 'Tan', 'Tanh', 'ThresholdedRelu'],
];

export const elementwiseRules: Readonly<Record<string, InferRule>> = {
  ...each(unaryNames, sameAsInput),
  ...each(['IsInf', 'IsNaN'], predicate),
  ...each(['Add', 'Sub', 'Mul', 'Div'], binary(sides)),
  ...each(['BitwiseAnd', 'BitwiseOr', 'BitwiseXor', 'And', 'Or', 'Xor'], binary(sides)),
  ...each(['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'], compared),
  ...each(['Max', 'Min', 'Mean', 'Sum'], variadic),
  BitShift: bitShift,
  BitCast: bitCast,
  Cast: cast,
  CastLike: castLike,
  Clip: clip,
  Identity: identity,
  Mod: modulo,
  Pow: power,
  PRelu: prelu,
  StringConcat: stringPairs,
  SwiGLU: swiGlu,
  Where: where,
};
