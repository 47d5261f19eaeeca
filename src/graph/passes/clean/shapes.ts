import type { Model } from '../../graph.ts';
import type { Node, Value } from '../../value.ts';
import { constantTensor, int64, intOf } from '../constants.ts';
import { remake, rewriteModel } from '../rewrite.ts';
import { isStandard } from './program.ts';

/**
 * A model in which the target of a Reshape that is computed while it runs, of dimensions known but for some that the tensor has too, is a
 * constant: 0 where the tensor's own dimension stays in its place, -1 where one is left. The Shape, Gather and Concat that made it have nothing left to do.
 */
export function fixTargets(model: Model): Model {
  return rewriteModel(model, (node) => {
    if (node.opType !== 'Reshape' || !isStandard(node) || intOf(node, 'allowzero', 0) !== 0) return undefined;
    const [x, target] = node.inputs;
    if (x === undefined || target === undefined || constantTensor(target) !== undefined) return undefined;
    const dims = targetOf(node, target, x);
    return dims === undefined ? undefined : remake(node, { inputs: [x, int64(dims)] }).outputs;
  });
}

function targetOf(node: Node, target: Value, x: Value): readonly number[] | undefined {
  const { known } = target;
  const rank = node.outputs[0]?.shape?.length;
  if (known === undefined || (rank !== undefined && rank !== known.length)) return undefined;
  const dims: (number | undefined)[] = known.map((dim, i) => {
    if (typeof dim === 'number') return dim;
    return dim !== undefined && dim === x.shape?.[i] ? 0 : undefined;
  });
  // A dimension of zero elements leaves none for -1 to be told by.
  if (known.some((dim) => dim === 0)) return undefined;
  const open = dims.filter((dim) => dim === undefined || dim === -1);
  if (open.length > 1) return undefined;
  return dims.map((dim) => dim ?? -1);
}
