import { dirname } from 'node:path';
import { type Checkpoint, type CheckpointOptions, openCheckpoint } from '../checkpoint/open.ts';
import { openFile } from '../files/node/file.ts';
import { fileFolder } from '../files/node/folder.ts';
import { formatOf } from './file-format.ts';
import { weightsPath } from './weights-path.ts';

/** Opens a checkpoint (a file, or the folder of a model), or the weights of a program without its graph; tensors stay ranges of the file. */
export async function openWeights(given: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const path = await weightsPath(given);
  if ((await formatOf(path)) === 'pt2') {
    const { programWeights } = await import('../torch/describe.ts');
    return {
      format: 'pt2',
      tensors: new Map(await programWeights(await openFile(path))),
      metadata: new Map(),
      problems: [],
      changed: [],
      code: [],
    };
  }
  return openCheckpoint(await openFile(path), fileFolder(dirname(path)), options);
}
