import type { Picture } from './picture.ts';

/** Everything the page of `hopfcole attribute` shows: numbers that were computed elsewhere. */
export interface AttributionData {
  /** Names of the files, for the reader. */
  readonly model: string;
  readonly input: string;
  readonly provider: string;
  readonly site: {
    readonly name: string;
    readonly kind: 'lse' | 'softmax-head';
    readonly status: string;
    readonly hamiltonian: string;
    /** A number, or the name of the value that holds it. */
    readonly viscosity: number | string | null;
    /** N and d; null where the file does not say. */
    readonly atoms: number | null;
    readonly dim: number | null;
    /** Units of a bank. */
    readonly heads?: number | undefined;
    readonly where: string;
  };
  /** The temperature everything was computed at, in the units of the logits. */
  readonly epsilon: number;
  /** One number per query; of a bank, those of the head with the largest f. */
  readonly batch: {
    readonly f: readonly number[];
    /** Nats. */
    readonly entropy: readonly number[];
    readonly effectiveAtoms: readonly number[];
  };
  /** Atoms by how many queries they are the heaviest of, falling. */
  readonly leaders: readonly { readonly label: string; readonly head?: number | undefined; readonly queries: number }[];
  /** The first queries. */
  readonly rows: readonly AttributionRow[];
}

export interface AttributionRow {
  /** Position in the batch, from 0. */
  readonly row: number;
  /** Of a bank: the head shown, the one with the largest f, and f of every head. */
  readonly head?: { readonly index: number; readonly f: readonly number[] } | undefined;
  readonly f: number;
  readonly entropy: number;
  readonly effectiveAtoms: number;
  /** The site's own input, where it can be drawn. */
  readonly query?: Picture | undefined;
  /** grad f, d numbers; drawn on the grid where there is one. */
  readonly costate: readonly number[];
  /** The co-state on a grid: rows from the top. */
  readonly map?: Picture | undefined;
  /** Names of the components of the co-state, where they have any. */
  readonly components?: readonly string[] | undefined;
  /** The heaviest atoms, falling. */
  readonly atoms: readonly {
    readonly label: string;
    readonly picture?: Picture | undefined;
    /** pi, 0 to 1. */
    readonly weight: number;
    /** f without the atom minus f. */
    readonly leaveOneOut: number;
  }[];
}
