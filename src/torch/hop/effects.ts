import type { HigherOrder } from '../aten/table.ts';
import { positional } from './body.ts';

/** Operators of side effects alone: checks that raise, and prints. What they would check, a graph of ONNX takes as given. */
const idle = new Set([
  'aten._linalg_check_errors.default',
  'aten._assert_async.default',
  'aten._assert_async.msg',
  'aten._assert_scalar.default',
  'aten._print.default',
]);

/** An operator whose effects are held in order by tokens that go from one to the next. */
const withEffects: HigherOrder = (call) => {
  const operator = positional(call).find(({ kind }) => kind === 'operator');
  const name = operator?.kind === 'operator' ? operator.name.replace(/^torch\.ops\./, '') : 'no operator';
  call.ignore(...call.node.inputs.map((input) => input.name));
  if (!idle.has(name)) throw call.unsupported(`of ${name.slice(0, 100)}`);
  return [];
};

export const effectRules: Readonly<Record<string, HigherOrder>> = { 'higher_order.with_effects': withEffects };
