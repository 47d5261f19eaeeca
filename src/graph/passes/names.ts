import type { Graph } from '../graph.ts';
import { usedNames } from '../walk.ts';

type Kind = 'node' | 'value' | 'call';

/** Names in use in one graph and all inside it, nodes and values apart. */
export class Names {
  private readonly taken: Record<Kind, Set<string>>;

  constructor(graph: Graph) {
    const used = usedNames(graph);
    this.taken = { node: new Set(used), value: new Set(used), call: new Set() };
  }

  /** The name itself, or with the first number behind it that makes it unique. */
  fresh(name: string, kind: Kind): string {
    const taken = this.taken[kind];
    let free = name;
    for (let number = taken.size; taken.has(free); number++) free = `${name}_${number}`;
    taken.add(free);
    return free;
  }
}
