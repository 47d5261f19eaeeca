/**
 * The operators of ai.onnx that have no rule, with the reason: nothing of theirs carries a co-state from an output to an input. Each reason
 * ends the sentence "the operator ...".
 */
export const exempt: Readonly<Record<string, string>> = Object.freeze(
  Object.assign(Object.create(null) as Record<string, string>, {
    ...reasons('gives truth values', [
      'And',
      'Equal',
      'Greater',
      'GreaterOrEqual',
      'IsInf',
      'IsNaN',
      'Less',
      'LessOrEqual',
      'Not',
      'OptionalHasElement',
      'Or',
      'RegexFullMatch',
      'Xor',
    ]),
    ...reasons('gives integers', [
      'ArgMax',
      'ArgMin',
      'BitShift',
      'BitwiseAnd',
      'BitwiseNot',
      'BitwiseOr',
      'BitwiseXor',
      'ConvInteger',
      'MatMulInteger',
      'Multinomial',
      'NonMaxSuppression',
      'NonZero',
      'SequenceLength',
      'Shape',
      'Size',
    ]),
    ...reasons(
      'computes on quantised integers alone (take QuantizeLinear and DequantizeLinear around a floating-point operator)',
      ['QLinearConv', 'QLinearMatMul'],
    ),
    ...reasons('makes numbers of no floating-point input', [
      'BlackmanWindow',
      'Constant',
      'ConstantOfShape',
      'HammingWindow',
      'HannWindow',
      'RandomNormal',
      'RandomUniform',
      'SequenceEmpty',
    ]),
    ...reasons('works on text or encoded images', [
      'ImageDecoder',
      'StringConcat',
      'StringNormalizer',
      'StringSplit',
      'TfIdfVectorizer',
    ]),
    ...reasons('is of opset 27, newer than what ONNX Runtime runs', [
      'CausalConvWithState',
      'LinearAttention',
      'SwiGLU',
    ]),
    ...reasons('is no longer an operator at opset 21, to which older models are raised first', ['Scatter', 'Upsample']),
  }),
);

function reasons(why: string, operators: readonly string[]): Record<string, string> {
  return Object.fromEntries(operators.map((name) => [name, why]));
}
