import type { HopfcoleError } from '../files/error.ts';
import type { Change } from '../files/npz.ts';
import type { ByteSource, Folder } from '../files/source.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Contents, OnProblem } from './contents.ts';
import { recogniseFormat } from './recognise.ts';
import { refuseSelect, withPrefix } from './select.ts';
import { readSharded } from './sharded.ts';
import { readSingle } from './single.ts';
import type { StateOptions } from './state.ts';

/** The named tensors of a checkpoint, under the names they have in it. */
export interface Checkpoint extends Contents {
  readonly format: string;
  readonly tensors: Map<string, AnyTensor>;
  readonly changed: readonly Change[];
  readonly code: readonly string[];
  /** What is wrong with single tensors; without `forgiving` the first of them is thrown instead. */
  readonly problems: readonly HopfcoleError[];
}

export interface CheckpointOptions extends StateOptions {
  /** Only the names that begin with it, without it: `model.` or `model`. */
  readonly prefix?: string | undefined;
  /** Describe what can be described and collect what is wrong in `problems`; otherwise the first problem is thrown. */
  readonly forgiving?: boolean;
}

/**
 * Opens a checkpoint of any format that is read (`torch-zip`, `torch-legacy`, `torchscript`, `torch-sharded`, `safetensors`,
 * `safetensors-sharded`, `npz`, `npy`, `gguf`), told by its content.
 * Headers only are read; tensors are ranges of the file, under the names they have there. No code of it is ever run.
 * `folder` is where the shards of a sharded one are looked for.
 * @throws UNSUPPORTED_FORMAT with what to do, UNKNOWN_PREFIX, and what the formats' own readers throw.
 */
export async function openCheckpoint(
  source: ByteSource,
  folder?: Folder,
  options: CheckpointOptions = {},
): Promise<Checkpoint> {
  const format = await recogniseFormat(source);
  const problems: HopfcoleError[] = [];
  const onProblem: OnProblem = (problem) => {
    if (options.forgiving !== true) throw problem;
    problems.push(problem);
  };
  const isSharded = format === 'safetensors-sharded' || format === 'torch-sharded';
  if (isSharded) refuseSelect(options, source.name);
  const all = isSharded
    ? await readSharded(source, folder, onProblem)
    : await readSingle(format, source, options, onProblem, folder);
  const contents = options.prefix === undefined ? all : withPrefix(all, options.prefix, source.name);
  return { changed: [], code: [], ...contents, format, problems };
}
