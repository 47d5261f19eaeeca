import { differentDims, unifyDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import type { Dim, Shape } from '../type.ts';
import { badAttribute, stringAttribute } from './attributes.ts';
import { broadcastShapes } from './broadcast.ts';
import { badShape, shapeOf, sharedDtype, tensor } from './call.ts';

/** One operand of an equation: its letters before and after the ellipsis. */
interface Labels {
  readonly before: string;
  readonly after: string;
  readonly ellipsis: boolean;
}

export const einsum: InferRule = (call) => {
  const indices = call.inputs.map((_, index) => index);
  const names = indices.map((index) => `Inputs[${index}]`);
  const dtype = sharedDtype(call, indices, names);
  const equation = stringAttribute(call, 'equation', '');
  return [tensor(dtype, equation === undefined ? undefined : einsumShape(call, equation.replaceAll(' ', '')))];
};

function einsumShape(call: Call, equation: string): Shape {
  const [left = '', right, ...rest] = equation.split('->');
  const operands = left.split(',').map((text) => labelsOf(call, text));
  if (rest.length > 0) throw badAttribute(call, 'equation', "one '->' at most", `'${equation}'`);
  if (operands.length !== call.inputs.length)
    throw badAttribute(call, 'equation', `of ${call.inputs.length} operands`, `'${equation}'`);
  const sizes = new Map<string, Dim>();
  let ellipsis: Shape = [];
  for (const [index, operand] of operands.entries()) {
    const shape = shapeOf(call, index);
    const { before, after } = operand;
    const fixed = before.length + after.length;
    if (shape === undefined) {
      for (const letter of before + after) if (!sizes.has(letter)) sizes.set(letter, undefined);
      if (operand.ellipsis) ellipsis = undefined;
      continue;
    }
    if (operand.ellipsis ? shape.length < fixed : shape.length !== fixed)
      throw badShape(call, `Inputs[${index}]`, `of ${fixed} axes${operand.ellipsis ? ' or more' : ''}`, shape);
    for (const [axis, letter] of [...before].entries()) bind(call, sizes, letter, shape[axis], index);
    for (const [axis, letter] of [...after].entries())
      bind(call, sizes, letter, shape[shape.length - after.length + axis], index);
    const common: Shape | 'fails' = broadcastShapes(ellipsis, shape.slice(before.length, shape.length - after.length));
    if (common === 'fails') throw badShape(call, `Inputs[${index}]`, "broadcastable in its '...'", shape);
    if (ellipsis !== undefined) ellipsis = common;
  }
  return right === undefined
    ? implicit(operands, sizes, ellipsis)
    : explicit(call, labelsOf(call, right), sizes, ellipsis);
}

function bind(call: Call, sizes: Map<string, Dim>, letter: string, dim: Dim, index: number): void {
  const size = sizes.get(letter);
  if (differentDims(size, dim) && size !== 1 && dim !== 1)
    throw badShape(call, `Inputs[${index}]`, `of size ${size} in axis '${letter}'`, shapeOf(call, index));
  sizes.set(letter, size === 1 || (dim === 1 && size !== undefined) ? (size === 1 ? dim : size) : unifyDims(size, dim));
}

/** Without '->': the letters that occur once, in alphabetical order. */
function implicit(operands: readonly Labels[], sizes: ReadonlyMap<string, Dim>, ellipsis: Shape): Shape {
  const letters = operands.flatMap(({ before, after }) => [...before, ...after]);
  const once = [...sizes.keys()].filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();
  return ellipsis === undefined ? undefined : [...ellipsis, ...once.map((letter) => sizes.get(letter))];
}

function explicit(
  call: Call,
  { before, after, ellipsis: open }: Labels,
  sizes: ReadonlyMap<string, Dim>,
  ellipsis: Shape,
): Shape {
  for (const letter of before + after)
    if (!sizes.has(letter))
      throw badAttribute(call, 'equation', 'one whose output letters occur on the left', `'${letter}'`);
  const sizeOf = (letter: string): Dim => sizes.get(letter);
  if (!open) return [...before].map(sizeOf);
  return ellipsis === undefined ? undefined : [...[...before].map(sizeOf), ...ellipsis, ...[...after].map(sizeOf)];
}

function labelsOf(call: Call, text: string): Labels {
  const [before = '', after, ...rest] = text.split('...');
  const ok = /^[A-Za-z]{0,64}$/;
  if (!ok.test(before) || !ok.test(after ?? '') || rest.length > 0)
    throw badAttribute(call, 'equation', "letters, ',', '...' and '->'", `'${text.slice(0, 40)}'`);
  return { before, after: after ?? '', ellipsis: after !== undefined };
}
