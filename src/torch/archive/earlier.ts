import { openCheckpoint } from '../../checkpoint/open.ts';
import { HopfcoleError } from '../../files/error.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import { entrySource, type ZipArchive } from '../../files/zip/read.ts';

/**
 * Weights or constants of a layout before the PT2 Archive Spec: a file of torch.save within the archive, read by the allow-list reader of checkpoints.
 * An archive without them has none.
 */
export async function earlierPayloads(archive: ZipArchive, stem: string): Promise<ReadonlyMap<string, AnyTensor>> {
  const entry = archive.entries.get(`${stem}.pt`) ?? archive.entries.get(stem) ?? archive.entries.get(`${stem}.json`);
  if (entry === undefined || entry.size === 0) return new Map();
  try {
    return (await openCheckpoint(entrySource(archive, entry))).tensors;
  } catch (error) {
    // A program without weights has an empty dict there.
    if (error instanceof HopfcoleError && error.code === 'NO_TENSORS') return new Map();
    throw error;
  }
}
