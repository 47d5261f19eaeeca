import { chunksOf } from '../files/safetensors.ts';
import type { ByteSource, Folder } from '../files/source.ts';
import { openZip, verifyEntry } from '../files/zip/read.ts';
import { type Checkpoint, type CheckpointOptions, openCheckpoint } from './open.ts';

/**
 * Opens a checkpoint strictly and reads all of it once, piece by piece: every tensor, and every entry of an archive against its checksum.
 * @throws the first problem.
 */
export async function verifyCheckpoint(
  source: ByteSource,
  folder?: Folder,
  options: Pick<CheckpointOptions, 'select' | 'prefix'> = {},
): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(source, folder, options);
  if (['torch-zip', 'torchscript', 'npz'].includes(checkpoint.format)) {
    const archive = await openZip(source);
    for (const entry of archive.entries.values()) await verifyEntry(archive, entry);
  }
  for (const tensor of checkpoint.tensors.values()) for await (const chunk of chunksOf(tensor)) void chunk;
  return checkpoint;
}
