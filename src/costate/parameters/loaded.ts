import { isFloat } from '../../files/dtype.ts';
import { type AnyTensor, isStored, load } from '../../files/tensor.ts';
import type { Model } from '../../graph/graph.ts';
import { parameter } from '../../graph/make.ts';
import { rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Value } from '../../graph/value.ts';
import { foldedFrom } from './folded.ts';

/** Parameters below this size are read in any case. */
const small = 1 << 20;

/**
 * The model with those parameters in memory whose numbers must be compared to tell which are copies of others: PyTorch's exporters store a
 * tied embedding a second time, transposed. What cannot be such a pair stays in its file.
 */
export async function withCopiesLoaded(model: Model): Promise<Model> {
  const stored = model.graph.parameters.filter((value) => storedLength(value) !== undefined);
  if (stored.length === 0) return model;
  const folded = foldedFrom(model.graph);
  const isCopy = ({ name = '' }: Value): boolean => folded.has(name) || name.startsWith('onnx::');
  const floats = model.graph.parameters.filter(({ dtype }) => dtype !== undefined && isFloat(dtype));
  const lengths = (of: (value: Value) => boolean): Set<number> => new Set(floats.filter(of).map(lengthOf));
  const [copies, others] = [lengths(isCopy), lengths((value) => !isCopy(value))];
  const wanted = stored.filter(
    (value) => lengthOf(value) < small || (isCopy(value) ? others : copies).has(lengthOf(value)),
  );
  const values = new Map<Value, Value>();
  for (const value of wanted) {
    const { source, name = '' } = value;
    if (source.kind === 'parameter' && source.overridable !== true)
      values.set(value, parameter(name, await load(source.tensor)));
  }
  return { ...model, graph: rewriteGraph(model.graph, () => undefined, { values }) };
}

/** Bytes of a parameter. */
export function lengthOf(value: Value): number {
  const tensor = tensorOf(value);
  if (tensor === undefined) return 0;
  return isStored(tensor) ? tensor.range.length : tensor.bytes.length;
}

function storedLength(value: Value): number | undefined {
  const tensor = tensorOf(value);
  return tensor !== undefined && isStored(tensor) ? tensor.range.length : undefined;
}

function tensorOf({ source }: Value): AnyTensor | undefined {
  return source.kind === 'parameter' ? source.tensor : undefined;
}
