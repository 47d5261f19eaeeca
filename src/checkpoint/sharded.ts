import { HopfcoleError } from '../files/error.ts';
import { type Json, parseJson } from '../files/json.ts';
import { checkRelativePath } from '../files/path.ts';
import { readSafetensors, type Safetensors } from '../files/safetensors.ts';
import type { ByteSource, Folder } from '../files/source.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Checkpoint, OnProblem } from './torch.ts';

const indexLimit = 256 * 2 ** 20;
const shardLimit = 10_000;

/**
 * A sharded checkpoint by its `*.safetensors.index.json`: every tensor must stand in the shard that the index names, and nowhere else.
 * @throws BAD_INDEX, FILE_NOT_FOUND, PATH_OUTSIDE_MODEL, and what a shard itself throws.
 */
export async function readSharded(
  source: ByteSource,
  folder: Folder | undefined,
  onProblem: OnProblem,
): Promise<Omit<Checkpoint, 'problems' | 'format'>> {
  const file = source.name;
  const fail = (message: string, tensor?: string) =>
    new HopfcoleError(
      'BAD_INDEX',
      message,
      { file, tensor: tensor?.slice(0, 200) },
      'Fetch all files of the checkpoint again',
    );
  if (source.size > indexLimit) throw fail(`an index of ${source.size} bytes is over the limit`);
  const index = parseJson(new TextDecoder().decode(await source.read(0, source.size)), file);
  const map = index instanceof Map ? index.get('weight_map') : undefined;
  if (!(map instanceof Map)) throw fail("the index has no object 'weight_map'");
  if (folder === undefined)
    throw new HopfcoleError('FILE_NOT_FOUND', 'a sharded checkpoint needs its folder', { file }, 'Open it by its path');

  const byShard = new Map<string, Set<string>>();
  for (const [name, shard] of map as ReadonlyMap<string, Json>) {
    if (typeof shard !== 'string') throw fail('its shard is no text', name);
    checkRelativePath(shard, file);
    const names = byShard.get(shard);
    if (names === undefined) byShard.set(shard, new Set([name]));
    else names.add(name);
  }
  if (byShard.size > shardLimit) throw fail(`${byShard.size} shards are more than is sensible`);

  const found = new Map<string, AnyTensor>();
  for (const [shard, names] of byShard) {
    try {
      const part = await readShard(await folder.open(shard), onProblem);
      for (const name of names)
        if (!part.tensors.has(name)) onProblem(fail(`it is not in ${shard}, where the index has it`, name));
      for (const [name, tensor] of part.tensors) {
        const listed = map.get(name);
        if (listed === undefined) onProblem(fail(`it stands in ${shard}, but not in the index`, name));
        else if (listed !== shard)
          onProblem(fail(`it stands in ${shard}, the index has it in ${String(listed)}`, name));
        else found.set(name, tensor);
      }
    } catch (problem) {
      if (!(problem instanceof HopfcoleError)) throw problem;
      onProblem(problem);
    }
  }
  // In the order of the index, which is the order of the model.
  const tensors = new Map<string, AnyTensor>();
  for (const name of map.keys()) {
    const tensor = found.get(name as string);
    if (tensor !== undefined) tensors.set(name as string, tensor);
  }
  return { tensors, metadata: plainMetadata(index) };
}

/** @throws UNSUPPORTED_FORMAT where the shard is another format's, as PyTorch's own `.bin` shards are. */
async function readShard(source: ByteSource, onProblem: OnProblem): Promise<Safetensors> {
  const head = await source.read(0, Math.min(4, source.size));
  if (head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4)
    throw new HopfcoleError(
      'UNSUPPORTED_FORMAT',
      'this shard is a PyTorch archive; shards are read as .safetensors',
      { file: source.name },
      'Save the model again with safe_serialization=True, or import a .pt file of all its weights',
    );
  return readSafetensors(source, onProblem);
}

/** What the index says of the whole: sizes, and which name stands for a tied one that was dropped. */
function plainMetadata(index: Json): Checkpoint['metadata'] {
  const said = index instanceof Map ? index.get('metadata') : undefined;
  const plain: Checkpoint['metadata'] = new Map();
  if (!(said instanceof Map)) return plain;
  for (const [key, value] of said as ReadonlyMap<string, Json>)
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') plain.set(key, value);
  return plain;
}
