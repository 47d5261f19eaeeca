import type { FunctionDefinition } from '../../function.ts';
import type { Model } from '../../graph.ts';
import { constantTensor } from '../constants.ts';
import { namedConstant } from '../fold/fold.ts';
import { rewriteGraph } from '../rewrite.ts';

/** A model whose Constant nodes are initializers, under the names of what they gave. In function bodies, which have none, they stay. */
export function constantsToInitializers(model: Model): Model {
  const graph = rewriteGraph(
    model.graph,
    (node) => {
      const [value] = node.outputs;
      if (node.opType !== 'Constant' || node.domain !== '' || value === undefined) return undefined;
      const tensor = constantTensor(value);
      return tensor === undefined ? undefined : [namedConstant(tensor, value.name)];
    },
    { functions: new Map<FunctionDefinition, FunctionDefinition>() },
  );
  return graph === model.graph ? model : { ...model, graph, irVersion: Math.max(model.irVersion, 4) };
}
