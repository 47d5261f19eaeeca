import { fromNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import { constantIntegers, textOf } from '../graph/passes/constants.ts';
import { remake, rewriteModel } from '../graph/passes/rewrite.ts';
import type { Shape } from '../graph/type.ts';
import type { Node, Value } from '../graph/value.ts';
import { fromFront } from './call.ts';
import { full, ints, knownSizes } from './pieces.ts';

/**
 * A model without what ONNX Runtime (1.32) makes wrong of the Pads among the nodes that rules made.
 * It moves a Transpose behind the Pad that follows it and takes the pads of some axes for those of all ("indices element out of data bounds"):
 * pads are told for all axes, those of nothing are left out. It fuses a Pad into the Conv whose kernel it makes, as if it made its
 * input ("is not a graph input, initializer, or output of a previous node"): such kernels are put together by Concat.
 */
export function withSafePads(model: Model): Model {
  return rewriteModel(model, (node, original) => {
    if (node.domain !== '' || original.name !== undefined || original.origin !== undefined) return undefined;
    if (node.opType === 'Pad') {
      const whole = wholePad(node);
      return whole === undefined ? undefined : [whole];
    }
    const kernel = node.opType === 'Conv' ? node.inputs[1] : undefined;
    const joined = kernel === undefined ? undefined : withoutPad(kernel);
    return joined === undefined ? undefined : remake(node, { inputs: node.inputs.with(1, joined) }).outputs;
  });
}

function wholePad(node: Node): Value | undefined {
  const [x, pads, fill, axes] = node.inputs;
  const rank = x?.shape?.length;
  if (x === undefined || pads === undefined) return undefined;
  const given = constantIntegers(pads);
  if (given?.every((pad) => pad === 0)) return x;
  const known = axes === undefined ? undefined : constantIntegers(axes);
  if (known === undefined || rank === undefined) return undefined;
  const front = known.map((axis) => fromFront(axis, rank));
  const places = [...front, ...front.map((axis) => rank + axis)];
  const zeros = new Array<number>(2 * rank).fill(0);
  const whole =
    given === undefined
      ? op.scatterElements(ints(...zeros), ints(...places), pads)
      : ints(...zeros.map((zero, at) => given[places.indexOf(at)] ?? zero));
  return op.pad(x, whole, fill, undefined, { mode: textOf(node.attributes.get('mode')) ?? 'constant' });
}

/** A value that a Pad with zeros makes, by way of Transposes at most, made without it; undefined for any other. */
function withoutPad(value: Value): Value | undefined {
  const node = value.source.kind === 'output' && value.source.node.domain === '' ? value.source.node : undefined;
  const [x, pads, fill] = node?.inputs ?? [];
  if (node === undefined || x === undefined) return undefined;
  if (node.opType === 'Transpose') {
    const inner = withoutPad(x);
    return inner === undefined ? undefined : remake(node, { inputs: [inner] }).outputs[0];
  }
  const widths = node.opType === 'Pad' && pads !== undefined && fill === undefined ? constantIntegers(pads) : undefined;
  const mode = textOf(node.attributes.get('mode')) ?? 'constant';
  const rank = x.shape?.length;
  if (widths === undefined || mode !== 'constant' || widths.length !== 2 * (rank ?? 0)) return undefined;
  if (widths.some((width) => width < 0)) return undefined;
  return widths.slice(0, rank).reduce((made, before, axis) => {
    const after = widths[axis + (rank ?? 0)] ?? 0;
    const parts = [...zeros(made, axis, before), made, ...zeros(made, axis, after)];
    return parts.length === 1 ? made : op.concat(parts, { axis });
  }, x);
}

/** Zeros to stand beside x along an axis: none for none. */
function zeros(x: Value, axis: number, count: number): readonly Value[] {
  if (count <= 0) return [];
  const dtype = x.dtype ?? 'float32';
  const sizes: Shape = x.shape?.with(axis, count);
  if (knownSizes(sizes)) {
    const total = sizes.reduce((all, size) => all * size, 1);
    return [constant(fromNumbers(dtype, sizes, new Array<number>(total).fill(0)))];
  }
  const shape = op.concat([op.shape(x, { end: axis }), ints(count), op.shape(x, { start: axis + 1 })], { axis: 0 });
  return [full(shape, 0, dtype)];
}
