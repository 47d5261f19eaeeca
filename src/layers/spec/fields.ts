import * as z from 'zod';
import type { Value } from '../../graph/value.ts';
import { activations } from '../units.ts';
import { type Place, size } from './kind.ts';

export const stored = 'sizes may be left out where a checkpoint gives them';
export const inputName = z.string().min(1).optional();
export const maskName = inputName.describe(
  'name of an int64 input [batch, time], 1 for a real token and 0 for padding; made where it is not there',
);
export const activation = z.enum(activations);
/** What float32 holds: larger numbers are infinite in the graph. */
export const finite = (value: number): boolean => Number.isFinite(Math.fround(value));
export const tooLarge = { message: 'expected a number that float32 can hold' };
export const eps = z.number().min(0).refine(finite, tooLarge);
export const depth = size.max(10_000).optional().describe('default: as many as the checkpoint has');

export const modelSizes = {
  vocabulary: size.optional().describe(stored),
  hidden: size.optional().describe('features of each token'),
  layers: depth,
  feedForward: size.optional().describe('features between the linear layers of the feed-forward block'),
};

/** A mask or another row of numbers by tokens as an input of the graph. */
export function rowInput(
  { graphInput, input }: Place<unknown>,
  name: string | undefined,
  second?: string,
): Value | undefined {
  return name === undefined ? undefined : graphInput(name, 'int64', [input.shape?.[0], second ?? input.shape?.[1]]);
}
