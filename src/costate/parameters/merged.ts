import { isFloat } from '../../files/dtype.ts';
import { isStored } from '../../files/tensor.ts';
import type { Graph, Model } from '../../graph/graph.ts';
import { constant, parameter } from '../../graph/make.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
import type { Changed } from './changed.ts';
import { signatureOf } from './signature.ts';

/** A graph whose merged parameters are apart again, and those that could not be told apart. */
export interface Unmerged {
  readonly graph: Graph;
  readonly changed: readonly Changed[];
}

/**
 * PyTorch's exporters store parameters of equal values once, though they are different parameters: all norms of a fresh network, the
 * layers of an encoder copied from one. The co-state of the one left would be the sum over all. Here each is a parameter of its own name
 * again, on the same bytes. Tied parameters, one in PyTorch, stay one: both exporters know those before they merge.
 */
export function unmerged(model: Model): Unmerged {
  if (!/pytorch/i.test(model.producer.name)) return { graph: model.graph, changed: [] };
  const placeholders = signatureOf(model);
  return placeholders === undefined
    ? { graph: withoutAliases(model.graph), changed: [] }
    : byPlaceholders(model.graph, placeholders);
}

/** The TorchScript exporter leaves an Identity under the name of each parameter it merged into another. */
function withoutAliases(graph: Graph): Graph {
  const taken = new Set(graph.parameters.map(({ name }) => name));
  return rewriteGraph(graph, (node) => {
    const [source] = node.inputs;
    const name = node.outputs[0]?.name;
    if (node.opType !== 'Identity' || node.domain !== '' || name === undefined || taken.has(name)) return undefined;
    if (!/^Identity_\d+$/.test(node.name ?? '')) return undefined;
    const twin = twinOf(source, name);
    if (twin === undefined) return undefined;
    taken.add(name);
    return [twin];
  });
}

/** Another parameter on the same bytes. */
function twinOf(value: Value | undefined, name: string): Value | undefined {
  if (value?.source.kind !== 'parameter' || value.dtype === undefined || !isFloat(value.dtype)) return undefined;
  return value.source.overridable === true ? undefined : parameter(name, value.source.tensor);
}

/** torch.export's exporter merges silently, but each node keeps the call it came from, with the placeholders of that call. */
function byPlaceholders(graph: Graph, targets: ReadonlyMap<string, string>): Unmerged {
  const stored = new Set(graph.parameters.map(({ name }) => name ?? ''));
  const names = new Set(targets.values());
  const twins = new Map<string, Value>();
  const changed = new Map<string, Changed>();
  const rewritten = rewriteGraph(graph, (node) => {
    const mentioned = mentions(node, targets);
    if (mentioned.size === 0 && !(mayLackParameters.has(node.opType) && node.metadata.has(callKey))) return undefined;
    const foreign = node.inputs.filter(
      (value) => value?.source.kind === 'parameter' && names.has(value.name ?? '') && !mentioned.has(value.name ?? ''),
    );
    if (foreign.length === 0) return undefined;
    const gone = [...mentioned].filter((name) => !stored.has(name));
    const inputs = node.inputs.map((value) => {
      if (value === undefined || !foreign.includes(value)) return value;
      if (gone.length === 0) return constantOf(value);
      const name = meant(value, gone, foreign);
      const twin = name === undefined ? undefined : (twins.get(name) ?? twinOf(value, name));
      if (name !== undefined && twin !== undefined) {
        twins.set(name, twin);
        return twin;
      }
      const others = [...mentioned].join(', ');
      changed.set(value.name ?? '', {
        name: value.name ?? '',
        why: `the exporter stores it in place of an equal parameter as well (${node.name ?? node.opType} was made for ${others})`,
      });
      return value;
    });
    return inputs.every((value, index) => value === node.inputs[index]) ? undefined : remake(node, { inputs }).outputs;
  });
  return { graph: rewritten, changed: [...changed.values()] };
}

const callKey = 'pkg.torch.onnx.fx_node';

/** Operators that PyTorch calls without parameters, and for which the exporter makes ones and zeros then. */
const mayLackParameters = new Set([
  'LayerNormalization',
  'GroupNormalization',
  'BatchNormalization',
  'InstanceNormalization',
]);

/** The numbers of a parameter that a call uses without being a use of the parameter. */
function constantOf(value: Value): Value {
  return value.source.kind === 'parameter' && !isStored(value.source.tensor) ? constant(value.source.tensor) : value;
}

/** The state-dict names of the parameters in the call a node was made for. */
function mentions(node: Node, targets: ReadonlyMap<string, string>): Set<string> {
  const call = node.metadata.get(callKey) ?? '';
  const found = new Set<string>();
  for (const [, placeholder] of call.matchAll(/%(\w+)/g)) {
    const target = targets.get(placeholder ?? '');
    if (target !== undefined) found.add(target);
  }
  return found;
}

/** Which of the parameters that are gone a stored one stands for: the one of the same last name, or the one at its place. */
function meant(value: Value, gone: readonly string[], foreign: readonly (Value | undefined)[]): string | undefined {
  const leaf = (path: string): string => path.slice(path.lastIndexOf('.') + 1);
  const alike = gone.filter((one) => leaf(one) === leaf(value.name ?? ''));
  if (alike.length === 1) return alike[0];
  // Calls and operators name their parameters in the same order.
  return foreign.length === gone.length ? gone[foreign.indexOf(value)] : undefined;
}
