import * as fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op from '../../src/graph/op.ts';
import { binary, get } from './cases.ts';
import { type Case, judged } from './judge.ts';

const square = (torch: string): string => `z = ${torch}\nreturn z * z`;

/** Shapes that MatMul takes: ranks 1 to 5, batch axes that broadcast either way. */
const products = fc
  .sample(
    fc.record({
      batch: fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean(), fc.boolean()), { maxLength: 3 }),
      cut: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
      sizes: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      vectors: fc.tuple(fc.nat(5), fc.nat(5)),
    }),
    { numRuns: 36, seed: 7 },
  )
  .map(({ batch, cut, sizes: [m, k, n], vectors: [left, right] }): Case => {
    const side = (which: 1 | 2, from: number): number[] =>
      batch.map(([size, ...thin]) => (thin[which - 1] ? 1 : size)).slice(from);
    const a = left === 0 ? [k] : [...side(1, cut[0]), m, k];
    const b = right === 0 ? [k] : [...side(2, cut[1]), k, n];
    return {
      name: `MatMul [${a}] [${b}]`,
      inputs: { a, b },
      build: (v) => {
        const y = op.matMul(get(v, 'a'), get(v, 'b'));
        return op.mul(y, y);
      },
      torch: square('a @ b'),
    };
  });

/** Gemm with every form of C, and without. */
const gemms = [[], [1], [4], [2, 1], [1, 4], [2, 4], [1, 1], undefined].flatMap((c, at) =>
  [at & 1, 2 + (at & 1)].map((bits): Case => {
    const [transA, transB] = [bits & 1, bits >> 1];
    const inputs = { a: transA ? [3, 2] : [2, 3], b: transB ? [4, 3] : [3, 4] };
    const beta = at === 5 ? 1 : -0.5;
    const product = `(${transA ? 'a.T' : 'a'} @ ${transB ? 'b.T' : 'b'}) * ${at === 3 ? 1 : 0.25}`;
    return {
      name: `Gemm, transposed ${transA} ${transB}, C ${c === undefined ? 'left out' : `[${c}]`}`,
      inputs: c === undefined ? inputs : { ...inputs, c },
      build: (v) => {
        const y = op.gemm(get(v, 'a'), get(v, 'b'), v.c, { transA, transB, beta, alpha: at === 3 ? 1 : 0.25 });
        return op.mul(y, y);
      },
      torch: square(c === undefined ? product : `${product} + ${beta} * c`),
    };
  }),
);

judged('co-states of products of matrices', [
  ...new Map(products.map((one) => [one.name, one])).values(),
  ...gemms,
  binary('MatMul of no rows', op.matMul, 'a @ b', [0, 3], [3, 2]),
  binary('MatMul over nothing', op.matMul, 'a @ b', [2, 0], [0, 3]),
  binary('MatMul of no batches', op.matMul, 'a @ b', [0, 2, 3], [3, 2]),
  binary('MatMul of no columns', op.matMul, 'a @ b', [2, 2, 3], [3, 0]),
  binary('MatMul of rows of nothing', op.matMul, 'a @ b', [2, 2, 0], [0, 3]),
  {
    name: 'MatMul of a sequence of unknown length and a weight',
    inputs: { a: [2, 5, 3], b: [3, 4] },
    dims: { a: ['batch', 'time', 3], b: [3, 4] },
    build: (v) => op.exp(op.matMul(get(v, 'a'), get(v, 'b'))),
    torch: '(a @ b).exp()',
  },
  {
    name: 'MatMul of heads of one batch',
    inputs: { a: [2, 3, 4, 2], b: [2, 3, 2, 5] },
    dims: { a: ['batch', 3, 'time', 2], b: ['batch', 3, 2, 'time2'] },
    build: (v) => op.exp(op.matMul(get(v, 'a'), get(v, 'b'))),
    torch: '(a @ b).exp()',
  },
  {
    name: 'MatMul of a value with itself',
    inputs: { a: [3, 3] },
    build: (v) => op.matMul(op.matMul(get(v, 'a'), get(v, 'a')), get(v, 'a')),
    torch: 'a @ a @ a',
  },
  {
    name: 'Gemm with beta 0',
    inputs: { a: [2, 3], b: [3, 2], c: fromNumbers('float64', [2], [1, 2]) },
    build: (v) => op.exp(op.gemm(get(v, 'a'), get(v, 'b'), v.c, { beta: 0 })),
    torch: '(a @ b + 0 * c).exp()',
  },
]);

/** Reads by random indices, whose rank is 0 to 3, along any axis; repeated ones and ones from the end among them. */
const reads = fc
  .sample(
    fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
        depth: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
        seed: fc.array(fc.nat(100), { minLength: 27, maxLength: 27 }),
        known: fc.boolean(),
      }),
    ),
    { numRuns: 24, seed: 13 },
  )
  .map(({ shape, axis, depth, seed, known }, at): Case => {
    const size = shape.at(axis) ?? 1;
    const count = depth.reduce((all, dim) => all * dim, 1);
    const indices = fromNumbers(
      at % 3 === 0 ? 'int32' : 'int64',
      depth,
      seed.slice(0, count).map((draw) => (draw % (2 * size)) - size),
    );
    const list = `torch.tensor([${seed.slice(0, count).map((draw) => draw % size)}])`;
    const front = axis < 0 ? axis + shape.length : axis;
    const sizes = [...shape.slice(0, front), ...depth, ...shape.slice(front + 1)];
    return {
      name: `Gather [${shape}] along ${axis} by [${depth}]${known ? ' known' : ''}`,
      inputs: known ? { x: shape } : { x: shape, i: indices },
      build: (v) => {
        const y = op.gather(get(v, 'x'), known ? op.constant({ value: indices }) : get(v, 'i'), { axis });
        return op.mul(y, y);
      },
      torch: square(`x.index_select(${axis}, ${list}).reshape([${sizes}])`),
    };
  });

judged('co-states of reads of random shapes', [
  ...new Map(reads.map((one) => [one.name, one])).values(),
  {
    name: 'Gather from nothing',
    inputs: { x: [3, 0], i: fromNumbers('int64', [2], [0, 2]) },
    build: (v) => op.exp(op.gather(get(v, 'x'), get(v, 'i'))),
    torch: 'x[i].exp()',
  },
  {
    name: 'GatherElements by nothing',
    inputs: { x: [3, 2], i: fromNumbers('int64', [0, 2], []) },
    build: (v) => op.exp(op.gatherElements(get(v, 'x'), get(v, 'i'))),
    torch: 'x.gather(0, i).exp()',
  },
  {
    name: 'GatherND of whole elements',
    inputs: { x: [2, 3], i: fromNumbers('int64', [2, 2, 2], [0, 1, 1, 2, 0, 1, -1, -3]) },
    build: (v) => op.exp(op.gatherND(get(v, 'x'), get(v, 'i'))),
    torch: 'x[i[..., 0], i[..., 1]].exp()',
    static: ['i'],
  },
  {
    name: 'GatherND by two batch axes',
    inputs: { x: [2, 2, 3], i: fromNumbers('int64', [2, 2, 1], [0, 2, 1, 1]) },
    build: (v) => op.exp(op.gatherND(get(v, 'x'), get(v, 'i'), { batchDims: 2 })),
    torch: 'x.gather(2, i)[..., 0].exp()',
    static: ['i'],
  },
]);
