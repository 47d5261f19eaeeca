import type { ByteSource } from '../../files/source.ts';
import { type Contents, contentsOf, type OnProblem } from '../contents.ts';
import { type Persistent, storageOf } from '../pickle/persistent.ts';
import { isDict, isGlobal, isObject, type PyStorage, tupleOf } from '../pickle/value.ts';
import type { StateOptions } from '../state.ts';
import { Storages, widthOf } from '../storages.ts';
import { rawStorage } from './raw.ts';
import { PickleStream } from './stream.ts';

/** 0x1950a86a20f9469cfc6c */
const magic = 119547037146038801333356n;

/**
 * A checkpoint of torch.save before PyTorch 1.6 (and of `_use_new_zipfile_serialization=False`): pickles of a magic number, a protocol, the
 * machine's sizes, the object, the keys of its storages; then these, one after the other. Tensors are ranges of the file.
 * The source text of module classes that may stand in it is not looked at.
 * @throws UNSAFE_PICKLE, BAD_PICKLE, BAD_CHECKPOINT, UNSUPPORTED_TENSOR, AMBIGUOUS_CHECKPOINT, NO_TENSORS
 */
export async function readLegacy(source: ByteSource, options: StateOptions, onProblem: OnProblem): Promise<Contents> {
  const from = new PickleStream(source);
  const none: Persistent = (_id, _text, refuse) => {
    throw refuse('it refers to something outside the file before the object begins');
  };
  if ((await from.pickle(none)).value !== magic) throw from.bad('it does not begin with the magic number');
  const { value: protocol } = await from.pickle(none);
  if (protocol !== 1001) throw from.bad(`protocol ${said(protocol)} is not known, expected 1001`);
  if (!isDict((await from.pickle(none)).value)) throw from.bad('what the machine was like is no dict');

  const declared = new Map<string, PyStorage>();
  const { value, strangers } = await from.pickle((id, text, refuse) => {
    if (text) throw refuse('it refers to something outside the file by a text name');
    const [kind, ...rest] = tupleOf(id) ?? [];
    // ('module', class, source file, source)
    if (kind === 'module' && isGlobal(rest[0])) return rest[0];
    if (kind !== 'storage') throw refuse('it refers to something outside the file that is no storage');
    const storage = storageOf(rest, refuse);
    const known = declared.get(storage.key);
    if (known === undefined) declared.set(storage.key, storage);
    else if (known.length !== storage.length || widthOf(known.dtype) !== widthOf(storage.dtype))
      throw refuse('not a sound pickle: a storage is said to be of two sizes', 'BAD_PICKLE');
    return storage;
  });
  const { value: keys } = await from.pickle(none);
  if (!isObject(keys) || keys.kind !== 'list') throw from.bad('the keys of its storages are no list');
  const places = new Map<string, ByteSource>();
  for (const key of keys.items) {
    const storage = typeof key === 'string' ? declared.get(key) : undefined;
    if (storage === undefined || places.has(storage.key))
      throw from.bad(
        `the storage ${said(key)} stands among the keys, and ${storage ? 'stands there twice' : 'is not known'}`,
      );
    places.set(storage.key, await rawStorage(from, storage));
  }
  if (from.rest() > 0) throw from.bad(`${from.rest()} bytes follow the last storage: it may hold several objects`);
  const storages = new Storages((key) => places.get(key), 'little');
  return contentsOf({ value, strangers, storages }, source.name, options, onProblem);
}

function said(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number'
    ? JSON.stringify(value).slice(0, 100)
    : 'of another kind';
}
