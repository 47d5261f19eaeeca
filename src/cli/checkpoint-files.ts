import { dirname } from 'node:path';
import { type Checkpoint, type CheckpointOptions, openCheckpoint } from '../checkpoint/open.ts';
import { openFile } from '../files/node/file.ts';
import { fileFolder } from '../files/node/folder.ts';

/** Opens a checkpoint; its tensors stay ranges of the file. */
export async function openWeights(path: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  return openCheckpoint(await openFile(path), fileFolder(dirname(path)), options);
}
