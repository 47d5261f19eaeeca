import type { ByteSource } from '../../files/source.ts';
import { type Contents, contentsOf, type OnProblem } from '../contents.ts';
import { storageType } from '../pickle/dtype.ts';
import type { Persistent } from '../pickle/persistent.ts';
import { isGlobal, isObject, isSize, type PyStorage, type PyTensor, type PyValue, tupleOf } from '../pickle/value.ts';
import type { StateOptions } from '../state.ts';
import { Storages } from '../storages.ts';
import { rawStorage } from './raw.ts';
import { PickleStream } from './stream.ts';
import { openTar } from './tar.ts';

const none: Persistent = (_id, _text, refuse) => {
  throw refuse('it refers to something outside the file');
};

/**
 * The oldest files of torch.save (before 0.1.9): a tar archive of `storages`, `tensors` and `pickle`, which refers to both by numbers.
 * @throws UNSAFE_PICKLE, BAD_PICKLE, BAD_CHECKPOINT, UNSUPPORTED_TENSOR, AMBIGUOUS_CHECKPOINT, NO_TENSORS
 */
export async function readLegacyTar(
  source: ByteSource,
  options: StateOptions,
  onProblem: OnProblem,
): Promise<Contents> {
  const members = await openTar(source);
  const stream = (name: string) => {
    const member = members.get(name);
    if (member === undefined) throw new PickleStream(source).bad(`its archive holds no ${name}`);
    return new PickleStream(member);
  };
  const { storages, places } = await readStorages(stream('storages'));
  const tensors = await readTensors(stream('tensors'), storages);
  const from = stream('pickle');
  const { value, strangers } = await from.pickle((id, _text, refuse) => {
    // (class, source file, source)
    const container = tupleOf(id)?.[0];
    if (isGlobal(container)) return container;
    const key = keyOf(id);
    const found = key === undefined ? undefined : (tensors.get(key) ?? storages.get(key));
    if (found === undefined) throw refuse('it refers to a tensor that is not in the file', 'BAD_PICKLE');
    return found;
  });
  if (from.rest() > 0) throw from.bad('bytes follow its pickle');
  const held = new Storages((key) => places.get(key), 'little');
  return contentsOf({ value, strangers, storages: held }, source.name, options, onProblem);
}

/** A number; then for each (key, location, type) and the raw storage; then views as (key, key of the whole, offset, elements). */
async function readStorages(
  from: PickleStream,
): Promise<{ storages: Map<string, PyStorage>; places: Map<string, ByteSource> }> {
  const storages = new Map<string, PyStorage>();
  const places = new Map<string, ByteSource>();
  const count = await number(from, 'of storages');
  for (let i = 0; i < count; i++) {
    const [id, , type] = tupleOf((await from.pickle(none)).value) ?? [];
    const key = keyOf(id);
    const found = isGlobal(type) ? storageType(type.name) : undefined;
    if (key === undefined || found === undefined) throw from.bad('a storage without a key and a type');
    if (storages.has(key)) throw from.bad(`the storage ${key} stands twice`);
    const head: PyStorage = { kind: 'storage', key, dtype: found === 'untyped' ? undefined : found, length: 0 };
    const length = await peek(from);
    places.set(key, await rawStorage(from, head, length));
    storages.set(key, { ...head, length });
  }
  const { value: views } = await from.pickle(none);
  if (!isObject(views) || views.kind !== 'list') throw from.bad('its views of storages are no list');
  for (const view of views.items) {
    const [target, root, offset, length] = tupleOf(view) ?? [];
    const whole = storages.get(keyOf(root) ?? '');
    const key = keyOf(target);
    if (
      key === undefined ||
      whole === undefined ||
      !isSize(offset) ||
      !isSize(length) ||
      offset + length > whole.length
    )
      throw from.bad('a view that lies outside its storage');
    if (whole.view !== undefined) throw from.bad('a view of a view');
    storages.set(key, { ...whole, view: { offset, length } });
  }
  if (from.rest() > 0) throw from.bad('bytes follow its storages');
  return { storages, places };
}

/** A number; then for each (key, key of its storage, type), the rank, sizes, strides and offset as raw numbers. */
async function readTensors(
  from: PickleStream,
  storages: ReadonlyMap<string, PyStorage>,
): Promise<Map<string, PyTensor>> {
  const tensors = new Map<string, PyTensor>();
  const count = await number(from, 'of tensors');
  for (let i = 0; i < count; i++) {
    const [id, of] = tupleOf((await from.pickle(none)).value) ?? [];
    const key = keyOf(id);
    const storage = storages.get(keyOf(of) ?? '');
    if (key === undefined || storage === undefined) throw from.bad('a tensor without a key and a storage');
    const { dtype } = storage;
    if (dtype === undefined || dtype === 'packed' || dtype === 'qint8' || dtype === 'quint8' || dtype === 'qint32')
      throw from.bad('a tensor of no plain type');
    const rank = await from.rank();
    const shape: number[] = [];
    const strides: number[] = [];
    for (let axis = 0; axis < rank; axis++) shape.push(await from.size('as a size'));
    for (let axis = 0; axis < rank; axis++) strides.push(await from.size('as a stride'));
    const offset = await from.size('as an offset');
    tensors.set(key, {
      kind: 'tensor',
      storage,
      dtype,
      offset,
      shape,
      strides,
      conjugate: false,
      negative: false,
    });
  }
  if (from.rest() > 0) throw from.bad('bytes follow its tensors');
  return tensors;
}

async function number(from: PickleStream, what: string): Promise<number> {
  const { value } = await from.pickle(none);
  if (!isSize(value)) throw from.bad(`the number ${what} is none`);
  return value;
}

async function peek(from: PickleStream): Promise<number> {
  const { at } = from;
  const length = await from.size('elements');
  from.at = at;
  return length;
}

/** Keys are addresses of objects; as a persistent id one may be text. */
function keyOf(value: PyValue | undefined): string | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value.toString();
  return typeof value === 'string' && /^-?[0-9]{1,30}$/.test(value) ? value : undefined;
}
