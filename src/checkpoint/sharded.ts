import { HopfcoleError } from '../files/error.ts';
import { type Json, parseJson } from '../files/json.ts';
import { checkRelativePath } from '../files/path.ts';
import { readSafetensors } from '../files/safetensors.ts';
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
      const part = await readSafetensors(await folder.open(shard), onProblem);
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
  return { tensors, metadata: new Map() };
}
