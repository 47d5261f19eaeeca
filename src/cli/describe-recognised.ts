import type { Checkpoint } from '../checkpoint/open.ts';
import { HopfcoleError } from '../files/error.ts';
import { type Recognised, recognise } from '../layers/recognise/recognise.ts';
import { recognisable } from './checkpoint-network.ts';

/** What a checkpoint is taken for, to describe it: undefined where it is nothing known, or where what lies beside it is broken. */
export async function recognisedAs(path: string, checkpoint: Checkpoint): Promise<Recognised | undefined> {
  try {
    const { tensors, beside } = await recognisable(checkpoint, path);
    return recognise(tensors, beside);
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
