import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { ViewRule, ViewRules } from '../lower/rule.ts';
import { axisOf, rankOf, sizeAt, vectorOf } from '../lower/sizes.ts';
import { type Cut, selected, sliced, withCut, withSelected } from './cuts.ts';
import { resultCount } from './results.ts';
import { minus, plus, roundedUp } from './size-math.ts';

/** A view of part of one axis. */
const window = (at: (call: Call, base: Value) => Cut): ViewRule => ({
  of: 'self',
  show: (call, base) => sliced(base, at(call, base)),
  back: (call, base, part) => withCut(base, part, at(call, base)),
});

function sliceOf(call: Call, base: Value): Cut {
  return {
    axis: axisOf(call.int('dim', 0), rankOf(base)),
    start: call.size('start', 0),
    end: call.size('end', Number.POSITIVE_INFINITY),
    step: call.int('step', 1),
  };
}

/** `length` from `start` on, which may count from the end. */
function narrowed(call: Call, base: Value): Cut {
  const axis = axisOf(call.int('dim'), rankOf(base));
  const given = call.size('start');
  const start = typeof given === 'number' && given < 0 ? plus(sizeAt(base, axis), given) : given;
  return { axis, start, end: plus(start, call.size('length')), step: 1 };
}

/** A view cut into parts along an axis: where each begins. */
const parts = (
  bounds: (call: Call, size: Size, count: number) => readonly Size[],
  axisOfCall = dimOfCall,
): ViewRule => ({
  of: 'self',
  show: (call, base) => {
    const axis = axisOfCall(call, base);
    const size = sizeAt(base, axis);
    const starts = bounds(call, size, resultCount(call));
    if (starts.length === 1) return base;
    const ends = [...starts.slice(1), size];
    const sizes = ends.map((end, index) => minus(end, starts[index] ?? 0));
    return op.split(base, vectorOf(sizes), { axis, numOutputs: sizes.length });
  },
  back: (call, base, part, index) => {
    const axis = axisOfCall(call, base);
    const starts = bounds(call, sizeAt(base, axis), resultCount(call));
    const end = starts[index + 1] ?? Number.POSITIVE_INFINITY;
    return withCut(base, part, { axis, start: starts[index] ?? 0, end, step: 1 });
  },
});

function dimOfCall(call: Call, base: Value): number {
  return axisOf(call.int('dim', 0), rankOf(base));
}

const from = (each: Size, count: number): Size[] => {
  const starts: Size[] = [0];
  while (starts.length < count) starts.push(plus(starts.at(-1) ?? 0, each));
  return starts;
};

const ofEach = (name: string) => (call: Call, _size: Size, count: number) => from(call.size(name), count);

const ofSizes = (name: string) => (call: Call) => {
  const starts: Size[] = [0];
  for (const size of call.sizes(name).slice(0, -1)) starts.push(plus(starts.at(-1) ?? 0, size));
  return starts;
};

/** torch.chunk: parts of ceil(size / chunks), the last of what is left. */
function chunks(call: Call, size: Size, count: number): Size[] {
  const wanted = call.int('chunks');
  return from(typeof size === 'number' ? Math.ceil(size / wanted) : roundedUp(size, wanted), count);
}

/** torch.tensor_split: the first size mod sections parts are one longer than the others. */
const sections = (name: string) => (call: Call, size: Size) => {
  const count = call.int(name);
  if (typeof size !== 'number') throw call.unsupported('a symbolic size');
  const [each, longer] = [Math.floor(size / count), size % count];
  return Array.from({ length: count }, (_, index) => index * each + Math.min(index, longer));
};

/** Bounds as they are given, from the end where they are negative and cut to the axis. */
const indices = (name: string) => (call: Call, size: Size) => {
  const given = call.ints(name);
  if (typeof size !== 'number') throw call.unsupported('a symbolic size');
  let least = 0;
  return [0, ...given].map((index) => {
    least = Math.max(least, Math.min(index < 0 ? Math.max(index + size, 0) : index, size));
    return least;
  });
};
const axisHsplit = (_: Call, base: Value): number => (rankOf(base) === 1 ? 0 : 1);
const fixed = (axis: number) => (): number => axis;

const selectView: ViewRule = {
  of: 'self',
  show: (call, base) => selected(base, axisOf(call.int('dim'), rankOf(base)), call.size('index')),
  back: (call, base, part) => withSelected(base, part, axisOf(call.int('dim'), rankOf(base)), call.size('index')),
};

const unbindView: ViewRule = {
  of: 'self',
  show: (call, base) =>
    Array.from({ length: resultCount(call) }, (_, index) => selected(base, dimOfCall(call, base), index)),
  back: (call, base, part, index) => withSelected(base, part, dimOfCall(call, base), index),
};

const chunkView: ViewRule = {
  ...parts(chunks),
  show: (call, base) => {
    const count = resultCount(call);
    const axis = dimOfCall(call, base);
    if (count === 1) return base;
    // ONNX cuts as PyTorch does, also where the size is not known.
    if (count === call.int('chunks') && typeof sizeAt(base, axis) !== 'number')
      return op.split(base, undefined, { axis, numOutputs: count });
    return parts(chunks).show(call, base);
  },
};

const ofSplitSize = parts(ofEach('split_size'));
const ofSplitSizes = parts(ofSizes('split_sizes'));

export const partViews: ViewRules = {
  'aten.slice.Tensor': window(sliceOf),
  'aten.narrow.default': window(narrowed),
  'aten.narrow.Tensor': window(narrowed),
  'aten.select.int': selectView,
  'aten.unbind.int': unbindView,
  'aten.split.Tensor': ofSplitSize,
  'aten.split.sizes': parts(ofSizes('split_size')),
  'aten.split.default': ofSplitSizes,
  'aten.split_with_sizes.default': ofSplitSizes,
  'aten.chunk.default': chunkView,
  'aten.tensor_split.sections': parts(sections('sections')),
  'aten.tensor_split.indices': parts(indices('indices')),
  'aten.hsplit.int': parts(sections('sections'), axisHsplit),
  'aten.hsplit.array': parts(indices('indices'), axisHsplit),
  'aten.vsplit.int': parts(sections('sections'), fixed(0)),
  'aten.vsplit.array': parts(indices('indices'), fixed(0)),
  'aten.dsplit.int': parts(sections('sections'), fixed(2)),
  'aten.dsplit.array': parts(indices('indices'), fixed(2)),
};
