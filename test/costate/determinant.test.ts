import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, whole } from './judge.ts';

function det(name: string, x: Case['inputs'][string], more: Partial<Case> = {}): Case {
  return {
    name,
    inputs: { x },
    build: (v) => op.det(v.x as Value),
    torch: 'torch.linalg.det(x)',
    engines: ['reference'],
    ...more,
  };
}

const singular = [1, 2, 3, 4, 5, 6, 7, 8, 9];

judged('co-states of Det', [
  // Of a size that is not known the minors of one number would be empty, which a runtime's Reshape cannot lay out.
  det('one number', [1, 1], { static: true }),
  det('two by two', [2, 2]),
  det('two by two, batched', [3, 2, 2, 2]),
  det('three by three', [3, 3]),
  det('batched', [2, 3, 4, 4]),
  det('seven by seven', [7, 7]),
  det('no matrices', [0, 3, 3]),
  // PyTorch's derivatives at singular matrices are noise.
  det('singular', whole('float64', [3, 3], singular), {
    torch:
      'x[0,0]*(x[1,1]*x[2,2]-x[1,2]*x[2,1])-x[0,1]*(x[1,0]*x[2,2]-x[1,2]*x[2,0])+x[0,2]*(x[1,0]*x[2,1]-x[1,1]*x[2,0])',
  }),
  det('zeros', whole('float64', [2, 2, 2], new Array(8).fill(0)), { torch: 'x[:,0,0]*x[:,1,1]-x[:,0,1]*x[:,1,0]' }),
  det('of rank 0 together with other operators', [4, 4], {
    build: (v) => op.log(op.abs(op.det(v.x as Value))),
    torch: 'torch.linalg.slogdet(x)[1]',
  }),
]);
