import * as op from '../../graph/op.ts';
import type { Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';

export const linearRules: Rules = {
  'aten.linear.default': (call) => {
    const [x, weight, bias] = [call.tensor('input'), call.tensor('weight'), call.optionalTensor('bias')];
    // Gemm takes matrices alone; the transposed weight of a MatMul is folded by the runtime when it loads.
    if (rankOf(x) === 2 && rankOf(weight) === 2) return op.gemm(x, weight, bias, { transB: 1 });
    const product = op.matMul(x, rankOf(weight) === 2 ? op.transpose(weight, { perm: [1, 0] }) : weight);
    return bias === undefined ? product : op.add(product, bias);
  },
  'aten.matmul.default': (call) => op.matMul(call.tensor('self'), call.tensor('other')),
};
