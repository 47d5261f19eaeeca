import { withDetached } from '../../graph/module-path.ts';
import type { HigherOrder } from '../aten/table.ts';
import type { Call } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { GraphScope, Report } from '../lower/scope.ts';
import type { Argument, ProgramGraph } from '../schema/program.ts';
import { widened } from './autocast.ts';
import { inlined, operandsOf, positional } from './body.ts';

/** What a wrapped graph is given: the tensors and numbers after it. */
function operandsAfter(call: Call): { graph: ProgramGraph; before: readonly Argument[]; after: readonly Argument[] } {
  const given = positional(call);
  const at = given.findIndex(({ kind }) => kind === 'graph');
  const argument = given[at];
  if (argument?.kind !== 'graph') throw call.unsupported('expected a graph');
  const isOperand = ({ kind, ...more }: Argument): boolean =>
    kind !== 'record' && kind !== 'graph' && !('type' in more && more.type === 'string');
  return { graph: argument.graph, before: given.slice(0, at), after: given.slice(at + 1).filter(isOperand) };
}

function wrapped(
  call: Call,
  scope: GraphScope,
  report: Report,
  change: (graph: ProgramGraph) => ProgramGraph = (graph) => graph,
): readonly Result[] {
  const { graph, after } = operandsAfter(call);
  call.ignore(...call.node.inputs.map(({ name }) => name));
  return inlined(call, change(graph), operandsOf(call, scope, ...after), report);
}

/** A graph that only says how it is to be run: its nodes stand in the place of the operator. */
const plain: HigherOrder = wrapped;

/** Under `no_grad` nothing is differentiated. */
const gradients: HigherOrder = (call, scope, report) => {
  const [enabled] = positional(call);
  const on = enabled?.kind === 'constant' && enabled.value === true;
  return on ? wrapped(call, scope, report) : withDetached(() => wrapped(call, scope, report));
};

const autocast: HigherOrder = (call, scope, report) => wrapped(call, scope, report, widened);

/** Operators that run a graph of their own, without a branch or a loop. */
export const inlineRules: Readonly<Record<string, HigherOrder>> = {
  'higher_order.wrap': plain,
  'higher_order.wrap_with_set_grad_enabled': gradients,
  'higher_order.wrap_with_autocast': autocast,
  'higher_order.strict_mode': plain,
  'higher_order.hints_wrapper': plain,
  'higher_order.invoke_subgraph': plain,
  'higher_order.tag_activation_checkpoint': plain,
  'higher_order.wrap_activation_checkpoint': plain,
  'higher_order.run_const_graph': plain,
  'higher_order.autograd_function_apply': plain,
};
