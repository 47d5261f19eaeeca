import type { Node } from '../../graph/value.ts';

/** Operators that are done again sooner than their results are kept: they move numbers, or do one operation on each. */
const cheap: ReadonlySet<string> = new Set([
  'Abs',
  'Add',
  'And',
  'Cast',
  'CastLike',
  'Clip',
  'Concat',
  'Constant',
  'ConstantOfShape',
  'Div',
  'Equal',
  'Expand',
  'Flatten',
  'Gather',
  'Greater',
  'GreaterOrEqual',
  'Identity',
  'LeakyRelu',
  'Less',
  'LessOrEqual',
  'Max',
  'Min',
  'Mul',
  'Neg',
  'Not',
  'Or',
  'Range',
  'Reciprocal',
  'Relu',
  'Reshape',
  'Shape',
  'Sign',
  'Size',
  'Slice',
  'Split',
  'Sqrt',
  'Squeeze',
  'Sub',
  'Transpose',
  'Unsqueeze',
  'Where',
]);

/** Whether the way back computes it again rather than have the loop keep it. */
export function isCheap({ opType, domain }: Node): boolean {
  return domain === '' && cheap.has(opType);
}
