import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, expandTo, int, ints, sizeOf } from '../pieces.ts';
import { letters as alphabet, type Equation, parsed, written } from './equation.ts';

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

interface Term {
  readonly value: Value;
  readonly letters: readonly string[];
}

function bar(call: RuleCall, equation: Equation, operands: readonly Value[], x: Value, index: number): Value {
  const own = equation.operands[index] ?? [];
  const others = operands.flatMap((other, at) =>
    at === index ? [] : [{ value: other, letters: equation.operands[at] ?? [] }],
  );
  const terms = [{ value: call.g(), letters: equation.output }, ...others];
  const there = new Set(terms.flatMap(({ letters }) => letters));
  const unique = own.filter((letter, at) => own.indexOf(letter) === at);
  const made = einsum(
    terms,
    unique.filter((letter) => there.has(letter)),
    equation.broadcast,
  );
  // One element of x may have stood against several of another operand.
  const stretched = own.some((letter, at) => equation.broadcast.includes(letter) || x.shape?.[at] === 1);
  // Letters of this operand alone were summed over: their co-state is the same all along.
  const missing = unique.flatMap((letter, at) => (there.has(letter) ? [] : [at]));
  const repeated = unique.length < own.length;
  const apart = missing.length === 0 ? made : op.unsqueeze(made, ints(...missing));
  if (!stretched && !repeated) return missing.length === 0 ? apart : expandTo(apart, x);
  const sizes = unique.map((letter, at) => (missing.includes(at) ? sizeOf(x, own.indexOf(letter)) : ints(1)));
  const spread = missing.length === 0 ? apart : op.expand(apart, op.concat(sizes, { axis: 0 }));
  const laid = repeated ? onDiagonal(spread, unique, own, x) : spread;
  return stretched ? summedTo(laid, x) : laid;
}

function einsum(terms: readonly Term[], output: readonly string[], broadcast: readonly string[] = []): Value {
  const [first, another] = terms;
  if (first !== undefined && another === undefined && first.letters.length === output.length) {
    const perm = output.map((letter) => first.letters.indexOf(letter));
    return perm.every((axis, at) => axis === at) ? first.value : op.transpose(first.value, { perm });
  }
  const chained = chain(terms, output);
  return op.einsum(
    chained.map(({ value }) => value),
    {
      equation: written(
        chained.map(({ letters }) => letters),
        output,
        broadcast,
      ),
    },
  );
}

/**
 * The terms in an order in which each shares letters with the product of those before it: ONNX Runtime multiplies from the left to the
 * right, and two neighbours without a common letter would make all products of their elements.
 */
function chain(terms: readonly Term[], output: readonly string[]): readonly Term[] {
  const left = [...terms];
  const chained = left.splice(0, 1);
  let held = new Set(chained.flatMap(({ letters }) => letters));
  while (left.length > 0) {
    const gains = left.map(({ letters }) => {
      const shared = letters.filter((letter) => held.has(letter)).length;
      return 2 * shared - letters.length;
    });
    chained.push(...left.splice(gains.indexOf(Math.max(...gains)), 1));
    const later = new Set([...output, ...left.flatMap(({ letters }) => letters)]);
    held = new Set(chained.flatMap(({ letters }) => letters).filter((letter) => later.has(letter)));
  }
  return chained;
}

/** The co-state of a diagonal: on the diagonal of zeros, for every letter that the operand has more than once. */
function onDiagonal(made: Value, unique: readonly string[], own: readonly string[], x: Value): Value {
  let value = made;
  let letters = [...unique];
  const place = (letter: string): number => own.indexOf(letter);
  const fresh = alphabet.filter((letter) => !own.includes(letter));
  const names = own.map((letter, at) => (place(letter) === at ? letter : (fresh.pop() ?? letter)));
  own.forEach((letter, at) => {
    if (place(letter) === at) return;
    const size = op.reshape(sizeOf(x, at), op.constant({ valueInts: [] }));
    const steps = op.range(int(0), size, int(1));
    const eye = cast(op.equal(op.unsqueeze(steps, ints(1)), op.unsqueeze(steps, ints(0))), made.dtype ?? 'float32');
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
  return einsum([{ value, letters }], names);
}
