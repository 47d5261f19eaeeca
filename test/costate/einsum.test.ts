import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged } from './judge.ts';

function summed(equation: string, ...shapes: readonly (readonly number[])[]): Case {
  const names = ['a', 'b', 'c'].slice(0, shapes.length);
  return {
    name: `Einsum ${equation}`,
    inputs: Object.fromEntries(shapes.map((shape, index) => [names[index] ?? '', shape])),
    build: (v) => {
      const y = op.einsum(
        names.map((name) => v[name] as Value),
        { equation },
      );
      return op.mul(y, y);
    },
    torch: `z = torch.einsum("${equation}", ${names.join(', ')})\nreturn z * z`,
  };
}

const product = (name: string, a: readonly number[], b: readonly number[]): Case => ({
  name: `MatMul ${name}`,
  inputs: { a, b },
  build: (v) => op.matMul(v.a as Value, v.b as Value),
  torch: 'a @ b',
});

const gemm = (
  name: string,
  a: readonly number[],
  b: readonly number[],
  c: readonly number[] | undefined,
  transA: number,
  transB: number,
): Case => ({
  name: `Gemm ${name}`,
  inputs: c === undefined ? { a, b } : { a, b, c },
  build: (v) =>
    op.gemm(v.a as Value, v.b as Value, v.c, { transA, transB, alpha: 0.5, beta: c === undefined ? 1 : 0.25 }),
  torch: `0.5 * (${transA ? 'a.T' : 'a'} @ ${transB ? 'b.T' : 'b'})${c === undefined ? '' : ' + 0.25 * c'}`,
});

judged('co-states of products', [
  summed('ij,jk->ik', [2, 3], [3, 4]),
  summed('bij,bkj->bik', [2, 3, 4], [2, 5, 4]),
  summed('ij->ji', [2, 3]),
  summed('ij->i', [2, 3]),
  summed('ij->', [2, 3]),
  summed('ii->i', [3, 3]),
  summed('ii', [3, 3]),
  summed('iij->ij', [3, 3, 2]),
  summed('i,i', [3], [3]),
  summed('i,j->ij', [3], [2]),
  summed(' b h q d , b h k d -> b h q k ', [2, 2, 3, 2], [2, 2, 4, 2]),
  summed('ij,jk', [2, 3], [3, 4]),
  summed('ba,ac', [2, 3], [3, 4]),
  summed('ij,jk,kl->il', [2, 3], [3, 4], [4, 2]),
  summed('...ij,...jk->...ik', [2, 3, 4], [2, 4, 2]),
  summed('...ij,jk->...ik', [2, 3, 4], [4, 2]),
  summed('bd,...nd->b...n', [2, 3], [2, 4, 3]),
  summed('ij,kj->ik', [2, 3], [4, 3]),
  summed('ijk,il->jl', [2, 3, 4], [2, 3]),
  summed('i...->...', [2, 3, 4]),
  product('of matrices', [2, 3], [3, 4]),
  product('of batches', [2, 3, 4], [2, 4, 5]),
  product('of a batch and a matrix', [2, 3, 4], [4, 5]),
  product('of a matrix and a batch', [3, 4], [2, 4, 5]),
  product('of batches that broadcast', [2, 1, 3, 4], [3, 4, 2]),
  product('of vectors', [3], [3]),
  product('of a vector and a matrix', [3], [3, 2]),
  product('of a matrix and a vector', [2, 3], [3]),
  product('of a batch and a vector', [2, 3, 4], [4]),
  product('of a vector and a batch', [4], [2, 4, 3]),
  gemm('plain', [2, 3], [3, 4], [4], 0, 0),
  gemm('transposed', [3, 2], [4, 3], [2, 1], 1, 1),
  gemm('left', [3, 2], [3, 4], [1], 1, 0),
  gemm('right', [2, 3], [4, 3], [2, 4], 0, 1),
  gemm('without C', [2, 3], [3, 4], undefined, 0, 0),
  gemm('with a scalar', [2, 3], [3, 4], [], 0, 0),
]);
