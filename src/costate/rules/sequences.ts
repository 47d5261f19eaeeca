import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, rule } from '../call.ts';
import { zeroBar } from '../control/sequence-sum.ts';
import { int, zerosLike } from '../pieces.ts';

/** Sequences and optionals: the co-state of a sequence is a sequence of the same length. */
export const sequenceRules: Readonly<Record<string, Rule>> = {
  SequenceConstruct: rule('the elements of g', (call) =>
    call.node.inputs.map((_, index) => call.to(index, () => op.sequenceAt(call.g(), int(index)))),
  ),
  SequenceAt: rule('g among zeros', (call) => [
    call.to(0, () => {
      const place = call.x(1);
      const zeros = zeroBar(call.x(0));
      return op.sequenceInsert(op.sequenceErase(zeros, place), call.g(), fromFront(place, zeros));
    }),
  ]),
  SequenceInsert: rule('g without the element; the element of g', (call) => {
    // A place from behind is one before the element was there.
    const place = call.maybe(2) === undefined ? undefined : fromFront(call.x(2), call.x(0));
    return [
      call.to(0, () => op.sequenceErase(call.g(), place)),
      call.to(1, () => op.sequenceAt(call.g(), place ?? int(-1))),
    ];
  }),
  SequenceErase: rule('g with zeros where the element was', (call) => [
    call.to(0, () => {
      const place = call.maybe(1);
      const gone = zerosLike(op.sequenceAt(call.x(0), place ?? int(-1)));
      return op.sequenceInsert(call.g(), gone, place === undefined ? undefined : fromFront(place, call.x(0)));
    }),
  ]),
  SplitToSequence: rule('the parts of g put together', (call) => [
    call.to(0, () => {
      const apart = call.maybe(1) === undefined && call.int('keepdims', 1) === 0;
      return op.concatFromSequence(call.g(), { axis: call.int('axis', 0), ...(apart ? { newAxis: 1 } : {}) });
    }),
  ]),
  ConcatFromSequence: rule('g taken apart', (call) => [
    call.to(0, () => {
      const axis = call.int('axis', 0);
      if (call.int('new_axis', 0) !== 0) return op.splitToSequence(call.g(), undefined, { axis, keepdims: 0 });
      const [lengths] = op.sequenceMap(call.x(0), [], (element) => {
        const rank = call.rank(call.g());
        const at = axis < 0 ? axis + rank : axis;
        return [op.shape(element, { start: at, end: at + 1 })];
      });
      return op.splitToSequence(call.g(), op.concatFromSequence(lengths as Value, { axis: 0 }), { axis });
    }),
  ]),
  Optional: rule('g', (call) => [call.to(0, () => call.g())]),
  OptionalGetElement: rule('g', (call) => [call.to(0, () => call.g())]),
};

/** A place counted from the front, as it was before an element was taken out. */
function fromFront(place: Value, sequence: Value): Value {
  const [known] = constantIntegers(place) ?? [];
  if (known !== undefined && known >= 0) return place;
  const wide = op.cast(place, { to: 'int64' });
  return op.where(op.less(wide, int(0)), op.add(wide, op.sequenceLength(sequence)), wide);
}
