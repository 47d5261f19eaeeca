import type { ByteSource } from '../../files/source.ts';
import type { PyStorage } from '../pickle/value.ts';
import { widthOf, window } from '../storages.ts';
import type { PickleStream } from './stream.ts';

/**
 * The next storage of a stream: a number of elements, then they themselves. Both are little-endian whatever machine wrote them.
 * @throws BAD_CHECKPOINT
 */
export async function rawStorage(from: PickleStream, storage: PyStorage, said = storage.length): Promise<ByteSource> {
  const key = JSON.stringify(storage.key.slice(0, 100));
  const count = await from.size(`elements of the storage ${key}`);
  const bytes = count * widthOf(storage.dtype);
  if (count !== said) throw from.bad(`the storage ${key} holds ${count} elements, its pickle says ${said}`);
  if (bytes > from.rest()) throw from.bad(`the storage ${key} takes ${bytes} bytes, ${from.rest()} are left`);
  const begin = from.at;
  from.at += bytes;
  return window(from.source, `${from.source.name}:${storage.key.slice(0, 100)}`, begin, bytes);
}
