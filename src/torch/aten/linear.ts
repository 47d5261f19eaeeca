import { ints } from '../../../ops/precision.ts';
import type { DType } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';
import { like, workable } from './kernels.ts';

/**
 * Products of matrices and vectors. Those of two matrices of floating-point numbers are a Gemm, with every factor, sum and transpose that belongs
 * to it; all others are MatMul. Whole numbers are multiplied in int32 or int64, as workable says.
 */
export const linearRules: Rules = {
  'aten.linear.default': (call) => {
    const [x, weight] = [factor(call, 'input'), factor(call, 'weight')];
    const bias = call.has('bias') ? factor(call, 'bias') : undefined;
    if (rankOf(x) === 2 && rankOf(weight) === 2 && isFloating(x.dtype))
      return matrixProduct(x, op.transpose(weight, { perm: [1, 0] }), bias);
    // The runtime transposes the weight once, when it loads.
    const product = op.matMul(x, rankOf(weight) === 2 ? op.transpose(weight, { perm: [1, 0] }) : weight);
    return bias === undefined ? product : op.add(product, bias);
  },
  'aten.mm.default': (call) => matrixProduct(factor(call, 'self'), factor(call, 'mat2'), undefined),
  'aten.matmul.default': (call) => op.matMul(factor(call, 'self'), factor(call, 'other')),
  'aten.bmm.default': (call) => op.matMul(factor(call, 'self'), factor(call, 'mat2')),
  'aten.mv.default': (call) => op.matMul(factor(call, 'self'), factor(call, 'vec')),
  'aten.dot.default': (call) => op.matMul(factor(call, 'self'), factor(call, 'tensor')),
  'aten.vdot.default': (call) => op.matMul(factor(call, 'self'), factor(call, 'other')),
  'aten.inner.default': (call) => innerProduct(factor(call, 'self'), factor(call, 'other')),
  'aten.outer.default': (call) => outerProduct(factor(call, 'self'), factor(call, 'vec2')),
  'aten.ger.default': (call) => outerProduct(factor(call, 'self'), factor(call, 'vec2')),
  'aten.linalg_vecdot.default': (call) => {
    const [x, y] = [factor(call, 'x'), factor(call, 'y')];
    return op.reduceSum(op.mul(x, y), ints(call.int('dim', -1)), { keepdims: false });
  },
  'aten.addmm.default': (call) => {
    const [a, b] = [factor(call, 'mat1'), factor(call, 'mat2')];
    if (!isFloating(a.dtype)) return sumOf(call, op.matMul(a, b));
    const { alpha, beta } = factors(call);
    // With beta 0 nothing of `self` is read, not even what is not a number.
    return matrixProduct(a, b, beta === 0 ? call.ignore('self') && undefined : factor(call, 'self'), alpha, beta);
  },
  'aten.addmv.default': (call) => sumOf(call, op.matMul(factor(call, 'mat'), factor(call, 'vec'))),
  'aten.addr.default': (call) => sumOf(call, outerProduct(factor(call, 'vec1'), factor(call, 'vec2'))),
  'aten.baddbmm.default': (call) => sumOf(call, op.matMul(factor(call, 'batch1'), factor(call, 'batch2'))),
  'aten.addbmm.default': (call) => {
    const product = op.matMul(factor(call, 'batch1'), factor(call, 'batch2'));
    return sumOf(call, op.reduceSum(product, ints(0), { keepdims: false }));
  },
  'aten.chain_matmul.default': (call) => chain(call, 'matrices'),
  'aten.linalg_multi_dot.default': (call) => chain(call, 'tensors'),
};

const isFloating = (dtype: DType | undefined): boolean =>
  dtype === 'float16' || dtype === 'float32' || dtype === 'float64';

/** A factor in an element type that runtimes multiply in. */
export function worked(x: Value): Value {
  return cast(x, workable(x.dtype ?? 'float32'));
}

function factor(call: Call, name: string): Value {
  return worked(call.tensor(name));
}

/** alpha a b + beta c of matrices, as one Gemm that takes their transposes as they are. */
function matrixProduct(a: Value, b: Value, c: Value | undefined, alpha = 1, beta = 1): Value {
  if (!isFloating(a.dtype)) return op.matMul(a, b);
  const [left, right] = [untransposed(a), untransposed(b)];
  return op.gemm(left ?? a, right ?? b, c, {
    ...(alpha === 1 ? {} : { alpha }),
    ...(c === undefined || beta === 1 ? {} : { beta }),
    ...(left === undefined ? {} : { transA: 1 }),
    ...(right === undefined ? {} : { transB: 1 }),
  });
}

/** What a matrix is the transpose of, where the graph says so. */
function untransposed({ source }: Value): Value | undefined {
  if (source.kind !== 'output' || source.node.opType !== 'Transpose' || source.node.domain !== '') return undefined;
  const perm = source.node.attributes.get('perm');
  const swaps = perm?.kind === 'ints' && perm.value.join() === '1,0';
  return swaps ? source.node.inputs[0] : undefined;
}

interface Factors {
  readonly alpha: number;
  readonly beta: number;
}

function factors(call: Call): Factors {
  return { alpha: call.float('alpha', 1), beta: call.float('beta', 1) };
}

/** beta self + alpha product. */
function sumOf(call: Call, product: Value): Value {
  const { alpha, beta } = factors(call);
  const scaled = alpha === 1 ? product : op.mul(product, like(product, alpha));
  if (beta === 0) {
    call.ignore('self');
    return scaled;
  }
  const self = cast(factor(call, 'self'), product.dtype ?? 'float32');
  return op.add(beta === 1 ? self : op.mul(self, like(self, beta)), scaled);
}

/** Sums over the last axes of both. */
function innerProduct(a: Value, b: Value): Value {
  const [m, n] = [rankOf(a), rankOf(b)];
  if (m === 0 || n === 0) return op.mul(a, b);
  if (n <= 1) return op.matMul(a, b);
  if (n === 2) return op.matMul(a, op.transpose(b, { perm: [1, 0] }));
  const letters = 'abcdefghijklmnopqrstuvwxy';
  const [left, right] = [letters.slice(0, m - 1), letters.slice(m - 1, m + n - 2)];
  return op.einsum([a, b], { equation: `${left}z,${right}z->${left}${right}` });
}

function outerProduct(a: Value, b: Value): Value {
  return op.mul(op.unsqueeze(a, ints(1)), b);
}

/** The product of many matrices, from the left; vectors may stand at the ends. */
const chain: (call: Call, name: string) => ReturnType<Lowering> = (call, name) =>
  call.tensors(name).reduce((product, matrix) => op.matMul(product, matrix));
