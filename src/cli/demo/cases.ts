import type { DigitsCase, SweepPoint } from '../../report/digits-data.ts';
import type { Picture } from '../../report/picture.ts';
import { type Answers, ranking, slot, weightsByAtom } from './answers.ts';
import { type DigitsFixture, digits, imageOf, pixelCount, side } from './data.ts';

const shownAtoms = 10;
export const classNames: readonly string[] = Array.from({ length: digits }, (_, digit) => String(digit));

/**
 * Rows worth showing: a clear answer, one that many atoms share, and a mistake, chosen by rank of effective atoms
 * so that the same checkpoint always shows the same images.
 */
export function chooseRows(data: DigitsFixture, answers: Answers): number[] {
  const rows = Array.from({ length: answers.rows }, (_, row) => row);
  const decided = (row: number) => ranking(answers, row)[0] ?? 0;
  const spread = (row: number) => slot(answers.entropy, row, decided(row), 1)[0] ?? 0;
  const isRight = (row: number) => data.labels[data.test[row] ?? 0] === decided(row);
  const right = rows.filter(isRight).sort((a, b) => spread(a) - spread(b));
  const wrong = rows.filter((row) => !isRight(row)).sort((a, b) => margin(answers, b) - margin(answers, a));
  const clear = right[Math.floor((right.length - 1) * 0.25)];
  const shared = right
    .slice(Math.floor((right.length - 1) * 0.8))
    .find((row) => clear === undefined || decided(row) !== decided(clear));
  // The mistake it was surest of tells most.
  return [clear, shared, wrong[0]].filter((row) => row !== undefined);
}

function margin({ f }: Answers, row: number): number {
  const scores = [...f.subarray(row * digits, (row + 1) * digits)].sort((a, b) => b - a);
  return (scores[0] ?? 0) - (scores[1] ?? 0);
}

/** One test image with everything the report shows of it; `sweep` holds answers for the chosen rows at other temperatures. */
export function caseOf(
  data: DigitsFixture,
  answers: Answers,
  row: number,
  sweep: readonly Answers[],
  sweepRow: number,
): DigitsCase {
  const position = data.test[row] ?? 0;
  const label = data.labels[position] ?? 0;
  const [decided = 0, second = 0] = ranking(answers, row);
  const entropy = slot(answers.entropy, row, decided, 1)[0] ?? 0;
  const index = slot(answers.index, row, decided, answers.atoms);
  const weight = slot(answers.weight, row, decided, answers.atoms);
  const left = slot(answers.leaveOneOut, row, decided, answers.atoms);
  const leading = [...index.subarray(0, shownAtoms)];
  const gradient = slot(answers.costate, row, decided, pixelCount);
  const other = slot(answers.costate, row, second, pixelCount);
  return {
    title: label === decided ? `Test image ${position}` : `A mistake: test image ${position}`,
    image: picture(imageOf(data.pixels, position), [0, 1]),
    label: String(label),
    predicted: String(decided),
    classes: classNames,
    f: [...answers.f.subarray(row * digits, (row + 1) * digits)],
    epsilon: answers.epsilon,
    entropy,
    effectiveAtoms: Math.exp(entropy),
    atomCount: answers.atoms,
    atoms: leading.map((atom, place) => {
      const source = data.atoms[decided * answers.atoms + atom] ?? 0;
      return {
        image: picture(imageOf(data.pixels, source), [0, 1]),
        label: `training image ${source}`,
        weight: weight[place] ?? 0,
        leaveOneOut: left[place] ?? 0,
      };
    }),
    costate: {
      map: picture(gradient.map((value, pixel) => value - (other[pixel] ?? 0))),
      caption: `Gradient of the score of ${decided} minus that of ${second}, the next best.`,
    },
    sweep: sweep.map((point) => sweepPoint(point, sweepRow, decided, leading)),
  };
}

function sweepPoint(answers: Answers, row: number, digit: number, atoms: readonly number[]): SweepPoint {
  const entropy = slot(answers.entropy, row, digit, 1)[0] ?? 0;
  const byAtom = weightsByAtom(answers, row, digit);
  return {
    epsilon: answers.epsilon,
    f: slot(answers.f, row, digit, 1)[0] ?? 0,
    entropy,
    effectiveAtoms: Math.exp(entropy),
    topWeights: atoms.map((atom) => byAtom[atom] ?? 0),
    decided: String(ranking(answers, row)[0] ?? 0),
  };
}

function picture(values: ArrayLike<number>, range?: readonly [number, number]): Picture {
  return { width: side, height: side, values, ...(range === undefined ? {} : { range }) };
}
