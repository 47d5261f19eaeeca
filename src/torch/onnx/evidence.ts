import { foldedFrom } from '../../costate/parameters/folded.ts';
import { signatureOf } from '../../costate/parameters/signature.ts';
import { isFloat } from '../../files/dtype.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import type { Model } from '../../graph/graph.ts';
import { modulePathOf } from '../../graph/place.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode } from '../../graph/walk.ts';

/** What a file of one of PyTorch's exporters tells of where its initializers come from. The model must be as it was read, or have that graph's origin. */
export class Evidence {
  /** State-dict names by torch.export's placeholders; undefined in files of the TorchScript exporter. */
  readonly signature: ReadonlyMap<string, string> | undefined;
  /** Names of parameters and buffers, where the file lists them. */
  readonly targets: ReadonlySet<string>;
  private readonly folded: ReadonlyMap<string, readonly string[]>;
  private readonly readers = new Map<Value, Node[]>();
  private readonly scopes = new Map<string, Set<string>>();
  private readonly held: ReadonlySet<string>;

  constructor(model: Model) {
    this.signature = signatureOf(model);
    this.targets = new Set(this.signature?.values());
    this.folded = foldedFrom(model.graph);
    this.held = new Set(model.graph.parameters.map(({ name }) => name ?? ''));
    for (const node of everyNode(model.graph)) {
      for (const value of node.inputs) {
        if (value === undefined) continue;
        const readers = this.readers.get(value);
        if (readers === undefined) this.readers.set(value, [node]);
        else readers.push(node);
      }
      const path = node.opType === 'Constant' ? undefined : modulePathOf(node);
      if (path === undefined) continue;
      const operators = this.scopes.get(path) ?? new Set();
      this.scopes.set(path, operators.add(node.opType));
    }
  }

  readersOf(value: Value | undefined): readonly Node[] {
    return value === undefined ? [] : (this.readers.get(value) ?? []);
  }

  /** The parameters that the exporter's constant folding made an initializer of; undefined where nothing is noted. */
  sourcesOf(value: Value): readonly string[] | undefined {
    return this.folded.get(value.name ?? '')?.filter((name) => this.targets.has(name));
  }

  /** Whether a parameter's name is still to be given. */
  isFree(name: string): boolean {
    return !this.held.has(name);
  }

  /** Operators that belong to the module itself, and not to one inside it. */
  operatorsIn(path: string): ReadonlySet<string> {
    return this.scopes.get(path) ?? new Set();
  }

  /** Whether modules inside that one have operators too. */
  hasChildren(path: string): boolean {
    return [...this.scopes.keys()].some((other) => other.startsWith(`${path}.`));
  }
}

/** The tensor of a floating-point initializer that no caller may override. */
export function weightOf(value: Value | undefined): AnyTensor | undefined {
  if (value?.source.kind !== 'parameter' || value.source.overridable === true) return undefined;
  return value.dtype !== undefined && isFloat(value.dtype) ? value.source.tensor : undefined;
}

/** The call of the program that a node was made for, as torch.export's exporter notes it. */
export function callOf(node: Node): string {
  return node.metadata.get('pkg.torch.onnx.fx_node') ?? '';
}
