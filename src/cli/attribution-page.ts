import { basename } from 'node:path';
import type { AttributionResult } from '../analysis/attribution.ts';
import { toNumbers } from '../files/tensor.ts';
import type { Site } from '../reading/sites.ts';
import { attributionReport } from '../report/attribution.ts';
import type { AttributionData, AttributionRow } from '../report/attribution-data.ts';
import { type Picture, pooled } from '../report/picture.ts';
import type { AtomNames } from './atom-names.ts';

const shownRows = 12;
const shownAtoms = 10;
const shownLeaders = 8;
/** Pictures are averaged down to this many cells a side, so that a page of them stays small. */
const largestSide = 64;
const largestAtomSide = 32;
/** A grid of fewer cells tells less than bars. */
const leastGrid = 9;

export interface AttributionPage {
  readonly model: string;
  readonly input: string;
  readonly provider: string;
  readonly site: Site;
  readonly result: AttributionResult;
  readonly names?: AtomNames | undefined;
}

/** The page of `hopfcole attribute`, as text. */
export function attributionPage(given: AttributionPage): string {
  return attributionReport(attributionData(given));
}

function attributionData({ model, input, provider, site, result, names }: AttributionPage): AttributionData {
  const { name, status, hamiltonian, viscosity, atoms, where } = site;
  const bank = result.f.shape.length === 2 ? (result.f.shape[1] ?? 1) : undefined;
  const heads = bank ?? 1;
  const f = toNumbers(result.f);
  const [entropy, effective, costate, index, weight, left] = [
    result.entropy,
    result.effectiveAtoms,
    result.costate,
    result.index,
    result.weight,
    result.leaveOneOut,
  ].map((tensor) => toNumbers(tensor)) as Six;
  const queries = result.f.shape[0] ?? 0;
  const dim = result.costate.shape.at(-1) ?? 0;
  const kept = result.index.shape.at(-1) ?? 0;
  const shown = Array.from(
    { length: queries },
    (_, row) => row * heads + largestOf(f.subarray(row * heads, (row + 1) * heads)),
  );
  const label = (at: number, k: number) => {
    const j = index[at * kept + k] ?? 0;
    return names?.label((at % heads) * (atoms ?? 0) + j) || `${site.kind === 'softmax-head' ? 'class' : 'atom'} ${j}`;
  };
  const grid = gridOf(site, dim, names);
  const query = result.query === undefined || grid === undefined ? undefined : toNumbers(result.query);
  const draw = (values: Float64Array): Picture | undefined =>
    grid === undefined || values.length !== dim ? undefined : pooled({ ...grid, values }, largestSide);

  const rows = shown.slice(0, shownRows).map((at, row): AttributionRow => {
    const p = costate.subarray(at * dim, (at + 1) * dim);
    return {
      row,
      head: bank === undefined ? undefined : { index: at % heads, f: [...f.subarray(row * heads, (row + 1) * heads)] },
      f: f[at] ?? Number.NaN,
      entropy: entropy[at] ?? Number.NaN,
      effectiveAtoms: effective[at] ?? Number.NaN,
      query: query === undefined ? undefined : draw(query.subarray(row * dim, (row + 1) * dim)),
      costate: [...p],
      map: draw(p),
      components: site.kind === 'softmax-head' ? Array.from(p, (_, j) => names?.label(j) || `class ${j}`) : undefined,
      atoms: Array.from({ length: Math.min(kept, shownAtoms) }, (_, k) => {
        const position = (at % heads) * (atoms ?? 0) + (index[at * kept + k] ?? 0);
        const picture = names?.picture(position);
        return {
          label: label(at, k),
          picture: picture === undefined ? undefined : pooled(picture, largestAtomSide),
          weight: weight[at * kept + k] ?? Number.NaN,
          leaveOneOut: left[at * kept + k] ?? Number.NaN,
        };
      }),
    };
  });
  const batch = (values: Float64Array) => shown.map((at) => values[at] ?? Number.NaN);
  return {
    model: basename(model),
    input: basename(input),
    provider,
    site: {
      name,
      kind: site.kind === 'softmax-head' ? 'softmax-head' : 'lse',
      status,
      hamiltonian,
      viscosity,
      atoms,
      dim,
      heads: bank,
      where,
    },
    epsilon: result.epsilon,
    batch: { f: batch(f), entropy: batch(entropy), effectiveAtoms: batch(effective) },
    leaders:
      kept === 0
        ? []
        : leadersOf(
            shown,
            f,
            (at) => index[at * kept] ?? 0,
            heads,
            bank !== undefined,
            (at) => label(at, 0),
          ),
    rows: sameRange(rows),
  };
}

type Six = [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];

/** Position of the largest number; the first of equals, and 0 where none is a number. */
function largestOf(values: Float64Array): number {
  return values.reduce(
    (best, value, at) =>
      value > (values[best] ?? Number.NaN) || (!Number.isNaN(value) && Number.isNaN(values[best])) ? at : best,
    0,
  );
}

/** The grid a query and its co-state are drawn on: that of the atoms' pictures, or the square of d numbers. Logits are no picture. */
function gridOf(site: Site, dim: number, names: AtomNames | undefined): { width: number; height: number } | undefined {
  if (site.kind === 'softmax-head') return undefined;
  if (names?.grid !== undefined && names.grid.width * names.grid.height === dim) return names.grid;
  const side = Math.sqrt(dim);
  return Number.isInteger(side) && dim >= leastGrid ? { width: side, height: side } : undefined;
}

/** Atoms by how many queries they lead; queries whose value is not finite have no leader. */
function leadersOf(
  shown: readonly number[],
  f: Float64Array,
  leader: (at: number) => number,
  heads: number,
  bank: boolean,
  label: (at: number) => string,
): AttributionData['leaders'] {
  const counts = new Map<string, { label: string; head: number | undefined; queries: number }>();
  for (const at of shown) {
    if (!Number.isFinite(f[at])) continue;
    const key = `${at % heads} ${leader(at)}`;
    const found = counts.get(key) ?? { label: label(at), head: bank ? at % heads : undefined, queries: 0 };
    found.queries += 1;
    counts.set(key, found);
  }
  return [...counts.values()].sort((a, b) => b.queries - a.queries).slice(0, shownLeaders);
}

/** Atoms' pictures on one grey scale, so that they can be compared. */
function sameRange(rows: readonly AttributionRow[]): AttributionRow[] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { atoms } of rows)
    for (const { picture } of atoms)
      for (const value of Array.from(picture?.values ?? [])) {
        if (!Number.isFinite(value)) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
  if (low > high) return [...rows];
  const range = [low, high] as const;
  return rows.map((row) => ({
    ...row,
    atoms: row.atoms.map((atom) =>
      atom.picture === undefined ? atom : { ...atom, picture: { ...atom.picture, range } },
    ),
  }));
}
