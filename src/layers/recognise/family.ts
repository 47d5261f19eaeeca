import type { Facts } from './facts.ts';
import type { Names } from './names.ts';

/** A network that was told by its names: a specification as `--spec` takes it, in JSON. */
export interface Told {
  /** `ResNet-18`, `BERT for masked words`. */
  readonly network: string;
  /** The specification. Where something is needed that nothing tells it is only a sketch. */
  readonly spec: Readonly<Record<string, unknown>>;
}

/** A family of networks: what it is told by. */
export interface Family {
  readonly family: string;
  /** The network, or undefined where the names are not those of the family. @throws UNRECOGNISED_NETWORK, BAD_CONFIG. */
  readonly tell: (names: Names, facts: Facts) => Told | undefined;
}

/** Values of the graph that every family calls alike. */
export const tokens = { name: 'input_ids', dtype: 'int64', shape: ['batch', 'time'] } as const;

/** A record without what is undefined, as JSON has it. */
export function said(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
