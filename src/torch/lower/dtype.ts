import { type DType, dtypes } from '../../files/dtype.ts';

/** The element type that a tensor of the program is computed in: bfloat16 is widened, for which runtimes have few kernels; complex ones are pairs of reals. */
export function computed(dtype: DType): DType {
  if (dtype === 'bfloat16' || dtype === 'complex64') return 'float32';
  return dtype === 'complex128' ? 'float64' : dtype;
}

type Category = 'bool' | 'integer' | 'float' | 'complex';

const order: readonly Category[] = ['bool', 'integer', 'float', 'complex'];

function categoryOf(dtype: DType): Category {
  const { kind } = dtypes[dtype];
  if (kind === 'complex') return 'complex';
  if (kind === 'float') return 'float';
  return kind === 'bool' ? 'bool' : 'integer';
}

export interface Operand {
  readonly dtype: DType;
  /** A Python number weighs less than a 0-d tensor, and that less than a tensor with dimensions. */
  readonly weight: 'number' | 'scalar' | 'tensor';
}

/**
 * The element type in which PyTorch computes on these operands (torch.result_type): the highest category among the tensors with dimensions decides,
 * and 0-d tensors and numbers only raise it where theirs is higher. Numbers bring the default types: int64, float32, complex64.
 */
export function resultType(operands: readonly Operand[]): DType {
  let result: DType | undefined;
  for (const weight of ['tensor', 'scalar', 'number'] as const) {
    const found = operands.filter((operand) => operand.weight === weight).map(({ dtype }) => dtype);
    if (found.length === 0) continue;
    const among = found.reduce(promote);
    if (result === undefined) result = among;
    else if (order.indexOf(categoryOf(among)) > order.indexOf(categoryOf(result)))
      result = weight === 'number' ? raised(result, among) : promote(result, among);
  }
  return result ?? 'float32';
}

/** A number of a higher category brings the default type of it; a complex one keeps the precision there is. */
function raised(dtype: DType, number: DType): DType {
  if (categoryOf(number) !== 'complex') return number === 'float64' ? 'float32' : number;
  return dtype === 'float64' ? 'complex128' : 'complex64';
}

const floats: readonly DType[] = ['float16', 'bfloat16', 'float32', 'float64'];

/** torch.promote_types. */
function promote(a: DType, b: DType): DType {
  if (a === b) return a;
  const [low, high] = order.indexOf(categoryOf(a)) <= order.indexOf(categoryOf(b)) ? [a, b] : [b, a];
  const [lower, category] = [categoryOf(low), categoryOf(high)];
  if (category === 'complex')
    return low === 'float64' || low === 'complex128' || high === 'complex128' ? 'complex128' : 'complex64';
  if (lower !== category) return high;
  if (category === 'float') {
    const pair = [a, b].sort((x, y) => floats.indexOf(x) - floats.indexOf(y));
    return pair[0] === 'float16' && pair[1] === 'bfloat16' ? 'float32' : (pair[1] ?? a);
  }
  return promoteIntegers(a, b);
}

function promoteIntegers(a: DType, b: DType): DType {
  const [narrow, wide] = dtypes[a].bits <= dtypes[b].bits ? [a, b] : [b, a];
  if (dtypes[narrow].kind === dtypes[wide].kind || dtypes[wide].kind === 'int')
    return dtypes[narrow].bits === dtypes[wide].bits && dtypes[narrow].kind !== dtypes[wide].kind ? wider(wide) : wide;
  return wider(wide);
}

function wider(dtype: DType): DType {
  if (dtypes[dtype].bits === 8) return 'int16';
  return dtypes[dtype].bits === 16 ? 'int32' : 'int64';
}
