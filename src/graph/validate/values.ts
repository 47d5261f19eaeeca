import type { Where } from '../../files/error.ts';
import { describeType, typeKey } from '../type.ts';
import type { Node } from '../value.ts';
import { subgraphsOf } from '../walk.ts';
import type { Problems } from './problem.ts';

/** Operators whose attribute `axis` (the default given) names an axis of the first input. */
const axisDefaults: Readonly<Record<string, number>> = {
  ArgMax: 0,
  ArgMin: 0,
  Concat: 0,
  Gather: 0,
  GatherElements: 0,
  Hardmax: -1,
  LogSoftmax: -1,
  LayerNormalization: -1,
  LpNormalization: -1,
  RMSNormalization: -1,
  ScatterElements: 0,
  Softmax: -1,
  Split: 0,
  TopK: -1,
};

/** Values of attributes that no schema forbids and no runtime takes. */
export function checkValues(node: Node, problems: Problems, where: Where): void {
  if (node.domain !== '') return;
  checkAxis(node, problems, where);
  if (node.opType === 'Constant' && node.attributes.size !== 1)
    problems.error('BAD_ATTRIBUTE', `expected one value of the constant, got ${node.attributes.size || 'none'}`, where);
  if (node.opType === 'If') checkBranches(node, problems, where);
  if (/^(Conv|ConvTranspose|ConvInteger|MaxPool|AveragePool|LpPool)$/.test(node.opType))
    checkSpatial(node, problems, where);
}

function checkAxis(node: Node, problems: Problems, where: Where): void {
  const otherwise = axisDefaults[node.opType];
  const rank = node.inputs[0]?.shape?.length;
  const attribute = node.attributes.get('axis');
  if (otherwise === undefined || rank === undefined || (attribute !== undefined && attribute.kind !== 'int')) return;
  // Without the attribute the default is an axis of everything but scalars, which some runtimes let pass.
  if (attribute === undefined) return;
  const axis = Number(attribute.value);
  // Softmax and its like take a scalar as a vector of one.
  const size = Math.max(rank, 1);
  if (axis < -size || axis >= size)
    problems.error('BAD_ATTRIBUTE', `expected an axis from ${-size} to ${size - 1}, got ${axis}`, {
      ...where,
      argument: 'axis',
    });
}

/** Both branches of an If give the same types. */
function checkBranches(node: Node, problems: Problems, where: Where): void {
  const [first, second] = subgraphsOf(node);
  if (first === undefined || second === undefined) return;
  first.outputs.forEach(({ value }, index) => {
    const other = second.outputs[index]?.value;
    const [a, b] = [typeKey(value.type), typeKey(other?.type)];
    if (a !== undefined && b !== undefined && a !== b && optionalless(a) !== optionalless(b))
      problems.error(
        'BAD_SUBGRAPH',
        `output ${index} is ${describeType(value.type)} in one branch and ${describeType(other?.type)} in the other`,
        where,
      );
  });
}

function optionalless(key: string): string {
  return key.replace(/^optional\((.*)\)$/, '$1');
}

function checkSpatial(node: Node, problems: Problems, where: Where): void {
  const shape = node.inputs[0]?.shape;
  if (shape !== undefined && shape.length < 3)
    problems.error(
      'SHAPE_MISMATCH',
      `expected an input of rank 3 or more, [N, C, D1, ...], got rank ${shape.length}`,
      where,
    );
}
