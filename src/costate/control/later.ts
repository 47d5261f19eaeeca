import * as op from '../../graph/op.ts';
import { intOf } from '../../graph/passes/constants.ts';
import type { Node, Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { ints, transposed } from '../pieces.ts';
import type { Pullback } from './table.ts';

/**
 * A use of a captured value whose co-state is found from all turns at once, behind the loop: the weight of a product as one product of all
 * rows, what is read by index by one scatter. Adding up in each turn would go through all of the captured value every time.
 */
export interface Later {
  /** The node of the turn. */
  readonly node: Node;
  /** Which of its inputs are captured ones that are seen to so. */
  readonly places: ReadonlySet<number>;
  /** What is stacked beside the co-state of its output. */
  readonly needs: readonly Value[];
  /** The axis along which the co-states are stacked. */
  readonly axis: number;
  /** Worth it only where the co-state is stacked for another use as well. */
  readonly shared: boolean;
  /** The co-states of the captured inputs from the stacks. */
  readonly sums: (bars: Value, needs: readonly Value[], pullback: Pullback) => readonly (readonly [Value, Value])[];
}

/** What is known of the body that the uses stand in. */
export interface Inside {
  /** Whether a value is of the turn: the others are the same in all turns. */
  readonly isOfTurn: (value: Value) => boolean;
  /** Whether a value is a captured one that needs a co-state. */
  readonly isAsked: (value: Value) => boolean;
  /** Whether there may be no turn at all: an empty stack then has the sizes that are known, and zero for the others. */
  readonly mayBeEmpty: boolean;
}

export function laterUses(nodes: readonly Node[], inside: Inside): readonly Later[] {
  return nodes.flatMap((node) => {
    const found = node.domain === '' ? kinds[node.opType]?.(node, inside) : undefined;
    return found === undefined ? [] : [found];
  });
}

type Kind = (node: Node, inside: Inside) => Later | undefined;

const kinds: Readonly<Record<string, Kind | undefined>> = Object.freeze(
  Object.assign(Object.create(null) as Record<string, Kind>, {
    Gather: gathered,
    MatMul: multiplied,
    Gemm: multipliedAndAdded,
    Add: added,
  }),
);

function gathered(node: Node, { isAsked, isOfTurn }: Inside): Later | undefined {
  const [data, index] = node.inputs;
  const rank = data?.shape?.length;
  const axis = intOf(node, 'axis', 0);
  if (data === undefined || index?.shape === undefined || rank === undefined || axis === undefined) return undefined;
  if (!isAsked(data) || !isOfTurn(index)) return undefined;
  const along = axis < 0 ? axis + rank : axis;
  return {
    node,
    places: new Set([0]),
    needs: [index],
    axis: along,
    shared: false,
    sums: (bars, [indices], pullback) =>
      pulled(op.gather(data, indices as Value, { axis: along }), bars, [data], indices, pullback),
  };
}

function multiplied(node: Node, { isAsked, isOfTurn, mayBeEmpty }: Inside): Later | undefined {
  const [a, b] = node.inputs;
  if (a === undefined || b === undefined) return undefined;
  if (isAsked(b) && isOfTurn(a) && b.shape?.length === 2 && a.shape !== undefined && !(mayBeEmpty && isOpen(a, b)))
    return {
      node,
      places: new Set([1]),
      needs: [a],
      axis: 0,
      shared: false,
      sums: (bars, [rows], pullback) => pulled(op.matMul(rows as Value, b), bars, [b], rows, pullback),
    };
  // A matrix times the vector of each turn.
  if (isAsked(a) && isOfTurn(b) && a.shape?.length === 2 && b.shape?.length === 1 && !(mayBeEmpty && isOpen(b, a)))
    return {
      node,
      places: new Set([0]),
      needs: [b],
      axis: 0,
      shared: false,
      sums: (bars, [rows], pullback) => pulled(op.matMul(rows as Value, transposed(a, 2)), bars, [a], rows, pullback),
    };
  return undefined;
}

/** Whether a stack of no rows would not have the widths of the product. */
function isOpen(rows: Value, matrix: Value): boolean {
  return typeof rows.shape?.at(-1) !== 'number' || matrix.shape?.every((dim) => typeof dim === 'number') !== true;
}

function multipliedAndAdded(node: Node, { isAsked, isOfTurn, mayBeEmpty }: Inside): Later | undefined {
  const [a, b, c] = node.inputs;
  if (a === undefined || b === undefined || !isOfTurn(a) || intOf(node, 'transA', 0) !== 0) return undefined;
  const [height, width] = b.shape ?? [];
  const [inner, outer] = intOf(node, 'transB', 0) === 0 ? [height, width] : [width, height];
  if (!isAsked(b) || typeof inner !== 'number' || typeof outer !== 'number') return undefined;
  if (mayBeEmpty && typeof a.shape?.[1] !== 'number') return undefined;
  // What is added to each row is added to the rows of all turns.
  const bias = c !== undefined && isAsked(c) && (c.shape?.length === 1 || c.shape?.[0] === 1) ? c : undefined;
  return {
    node,
    places: new Set(bias === undefined ? [1] : [1, 2]),
    needs: [a],
    axis: 0,
    shared: false,
    sums: (bars, [rows], pullback) => {
      const all = op.reshape(rows as Value, ints(-1, inner));
      const attributes = {
        alpha: numberOf(node, 'alpha'),
        beta: numberOf(node, 'beta'),
        transB: intOf(node, 'transB', 0) ?? 0,
      };
      const product = op.gemm(all, b, bias, attributes);
      const asked = bias === undefined ? [b] : [b, bias];
      return pulled(product, op.reshape(bars, ints(-1, outer)), asked, rows, pullback);
    },
  };
}

function numberOf(node: Node, name: string): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'float' ? attribute.value : 1;
}

/** A vector (or row) that is added in each turn. */
function added(node: Node, { isAsked, isOfTurn }: Inside): Later | undefined {
  const place = node.inputs.findIndex((value) => value !== undefined && isAsked(value));
  const [term, other] = [node.inputs[place], node.inputs[1 - place]];
  const rank = node.outputs[0]?.shape?.length;
  if (term?.shape === undefined || other === undefined || rank === undefined || !isOfTurn(other)) return undefined;
  if (term.shape.length > rank || other.shape?.length !== rank) return undefined;
  return {
    node,
    places: new Set([place]),
    needs: [],
    axis: 0,
    shared: true,
    sums: (bars) => [[term, summedTo(bars, term)]],
  };
}

/** What the sweep finds for values that one output was made of, beside a stack. */
function pulled(
  output: Value,
  bar: Value,
  values: readonly Value[],
  stack: Value | undefined,
  pullback: Pullback,
): readonly (readonly [Value, Value])[] {
  const nodes: Node[] = [];
  const enter = (value: Value | undefined): void => {
    if (value?.source.kind !== 'output' || value === stack || values.includes(value)) return;
    if (nodes.includes(value.source.node)) return;
    value.source.node.inputs.forEach(enter);
    nodes.push(value.source.node);
  };
  enter(output);
  const found = pullback({ nodes, seeds: new Map([[output, bar]]), wrt: values });
  return values.flatMap((value, index) => {
    const sum = found[index];
    return sum === undefined ? [] : [[value, sum] as const];
  });
}
