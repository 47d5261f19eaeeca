import { HopfcoleError } from '../../files/error.ts';
import { isValue } from '../../graph/apply.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, scalarValue } from '../lower/call.ts';
import { Cell } from '../lower/cell.ts';
import { type Result, Sym } from '../lower/item.ts';
import { lowerNodes } from '../lower/lower.ts';
import { GraphScope, type Report } from '../lower/scope.ts';
import type { Argument, ProgramGraph } from '../schema/program.ts';

/** What a graph within a program is given: tensors, and numbers. */
export type Operand = Cell | Sym | number | boolean | undefined;

/** The arguments of a higher-order operator, which have no names. */
export function positional(call: Call): Argument[] {
  return call
    .ignore('')
    .node.inputs.filter(({ name }) => name === '')
    .map(({ argument }) => argument);
}

/** The graph at a place among the arguments. */
export function graphAt(call: Call, index: number): ProgramGraph {
  const argument = positional(call)[index];
  if (argument?.kind === 'graph') return argument.graph;
  throw call.unsupported(`expected a graph as argument ${index}`);
}

/** Tensors and numbers of the graph around; lists are taken apart. */
export function operandsOf(call: Call, scope: GraphScope, ...given: readonly (Argument | undefined)[]): Operand[] {
  return given.flatMap((argument): Operand[] => {
    if (argument === undefined) return [];
    if (argument.kind === 'list') return operandsOf(call, scope, ...argument.items);
    if (argument.kind === 'tensor') return [call.cellOf(argument, argument.name)];
    if (argument.kind === 'symbol') return [call.symbolOf(argument.name)];
    if (argument.kind === 'none') return [undefined];
    if (argument.kind === 'constant' && (typeof argument.value === 'number' || typeof argument.value === 'boolean'))
      return [argument.value];
    throw call.unsupported(`an operand that is ${argument.kind === 'constant' ? argument.type : argument.kind}`);
  });
}

/** A graph's results on operands: its nodes become nodes of the graph that is being built. What it writes to reaches the operands themselves. */
export function inlined(call: Call, graph: ProgramGraph, operands: readonly Operand[], report: Report): Result[] {
  const scope = new GraphScope(graph);
  if (graph.inputs.length > operands.length)
    throw broken(
      call,
      `a graph of ${call.target} takes ${graph.inputs.length} inputs, but is given ${operands.length}`,
    );
  for (const [index, input] of graph.inputs.entries()) give(call, scope, input, operands[index]);
  lowerNodes(scope, report);
  return graph.outputs.map((output) => resultOf(call, scope, output));
}

function give(call: Call, scope: GraphScope, input: Argument, operand: Operand): void {
  if (input.kind === 'none') return;
  if (input.kind !== 'tensor' && input.kind !== 'symbol') {
    if (input.kind === 'constant') return;
    throw call.unsupported(`a graph that takes ${input.kind}`);
  }
  if (operand === undefined) return;
  if (input.kind === 'tensor') {
    scope.setCell(input.name, operand instanceof Cell ? operand : new Cell(scalarValue(operand)));
    return;
  }
  if (!(operand instanceof Cell)) {
    scope.setSymbol(input.name, operand);
    return;
  }
  const content = operand.read();
  if (!isValue(content)) throw call.unsupported('complex numbers');
  scope.setSymbol(input.name, new Sym(content));
}

function resultOf(call: Call, scope: GraphScope, output: Argument): Result {
  if (output.kind === 'none') return undefined;
  if (output.kind === 'constant' && (typeof output.value === 'number' || typeof output.value === 'boolean'))
    return output.value;
  if (output.kind === 'tensor') {
    const cell = scope.cell(output.name);
    if (cell !== undefined) return cell.read();
  }
  if (output.kind === 'symbol') {
    const symbol = scope.symbol(output.name);
    if (symbol !== undefined) return symbol;
  }
  throw broken(call, `a graph of ${call.target} gives what none of its nodes made`);
}

function broken(call: Call, message: string): HopfcoleError {
  const where = { node: call.node.name, operator: call.target };
  return new HopfcoleError('BAD_PROGRAM', message, where, 'Save the program again with torch.export.save');
}

/** Operands as values, and what makes operands of such values again inside a body. Read here: what a view shows is made outside of the body. */
export function valuesOf(call: Call, operands: readonly Operand[]): Value[] {
  return operands.map((operand) => {
    if (operand === undefined) throw call.unsupported('an operand that is None');
    const content = operand instanceof Cell ? operand.read() : scalarValue(operand);
    if (!isValue(content)) throw call.unsupported('complex numbers');
    return content;
  });
}

/** Results of a body as values that nodes of the body made: what only passes through it is copied. */
export function bodyOutputs(call: Call, results: readonly Result[], outside: readonly Value[]): Value[] {
  const made: Value[] = [];
  for (const result of results) {
    if (result === undefined) throw call.unsupported('a body that gives None');
    const value = isValue(result)
      ? result
      : result instanceof Sym || typeof result !== 'object'
        ? scalarValue(result)
        : undefined;
    if (value === undefined) throw call.unsupported('complex numbers');
    const own = value.source.kind === 'output' && !outside.includes(value) && !made.includes(value);
    made.push(own ? value : op.identity(value));
  }
  return made;
}

/** The body of a branch or loop on values: writes stay inside of it. */
export function bodyOf(call: Call, graph: ProgramGraph, values: readonly Value[], report: Report): Value[] {
  const results = inlined(
    call,
    graph,
    values.map((value) => new Cell(value)),
    report,
  );
  return bodyOutputs(call, results, values);
}
