import { toNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import * as op from '../graph/op.ts';
import { constantTensor } from '../graph/passes/constants.ts';
import { rewriteModel } from '../graph/passes/rewrite.ts';
import type { Node, Value } from '../graph/value.ts';
import { ints, sameShape, scalarLike } from './pieces.ts';
import { sideBySide } from './side-by-side.ts';
import { turnedProduct } from './turned.ts';

type Simpler = (node: Node, x: Value, y: Value | undefined) => Value | undefined;

/**
 * Algebra that rules leave behind since each sees one node only: products with one, sums with zero, double negation, layouts changed to and
 * fro, spreading before an operator that broadcasts anyway. One pass from the inputs on; exact up to the sign of zeros and NaN of 0 * inf.
 */
export function simplified(model: Model): Model {
  return rewriteModel(model, (node, original, { graph }) => {
    if (node.domain !== '' || node.outputs.length !== 1 || isGiven(original)) return undefined;
    const [x, y] = node.inputs;
    if (x === undefined) return undefined;
    const turned = node.opType === 'Transpose' ? turnedProduct(node, original, graph) : undefined;
    const simpler = turned ?? table[node.opType]?.(node, x, y);
    return simpler === undefined ? undefined : [simpler];
  });
}

const table: Readonly<Record<string, Simpler | undefined>> = Object.freeze(
  Object.assign(Object.create(null) as Record<string, Simpler>, {
    Mul: ((node, x, y) => {
      if (y === undefined) return undefined;
      const out = node.outputs[0];
      if (isFull(y, 1) && out !== undefined && sameShape(x, out)) return x;
      if (isFull(x, 1) && out !== undefined && sameShape(y, out)) return y;
      return withoutSpreading(node, op.mul, x, y) ?? withOneFactor(x, y);
    }) satisfies Simpler,
    Div: ((node, x, y) => {
      if (y === undefined) return undefined;
      if (isFull(y, 1) && sameShape(x, node.outputs[0] ?? y)) return x;
      return withoutSpreading(node, op.div, x, y);
    }) satisfies Simpler,
    Add: ((node, x, y) => {
      if (y === undefined) return undefined;
      const [negX, negY] = [negated(x), negated(y)];
      if (negY !== undefined) return op.sub(x, negY);
      if (negX !== undefined) return op.sub(y, negX);
      return withoutSpreading(node, op.add, x, y) ?? sideBySide(x, y);
    }) satisfies Simpler,
    Sub: ((node, x, y) => {
      if (y === undefined) return undefined;
      const inner = negated(y);
      return inner === undefined ? withoutSpreading(node, op.sub, x, y) : op.add(x, inner);
    }) satisfies Simpler,
    Neg: ((_, x) => negated(x)) satisfies Simpler,
    Identity: ((node, x) => (node.outputs[0]?.name === undefined ? x : undefined)) satisfies Simpler,
    Cast: ((node, x) =>
      x.dtype !== undefined && x.dtype === node.outputs[0]?.dtype ? x : undefined) satisfies Simpler,
    Transpose: ((node, x) => {
      const outer = permOf(node);
      const before = made(x, 'Transpose');
      const inner = before === undefined ? undefined : permOf(before);
      if (outer?.every((axis, at) => axis === at)) return x;
      const source = before?.inputs[0];
      if (outer === undefined || inner === undefined || source === undefined) return undefined;
      const both = outer.map((axis) => inner[axis] ?? axis);
      return both.every((axis, at) => axis === at) ? source : op.transpose(source, { perm: both });
    }) satisfies Simpler,
    Reshape: ((node, x) => {
      const out = node.outputs[0];
      if (out !== undefined && sameShape(x, out)) return x;
      const source = relaid(x);
      if (source === undefined || out === undefined) return undefined;
      if (sameShape(source, out)) return source;
      const shape = out.shape;
      return shape?.every((dim) => typeof dim === 'number')
        ? op.reshape(source, ints(...shape.map(Number)), shape.includes(0) ? { allowzero: 1 } : {})
        : undefined;
    }) satisfies Simpler,
    Squeeze: ((node, x) => {
      const source = relaid(x);
      return source !== undefined && sameShape(source, node.outputs[0] ?? x) ? source : undefined;
    }) satisfies Simpler,
    Unsqueeze: ((node, x) => {
      const source = relaid(x);
      return source !== undefined && sameShape(source, node.outputs[0] ?? x) ? source : undefined;
    }) satisfies Simpler,
    Expand: ((node, x) =>
      sameShape(x, node.outputs[0] ?? x) && x.shape !== undefined && node.outputs[0] !== x
        ? x
        : undefined) satisfies Simpler,
    MatMul: ((_, x, y) => (y === undefined ? undefined : asGemm(x, y))) satisfies Simpler,
  }),
);

/** Whether a node is the network's own: those stay as they are, so that its outputs are the same bits. */
function isGiven({ name, origin }: Node): boolean {
  return name !== undefined || origin !== undefined;
}

function made(value: Value, opType: string): Node | undefined {
  const { source } = value;
  return source.kind === 'output' && source.node.opType === opType && source.node.domain === ''
    ? source.node
    : undefined;
}

function negated(value: Value): Value | undefined {
  return made(value, 'Neg')?.inputs[0];
}

/** What a value is a mere relabelling of. */
function relaid(value: Value): Value | undefined {
  return (made(value, 'Reshape') ?? made(value, 'Squeeze') ?? made(value, 'Unsqueeze'))?.inputs[0];
}

function permOf(node: Node): readonly number[] | undefined {
  const attribute = node.attributes.get('perm');
  if (attribute?.kind === 'ints') return attribute.value.map(Number);
  const rank = node.inputs[0]?.shape?.length;
  return rank === undefined ? undefined : Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
}

/** Constants up to this size are looked at. */
const looked = 4096;

/** Whether every element is that number. */
function isFull(value: Value, number: number): boolean {
  const filled = made(value, 'ConstantOfShape') ?? spreadOf(value);
  if (filled !== undefined) {
    if (filled.opType === 'Expand') return filled.inputs[0] !== undefined && isFull(filled.inputs[0], number);
    const attribute = filled.attributes.get('value');
    return attribute?.kind === 'tensor' && 'bytes' in attribute.value
      ? toNumbers(attribute.value).every((element) => element === number)
      : attribute === undefined && number === 0;
  }
  const tensor = constantTensor(value);
  if (
    tensor === undefined ||
    tensor.dtype === 'string' ||
    tensor.bytes.length > looked ||
    value.source.kind === 'parameter'
  )
    return false;
  return toNumbers(tensor).every((element) => element === number);
}

function spreadOf(value: Value): Node | undefined {
  return made(value, 'Expand');
}

/** Without an Expand of one side where the other side has the shape already. */
function withoutSpreading(node: Node, make: (a: Value, b: Value) => Value, x: Value, y: Value): Value | undefined {
  const out = node.outputs[0];
  if (out === undefined) return undefined;
  const [left, right] = [spreadOf(x)?.inputs[0], spreadOf(y)?.inputs[0]];
  if (left !== undefined && sameShape(y, out) && fits(left, out)) return make(left, y);
  if (right !== undefined && sameShape(x, out) && fits(right, out)) return make(x, right);
  return undefined;
}

function fits(value: Value, out: Value): boolean {
  return value.shape !== undefined && out.shape !== undefined && value.shape.length <= out.shape.length;
}

/** (x c) d as x (c d) for single constants. */
function withOneFactor(x: Value, y: Value): Value | undefined {
  const [outer, product] = singleOf(y) !== undefined ? [singleOf(y), x] : [singleOf(x), y];
  const inner = made(product, 'Mul');
  const [a, b] = inner?.inputs ?? [];
  if (outer === undefined || a === undefined || b === undefined) return undefined;
  const [factor, rest] = singleOf(b) !== undefined ? [singleOf(b), a] : [singleOf(a), b];
  if (factor === undefined || rest.dtype === undefined) return undefined;
  return op.mul(rest, scalarLike(rest, factor * outer));
}

/** The number that a scalar constant holds. */
function singleOf(value: Value): number | undefined {
  if (value.shape?.length !== 0 || value.source.kind === 'parameter') return undefined;
  const tensor = constantTensor(value);
  return tensor === undefined || tensor.dtype === 'string' ? undefined : toNumbers(tensor)[0];
}

/** A product of matrices with one transposed is one Gemm. */
function asGemm(x: Value, y: Value): Value | undefined {
  if (x.shape?.length !== 2 || y.shape?.length !== 2) return undefined;
  const [left, right] = [made(x, 'Transpose'), made(y, 'Transpose')];
  if (left === undefined && right === undefined) return undefined;
  const a = left?.inputs[0] ?? x;
  const b = right?.inputs[0] ?? y;
  return op.gemm(a, b, undefined, { ...(left ? { transA: 1 } : {}), ...(right ? { transB: 1 } : {}) });
}
