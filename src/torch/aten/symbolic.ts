import { addDims, floorDivideDims, multiplyDims, subtractDims } from '../../graph/dim.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import { type Result, type Size, Sym } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { dimOf, scalarOf, sizeAt } from '../lower/sizes.ts';

/** Arithmetic on two sizes: on numbers now, on symbols in the graph. */
const arithmetic =
  (
    now: (a: number, b: number) => number,
    dim: (a: Dim, b: Dim) => Dim,
    then: (a: Value, b: Value) => Value,
  ): Lowering =>
  (call) => {
    const [a, b] = operands(call);
    if (typeof a === 'number' && typeof b === 'number') return now(a, b);
    return new Sym(then(scalarOf(a), scalarOf(b)), dim(dimOf(a), dimOf(b)));
  };

/** The two operands, whatever their names. */
function operands(call: Call): [Size, Size] {
  const [a, b] = call.node.inputs.map(({ name }) => call.size(name));
  if (a === undefined || b === undefined) throw call.unsupported('expected two numbers');
  return [a, b];
}

export const symbolicRules: Rules = {
  'aten.sym_size.int': (call): Result => sizeAt(call.tensor('self'), call.int('dim')),
  '_operator.add': arithmetic((a, b) => a + b, addDims, op.add),
  '_operator.sub': arithmetic((a, b) => a - b, subtractDims, op.sub),
  '_operator.mul': arithmetic((a, b) => a * b, multiplyDims, op.mul),
  '_operator.floordiv': arithmetic((a, b) => Math.floor(a / b), floorDivideDims, op.div),
};
