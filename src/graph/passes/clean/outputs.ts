import { parameterAt } from '../../check.ts';
import type { Model } from '../../graph.ts';
import { schemaOf } from '../../schema.ts';
import { intOf } from '../constants.ts';
import { remake, rewriteModel } from '../rewrite.ts';
import { isStandard, valuesRead } from './program.ts';

/** A model in which operators are not asked for optional outputs that nothing reads: masks, indices, last states. */
export function dropUnusedOutputs(model: Model): Model {
  const read = valuesRead(model);
  return rewriteModel(model, (node, original) => {
    if (!isStandard(node) || node.version === undefined || node.outputs.length < 2) return undefined;
    // Statistics of a batch are all or none.
    if (node.opType === 'BatchNormalization' && intOf(node, 'training_mode', 0) !== 0) return undefined;
    const schema = schemaOf(node.opType, node.version, node.domain);
    if (schema === undefined) return undefined;
    const spare = original.outputs.map(
      (value, index) =>
        !read.has(value) && (value.name ?? '') !== '' && parameterAt(schema.outputs, index)?.option === 'optional',
    );
    if (!spare.includes(true)) return undefined;
    // At least one output is asked for.
    if (original.outputs.every((value) => !read.has(value))) return undefined;
    const outputNames = node.outputs.map((value, index) => (spare[index] === true ? undefined : value.name));
    return remake(node, { outputNames, origin: undefined }).outputs;
  });
}
