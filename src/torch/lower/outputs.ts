import type { DType } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { isValue } from '../../graph/apply.ts';
import type { Output } from '../../graph/graph.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Argument, Program } from '../schema/program.ts';
import { outputPaths } from '../schema/pytree.ts';
import { Sym, type Tensorial } from './item.ts';
import type { GraphScope } from './scope.ts';

export interface Given {
  readonly outputs: readonly Output[];
  readonly constants: readonly { readonly name: string; readonly value: unknown }[];
  readonly mutated: readonly string[];
  /** Outputs by the names that the program's own graph has for them. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Element types of the program where the graph's are others. */
  readonly precision: ReadonlyMap<string, DType>;
}

/**
 * What a program gives, as outputs of the graph, in its order: under the keys by which a dict or named tuple has them (`logits`, `states_0`), otherwise under the
 * names its graph has. Results that are no tensors are told apart; a result that is an input, a weight or another result is a copy of it.
 */
export function outputsOf(program: Program, scope: GraphScope, inputs: readonly Value[], file: string): Given {
  const outputs: Output[] = [];
  const constants: { name: string; value: unknown }[] = [];
  const mutated: string[] = [];
  const precision = new Map<string, DType>();
  const aliases = new Map<string, string>();
  const taken = new Set(inputs.map(({ name }) => name ?? ''));
  const seen = new Set<Value>();
  for (const spec of program.inputs) if ('target' in spec) taken.add(spec.target);
  const specs = program.outputs.filter((spec) => spec.kind === 'user' || spec.kind === 'loss');
  const paths = outputPaths(program.outSpec, specs.length, program.fields);
  for (const [index, spec] of specs.entries()) {
    if (!('argument' in spec)) continue;
    const { argument } = spec;
    const own = argument.kind === 'tensor' || argument.kind === 'symbol' ? argument.name : `output_${index}`;
    const wanted = paths?.[index] ?? own;
    const value = asValue(argument, scope, file);
    if (value === undefined) {
      constants.push({ name: wanted, value: argument.kind === 'constant' ? argument.value : null });
      continue;
    }
    const name = free(wanted, taken);
    taken.add(name);
    const meta = argument.kind === 'tensor' ? scope.meta(argument.name) : undefined;
    if (meta !== undefined && meta.dtype !== value.dtype) precision.set(name, meta.dtype);
    if (!aliases.has(own)) aliases.set(own, name);
    outputs.push({ name, value: fresh(value, seen) });
    seen.add(value);
  }
  for (const spec of program.outputs)
    if (spec.kind === 'buffer-mutation' || spec.kind === 'parameter-mutation' || spec.kind === 'input-mutation')
      mutated.push(spec.target);
  for (const spec of program.inputs) {
    const name = spec.kind === 'buffer' || spec.kind === 'parameter' ? spec.name : undefined;
    if (name !== undefined && 'target' in spec && scope.cell(name)?.written === true) mutated.push(spec.target);
  }
  if (outputs.length === 0)
    throw new HopfcoleError(
      'BAD_PROGRAM',
      'the program gives no tensor',
      { file },
      'Export a module that returns tensors',
    );
  return { outputs, constants, mutated: [...new Set(mutated)], aliases, precision };
}

function asValue(argument: Argument, scope: GraphScope, file: string): Value | undefined {
  if (argument.kind === 'tensor') {
    const content = scope.cell(argument.name)?.read();
    if (content === undefined)
      throw new HopfcoleError('BAD_PROGRAM', `its output '${argument.name}' is not defined by any node`, { file });
    return joined(content);
  }
  if (argument.kind === 'symbol') {
    const symbol = scope.symbol(argument.name);
    if (symbol instanceof Sym) return symbol.value;
    return symbol === undefined ? undefined : constant(symbol, typeof symbol === 'boolean' ? 'bool' : 'int64');
  }
  return undefined;
}

/** A complex result is pairs of real numbers along a new last axis. */
function joined(content: Tensorial): Value {
  if (isValue(content)) return content;
  const axis = constant([-1], 'int64');
  return op.concat([op.unsqueeze(content.real, axis), op.unsqueeze(content.imaginary, axis)], { axis: -1 });
}

/** An output of the graph must be a node's, and one node's output is one output of the graph. */
function fresh(value: Value, seen: ReadonlySet<Value>): Value {
  return value.source.kind === 'output' && !seen.has(value) ? value : op.identity(value);
}

function free(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted;
  for (let count = 1; ; count++) if (!taken.has(`${wanted}_${count}`)) return `${wanted}_${count}`;
}
