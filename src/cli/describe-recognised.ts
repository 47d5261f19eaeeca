import { HopfcoleError } from '../files/error.ts';
import type { Shaped } from '../layers/recognise/names.ts';
import { type Recognised, recognise } from '../layers/recognise/recognise.ts';
import { readBeside } from './beside.ts';

/** What a checkpoint is taken for, to describe it: undefined where it is nothing known, or where what lies beside it is broken. */
export async function recognisedAs(
  path: string,
  tensors: ReadonlyMap<string, Shaped>,
): Promise<Recognised | undefined> {
  try {
    return recognise(tensors, await readBeside(path));
  } catch (error) {
    if (error instanceof HopfcoleError) return undefined;
    throw error;
  }
}

/** What a checkpoint is taken for, for people. */
export function describeRecognised({ network, assumed, needed }: Recognised): string[] {
  return [
    `recognised as ${network}`,
    ...assumed.map(({ name, value }) => `assumed ${name} = ${value}`),
    ...(needed.length === 0
      ? []
      : [`to import it, say ${needed.join(', ')}: config.json beside the file, or --config FILE`]),
  ];
}
