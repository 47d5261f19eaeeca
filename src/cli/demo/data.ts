import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HopfcoleError } from '../../files/error.ts';
import { packageRoot } from '../../files/node/package-root.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../files/tensor.ts';
import { readArrays } from '../tensor-files.ts';

/** What PyTorch recorded on the test images (fixtures/digits/README.md), one row per test image. */
export interface Recorded {
  readonly f: Float64Array;
  readonly decided: Float64Array;
  readonly weight: Float64Array;
  readonly index: Float64Array;
  readonly leaveOneOut: Float64Array;
  readonly entropy: Float64Array;
  readonly costate: Float64Array;
}

export interface DigitsFixture {
  /** All images, 64 pixels each, 0 to 1. */
  readonly pixels: Float64Array;
  readonly labels: Float64Array;
  /** Position of each atom's training image, [10, 64]. */
  readonly atoms: Float64Array;
  readonly trainingImages: number;
  /** Positions of the test images. */
  readonly test: Float64Array;
  readonly recorded: Recorded;
}

export const digits = 10;
export const side = 8;
export const pixelCount = side * side;
/** How many leading atoms PyTorch recorded per image. */
export const recordedAtoms = 10;

/** A file of the demo, in the package or in the repository. */
export function fixture(name: string): string {
  const path = join(packageRoot(), 'fixtures/digits', name);
  if (existsSync(path)) return path;
  throw new HopfcoleError(
    'FILE_NOT_FOUND',
    'the demo needs its checkpoint and images',
    { file: path },
    'Install the package again',
  );
}

export async function readDigits(): Promise<DigitsFixture> {
  const data = await readArrays(fixture('digits.npz'));
  const expected = await readArrays(fixture('expected.npz'));
  const of = (name: string) => numbers(expected, `${name}_float32`);
  return {
    pixels: numbers(data, 'images').map((value) => value / 16),
    labels: numbers(data, 'labels'),
    atoms: numbers(data, 'atoms'),
    trainingImages: numbers(data, 'part').filter((part) => part === 0).length,
    test: numbers(expected, 'test'),
    recorded: {
      f: of('f'),
      decided: of('decided'),
      weight: of('weight'),
      index: of('index'),
      leaveOneOut: of('leave_one_out'),
      entropy: of('entropy'),
      costate: of('costate'),
    },
  };
}

function numbers(arrays: ReadonlyMap<string, Tensor>, name: string): Float64Array {
  const tensor = arrays.get(name);
  if (tensor === undefined) throw new HopfcoleError('MISSING_INPUT', `the demo's data have no array '${name}'`);
  return toNumbers(tensor);
}

/** Images at these positions as the network's input [n, 64]. */
export function imagesAt({ pixels }: DigitsFixture, positions: ArrayLike<number>): Tensor {
  const values = new Float64Array(positions.length * pixelCount);
  for (let row = 0; row < positions.length; row++) values.set(imageOf(pixels, positions[row] ?? 0), row * pixelCount);
  return fromNumbers('float32', [positions.length, pixelCount], values);
}

export function imageOf(pixels: Float64Array, position: number): Float64Array {
  return pixels.subarray(position * pixelCount, (position + 1) * pixelCount);
}
