/** Metadata key of the module a node belongs to, as PyTorch's users name modules: `blocks.0.attn`. */
export const moduleKey = 'hopfcole.module';

const none: ReadonlyMap<string, string> = new Map();
let current: ReadonlyMap<string, string> = none;

/** Runs `build`; every node it makes belongs to the module of that path (undefined: to none, as nodes of a function's body). */
export function withModule<T>(path: string | undefined, build: () => T): T {
  return withMetadata(path === undefined || path === '' ? none : new Map([[moduleKey, path]]), build);
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
