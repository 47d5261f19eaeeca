import { HopfcoleError } from '../files/error.ts';
import { type Attr, apply, atCaller, isValue, many } from './apply.ts';
import type { Graph } from './graph.ts';
import { inputValue } from './make.ts';
import { subgraph } from './subgraph.ts';
import { dropAxis, looserType, tensorType, type ValueType } from './type.ts';
import type { Value } from './value.ts';

/** Branches of an `if`: each gives as many values as the other, and may use any value of the graphs around it. */
export interface Branches {
  readonly thenBranch: () => readonly Value[];
  readonly elseBranch: () => readonly Value[];
}

/** `if(condition, { thenBranch, elseBranch })`: the values of the branch that was taken. */
export function if_(version: number) {
  return function callIf(condition: Value, branches: Branches): readonly Value[] {
    return guarded(callIf, 'If', () => {
      const thenBranch = subgraph('then_branch', [], branches.thenBranch);
      const elseBranch = subgraph('else_branch', [], branches.elseBranch);
      const count = thenBranch.outputs.length;
      if (elseBranch.outputs.length !== count)
        throw new HopfcoleError(
          'WRONG_ARITY',
          `expected as many values of elseBranch as of thenBranch, ${count}, got ${elseBranch.outputs.length}`,
          { operator: 'If', argument: 'elseBranch' },
        );
      return apply(callIf, 'If', version, [condition], { thenBranch, elseBranch }, count);
    });
  };
}

/** What one turn of a loop gives: whether to go on, the state carried to the next turn, and values stacked over all turns. */
export interface Turn {
  readonly condition?: Value | undefined;
  readonly carried: readonly Value[];
  readonly scanned?: readonly Value[];
}

/**
 * `loop(tripCount, condition, carried, body)`: the final state, then the stacked values.
 * The body is called again with looser types where a turn changes the shape of the state, so it must only build values.
 */
export function loop(version: number) {
  return function callLoop(
    tripCount: Value | undefined,
    condition: Value | undefined,
    carried: readonly Value[],
    body: (iteration: Value, condition: Value, ...carried: Value[]) => Turn,
  ): readonly Value[] {
    return guarded(callLoop, 'Loop', () => {
      const first = many('Loop', 'carried', carried, callLoop);
      const [graph, scanned] = settled(first, (types) => {
        const inputs = [
          inputValue(undefined, tensorType('int64', [])),
          inputValue(undefined, tensorType('bool', [])),
          ...types.map((type) => inputValue(undefined, type)),
        ];
        const [iteration, going, ...state] = inputs as [Value, Value, ...Value[]];
        let count = 0;
        const made = subgraph('body', inputs, () => {
          const turn = body(iteration, going, ...state);
          checkState('Loop', turn.carried, first.length);
          count = turn.scanned?.length ?? 0;
          return [turn.condition ?? going, ...turn.carried, ...(turn.scanned ?? [])];
        });
        return [made, count, 1];
      });
      const outputs = first.length + scanned;
      return apply(callLoop, 'Loop', version, [tripCount, condition, ...first], { body: graph }, outputs);
    });
  };
}

/** Along which axes sequences are read and stacked, and in which direction (1: backward). */
export interface ScanAttributes {
  readonly scanInputAxes?: Attr<readonly number[]>;
  readonly scanInputDirections?: Attr<readonly number[]>;
  readonly scanOutputAxes?: Attr<readonly number[]>;
  readonly scanOutputDirections?: Attr<readonly number[]>;
}

/** `scan(state, sequences, body)`: the final state, then the stacked values. The body gets state and one slice of each sequence. */
export function scan(version: number) {
  return function callScan(
    state: readonly Value[],
    sequences: readonly Value[],
    body: (state: readonly Value[], slices: readonly Value[]) => Omit<Turn, 'condition'>,
    attributes: ScanAttributes = {},
  ): readonly Value[] {
    return guarded(callScan, 'Scan', () => {
      const first = many('Scan', 'state', state, callScan);
      const sources = many('Scan', 'sequences', sequences, callScan);
      const axes = Array.isArray(attributes.scanInputAxes) ? attributes.scanInputAxes : [];
      const sliceTypes = sources.map((value, index) => dropAxis(value.type, Number(axes[index] ?? 0)));
      const [graph, scanned] = settled(first, (types) => {
        const states = types.map((type) => inputValue(undefined, type));
        const slices = sliceTypes.map((type) => inputValue(undefined, type));
        let count = 0;
        const made = subgraph('body', [...states, ...slices], () => {
          const turn = body(states, slices);
          checkState('Scan', turn.carried, first.length);
          count = turn.scanned?.length ?? 0;
          return [...turn.carried, ...(turn.scanned ?? [])];
        });
        return [made, count, 0];
      });
      const given = { ...attributes, body: graph, numScanInputs: sources.length };
      return apply(callScan, 'Scan', version, [...first, ...sources], given, first.length + scanned);
    });
  };
}

/** `sequenceMap(sequence, others, body)`: the body's values for every element, each output a sequence. */
export function sequenceMap(version: number) {
  return function callSequenceMap(
    sequence: Value,
    others: readonly Value[],
    body: (element: Value, ...others: Value[]) => readonly Value[],
  ): readonly Value[] {
    return guarded(callSequenceMap, 'SequenceMap', () => {
      const more = many('SequenceMap', 'additional_inputs', others, callSequenceMap);
      const elementOf = (type: ValueType): ValueType => (type?.kind === 'sequence' ? type.element : type);
      const inputs = [sequence, ...more].map((value) => inputValue(undefined, elementOf(value.type)));
      const [element, ...rest] = inputs as [Value, ...Value[]];
      const graph = subgraph('body', inputs, () => body(element, ...rest));
      return apply(callSequenceMap, 'SequenceMap', version, [sequence, ...more], { body: graph }, graph.outputs.length);
    });
  };
}

/**
 * `split(x, sizes, { axis, numOutputs })`: the parts. Either the sizes or the number of parts must be known; without sizes the
 * parts are equal (from version 18 on the last may be smaller).
 */
export function split(version: number) {
  return function callSplit(
    x: Value,
    sizes?: Value,
    attributes: { axis?: Attr<number>; numOutputs?: number | undefined } = {},
  ): readonly Value[] {
    return guarded(callSplit, 'Split', () => {
      const { axis, numOutputs } = attributes;
      const known = isValue(sizes) ? sizes.shape?.[0] : undefined;
      const count = numOutputs ?? (typeof known === 'number' ? known : undefined);
      if (count === undefined || !Number.isInteger(count) || count < 1)
        throw new HopfcoleError(
          'MISSING_ATTRIBUTE',
          'expected the number of parts, as numOutputs or by sizes of known length',
          { operator: 'Split', argument: 'numOutputs' },
        );
      const writes = version >= 18 && sizes === undefined;
      const given = writes ? { axis, numOutputs: count } : { axis };
      return apply(callSplit, 'Split', version, [x, sizes], given, count);
    });
  };
}

/** The body with types that hold in every turn: begins with those of the first turn, and loosens what a turn changes. */
function settled(
  first: readonly Value[],
  build: (types: readonly ValueType[]) => [graph: Graph, scanned: number, stateAt: number],
): [graph: Graph, scanned: number] {
  let types = first.map((value) => value.type);
  for (;;) {
    const [graph, scanned, stateAt] = build(types);
    const next = types.map((type, index) => looserType(type, graph.outputs[stateAt + index]?.value.type));
    // Loosening only ever forgets dimensions, so this ends.
    if (next.every((type, index) => type === types[index])) return [graph, scanned];
    types = next;
  }
}

function checkState(operator: string, carried: unknown, expected: number): void {
  if (Array.isArray(carried) && carried.length === expected) return;
  const got = Array.isArray(carried) ? carried.length : String(carried);
  throw new HopfcoleError('WRONG_ARITY', `expected the body to carry ${expected} values on, got ${got}`, {
    operator,
    argument: 'body',
  });
}

function guarded<T>(maker: (...parameters: never[]) => unknown, opType: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    // An error of a call inside a body already points at that call.
    const own =
      !(error instanceof HopfcoleError) || error.where.operator === undefined || error.where.operator === opType;
    throw own ? atCaller(error, maker, opType) : error;
  }
}
