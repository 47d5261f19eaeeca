import { sameDim } from '../graph/dim.ts';
import * as op from '../graph/op.ts';
import { constantIntegers, constantTensor, textOf } from '../graph/passes/constants.ts';
import type { Shape } from '../graph/type.ts';
import type { Node, Value } from '../graph/value.ts';
import { fromFront } from './call.ts';
import { ints } from './pieces.ts';

/** A tensor among zeros along one axis. */
interface Padded {
  readonly x: Value;
  readonly axis: number;
  readonly before: number;
  readonly size: number;
  readonly behind: number;
}

/**
 * The sum of two tensors that stand among zeros, one right behind the other, as both side by side: the co-state of what was sliced into parts
 * is their co-states put together.
 */
export function sideBySide(a: Value, b: Value): Value | undefined {
  return joined(a, b) ?? joinedWithin(a, b) ?? joinedWithin(b, a);
}

/** The tensor beside one term of a sum, which had none beside it so far. */
function joinedWithin(a: Value, sum: Value): Value | undefined {
  const [left, right] = unnamed(sum, 'Add')?.inputs ?? [];
  if (left === undefined || right === undefined) return undefined;
  for (const [term, rest] of [
    [left, right],
    [right, left],
  ] as const) {
    const both = joined(a, term);
    if (both !== undefined) return joined(both, rest) ?? op.add(both, rest);
  }
  return undefined;
}

function joined(a: Value, b: Value): Value | undefined {
  const [one, other] = [paddedOf(a), paddedOf(b)];
  if (one === undefined || other === undefined || one.axis !== other.axis) return undefined;
  const [left, right] = one.before < other.before ? [one, other] : [other, one];
  if (left.before + left.size !== right.before) return undefined;
  const { axis } = left;
  // A sum may broadcast one to the other; side by side they must be alike but for the axis.
  if (!sameBut(axis, left.x.shape, right.x.shape)) return undefined;
  const both = op.concat([...partsOf(left.x, axis), ...partsOf(right.x, axis)], { axis });
  if (left.before === 0 && right.behind === 0) return both;
  return op.pad(both, ints(left.before, right.behind), undefined, ints(axis));
}

function sameBut(axis: number, a: Shape, b: Shape): boolean {
  return a?.length === b?.length && a?.every((dim, at) => at === axis || sameDim(dim, b?.[at])) === true;
}

function paddedOf(value: Value): Padded | undefined {
  const node = unnamed(value, 'Pad');
  const [x, pads, fill, axes] = node?.inputs ?? [];
  const widths = constantIntegers(pads);
  if (node === undefined || x?.shape === undefined || widths === undefined) return undefined;
  if (fill !== undefined && constantTensor(fill)?.bytes.every((byte) => byte === 0) !== true) return undefined;
  if ((textOf(node.attributes.get('mode')) ?? 'constant') !== 'constant') return undefined;
  const rank = x.shape.length;
  const named = axes === undefined ? Array.from({ length: rank }, (_, axis) => axis) : constantIntegers(axes);
  if (named === undefined || widths.some((width) => width < 0)) return undefined;
  const count = named.length;
  const padded = named.flatMap((_, at) => ((widths[at] ?? 0) + (widths[count + at] ?? 0) > 0 ? [at] : []));
  const [at, another] = padded;
  if (at === undefined || another !== undefined) return undefined;
  const axis = fromFront(named[at] ?? 0, rank);
  const size = x.shape[axis];
  if (typeof size !== 'number') return undefined;
  return { x, axis, before: widths[at] ?? 0, size, behind: widths[count + at] ?? 0 };
}

function partsOf(value: Value, axis: number): readonly Value[] {
  const node = unnamed(value, 'Concat');
  const along = node?.attributes.get('axis');
  const rank = value.shape?.length;
  if (node === undefined || along?.kind !== 'int' || rank === undefined) return [value];
  if (fromFront(Number(along.value), rank) !== axis) return [value];
  return node.inputs.filter((part) => part !== undefined);
}

/** The node that makes a value, where a rule made it as that operator. */
function unnamed(value: Value, opType: string): Node | undefined {
  const { source } = value;
  if (source.kind !== 'output' || source.node.opType !== opType || source.node.domain !== '') return undefined;
  return source.node.name === undefined && source.node.origin === undefined ? source.node : undefined;
}
