import { apply } from '../../graph/apply.ts';
import { inputValue } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { dropAxis } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { capturesOf } from '../../graph/walk.ts';
import { typedAs } from './body.ts';
import type { SubgraphRule } from './table.ts';
import { firstState, type Layout, layoutOfRead, stateCount } from './turning.ts';
import { undone } from './undone.ts';
import type { Way } from './way.ts';

/** A Scan backward through the same slices, and those of what the forward Scan records. */
export const scanRule: SubgraphRule = (node, bars, wants, captured, pullback) => {
  const first = firstState(node) + stateCount(node);
  const length = { stack: node.inputs[first] as Value, layout: layoutOfRead(node, first) };
  return undone(
    { node, bars, wants, captured, pullback },
    byScan(length, () => []),
  );
};

/** The way back by a Scan, of which `length` tells how many turns there are: one at least, as ONNX Runtime runs no Scan over nothing. */
export function byScan(
  length: Omit<Read, 'slice'>,
  lead: (slice: Way['slice']) => readonly Value[],
  before: (read: readonly Value[]) => void = () => undefined,
): Way {
  const slices = new Slices();
  const slice: Way['slice'] = (stack, layout) => slices.of(stack, layout);
  return {
    lead: () => lead(slice),
    slice,
    stackOf: (one) => slices.forward(one),
    mayBeEmpty: false,
    outside: [],
    run: (body, states, results, types) => {
      const read = slices.readBy(capturesOf(body), () => slices.of(length.stack, length.layout));
      before(read.map(({ stack }) => stack));
      const inputs = [...body.inputs, ...read.map((one) => one.slice)];
      const scanInputDirections = read.map(({ layout }) => 1 - layout.direction);
      const scanInputAxes = read.map(({ layout }) => layout.axis);
      const scanOutputAxes = results.map(({ axis }) => axis);
      const scanOutputDirections = results.map(({ direction }) => direction ?? 1);
      const outputs = apply(
        op.scan,
        'Scan',
        21,
        [...states, ...read.map(({ stack }) => stack)],
        {
          body: { ...body, inputs },
          numScanInputs: read.length,
          scanInputDirections,
          ...(scanInputAxes.some((axis) => axis !== 0) ? { scanInputAxes } : {}),
          ...(scanOutputAxes.some((axis) => axis !== 0) ? { scanOutputAxes } : {}),
          ...(results.length === 0 ? {} : { scanOutputDirections }),
        },
        states.length + results.length,
      );
      return typedAs(outputs, types);
    },
  };
}

interface Read {
  readonly stack: Value;
  readonly layout: Layout;
  readonly slice: Value;
}

/** The slices that a body may read, each an input of it. */
class Slices {
  private readonly all: Read[] = [];

  of(stack: Value, layout: Layout): Value {
    const { axis, direction } = layout;
    const there = this.all.find(
      (one) => one.stack === stack && one.layout.axis === axis && one.layout.direction === direction,
    );
    if (there !== undefined) return there.slice;
    const slice = inputValue(undefined, dropAxis(stack.type, axis));
    this.all.push({ stack, layout, slice });
    return slice;
  }

  /** The stack along the first axis in the order of the forward turns that a slice is of. */
  forward(slice: Value): Value | undefined {
    const read = this.all.find((one) => one.slice === slice);
    return read?.layout.axis === 0 && read.layout.direction === 0 ? read.stack : undefined;
  }

  /** Those that are used; where none is, one that tells the number of turns. */
  readBy(used: readonly Value[], anyone: () => Value): readonly Read[] {
    const set = new Set(used);
    const read = this.all.filter(({ slice }) => set.has(slice));
    if (read.length > 0) return read;
    const slice = anyone();
    return this.all.filter((one) => one.slice === slice);
  }
}
