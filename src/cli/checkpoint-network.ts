import { asHuggingFace } from '../checkpoint/gguf/huggingface.ts';
import type { Checkpoint } from '../checkpoint/open.ts';
import { withTiedNames } from '../checkpoint/tied.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Change } from '../files/tensors.ts';
import type { Beside } from '../layers/recognise/recognise.ts';
import { readBeside } from './beside.ts';

/** What a network is recognised by, and what its weights are under the names it is recognised by. */
export interface Recognisable {
  readonly tensors: ReadonlyMap<string, AnyTensor>;
  readonly beside: Beside;
  readonly changed: readonly Change[];
}

/**
 * A checkpoint's weights and what lies beside it. A GGUF model has its configuration in itself, and names of its own: both are given as Hugging
 * Face has them. @throws UNRECOGNISED_NETWORK for GGUF models that have no names there, and what `readBeside` throws.
 */
export async function recognisable(checkpoint: Checkpoint, path: string, configPath?: string): Promise<Recognisable> {
  if (checkpoint.format !== 'gguf') {
    const tensors = withTiedNames(checkpoint.tensors, checkpoint.metadata);
    return { tensors, beside: await readBeside(path, configPath), changed: checkpoint.changed };
  }
  const { tensors, config, changed } = await asHuggingFace(checkpoint, path);
  const beside =
    configPath === undefined ? { config: { document: config, file: path } } : await readBeside(path, configPath);
  return { tensors, beside, changed };
}
