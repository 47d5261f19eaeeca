import type { Model } from '../../graph.ts';
import type { Node, Value } from '../../value.ts';
import { intOf } from '../constants.ts';
import { type Replacement, remake, rewriteModel } from '../rewrite.ts';
import { integersIn, isStandard, madeBy } from './program.ts';

/** A model in which moves that follow one another are one, or none where the second undoes the first: Transpose, Reshape, Squeeze, Unsqueeze. */
export function mergeMoves(model: Model): Model {
  return rewriteModel(model, (node) => (isStandard(node) ? merges[node.opType]?.(node) : undefined));
}

type Merge = (node: Node) => Replacement;

function permOf(node: Node): readonly number[] | undefined {
  const perm = node.attributes.get('perm');
  if (perm !== undefined) return perm.kind === 'ints' ? perm.value.map(Number) : undefined;
  return node.inputs[0]?.shape?.map((_, i, all) => all.length - 1 - i);
}

const transpose: Merge = (node) => {
  const inner = madeBy(node.inputs[0], 'Transpose');
  const [outer, before] = [permOf(node), inner === undefined ? undefined : permOf(inner)];
  const x = inner?.inputs[0];
  if (x === undefined || outer === undefined || before?.length !== outer.length) return undefined;
  const perm = outer.map((axis) => before[axis] ?? -1);
  if (perm.every((axis, i) => axis === i)) return [x];
  return remake(node, { inputs: [x], attributes: new Map([['perm', { kind: 'ints', value: perm }]]) }).outputs;
};

/** The node that only gave the same elements another shape. */
function reshaperOf(value: Value | undefined): Node | undefined {
  const types = ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'];
  const node = types.map((type) => madeBy(value, type)).find((made) => made !== undefined);
  return node?.inputs[0] === undefined ? undefined : node;
}

const reshape: Merge = (node) => {
  const target = integersIn(node.inputs[1]);
  // A zero takes the dimension of what is reshaped.
  if (target === undefined || target.includes(0) || intOf(node, 'allowzero', 0) !== 0) return undefined;
  let x = node.inputs[0];
  for (let inner = reshaperOf(x); inner !== undefined; inner = reshaperOf(x)) x = inner.inputs[0];
  return x === node.inputs[0] ? undefined : remake(node, { inputs: [x, node.inputs[1]] }).outputs;
};

/** Axes of version 13 on; those counted from the end only where the rank is known. */
function axesOf(node: Node, rank: number | undefined): readonly number[] | undefined {
  const axes = (node.version ?? 0) >= 13 ? integersIn(node.inputs[1]) : undefined;
  if (axes === undefined || (rank === undefined && axes.some((axis) => axis < 0))) return undefined;
  return axes.map((axis) => (axis < 0 ? axis + (rank ?? 0) : axis)).sort((a, b) => a - b);
}

/** The one of Squeeze and Unsqueeze after the other over the same axes; these count in the shape that has them. */
function undone(node: Node, other: string): readonly Value[] | undefined {
  const inner = madeBy(node.inputs[0], other);
  const x = inner?.inputs[0];
  if (inner === undefined || x === undefined) return undefined;
  const rank = node.opType === 'Squeeze' ? node.inputs[0]?.shape?.length : x.shape?.length;
  const [axes, before] = [axesOf(node, rank), axesOf(inner, rank)];
  return axes !== undefined && axes.length > 0 && String(axes) === String(before) ? [x] : undefined;
}

const merges: Readonly<Record<string, Merge>> = {
  Transpose: transpose,
  Reshape: reshape,
  Squeeze: (node) => undone(node, 'Unsqueeze'),
  Unsqueeze: (node) => undone(node, 'Squeeze'),
};
