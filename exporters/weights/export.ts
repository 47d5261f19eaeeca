import { HopfcoleError } from '../../src/files/error.ts';
import { atomicWrite } from '../../src/files/node/write.ts';
import type { AnyTensor } from '../../src/files/tensor.ts';
import { type Change, writeTensors } from '../../src/files/tensors.ts';
import { writeTorch } from '../pytorch/write.ts';

/** Containers of named weights. */
export type WeightFormat = 'safetensors' | 'pytorch' | 'npz';

/**
 * Writes named weights for others; the file appears whole or not at all. Weights are streamed from where they are. Returns which had to change their
 * type because the format has none for it. @throws MISSING_PARAMETERS where there is nothing to write, and what the format's writer throws.
 */
export async function exportWeights(
  tensors: ReadonlyMap<string, AnyTensor>,
  path: string,
  format: WeightFormat,
): Promise<readonly Change[]> {
  if (tensors.size === 0)
    throw new HopfcoleError(
      'MISSING_PARAMETERS',
      'there are no weights to write',
      { file: path },
      'Name a model or checkpoint that has some',
    );
  let changes: readonly Change[] = [];
  await atomicWrite(path, async (sink) => {
    if (format === 'pytorch') await writeTorch(tensors, sink);
    else changes = await writeTensors(format, tensors, sink);
  });
  return changes;
}
