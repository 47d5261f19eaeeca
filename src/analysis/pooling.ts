import { textOf } from '../graph/passes/constants.ts';
import type { Node } from '../graph/value.ts';
import type { Found } from './probe.ts';

/** The entries of x [N, C, ..] in the window of some outputs of a MaxPool, by the output's position; none where padding is by name. */
export function pooledWindows(
  node: Node,
  x: Found,
  output: readonly number[],
  positions: readonly number[],
): (readonly [position: number, window: Float64Array])[] {
  const sizes = x.shape.slice(2);
  const padding = textOf(node.attributes.get('auto_pad')) ?? 'NOTSET';
  if (padding !== 'NOTSET' && padding !== 'VALID') return [];
  const kernel = node.opType === 'GlobalMaxPool' ? sizes : ints(node, 'kernel_shape', sizes);
  const ones = sizes.map(() => 1);
  const strides = ints(node, 'strides', ones);
  const dilations = ints(node, 'dilations', ones);
  const pads = ints(
    node,
    'pads',
    [...sizes, ...sizes].map(() => 0),
  );
  return positions.map((position) => {
    const place = indexOf(position, output);
    const plane = (place[0] ?? 0) * (x.shape[1] ?? 1) + (place[1] ?? 0);
    const count = kernel.reduce((a, b) => a * b, 1);
    const window: number[] = [];
    for (let k = 0; k < count; k++) {
      const at = indexOf(k, kernel).map(
        (offset, axis) =>
          (place[axis + 2] ?? 0) * (strides[axis] ?? 1) - (pads[axis] ?? 0) + offset * (dilations[axis] ?? 1),
      );
      if (at.some((coordinate, axis) => coordinate < 0 || coordinate >= (sizes[axis] ?? 0))) continue;
      const flat = at.reduce((sum, coordinate, axis) => sum * (sizes[axis] ?? 1) + coordinate, plane);
      window.push(x.values[flat] ?? Number.NaN);
    }
    return [position, Float64Array.from(window)] as const;
  });
}

function indexOf(position: number, shape: readonly number[]): number[] {
  let rest = position;
  return shape
    .toReversed()
    .map((size) => {
      const index = rest % size;
      rest = Math.floor(rest / size);
      return index;
    })
    .reverse();
}

function ints(node: Node, name: string, otherwise: readonly number[]): readonly number[] {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? Array.from(attribute.value, Number) : otherwise;
}
