import { type AttributionResult, attributionResult } from '../../analysis/attribution.ts';
import { type Tensor, toNumbers } from '../../files/tensor.ts';
import { digits, pixelCount, type Recorded, recordedAtoms } from './data.ts';

/** An attribution of all test images, every class, every atom, as plain arrays. */
export interface Answers {
  readonly rows: number;
  readonly atoms: number;
  readonly epsilon: number;
  /** [rows, digits] */
  readonly f: Float64Array;
  readonly entropy: Float64Array;
  /** [rows, digits, atoms], heaviest first. */
  readonly index: Float64Array;
  readonly weight: Float64Array;
  readonly leaveOneOut: Float64Array;
  /** [rows, digits, pixels] */
  readonly costate: Float64Array;
}

export function answersOf(outputs: ReadonlyMap<string, Tensor>): Answers {
  const result: AttributionResult = attributionResult(outputs);
  return {
    rows: result.f.shape[0] ?? 0,
    atoms: result.weight.shape[2] ?? 0,
    epsilon: result.epsilon,
    f: toNumbers(result.f),
    entropy: toNumbers(result.entropy),
    index: toNumbers(result.index),
    weight: toNumbers(result.weight),
    leaveOneOut: toNumbers(result.leaveOneOut),
    costate: toNumbers(result.costate),
  };
}

/** Classes from the best to the worst. */
export function ranking({ f }: Answers, row: number): number[] {
  const scores = f.subarray(row * digits, (row + 1) * digits);
  return [...scores.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
}

/** Row `row`, class `digit` of an array with `width` numbers each. */
export function slot(values: Float64Array, row: number, digit: number, width: number): Float64Array {
  const from = (row * digits + digit) * width;
  return values.subarray(from, from + width);
}

/** Weight of every atom by its own index. */
export function weightsByAtom(answers: Answers, row: number, digit: number): Float64Array {
  const { atoms } = answers;
  const index = slot(answers.index, row, digit, atoms);
  const weight = slot(answers.weight, row, digit, atoms);
  const byAtom = new Float64Array(atoms);
  index.forEach((atom, place) => {
    byAtom[atom] = weight[place] ?? 0;
  });
  return byAtom;
}

export interface Agreement {
  readonly quantity: string;
  readonly error: number;
}

/** Largest difference to PyTorch's recorded answers, each relative to the largest value of its kind. */
export function agreementOf(answers: Answers, recorded: Recorded): Agreement[] {
  const entropy: number[] = [];
  const costate: number[] = [];
  const weight: number[] = [];
  const left: number[] = [];
  for (let row = 0; row < answers.rows; row++) {
    const digit = recorded.decided[row] ?? 0;
    entropy.push(slot(answers.entropy, row, digit, 1)[0] ?? Number.NaN);
    costate.push(...slot(answers.costate, row, digit, pixelCount));
    const byAtom = weightsByAtom(answers, row, digit);
    const place = new Map([...slot(answers.index, row, digit, answers.atoms)].map((atom, at) => [atom, at]));
    for (let at = 0; at < recordedAtoms; at++) {
      const atom = recorded.index[row * recordedAtoms + at] ?? 0;
      weight.push(byAtom[atom] ?? Number.NaN);
      left.push(slot(answers.leaveOneOut, row, digit, answers.atoms)[place.get(atom) ?? -1] ?? Number.NaN);
    }
  }
  return [
    { quantity: 'scores f', error: relative(answers.f, recorded.f) },
    { quantity: 'co-state', error: relative(costate, recorded.costate) },
    { quantity: 'Gibbs weights', error: relative(weight, recorded.weight) },
    { quantity: 'leave-one-out', error: relative(left, recorded.leaveOneOut) },
    { quantity: 'entropy', error: relative(entropy, recorded.entropy) },
  ];
}

/** max |got - expected| / max |expected|; NaN or a missing value counts as infinite. */
export function relative(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let scale = 0;
  let worst = got.length === expected.length ? 0 : Infinity;
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i] ?? Number.NaN;
    const difference = Math.abs((got[i] ?? Number.NaN) - want);
    scale = Math.max(scale, Math.abs(want));
    worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
  }
  return worst / Math.max(scale, Number.MIN_VALUE);
}
