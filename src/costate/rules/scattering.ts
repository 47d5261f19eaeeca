import * as op24 from '../../graph/generated/opset24.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { int, ints, numbers, scalarLike, sizeOf, zerosLike } from '../pieces.ts';
import { alongAxis } from './places.ts';

/** How an operator writes by index, and how it is read there. */
interface Writer {
  readonly write: (data: Value, updates: Value, reduction: 'none' | 'add' | 'mul') => Value;
  readonly read: (data: Value) => Value;
}

/** Operators that write by index. */
export const scatteringRules: Readonly<Record<string, Rule>> = {
  ScatterElements: writing((call) => {
    const [indices, axis] = [call.x(1), call.int('axis', 0)];
    return {
      write: (data, updates, reduction) =>
        op.scatterElements(data, indices, updates, reduction === 'none' ? { axis } : { axis, reduction }),
      read: (data) => op.gatherElements(data, indices, { axis }),
    };
  }),
  ScatterND: writing((call) => ({
    write: (data, updates, reduction) =>
      op.scatterND(data, call.x(1), updates, reduction === 'none' ? {} : { reduction }),
    read: (data) => op.gatherND(data, call.x(1)),
  })),
  TensorScatter: rule('g with zeros where it was written; g read there', (call) => {
    const [g, update, places] = [call.g(), call.x(1), call.maybe(2)];
    const rank = call.rank(update);
    const axis = call.axis('axis', -2, update);
    const mode = call.text('mode', 'linear');
    return [
      call.to(0, () => op24.tensorScatter(g, zerosLike(update), places, { axis, mode })),
      call.to(1, () => {
        const length = op.reshape(sizeOf(update, axis), op.constant({ valueInts: [] }));
        const steps = alongAxis(op.range(int(0), length, int(1)), axis, update, rank);
        if (places === undefined) return op.gatherElements(g, steps, { axis });
        const first = op.reshape(places, ints(-1, ...new Array<number>(rank - 1).fill(1)));
        const at = op.add(steps, first);
        return op.gatherElements(g, mode === 'circular' ? op.mod(at, sizeOf(g, axis)) : at, { axis });
      }),
    ];
  }),
};

function writing(writerOf: (call: RuleCall) => Writer): Rule {
  return rule(
    'g with zeros where it was written (add: g); g read there; of mul times the other factors, of max and min where they attain y',
    (call) => {
      const writer = writerOf(call);
      switch (call.text('reduction', 'none')) {
        case 'add':
          return [call.to(0, () => call.g()), undefined, call.to(2, () => writer.read(call.g()))];
        case 'mul':
          return multiplied(call, writer);
        case 'max':
        case 'min':
          return extreme(call, writer);
        default:
          return [
            call.to(0, () => writer.write(call.g(), zerosLike(call.x(2)), 'none')),
            undefined,
            call.to(2, () => writer.read(call.g())),
          ];
      }
    },
    {
      note: 'ties of max and min share evenly; of mul exact where factors are zero, to first order; where an element is written twice without a reduction nothing is defined',
    },
  );
}

/** Each factor's share is the product of the others: without a division by zero, zeros are taken out of the product and counted. */
function multiplied(call: RuleCall, { write, read }: Writer): readonly (Value | undefined)[] {
  const [g, data, updates] = [call.g(), call.x(0), call.x(2)];
  const [nothing, one] = [scalarLike(g, 0), scalarLike(g, 1)];
  const isZero = (value: Value): Value => op.equal(value, nothing);
  const filled = (value: Value): Value => op.where(isZero(value), one, value);
  const product = write(filled(data), filled(updates), 'mul');
  const zeros = write(numbers(isZero(data), g), numbers(isZero(updates), g), 'add');
  const share = (own: Value, all: Value, count: Value, bar: Value): Value => {
    const alone = op.and(isZero(own), op.equal(count, one));
    return op.mul(bar, op.where(op.or(alone, isZero(count)), op.div(all, filled(own)), nothing));
  };
  return [
    call.to(0, () => share(data, product, zeros, g)),
    undefined,
    call.to(2, () => share(updates, read(product), read(zeros), read(g))),
  ];
}

function extreme(call: RuleCall, { write, read }: Writer): readonly (Value | undefined)[] {
  const [g, data, updates, y] = [call.g(), call.x(0), call.x(2), call.y()];
  const own = numbers(op.equal(data, y), g);
  const written = numbers(op.equal(updates, read(y)), g);
  const each = op.div(g, write(own, written, 'add'));
  // Where nothing attains y (NaN) nothing is shared.
  return [call.to(0, () => op.mul(each, own)), undefined, call.to(2, () => op.mul(read(each), written))];
}
