import type { CheckpointOptions } from '../checkpoint/open.ts';
import { isStored } from '../files/tensor.ts';
import { openWeights } from './checkpoint-files.ts';
import { codeText } from './code-text.ts';
import type { Context, Outcome } from './command.ts';

const piece = 4 << 20;

/**
 * Reads every tensor of a checkpoint from end to end, piece by piece (checksums are held against the data where there are any).
 * @throws the first problem.
 */
export async function checkCheckpoint(
  path: string,
  options: Pick<CheckpointOptions, 'select' | 'prefix'>,
  { progress, signal }: Context,
): Promise<Outcome> {
  const { format, tensors, changed, code } = await openWeights(path, options);
  let done = 0;
  let bytes = 0;
  for (const [name, tensor] of tensors) {
    progress.update(name, done++, tensors.size);
    if (!isStored(tensor)) {
      bytes += tensor.bytes.byteLength;
      continue;
    }
    const { source, offset, length } = tensor.range;
    for (let at = 0; at < length; at += piece) {
      signal.throwIfAborted();
      await source.read(offset + at, Math.min(piece, length - at));
    }
    bytes += length;
  }
  return {
    json: { format, parameters: tensors.size, bytes, changed, code, problems: [] },
    text: [
      `${path}: valid ${format}, ${tensors.size} tensors, ${bytes} bytes`,
      ...changed.map(({ name, why }) => `changed ${name}: ${why}`),
      ...codeText(code),
    ],
  };
}
