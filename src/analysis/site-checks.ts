import type { Value } from '../graph/value.ts';
import type { Site } from '../reading/sites.ts';
import type { Check } from './identities.ts';
import type { Found } from './probe.ts';

/** What the checks of a site need to see of the graph, and the checks. */
export interface Probing {
  readonly wanted: Readonly<Record<string, Value>>;
  readonly checks: (found: Readonly<Record<string, Found>>) => readonly Check[];
}

/** Relative precision that a graph of an element type is held to. */
const precisions: Readonly<Record<string, number>> = { float64: 1e-9, float32: 1e-5, float16: 1e-2, bfloat16: 5e-2 };

export function precisionOf(value: Value | undefined): number {
  return precisions[value?.dtype ?? 'float32'] ?? 1e-5;
}

/** The element type's unit in the last place, relative. */
export function roundingOf(value: Value | undefined): number {
  const bits: Readonly<Record<string, number>> = { float64: 52, float32: 23, float16: 10, bfloat16: 7 };
  return 2 ** -(bits[value?.dtype ?? 'float32'] ?? 23);
}

/** What is said of a site whose equation no number can confirm: it stands in the report and never fails. */
export function told(site: Site, why = site.discretisation): Check {
  const status = site.status === 'exact' ? 'not computed' : site.status;
  return {
    name: `${site.name}: reading`,
    statement: `${why.startsWith(`${status}: `) ? '' : `${status}: `}${why}; ${site.equation}`,
    pathA: 'the operators of the graph',
    pathB: 'none: nothing is computed',
    error: 0,
    tolerance: 0,
    ok: true,
  };
}
