import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Rules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { inSingle } from './kernels.ts';
import { worked } from './linear.ts';

/** Sums of products over named axes: Einsum. */
export const contractionRules: Rules = {
  'aten.einsum.default': (call) => {
    call.ignore('path');
    const operands = operandsOf(call, call.tensors('tensors'));
    return op.einsum(operands, { equation: explicit(call, call.text('equation'), operands) });
  },
  'aten.tensordot.default': (call) => {
    const [a, b] = operandsOf(call, [call.tensor('self'), call.tensor('other')]) as [Value, Value];
    const [m, n] = [rankOf(a), rankOf(b)];
    const [own, others] = [call.ints('dims_self'), call.ints('dims_other')];
    const left = letters(call, m + n).slice(0, m);
    const right = letters(call, m + n).slice(m);
    for (const [place, axis] of own.entries()) right[axisOf(others[place] ?? 0, n)] = left[axisOf(axis, m)] ?? '';
    const output = [...left, ...right].filter((letter) => !(left.includes(letter) && right.includes(letter)));
    return op.einsum([a, b], { equation: `${left.join('')},${right.join('')}->${output.join('')}` });
  },
  'aten._trilinear.default': (call) => {
    call.ignore('unroll_dim');
    const operands = operandsOf(
      call,
      ['i1', 'i2', 'i3'].map((name) => call.tensor(name)),
    );
    const names = ['expand1', 'expand2', 'expand3'].map((name) => call.ints(name));
    const rank = rankOf(operands[0] as Value) + (names[0]?.length ?? 0);
    const all = letters(call, rank);
    const without = (axes: readonly number[]) => all.filter((_, axis) => !axes.includes(axis)).join('');
    const sides = names.map((axes) => without(axes.map((axis) => axisOf(axis, rank))));
    const sums = call.ints('sumdim').map((axis) => axisOf(axis, rank));
    return op.einsum(operands, { equation: `${sides.join(',')}->${without(sums)}` });
  },
  'aten.bilinear.default': (call) => {
    const [x, y, weight] = operandsOf(
      call,
      ['input1', 'input2', 'weight'].map((name) => call.tensor(name)),
    ) as [Value, Value, Value];
    const product = op.einsum([x, weight, y], { equation: '...i,oij,...j->...o' });
    const bias = call.optionalTensor('bias');
    return bias === undefined ? product : op.add(product, cast(bias, product.dtype ?? 'float32'));
  },
};

/** Operands of one element type that Einsum has kernels for. */
function operandsOf(call: Call, tensors: readonly Value[]): Value[] {
  const dtype = tensors[0]?.dtype;
  for (const { dtype: other } of tensors)
    if (other !== dtype) throw call.unsupported(`operands of ${dtype} and ${other}`);
  if (dtype === undefined || tensors.length === 0) throw call.unsupported('no operands');
  return tensors.map((tensor) => (dtype === 'float16' ? inSingle(tensor) : worked(tensor)));
}

function letters(call: Call, count: number): string[] {
  const all = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  if (count > all.length) throw call.unsupported(`${count} axes`);
  return all.slice(0, count);
}

/** The equation with its output said, as PyTorch orders it: the axes behind the dots, then the letters that stand once, capital ones first. */
export function explicit(call: Call, text: string, operands: readonly unknown[]): string {
  const equation = text.replace(/\s/g, '');
  const [inputs = '', output] = equation.split('->');
  if (inputs.split(',').length !== operands.length) throw call.unsupported(`the equation '${text}'`);
  if (output !== undefined) return equation;
  const named = [...inputs.replace(/\.\.\.|,/g, '')];
  const once = named.filter((letter) => named.indexOf(letter) === named.lastIndexOf(letter)).sort();
  return `${inputs}->${inputs.includes('...') ? '...' : ''}${once.join('')}`;
}
