/**
 * The operators of ai.onnx that have no rule, with the reason. `integer`: the output is made of integers, booleans or text, so the
 * derivative is none. `constant`: no floating-point input that the output depends on.
 */
export const exempt: Readonly<Record<string, string>> = Object.freeze(
  Object.assign(Object.create(null) as Record<string, string>, {
    ...reasons('gives integers', ['ArgMax', 'ArgMin', 'NonZero', 'ConvInteger', 'MatMulInteger']),
  }),
);

function reasons(why: string, operators: readonly string[]): Record<string, string> {
  return Object.fromEntries(operators.map((name) => [name, why]));
}
