import type { AttributionData, AttributionRow } from '../../src/report/attribution-data.ts';

interface Shape {
  readonly kind?: 'lse' | 'softmax-head';
  readonly heads?: number | undefined;
  readonly rows?: number;
  readonly queries?: number;
  readonly pictures?: boolean;
  readonly atoms?: number;
  readonly kept?: number;
}

/** Data for the page, made without any network: `text` stands in every label, `value` in every number. */
export function attributionSample(shape: Shape = {}, text = 'label', value?: number): AttributionData {
  const { kind = 'lse', heads, rows = 2, queries = 5, pictures = false, atoms = 6, kept = 3 } = shape;
  const n = (usual: number) => value ?? usual;
  const picture = (phase: number) => ({
    width: 4,
    height: 4,
    values: Array.from({ length: 16 }, (_, i) => n(Math.sin(i + phase))),
  });
  const row = (at: number): AttributionRow => ({
    row: at,
    head: heads === undefined ? undefined : { index: heads - 1, f: Array.from({ length: heads }, (_, k) => n(k + at)) },
    f: n(at + (heads ?? 1) - 1),
    entropy: n(0.9),
    effectiveAtoms: n(2.46),
    query: pictures ? picture(at) : undefined,
    costate: Array.from({ length: 16 }, (_, i) => n(i - 8)),
    map: pictures ? picture(at + 1) : undefined,
    components: kind === 'softmax-head' ? Array.from({ length: 16 }, (_, i) => `${text} ${i}`) : undefined,
    atoms: [0.6, 0.25, 0.1].slice(0, kept).map((weight, j) => ({
      label: `${text} atom ${j}`,
      picture: pictures ? picture(j) : undefined,
      weight: n(weight),
      leaveOneOut: n(0.5 * Math.log(1 - weight)),
    })),
  });
  const many = (start: number) => Array.from({ length: queries }, (_, i) => n(start + i));
  return {
    model: text,
    input: text,
    provider: text,
    site: {
      name: text,
      kind,
      status: 'exact',
      hamiltonian: '|p|^2',
      viscosity: n(0.5),
      atoms,
      dim: 16,
      heads,
      where: text,
    },
    epsilon: n(0.5),
    batch: { f: many(0), entropy: many(0.1), effectiveAtoms: many(1) },
    leaders: queries === 0 ? [] : [{ label: text, head: heads === undefined ? undefined : 0, queries: 4 }],
    rows: Array.from({ length: Math.min(rows, queries) }, (_, at) => row(at)),
  };
}
