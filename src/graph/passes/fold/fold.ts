import { byteLengthOf, isFloat } from '../../../files/dtype.ts';
import { elementCount, fromNumbers, type Tensor } from '../../../files/tensor.ts';
import type { Graph, Model } from '../../graph.ts';
import { makeValue } from '../../make.ts';
import { tensorType } from '../../type.ts';
import type { Node, Value } from '../../value.ts';
import { constantTensor } from '../constants.ts';
import { removeDead } from '../dead.ts';
import { Names } from '../names.ts';
import { type Place, type Replacement, rewriteGraph, rewriteModel } from '../rewrite.ts';
import { type Cells, cellsOf, type Evaluate, tensorOfCells } from './cells.ts';
import { elementwise } from './elementwise.ts';
import { movement } from './movement.ts';

export interface FoldOptions {
  /** Largest result of one node that becomes a constant, in elements. */
  readonly elements?: number;
  /** Bytes that all results together may add to the file. */
  readonly bytes?: number;
  /** Bytes that the results of one node may be larger than what they were computed from; any without it. */
  readonly growth?: number;
  /** false: floating-point parameters are no constants (of a model that is still to be trained). */
  readonly parameters?: boolean;
}

const table: Readonly<Record<string, Evaluate>> = { ...elementwise, ...movement };

/**
 * A model with what can be computed beforehand computed: shape arithmetic of known dimensions, integers, bools and the moving
 * of small tensors; an If whose condition is known becomes the branch it takes. Exact: results are those of a runtime bit for bit, or the node stays. What nothing needs any more is gone.
 */
export function foldConstants(model: Model, options: FoldOptions = {}): Model {
  const { elements = 65_536, bytes = 1 << 20, growth = Infinity, parameters = true } = options;
  let left = bytes;
  const names = new WeakMap<Graph, Names>();
  const folded = rewriteModel(model, (node, _, place): Replacement => {
    const taken = branchTaken(node);
    if (taken !== undefined) return inPlace(taken, node, namesOf(place, names));
    const tensors = !parameters && node.inputs.some(isWeight) ? undefined : resultsOf(node, elements);
    if (tensors === undefined) return undefined;
    const size = tensors.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, elementCount(shape)), 0);
    if (size > left || size > growth + bytesOf(node.inputs)) return undefined;
    left -= size;
    return tensors.map((tensor, i) => namedConstant(tensor, node.outputs[i]?.name));
  });
  if (folded === model) return model;
  // Before IR 4 every initializer had to be an input as well.
  return removeDead({ ...folded, irVersion: Math.max(folded.irVersion, 4) });
}

/** Bytes of those of the values that are constants. */
function bytesOf(values: readonly (Value | undefined)[]): number {
  return values.reduce((sum, value) => sum + (constantTensor(value)?.bytes.length ?? 0), 0);
}

function isWeight(value: Value | undefined): boolean {
  return value?.source.kind === 'parameter' && value.dtype !== undefined && isFloat(value.dtype);
}

/** The branch of an If whose condition is known. */
function branchTaken(node: Node): Graph | undefined {
  if (node.opType !== 'If' || node.domain !== '') return undefined;
  const condition = constantTensor(node.inputs[0]);
  if (condition?.dtype !== 'bool' || condition.bytes.byteLength !== 1) return undefined;
  const branch = node.attributes.get(condition.bytes[0] === 0 ? 'else_branch' : 'then_branch');
  return branch?.kind === 'graph' ? branch.value : undefined;
}

/** The outputs of a branch that stands where its If stood. */
function inPlace(branch: Graph, node: Node, names: Names): readonly Value[] {
  const kept = new Map(branch.outputs.map(({ value }, i) => [value, node.outputs[i]?.name]));
  const rename = (name: string | undefined, value: Value | undefined) =>
    (value === undefined ? undefined : kept.get(value)) ??
    (name === undefined || name === '' ? name : names.fresh(name, value === undefined ? 'node' : 'value'));
  return rewriteGraph(branch, () => undefined, { copy: { rename } }).outputs.map(({ value }) => value);
}

function namesOf(place: Place, known: WeakMap<Graph, Names>): Names {
  let root = place;
  while (root.outer !== undefined) root = root.outer;
  const names = known.get(root.graph) ?? new Names(root.graph);
  known.set(root.graph, names);
  return names;
}

/** A constant under the name of the value it stands for. */
export function namedConstant(tensor: Tensor, name: string | undefined): Value {
  return makeValue({ kind: 'constant', tensor }, tensorType(tensor.dtype, tensor.shape), name);
}

/** A node's outputs where they can be computed now. */
function resultsOf(node: Node, limit: number): readonly Tensor[] | undefined {
  if (node.domain !== '' || node.callee !== undefined || node.opType === 'Constant') return undefined;
  const known = node.outputs.map(knownTensor);
  if (known.length > 0 && known.every((tensor) => tensor !== undefined)) return known;
  const dims = shapeOf(node);
  if (dims !== undefined) return [dims];
  const evaluate = table[node.opType];
  if (evaluate === undefined || [...node.attributes.values()].some(({ kind }) => kind === 'reference'))
    return undefined;
  const inputs: (Cells | undefined)[] = [];
  for (const input of node.inputs) {
    const tensor = constantTensor(input);
    if (input !== undefined && (tensor === undefined || elementCount(tensor.shape) > limit)) return undefined;
    const cells = tensor === undefined ? undefined : cellsOf(tensor);
    if (tensor !== undefined && cells === undefined) return undefined;
    inputs.push(cells);
  }
  const results = evaluate(node, inputs, limit);
  if (results === undefined || results.length < node.outputs.length) return undefined;
  return results.every(({ values }) => values.length <= limit) ? results.map(tensorOfCells) : undefined;
}

/** What inference already knows of a small integer tensor. */
function knownTensor({ known, dtype, shape }: Value): Tensor | undefined {
  if (known === undefined || shape === undefined || (dtype !== 'int64' && dtype !== 'int32')) return undefined;
  if (!known.every((dim) => typeof dim === 'number')) return undefined;
  const full = shape.length === 0 ? [] : [known.length];
  const fits =
    shape.length === 0
      ? known.length === 1
      : shape.length === 1 && (shape[0] === known.length || shape[0] === undefined);
  return fits ? fromNumbers(dtype, full, known) : undefined;
}

/** Shape and Size of a value whose dimensions are known. */
function shapeOf(node: Node): Tensor | undefined {
  const [x] = node.inputs;
  if ((node.opType !== 'Shape' && node.opType !== 'Size') || x?.shape === undefined || node.attributes.size > 0)
    return undefined;
  const dims = x.shape.filter((dim) => typeof dim === 'number');
  if (dims.length !== x.shape.length) return undefined;
  if (node.opType === 'Shape') return fromNumbers('int64', [dims.length], dims);
  const count = elementCount(dims);
  return Number.isSafeInteger(count) ? fromNumbers('int64', [], [count]) : undefined;
}
