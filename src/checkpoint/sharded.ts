import { HopfcoleError } from '../files/error.ts';
import { type Json, parseJson } from '../files/json.ts';
import type { Change } from '../files/npz.ts';
import { checkRelativePath } from '../files/path.ts';
import type { ByteSource, Folder } from '../files/source.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Contents, OnProblem } from './contents.ts';
import { recogniseFormat } from './recognise.ts';
import { readSingle } from './single.ts';

const indexLimit = 256 * 2 ** 20;
const shardLimit = 10_000;

/**
 * A sharded checkpoint by its `*.safetensors.index.json` or `*.bin.index.json`; shards may be of both kinds. Every tensor must stand in the shard that the index names, and nowhere else.
 * @throws BAD_INDEX, FILE_NOT_FOUND, PATH_OUTSIDE_MODEL, and what a shard itself throws.
 */
export async function readSharded(
  source: ByteSource,
  folder: Folder | undefined,
  onProblem: OnProblem,
): Promise<Contents> {
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
  const changed: Change[] = [];
  const code = new Set<string>();
  for (const [shard, names] of byShard) {
    try {
      const part = await readShard(await folder.open(shard), onProblem);
      changed.push(...(part.changed ?? []).filter(({ name }) => map.get(name) === shard));
      for (const name of part.code ?? []) code.add(name);
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
  return { tensors, metadata: plainMetadata(index), changed, code: [...code].sort() };
}

/** One shard: a file of tensors by itself, never another index. @throws UNSUPPORTED_FORMAT, and what its format's reader throws. */
async function readShard(source: ByteSource, onProblem: OnProblem): Promise<Contents> {
  const format = await recogniseFormat(source);
  if (format === 'safetensors' || format === 'torch-zip' || format === 'torch-legacy')
    return readSingle(format, source, {}, onProblem);
  throw new HopfcoleError(
    'UNSUPPORTED_FORMAT',
    'this shard is neither .safetensors nor a file of torch.save',
    { file: source.name },
    'Fetch all files of the checkpoint again',
  );
}

/** What the index says of the whole: sizes, and which name stands for a tied one that was dropped. */
function plainMetadata(index: Json): Contents['metadata'] {
  const said = index instanceof Map ? index.get('metadata') : undefined;
  const plain: Contents['metadata'] = new Map();
  if (!(said instanceof Map)) return plain;
  for (const [key, value] of said as ReadonlyMap<string, Json>)
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') plain.set(key, value);
  return plain;
}
