import { HopfcoleError } from '../files/error.ts';
import { atCaller } from '../graph/apply.ts';
import { moduleKey, withModule } from '../graph/module-path.ts';
import type { Node, Value } from '../graph/value.ts';
import { readingKey } from './reading.ts';

/** The kinds of the layers being built, the innermost last: for errors. */
const kinds: string[] = [];

/** What is being built now, as `layer` calls it. */
export function kindInHand(): string | undefined {
  return kinds.at(-1);
}

/** A module, as far as its place matters. */
interface Placed {
  readonly path: string;
}

/**
 * Builds one layer: the nodes made belong to its module, and an error names the layer and points at the line that called `maker`.
 */
export function layer<T>(maker: (...parameters: never[]) => unknown, module: Placed, kind: string, build: () => T): T {
  kinds.push(kind);
  try {
    return withModule(module.path, build);
  } catch (error) {
    throw atCaller(placed(error, module), maker, kind);
  } finally {
    kinds.pop();
  }
}

function placed(error: unknown, module: Placed): unknown {
  return error instanceof HopfcoleError && module.path !== '' ? error.at({ node: module.path }) : error;
}

/** Who made a value, for errors: `layer 'a' (linear)`, `input 'x'`. */
export function makerOf(value: Value): string {
  let current: Value | undefined = value;
  for (let depth = 0; current !== undefined && depth < 64; depth++) {
    const { source }: Value = current;
    if (source.kind === 'input') return `input '${current.name ?? ''}'`;
    if (source.kind === 'parameter') return `parameter '${current.name ?? ''}'`;
    if (source.kind !== 'output') return 'a constant';
    const path = source.node.metadata.get(moduleKey);
    if (path !== undefined) {
      const kind = kindOf(source.node);
      return `layer '${path}'${kind === undefined ? '' : ` (${kind})`}`;
    }
    if (source.node.inputs[0] === undefined) return `operator ${source.node.opType}`;
    current = source.node.inputs[0];
  }
  return 'what is before it';
}

/** The kind a node says it is; metadata of a file may say anything. */
function kindOf(node: Node): string | undefined {
  const text = node.metadata.get(readingKey);
  if (text === undefined) return undefined;
  try {
    const { kind } = JSON.parse(text) as { readonly kind?: unknown };
    return typeof kind === 'string' ? kind : undefined;
  } catch {
    return undefined;
  }
}
