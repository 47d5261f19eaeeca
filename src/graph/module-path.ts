/** Metadata key of the module a node belongs to, as PyTorch's users name modules: `blocks.0.attn`. */
export const moduleKey = 'hopfcole.module';

/** Metadata key of a node through which nothing is differentiated: `detach`, and what is computed under `no_grad`. */
const detachedKey = 'hopfcole.detached';

const none: ReadonlyMap<string, string> = new Map();
let current: ReadonlyMap<string, string> = none;

/** Runs `build`; every node it makes belongs to the module of that path (undefined: to none, as nodes of a function's body). */
export function withModule<T>(path: string | undefined, build: () => T): T {
  const named = path === undefined || path === '' ? none : new Map([[moduleKey, path]]);
  return withMetadata(current.has(detachedKey) ? new Map([...named, [detachedKey, 'true']]) : named, build);
}

/** Runs `build`; co-states do not pass through the nodes it makes, as in PyTorch under `no_grad`. */
export function withDetached<T>(build: () => T): T {
  return withMetadata(new Map([...current, [detachedKey, 'true']]), build);
}

/** Whether a node was made under `withDetached`. */
export function isDetached(node: { readonly metadata: ReadonlyMap<string, string> }): boolean {
  return node.metadata.get(detachedKey) === 'true';
}

/** Runs `build`; every node it makes carries these metadata, as nodes that stand for one that was read. */
export function withMetadata<T>(metadata: ReadonlyMap<string, string>, build: () => T): T {
  const outer = current;
  current = metadata;
  try {
    return build();
  } finally {
    current = outer;
  }
}

/** The metadata of a node made now. */
export function ambientMetadata(): ReadonlyMap<string, string> {
  return current;
}
