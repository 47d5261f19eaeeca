import * as fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op from '../../src/graph/op.ts';
import { get } from './cases.ts';
import { type Case, judged } from './judge.ts';

/** NumPy's names of the modes; its own padding tells which element each one is a copy of. */
const modes = { edge: 'edge', reflect: 'reflect', wrap: 'wrap' } as const;

/** Rims of random widths, some of them negative, of all axes or of some, known or only at run time. */
const rims = fc
  .sample(
    fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 3 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        mode: fc.constantFrom('constant', 'edge', 'reflect', 'wrap'),
        pads: fc.array(fc.tuple(fc.integer({ min: -1, max: 3 }), fc.integer({ min: -1, max: 3 })), {
          minLength: shape.length,
          maxLength: shape.length,
        }),
        first: fc.integer({ min: 0, max: shape.length - 1 }),
        atRunTime: fc.boolean(),
        value: fc.boolean(),
      }),
    ),
    { numRuns: 28, seed: 17 },
  )
  .map(({ shape, mode, pads, first, atRunTime, value }): Case => {
    // The axes from `first` on, counted from the end.
    const axes = shape.map((_, axis) => axis).filter((axis) => axis >= first);
    // A reflection is no wider than the axis; other modes do not crop.
    const widths = axes.map((axis) =>
      (pads[axis] ?? [0, 0]).map((pad) =>
        mode === 'constant' ? pad : Math.min(Math.max(pad, 0), (shape[axis] ?? 1) - 1),
      ),
    );
    const list = [0, 1].flatMap((side) => widths.map((pair) => pair[side] ?? 0));
    const named = axes.map((axis) => axis - shape.length);
    const constant = mode === 'constant' && value;
    const tensor = fromNumbers('int64', [list.length], list);
    const padding = shape.map((_, axis) => (axis < first ? [0, 0] : (widths[axis - first] ?? [0, 0])));
    const places = padding
      .map(
        ([before, after], axis) =>
          `z = z.index_select(${axis}, torch.tensor(np.pad(np.arange(${shape[axis]}), (${before}, ${after}), mode="${mode === 'constant' ? '' : modes[mode as keyof typeof modes]}")))`,
      )
      .join('\n');
    const inner = `torch.nn.functional.pad(x, (${[...padding].reverse().flat()}))`;
    const torch =
      mode === 'constant'
        ? `ones = torch.nn.functional.pad(torch.ones_like(x), (${[...padding].reverse().flat()}))\nz = ${inner} + ${constant ? 'c' : '0'} * (1 - ones)`
        : `z = x\n${places}`;
    return {
      name: `Pad [${shape}] by [${list}] along [${named}], ${mode}${constant ? ' with a value' : ''}${atRunTime ? ', known at run time' : ''}`,
      inputs: {
        x: shape,
        ...(atRunTime ? { pads: tensor } : {}),
        ...(constant ? { c: fromNumbers('float64', [], [0.7]) } : {}),
      },
      build: (v) => {
        const widthsOf = atRunTime ? get(v, 'pads') : op.constant({ value: tensor });
        const along = first === 0 ? undefined : op.constant({ valueInts: named });
        return op.exp(op.pad(get(v, 'x'), widthsOf, v.c, along, { mode }));
      },
      torch: `${torch}\nreturn z.exp()`,
      static: ['pads', 'c'],
    };
  });

judged('co-states of rims of random widths', [...new Map(rims.map((one) => [one.name, one])).values()]);

type Reduction = 'none' | 'add' | 'mul' | 'max' | 'min';
const names: Readonly<Record<Reduction, string>> = { none: '', add: 'sum', mul: 'prod', max: 'amax', min: 'amin' };

/** Writes at random places, the same ones more than once where that is a reduction. */
const writes = fc
  .sample(
    fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 1, maxLength: 3 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axis: fc.integer({ min: 0, max: shape.length - 1 }),
        reduction: fc.constantFrom<Reduction>('none', 'add', 'mul', 'max', 'min'),
        count: fc.integer({ min: 1, max: 4 }),
        draws: fc.array(fc.nat(1000), { minLength: 80, maxLength: 80 }),
        known: fc.boolean(),
      }),
    ),
    { numRuns: 24, seed: 19 },
  )
  .map(({ shape, axis, reduction, count, draws, known }): Case => {
    const size = shape[axis] ?? 1;
    const long = reduction === 'none' ? Math.min(count, size) : count;
    const written = shape.map((dim, at) => (at === axis ? long : dim));
    const inner = shape.slice(axis + 1).reduce((all, dim) => all * dim, 1);
    const total = written.reduce((all, dim) => all * dim, 1);
    const flat = Array.from({ length: total }, (_, at) => {
      // No place twice where it is only written: each line goes round.
      const part = Math.floor(at / inner) % long;
      return reduction === 'none' ? (part + (at % inner)) % size : (draws[at] ?? 0) % size;
    });
    const indices = fromNumbers(
      'int64',
      written,
      flat.map((place, at) => (at % 2 === 0 ? place : place - size)),
    );
    const list = `torch.tensor([${flat}]).reshape([${written}])`;
    const made =
      reduction === 'none'
        ? `x.scatter(${axis}, ${list}, u)`
        : `x.scatter_reduce(${axis}, ${list}, u, reduce="${names[reduction]}")`;
    return {
      name: `ScatterElements [${shape}] along ${axis}, ${long} of them, ${reduction}${known ? ', known' : ''}`,
      inputs: known ? { x: shape, u: written } : { x: shape, i: indices, u: written },
      build: (v) => {
        const places = known ? op.constant({ value: indices }) : get(v, 'i');
        const y = op.scatterElements(get(v, 'x'), places, get(v, 'u'), { axis, reduction });
        return op.mul(y, y);
      },
      torch: `z = ${made}\nreturn z * z`,
    };
  });

judged('co-states of writes at random places', [
  ...new Map(writes.map((one) => [one.name, one])).values(),
  ...(['add', 'max'] as const).map(
    (reduction): Case => ({
      name: `ScatterND of single elements, ${reduction}`,
      inputs: { x: [2, 3], i: fromNumbers('int64', [4, 2], [0, 1, 1, 2, 0, 1, -1, -1]), u: [4] },
      build: (v) => op.exp(op.scatterND(get(v, 'x'), get(v, 'i'), get(v, 'u'), { reduction })),
      torch: `z = x.flatten().scatter_reduce(0, torch.tensor([1, 5, 1, 5]), u, reduce="${names[reduction]}")\nreturn z.reshape(2, 3).exp()`,
      static: ['i'],
    }),
  ),
  {
    name: 'ScatterND of nothing',
    inputs: { x: [3, 2], i: fromNumbers('int64', [0, 1], []), u: [0, 2] },
    build: (v) => op.exp(op.scatterND(get(v, 'x'), get(v, 'i'), get(v, 'u'))),
    torch: 'x.exp() + u.sum()',
    static: ['i'],
  },
]);
