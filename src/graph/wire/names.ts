import { HopfcoleError } from '../../files/error.ts';
import type { Graph } from '../graph.ts';
import type { Value } from '../value.ts';
import { capturesOf } from '../walk.ts';

/** Names that nobody gave, unique in the whole model and the same whenever the same model is built. */
export class FreshNames {
  private readonly reserved: ReadonlySet<string>;
  private readonly counters = new Map<string, number>();

  constructor(reserved: ReadonlySet<string>) {
    this.reserved = reserved;
  }

  next(stem: string): string {
    for (let count = this.counters.get(stem) ?? 0; ; count++) {
      const name = `${stem}_${count}`;
      if (this.reserved.has(name)) continue;
      this.counters.set(stem, count + 1);
      return name;
    }
  }
}

/** The names one graph defines, within those around it. */
export class Scope {
  readonly fresh: FreshNames;
  readonly outer: Scope | undefined;
  private readonly graph: Graph;
  private readonly defined = new Map<string, Value | undefined>();
  private readonly names: Map<Value, string>;
  private captured: ReadonlySet<string> | undefined;
  private kept: ReadonlySet<string> = new Set();

  constructor(graph: Graph, outer: Scope | undefined, fresh: FreshNames) {
    this.graph = graph;
    this.outer = outer;
    this.fresh = fresh;
    this.names = outer?.names ?? new Map();
  }

  nameOf(value: Value): string | undefined {
    return this.names.get(value);
  }

  /** What a name stands for among those that the graph itself defines. */
  valueNamed(name: string): Value | undefined {
    return this.defined.get(name);
  }

  /** Whether the graph may define the name without hiding one that it needs. A graph that was read may hide others, as it did in its file. */
  free(name: string): boolean {
    if (this.defined.has(name)) return false;
    if (this.outer === undefined) return true;
    return this.graph.origin === undefined ? !this.outer.sees(name) : !this.capturedNames().has(name);
  }

  /** @throws DUPLICATE_NAME for a name that must be kept and is taken. */
  define(value: Value | undefined, name: string): void {
    if (name !== '' && !this.free(name))
      throw new HopfcoleError(
        'DUPLICATE_NAME',
        `two values are named '${name}'`,
        { tensor: name },
        'Give one of them another name',
      );
    this.defined.set(name, value);
    if (value !== undefined) this.names.set(value, name);
  }

  /** Names that no value may ask for: they are to be defined. */
  keepFree(names: readonly string[]): void {
    this.kept = new Set(names);
  }

  /** The name a value asks for where it is free, otherwise a fresh one. */
  settle(value: Value, stem: string): string {
    const wanted = value.name;
    const name =
      wanted === '' || (wanted !== undefined && this.free(wanted) && !this.kept.has(wanted))
        ? wanted
        : this.fresh.next(wanted ?? stem);
    this.define(value, name);
    return name;
  }

  private sees(name: string): boolean {
    return this.defined.has(name) || (this.outer?.sees(name) ?? false);
  }

  private capturedNames(): ReadonlySet<string> {
    this.captured ??= new Set(
      capturesOf(this.graph).flatMap((value) => {
        const name = this.names.get(value);
        return name === undefined ? [] : [name];
      }),
    );
    return this.captured;
  }
}
