import type { Value } from '../../graph/value.ts';
import type { ProgramGraph, TensorMeta } from '../schema/program.ts';
import type { Lookup } from './call.ts';
import type { Cell } from './cell.ts';
import type { Sym } from './item.ts';

/** The names of one graph of a program: tensors and numbers that its nodes have given so far. */
export class GraphScope implements Lookup {
  readonly graph: ProgramGraph;
  private readonly cells = new Map<string, Cell>();
  private readonly symbols = new Map<string, Sym | number | boolean>();

  constructor(graph: ProgramGraph) {
    this.graph = graph;
  }

  cell(name: string): Cell | undefined {
    return this.cells.get(name);
  }

  symbol(name: string): Sym | number | boolean | undefined {
    return this.symbols.get(name);
  }

  meta(name: string): TensorMeta | undefined {
    return this.graph.tensors.get(name);
  }

  setCell(name: string, cell: Cell): void {
    this.cells.set(name, cell);
  }

  /** All names of one tensor become those of another. */
  replaceCell(before: Cell, after: Cell): void {
    for (const [name, cell] of this.cells) if (cell === before) this.cells.set(name, after);
  }

  setSymbol(name: string, symbol: Sym | number | boolean): void {
    this.symbols.set(name, symbol);
  }

  defines(name: string): boolean {
    return this.cells.has(name) || this.symbols.has(name);
  }
}

/** What the lowering of a whole program tells beside its graph. */
export interface Report {
  /** Operators and forms that are not supported, each with how often and in which modules. */
  readonly unsupported: Map<string, { count: number; readonly modules: Set<string>; readonly node: string }>;
  /** The last value each module gave. */
  readonly modules: Map<string, Value>;
  /** Values by the program's own names. */
  readonly values: Map<string, Value>;
}
