import type { Node } from '../graph/value.ts';
import type { Reading, ReadingKind, Status } from '../layers/reading.ts';

/** What a site computes: the kinds of docs/cli.md, and those that are still open (`activation`, `feed-forward`). */
export type SiteKind = Exclude<ReadingKind, (typeof carriers)[number] | keyof typeof within>;

/** Layers that carry values between sites and are none themselves. */
export const carriers = ['linear', 'convolution', 'embedding'] as const;

/** Rows of the table that `inspect` counts to a wider kind. */
const within = {
  'hopf-cole': 'lse',
  'lse-feed-forward': 'lse',
  convex: 'lse',
  'log-semiring': 'lse',
  leapfrog: 'residual',
} as const satisfies Partial<Record<ReadingKind, ReadingKind>>;

/** The kind of a site that is a layer of this row; undefined where such a layer is no site. */
export function siteKindOf(kind: ReadingKind): SiteKind | undefined {
  if ((carriers as readonly string[]).includes(kind)) return undefined;
  return ((within as Partial<Record<string, SiteKind>>)[kind] ?? kind) as SiteKind;
}

/** A place of a model that is a Hamilton-Jacobi layer by itself, with what is known of it (docs/cli.md). */
export interface Site {
  /** The module's path where the file knows it, otherwise the node's name. */
  readonly name: string;
  readonly kind: SiteKind;
  readonly status: Status;
  /** A number, the name of the value that holds it, or null where neither is known. */
  readonly epsilon: number | string | null;
  /** N, and d of W [N, d]; null where the file does not say. */
  readonly atoms: number | null;
  readonly dim: number | null;
  /** Units of a bank, heads of an attention. */
  readonly heads?: number;
  readonly hamiltonian: string;
  readonly viscosity: number | string | null;
  /** The equation in plain text, how the layer discretises it, and its time step (null where it takes none). */
  readonly equation: string;
  readonly discretisation: string;
  readonly step: number | string | null;
  /** The row of docs/architectures.md. */
  readonly architecture: ReadingKind;
  /** Node and operator. */
  readonly where: string;
  readonly node: Node;
}

/** The part of a site that its equation gives. */
export type Equation = Pick<Site, 'status' | 'hamiltonian' | 'viscosity' | 'equation' | 'discretisation' | 'step'>;

export function equationOf({ status, hamiltonian, viscosity, equation, discretisation, step }: Reading): Equation {
  return { status, hamiltonian, viscosity, equation, discretisation, step };
}

/** Sizes of a site, where the file says them. */
export type Sizes = Pick<Site, 'atoms' | 'dim' | 'heads'>;
