import { isStored } from '../../files/tensor.ts';
import type { Graph } from '../../graph/graph.ts';
import { constant } from '../../graph/make.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode } from '../../graph/walk.ts';
import type { Changed } from './changed.ts';
import { foldedFrom } from './folded.ts';
import { twinOf, type Unmerged } from './twin.ts';

/**
 * Merged parameters apart again in a file of torch.export's exporter, which merges silently, but keeps with most nodes the call they were
 * made for, with the placeholders of its parameters (`%p_layers_0_weight`). `targets`: the state-dict names of the placeholders;
 * `altered`: parameters with other numbers under their name, which the calls of the nodes they went into do not mention.
 */
export function apartByPlaceholders(
  graph: Graph,
  targets: ReadonlyMap<string, string>,
  altered: ReadonlySet<string>,
): Unmerged {
  const calls = new Calls(graph, targets);
  const twins = new Map<string, Value>();
  const changed = new Map<string, Changed>();
  const rewritten = rewriteGraph(graph, (node) => {
    const foreign = calls.foreign(node).filter(({ name }) => !altered.has(name ?? ''));
    if (foreign.length === 0) return undefined;
    const inputs = node.inputs.map((value) => {
      if (value === undefined || !foreign.includes(value)) return value;
      const meant = calls.meant(node, value, foreign);
      if (meant.kind === 'own') return value;
      if (meant.kind === 'constant') return constantOf(value);
      const twin = meant.kind === 'parameter' ? (twins.get(meant.name) ?? twinOf(value, meant.name)) : undefined;
      if (meant.kind === 'parameter' && twin !== undefined) {
        twins.set(meant.name, twin);
        return twin;
      }
      const name = value.name ?? '';
      changed.set(name, {
        name,
        why: `the exporter stores it in place of an equal parameter as well, at ${node.name ?? node.opType}`,
      });
      return value;
    });
    return inputs.every((value, index) => value === node.inputs[index]) ? undefined : remake(node, { inputs }).outputs;
  });
  return { graph: rewritten, changed: [...changed.values()] };
}

/** The numbers of a parameter that a call uses without being a use of the parameter. */
function constantOf(value: Value): Value {
  return value.source.kind === 'parameter' && !isStored(value.source.tensor) ? constant(value.source.tensor) : value;
}

type Meant = { readonly kind: 'own' | 'constant' | 'unknown' } | { readonly kind: 'parameter'; readonly name: string };

const callKey = 'pkg.torch.onnx.fx_node';

/** Operators that PyTorch calls without parameters, and for which the exporter makes ones and zeros then. */
const mayLackParameters = new Set([
  'LayerNormalization',
  'GroupNormalization',
  'BatchNormalization',
  'InstanceNormalization',
]);

/** What the calls that nodes were made for say of parameters. */
class Calls {
  private readonly targets: ReadonlyMap<string, string>;
  private readonly names: ReadonlySet<string>;
  private readonly stored: ReadonlySet<string>;
  /** Parameters that some node uses in a call that names them. */
  private readonly owned = new Set<string>();
  /** Parameters that are neither stored nor named by any call: merged, and used by nodes that lost their call. */
  private readonly lost: readonly string[];

  constructor(graph: Graph, targets: ReadonlyMap<string, string>) {
    this.targets = targets;
    this.names = new Set(targets.values());
    this.stored = new Set(graph.parameters.map(({ name }) => name ?? ''));
    const named = new Set<string>();
    for (const node of everyNode(graph)) {
      const mentioned = this.mentions(node);
      for (const name of mentioned) named.add(name);
      for (const value of node.inputs)
        if (value?.source.kind === 'parameter' && mentioned.has(value.name ?? '')) this.owned.add(value.name ?? '');
    }
    const folded = new Set([...foldedFrom(graph).values()].flat());
    this.lost = [...this.names].filter((name) => !this.stored.has(name) && !named.has(name) && !folded.has(name));
  }

  /** Parameters that a node uses without a sign that they are meant. */
  foreign(node: Node): readonly Value[] {
    const mentioned = this.mentions(node);
    return node.inputs.filter(
      (value): value is Value =>
        value?.source.kind === 'parameter' && this.names.has(value.name ?? '') && !mentioned.has(value.name ?? ''),
    );
  }

  meant(node: Node, value: Value, foreign: readonly Value[]): Meant {
    const mentioned = this.mentions(node);
    // Made here, of a copy that is tied again.
    if (node.origin === undefined) return { kind: 'own' };
    if (mentioned.size === 0) {
      const told = node.metadata.has(callKey);
      if (told && mayLackParameters.has(node.opType)) return { kind: 'constant' };
      return told ? { kind: 'own' } : this.untold(value);
    }
    const gone = [...mentioned].filter((name) => !this.stored.has(name));
    if (gone.length === 0) return { kind: 'constant' };
    const alike = gone.filter((name) => leaf(name) === leaf(value.name ?? ''));
    // Calls and operators name their parameters in the same order.
    const name =
      alike.length === 1 ? alike[0] : foreign.length === gone.length ? gone[foreign.indexOf(value)] : undefined;
    return name === undefined ? { kind: 'unknown' } : { kind: 'parameter', name };
  }

  /** A use that lost its call: of the parameter itself, unless one is missing that can only be used here. */
  private untold(value: Value): Meant {
    const name = value.name ?? '';
    const lost = this.lost.filter((one) => leaf(one) === leaf(name));
    const [only] = lost;
    if (only === undefined) return { kind: 'own' };
    return lost.length === 1 && this.owned.has(name) ? { kind: 'parameter', name: only } : { kind: 'unknown' };
  }

  /** The state-dict names of the parameters in the call a node was made for. */
  private mentions(node: Node): Set<string> {
    const call = node.metadata.get(callKey) ?? '';
    const found = new Set<string>();
    for (const [, placeholder] of call.matchAll(/%(\w+)/g)) {
      const target = this.targets.get(placeholder ?? '');
      if (target !== undefined) found.add(target);
    }
    return found;
  }
}

function leaf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}
