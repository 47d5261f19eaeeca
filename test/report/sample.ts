import type { DigitsCase, DigitsData } from '../../src/report/digits-data.ts';

/** Data in the report's shape, made without any network: `text` stands in every label, `value` in every number. */
export function sample(text = 'label', value?: number): DigitsData {
  const n = (usual: number) => value ?? usual;
  const picture = (phase: number) => ({
    width: 8,
    height: 8,
    values: Array.from({ length: 64 }, (_, i) => n(Math.sin(i * 0.7 + phase))),
  });
  const item = (title: string, label: string): DigitsCase => ({
    title,
    image: picture(0),
    label,
    predicted: text,
    classes: [text, `${text} 2`, `${text} 3`],
    f: [n(3), n(2), n(-1)],
    epsilon: n(0.25),
    entropy: n(1.2),
    effectiveAtoms: n(3.3),
    atomCount: 20,
    atoms: [0.5, 0.3, 0.1].map((weight, j) => ({
      image: picture(j),
      label: `${text} atom ${j}`,
      weight: n(weight),
      leaveOneOut: n(0.25 * Math.log(1 - weight)),
    })),
    costate: { map: picture(2), caption: text },
    sweep: [0.01, 0.1, 1, 10].map((epsilon, i) => ({
      epsilon: n(epsilon),
      f: n(i),
      entropy: n(i / 2),
      effectiveAtoms: n(1 + i),
      topWeights: [n(0.7 - i / 10), n(0.2), n(0.1)],
      decided: i < 2 ? text : `${text} 2`,
    })),
  });
  return {
    title: text,
    network: { trainingImages: 100, classes: 3, atoms: 20, epsilon: n(0.25) },
    tested: n(60),
    correct: n(57),
    provider: text,
    runtime: text,
    cases: [item(`${text} one`, text), item(`${text} two`, `${text} 2`)],
    confusion: {
      labels: ['a', text],
      counts: [
        [n(28), n(2)],
        [n(1), n(29)],
      ],
    },
    effectiveAtoms: Array.from({ length: 60 }, (_, i) => n(1 + (i % 13))),
    agreement: [{ quantity: text, provider: text, error: n(1e-7), tolerance: n(1e-5) }],
    timings: [
      { what: text, milliseconds: n(1.5), note: text },
      { what: text, milliseconds: n(20) },
    ],
    provenance: [text],
  };
}
