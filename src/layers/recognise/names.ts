import type { DType } from '../../files/dtype.ts';

/** What is looked at of a tensor: its header alone. */
export interface Shaped {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

type Tensors = ReadonlyMap<string, Shaped>;

/** More modules around a network than this is none that anyone writes. */
const deepestWrapping = 8;

/** The names and shapes of a checkpoint, seen without what stands before every name. */
export class Names {
  readonly all: Tensors;

  constructor(all: Tensors) {
    this.all = all;
  }

  has(name: string): boolean {
    return this.all.has(name);
  }

  shape(name: string): readonly number[] | undefined {
    return this.all.get(name)?.shape;
  }

  /** The size of an axis, counted from the end where negative; undefined where there is no such tensor or axis. */
  size(name: string, axis: number): number | undefined {
    return this.shape(name)?.at(axis);
  }

  /** How many there are of `name(0)`, `name(1)`, ... without a gap. */
  count(name: (index: number) => string): number {
    let count = 0;
    while (this.has(name(count))) count++;
    return count;
  }

  /** The first of the prefixes (`bert.`, or '') under which there is `name`. */
  prefixOf(name: string, prefixes: readonly string[]): string | undefined {
    return prefixes.find((prefix) => this.has(prefix + name));
  }

  some(pattern: RegExp): boolean {
    for (const name of this.all.keys()) if (pattern.test(name)) return true;
    return false;
  }

  /** The element type that most numbers of the checkpoint have. */
  get dtype(): DType | undefined {
    const counts = new Map<DType, number>();
    for (const { dtype, shape } of this.all.values())
      counts.set(dtype, (counts.get(dtype) ?? 0) + shape.reduce((product, size) => product * size, 1));
    return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
  }
}

/** The checkpoint as it is, and without the prefixes that stand before every name (`module.`, `model.`, `_orig_mod.`), one part more at a time. */
export function wrappings(tensors: Tensors): Names[] {
  const views = [new Names(tensors)];
  let inner = tensors;
  for (let depth = 0; depth < deepestWrapping; depth++) {
    const [first = ''] = inner.keys();
    const part = first.slice(0, first.indexOf('.') + 1);
    if (part === '' || ![...inner.keys()].every((name) => name.startsWith(part))) break;
    inner = new Map([...inner].map(([name, tensor]) => [name.slice(part.length), tensor]));
    views.push(new Names(inner));
  }
  return views;
}
