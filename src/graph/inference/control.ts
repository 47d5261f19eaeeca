import { differentDims, unifyDims } from '../dim.ts';
import type { Graph } from '../graph.ts';
import type { Call, InferRule, Inferred } from '../rule.ts';
import { type Dim, tensorType, type ValueType } from '../type.ts';
import { badAttribute, graphAttribute, intAttribute, intsAttribute } from './attributes.ts';
import { badShape, mismatch, shapeOf, typeOf, unknownOutput, versionOf } from './call.ts';
import { knownScalar } from './constant.ts';
import { joinTypes } from './merge.ts';

/** Both branches' types, or those of the one that is known to be taken. */
const conditional: InferRule = (call) => {
  const branches = [graphAttribute(call, 'then_branch'), graphAttribute(call, 'else_branch')];
  const [then, otherwise] = branches;
  if (then === undefined || otherwise === undefined) return [];
  for (const [index, branch] of branches.entries())
    if (branch !== undefined && branch.outputs.length < call.outputCount)
      throw badAttribute(
        call,
        index === 0 ? 'then_branch' : 'else_branch',
        `a graph of ${call.outputCount} outputs`,
        `${branch.outputs.length}`,
      );
  const condition = knownScalar(call.inputs[0]);
  if (typeof condition === 'number') return outputsOf(condition !== 0 ? then : otherwise);
  return then.outputs.map(({ value }, index) => {
    const other = otherwise.outputs[index]?.value;
    checkDtypes(call, 'else_branch', value.type, other?.type);
    return { type: joinTypes(value.type, other?.type) };
  });
};

function outputsOf(graph: Graph): readonly Inferred[] {
  return graph.outputs.map(({ value }) => ({ type: value.type, known: value.known }));
}

function checkDtypes(call: Call, argument: string, a: ValueType, b: ValueType): void {
  const [expected, got] = [dtypeOfType(a), dtypeOfType(b)];
  if (expected !== undefined && got !== undefined && expected !== got)
    throw mismatch('DTYPE_MISMATCH', call, argument, expected, got);
}

function dtypeOfType(type: ValueType): string | undefined {
  return type?.kind === 'tensor' ? type.dtype : undefined;
}

/** Inputs M, condition, state; body (i, condition, state) to (condition, state, scanned). The state may never be touched by the body. */
const loop: InferRule = (call) => {
  const body = graphAttribute(call, 'body');
  if (body === undefined) return [];
  const states = Math.max(call.inputs.length - 2, 0);
  if (body.outputs.length < 1 + states)
    throw badAttribute(call, 'body', `a graph of ${1 + states} outputs or more`, String(body.outputs.length));
  return body.outputs.slice(1).map(({ value }, index): Inferred => {
    if (index >= states) return { type: stacked(value.type, undefined, 0) };
    checkDtypes(call, 'body', typeOf(call, index + 2), value.type);
    return { type: joinTypes(typeOf(call, index + 2), value.type) };
  });
};

function stacked(type: ValueType, count: Dim, axis: number): ValueType {
  if (type?.kind !== 'tensor') return undefined;
  const { dtype, shape } = type;
  if (shape === undefined) return tensorType(dtype, undefined);
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  return tensorType(dtype, shape.toSpliced(at, 0, count));
}

/** Inputs state, sequences; body (state, slices) to (state, scanned). Version 8 had sequence lengths first and a batch axis. */
const scan: InferRule = (call) => {
  const body = graphAttribute(call, 'body');
  const sequences = intAttribute(call, 'num_scan_inputs', undefined);
  if (body === undefined || sequences === undefined) return [];
  const old = versionOf(call) < 9;
  const states = call.inputs.length - sequences - (old ? 1 : 0);
  if (sequences < 1 || states < 0)
    throw badAttribute(call, 'num_scan_inputs', `in [1, ${call.inputs.length}]`, String(sequences));
  if (body.outputs.length < states)
    throw badAttribute(call, 'body', `a graph of ${states} outputs or more`, String(body.outputs.length));
  if (old) return body.outputs.map((_, index) => batched(call, body, index, states));
  const count = scanLength(call, states, sequences);
  const axes = intsAttribute(call, 'scan_output_axes');
  return body.outputs.map(({ value }, index): Inferred => {
    if (index >= states) return { type: stacked(value.type, count, axes?.[index - states] ?? 0) };
    checkDtypes(call, 'body', typeOf(call, index), value.type);
    return { type: sameState(typeOf(call, index), value.type) };
  });
};

/** A turn of a Scan keeps the shape of the state, so what goes in and what comes out are the same. */
function sameState(before: ValueType, after: ValueType): ValueType {
  if (before?.kind !== 'tensor' || after?.kind !== 'tensor') return before ?? after;
  const [a, b] = [before.shape, after.shape];
  const shape = a !== undefined && b?.length === a.length ? a.map((dim, axis) => unifyDims(dim, b[axis])) : (a ?? b);
  return tensorType(before.dtype ?? after.dtype, shape);
}

function batched(call: Call, body: Graph, index: number, states: number): Inferred {
  const type = body.outputs[index]?.value.type;
  if (index < states) return { type: typeOf(call, index + 1) };
  const sequence = shapeOf(call, states + 1);
  return type === undefined ? unknownOutput : { type: stacked(stacked(type, sequence?.[1], 0), sequence?.[0], 0) };
}

/** The common length of the scanned sequences. @throws SHAPE_MISMATCH */
function scanLength(call: Call, states: number, sequences: number): Dim {
  const axes = intsAttribute(call, 'scan_input_axes');
  let count: Dim;
  for (let index = 0; index < sequences; index++) {
    const shape = shapeOf(call, states + index);
    const size = shape?.at(axes?.[index] ?? 0);
    if (differentDims(count, size))
      throw badShape(call, `scan_input[${index}]`, `of length ${count} in its scanned axis`, shape);
    count = unifyDims(count, size);
  }
  return count;
}

export const controlRules: Readonly<Record<string, InferRule>> = { If: conditional, Loop: loop, Scan: scan };
