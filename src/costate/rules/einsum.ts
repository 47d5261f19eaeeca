import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, expandTo, int, ints, sizeOf } from '../pieces.ts';
import { type Equation, parsed } from './equation.ts';

/** Einstein sums. */
export const einsumRules: Readonly<Record<string, Rule>> = {
  Einsum: rule('the sum of g with the other operands, by their letters and those of this one', (call) => {
    const operands = call.node.inputs.map((_, index) => call.x(index));
    const equation = parsed(
      call.text('equation', ''),
      operands.map((x) => call.rank(x)),
    );
    return operands.map((x, index) => call.to(index, () => bar(call, equation, operands, x, index)));
  }),
};

function bar(call: RuleCall, equation: Equation, operands: readonly Value[], x: Value, index: number): Value {
  const own = equation.operands[index] ?? [];
  const others = operands.flatMap((other, at) =>
    at === index ? [] : [{ value: other, letters: equation.operands[at] ?? [] }],
  );
  const terms = [{ value: call.g(), letters: equation.output }, ...others];
  const there = new Set(terms.flatMap(({ letters }) => letters));
  const unique = own.filter((letter, at) => own.indexOf(letter) === at);
  const summed = unique.filter((letter) => there.has(letter));
  const made = einsum(terms, summed);
  // Letters of this operand alone were summed over: their co-state is the same all along.
  const missing = unique.flatMap((letter, at) => (there.has(letter) ? [] : [at]));
  const spread = missing.length === 0 ? made : op.unsqueeze(made, ints(...missing));
  if (unique.length < own.length) {
    const sizes = unique.map((letter) => sizeOf(x, own.indexOf(letter)));
    const full = missing.length === 0 ? spread : op.expand(spread, op.concat(sizes, { axis: 0 }));
    return onDiagonal(full, unique, own, x);
  }
  if (equation.broadcast.some((letter) => own.includes(letter)) && missing.length === 0) return summedTo(spread, x);
  return missing.length === 0 ? spread : expandTo(spread, x);
}

interface Term {
  readonly value: Value;
  readonly letters: readonly string[];
}

function einsum(terms: readonly Term[], output: readonly string[]): Value {
  const [first] = terms;
  if (terms.length === 1 && first !== undefined && first.letters.join('') === output.join('')) return first.value;
  const inputs = terms.map(({ letters }) => letters.join('')).join(',');
  return op.einsum(
    terms.map(({ value }) => value),
    { equation: `${inputs}->${output.join('')}` },
  );
}

/** The co-state of a diagonal: on the diagonal of zeros, for every letter that the operand has more than once. */
function onDiagonal(made: Value, unique: readonly string[], own: readonly string[], x: Value): Value {
  let value = made;
  let letters = [...unique];
  const place = (letter: string): number => own.indexOf(letter);
  const fresh = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter((letter) => !own.includes(letter));
  const names = own.map((letter, at) => (place(letter) === at ? letter : (fresh.pop() ?? letter)));
  own.forEach((letter, at) => {
    if (place(letter) === at) return;
    const size = op.reshape(sizeOf(x, at), op.constant({ valueInts: [] }));
    const steps = op.range(int(0), size, int(1));
    const eye = cast(op.equal(op.unsqueeze(steps, ints(1)), op.unsqueeze(steps, ints(0))), x.dtype ?? 'float32');
    const name = names[at] ?? letter;
    value = einsum(
      [
        { value, letters },
        { value: eye, letters: [letter, name] },
      ],
      [...letters, name],
    );
    letters = [...letters, name];
  });
  const ordered = einsum([{ value, letters }], names);
  return expandTo(ordered, x);
}
