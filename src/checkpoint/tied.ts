import type { AnyTensor } from '../files/tensor.ts';

/**
 * A checkpoint's tensors with the names that its writer dropped: safetensors' `save_model` keeps tied weights once and notes in the
 * metadata which name stands for which.
 */
export function withTiedNames(
  tensors: ReadonlyMap<string, AnyTensor>,
  metadata: ReadonlyMap<string, unknown>,
): Map<string, AnyTensor> {
  const all = new Map(tensors);
  for (const [dropped, kept] of metadata) {
    const tensor = typeof kept === 'string' ? tensors.get(kept) : undefined;
    if (tensor !== undefined && !all.has(dropped)) all.set(dropped, tensor);
  }
  return all;
}
