import { isValue } from '../../graph/apply.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { HigherOrder } from '../aten/table.ts';
import { type Call, cast } from '../lower/call.ts';
import { Cell } from '../lower/cell.ts';
import { type Result, Sym } from '../lower/item.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import type { Argument } from '../schema/program.ts';
import { bodyOf, bodyOutputs, graphAt, inlined, type Operand, operandsOf, positional, valuesOf } from './body.ts';

/** A truth value without dimensions. */
function truth(value: Value): Value {
  const plain = cast(value, 'bool');
  return rankOf(plain) === 0 ? plain : op.reshape(plain, constant([], 'int64'));
}

/** torch.cond: If. A condition that is known leaves the branch that is taken. */
const cond: HigherOrder = (call, scope, report) => {
  const [condition, , , given] = positional(call);
  const [yes, no] = [graphAt(call, 1), graphAt(call, 2)];
  const [predicate] = operandsOf(call, scope, condition);
  const operands = operandsOf(call, scope, given);
  if (typeof predicate === 'boolean') {
    const own = valuesOf(call, operands).map((value) => new Cell(value));
    return inlined(call, predicate ? yes : no, own, report);
  }
  const values = valuesOf(call, operands);
  return op.if(truth(valuesOf(call, [predicate])[0] as Value), {
    thenBranch: () => bodyOf(call, yes, values, report),
    elseBranch: () => bodyOf(call, no, values, report),
  });
};

/** torch.while_loop: Loop without a bound. The condition of the first turn is found before it, of the others at the end of the turn before. */
const whileLoop =
  (stacks: boolean): HigherOrder =>
  (call, scope, report) => {
    const [, , carried, additional] = positional(call);
    const [condition, body] = [graphAt(call, 0), graphAt(call, 1)];
    const first = valuesOf(call, operandsOf(call, scope, carried));
    const others = valuesOf(call, operandsOf(call, scope, additional));
    const going = (state: readonly Value[]): Value => {
      const [value] = bodyOf(call, condition, [...state, ...others], report);
      if (value === undefined) throw call.unsupported('a condition that gives nothing');
      return truth(value);
    };
    const results = op.loop(undefined, going(first), first, (_turn, _going, ...state) => {
      const made = bodyOf(call, body, [...state, ...others], report);
      const next = made.map((value, index) => cast(value, first[index]?.dtype ?? value.dtype ?? 'float32'));
      return { condition: going(next), carried: next, scanned: stacks ? next.map((value) => op.identity(value)) : [] };
    });
    return stacks ? results.slice(first.length) : results;
  };

/** What runs over the slices of sequences along their first axis. */
function scanned(
  call: Call,
  state: readonly Value[],
  sequences: readonly Value[],
  step: (state: readonly Value[], slices: readonly Value[]) => Value[],
): readonly Value[] {
  if (sequences.length === 0) throw call.unsupported('no sequence to run over');
  return op.scan(state, sequences, (carried, slices) => {
    const made = step(carried, slices);
    const next = made
      .slice(0, carried.length)
      .map((value, index) => cast(value, state[index]?.dtype ?? value.dtype ?? 'float32'));
    return { carried: next, scanned: made.slice(carried.length) };
  });
}

/** torch.scan: Scan; the final state, then what every step gives. */
const scan: HigherOrder = (call, scope, report) => {
  const [, init, xs, additional] = positional(call);
  const graph = graphAt(call, 0);
  const [state, sequences, others] = [init, xs, additional].map((given) =>
    valuesOf(call, operandsOf(call, scope, given)),
  ) as [Value[], Value[], Value[]];
  return scanned(call, state, sequences, (carried, slices) =>
    bodyOf(call, graph, [...carried, ...slices, ...others], report),
  );
};

/** torch.map: a Scan without state. */
const map: HigherOrder = (call, scope, report) => {
  const [, xs, additional] = positional(call);
  const graph = graphAt(call, 0);
  const sequences = valuesOf(call, operandsOf(call, scope, xs));
  const others = valuesOf(call, operandsOf(call, scope, additional));
  return scanned(call, [], sequences, (_, slices) => bodyOf(call, graph, [...slices, ...others], report));
};

/** torch.vmap: a Scan without state, along the axes that are mapped. */
const vmap: HigherOrder = (call, scope, report) => {
  const [, xs, from, captured, to] = positional(call);
  const graph = graphAt(call, 0);
  const sequences = valuesOf(call, operandsOf(call, scope, xs));
  const others = own(operandsOf(call, scope, captured));
  const ranks = graph.outputs.map((output) =>
    output.kind === 'tensor' ? (graph.tensors.get(output.name)?.sizes.length ?? 0) : 0,
  );
  const axes = (given: Argument | undefined, rank: (index: number) => number): number[] =>
    operandsOf(call, scope, given).map((axis, index) => (typeof axis === 'number' ? axisOf(axis, rank(index)) : 0));
  if (sequences.length === 0) throw call.unsupported('no tensor to map over');
  return op.scan(
    [],
    sequences,
    (_, slices) => {
      const given = [...slices.map((slice) => new Cell(slice)), ...own(others)];
      return {
        carried: [],
        scanned: bodyOutputs(call, inlined(call, graph, given, report), [...slices, ...contents(others)]),
      };
    },
    {
      scanInputAxes: axes(from, (index) => rankOf(sequences[index] as Value)),
      scanOutputAxes: axes(to, (index) => (ranks[index] ?? 0) + 1),
    },
  );
};

/** Tensors that are captured, as they are before the body. */
function contents(operands: readonly Operand[]): Value[] {
  return operands.flatMap((operand) => {
    const content = operand instanceof Cell ? operand.read() : undefined;
    return isValue(content) ? [content] : operand instanceof Sym ? [operand.value] : [];
  });
}

function own(operands: readonly Operand[]): Operand[] {
  return operands.map((operand) => (operand instanceof Cell ? new Cell(operand.read()) : operand));
}

/** torch.associative_scan: every prefix, one after the other; the first is the first slice itself. */
const associativeScan: HigherOrder = (call, scope, report) => {
  const [, xs, additional] = positional(call);
  const graph = graphAt(call, 0);
  const sequences = valuesOf(call, operandsOf(call, scope, xs));
  const others = valuesOf(call, operandsOf(call, scope, additional));
  const zero = constant([0], 'int64');
  const first = sequences.map((x) => op.gather(x, constant(0, 'int64'), { axis: 0 }));
  const rest = sequences.map((x) =>
    op.slice(x, constant([1], 'int64'), constant([Number.MAX_SAFE_INTEGER], 'int64'), zero),
  );
  const results = scanned(call, first, rest, (carried, slices) => {
    const made = bodyOf(call, graph, [...carried, ...slices, ...others], report);
    return [...made, ...made.map((value) => op.identity(value))];
  });
  return first.map((x, index): Result => {
    const later = results[first.length + index];
    return later === undefined ? undefined : op.concat([op.unsqueeze(x, zero), later], { axis: 0 });
  });
};

export const controlRules: Readonly<Record<string, HigherOrder>> = {
  'higher_order.cond': cond,
  'higher_order.while_loop': whileLoop(false),
  'higher_order.while_loop_stack_output': whileLoop(true),
  'higher_order.scan': scan,
  'higher_order.map_impl': map,
  'higher_order.vmap': vmap,
  'higher_order.associative_scan': associativeScan,
};
