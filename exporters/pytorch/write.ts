import { byteLengthOf, type DType } from '../../src/files/dtype.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import type { ByteSink } from '../../src/files/sink.ts';
import type { ByteSource } from '../../src/files/source.ts';
import { type AnyTensor, elementCount, isStored } from '../../src/files/tensor.ts';
import { zipWriter } from '../../src/files/zip/write.ts';
import { PickleWriter } from './pickle.ts';

/** What torch.save calls the storage of an element type; newer types have none and go as bytes with the type beside them. */
const storages: Partial<Record<DType, string>> = {
  float32: 'FloatStorage',
  float64: 'DoubleStorage',
  float16: 'HalfStorage',
  bfloat16: 'BFloat16Storage',
  int64: 'LongStorage',
  int32: 'IntStorage',
  int16: 'ShortStorage',
  int8: 'CharStorage',
  uint8: 'ByteStorage',
  bool: 'BoolStorage',
  complex64: 'ComplexFloatStorage',
  complex128: 'ComplexDoubleStorage',
};
const untyped: Partial<Record<DType, string>> = {
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  float8e4m3fn: 'float8_e4m3fn',
  float8e5m2: 'float8_e5m2',
  float8e4m3fnuz: 'float8_e4m3fnuz',
  float8e5m2fnuz: 'float8_e5m2fnuz',
  float8e8m0: 'float8_e8m0fnu',
};

/** Pairs that go into a dict at once, as Python's own pickler has it: an unpickler keeps them on its stack till then. */
const batch = 1000;

/**
 * Writes tensors as torch.save writes a state dict: a zip of a pickle and, each at a multiple of 64 bytes so that it can be mapped, the bytes of each
 * storage. `torch.load(path, weights_only=True)` of PyTorch 1.6 and later reads it. Tied tensors (the same one, or the same bytes of a file) share
 * a storage, as they did. One tensor without a name is written as that tensor, not as a dict.
 * @throws UNSUPPORTED_DTYPE, before anything is written, for what PyTorch has no type for.
 */
export async function writeTorch(tensors: ReadonlyMap<string, AnyTensor>, sink: ByteSink): Promise<void> {
  for (const [name, { dtype }] of tensors)
    if (storages[dtype] === undefined && untyped[dtype] === undefined)
      throw new HopfcoleError('UNSUPPORTED_DTYPE', `PyTorch has no ${dtype}`, { tensor: name }, 'Cast it first');
  const shared = new Storages();
  const pickle = new PickleWriter();
  const only = tensors.get('');
  if (tensors.size === 1 && only !== undefined) writeTensor(pickle, only, shared.keyOf(only));
  else {
    pickle.empty('collections', 'OrderedDict');
    let index = 0;
    for (const [name, tensor] of tensors) {
      if (index % batch === 0) pickle.mark();
      pickle.text(name);
      writeTensor(pickle, tensor, shared.keyOf(tensor));
      index += 1;
      if (index % batch === 0 || index === tensors.size) pickle.setItems();
    }
  }
  const zip = zipWriter(sink, { align: 64, streamed: true });
  const text = (value: string) => [new TextEncoder().encode(value)];
  await zip.add('archive/data.pkl', [pickle.stop()]);
  await zip.add('archive/byteorder', text('little'));
  for (const [key, part] of shared.parts.entries()) await zip.add(`archive/data/${key}`, [part]);
  await zip.add('archive/version', text('3\n'));
  await zip.finish();
}

/** The call that makes a tensor of its storage: torch._utils._rebuild_tensor_v2, or _v3, which is given the type. */
function writeTensor(pickle: PickleWriter, { dtype, shape }: AnyTensor, key: number): void {
  const storage = storages[dtype];
  const count = elementCount(shape);
  pickle.global('torch._utils', storage === undefined ? '_rebuild_tensor_v3' : '_rebuild_tensor_v2');
  pickle.mark();
  pickle.mark();
  pickle.text('storage');
  if (storage === undefined) pickle.global('torch.storage', 'UntypedStorage');
  else pickle.global('torch', storage);
  pickle.text(String(key));
  pickle.text('cpu');
  pickle.count(storage === undefined ? byteLengthOf(dtype, count) : count);
  pickle.tuple();
  pickle.persistent();
  pickle.count(0);
  pickle.counts(shape);
  pickle.counts(contiguous(shape));
  pickle.boolean(false);
  // Backward hooks, of which there are none.
  pickle.empty('collections', 'OrderedDict');
  if (storage === undefined) pickle.global('torch', untyped[dtype] ?? '');
  pickle.tuple();
  pickle.reduce();
}

function contiguous(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const dim of [...shape].reverse()) {
    strides.unshift(stride);
    stride *= Math.max(dim, 1);
  }
  return strides;
}

/** The storages of an archive, numbered as they are met. The same bytes under the same type are one. */
class Storages {
  readonly parts: (Uint8Array | ByteSource)[] = [];
  readonly #keys = new Map<string, number>();
  readonly #owners = new Map<object, number>();

  keyOf(tensor: AnyTensor): number {
    const place = this.#place(tensor);
    const known = place === undefined ? undefined : this.#keys.get(place);
    if (known !== undefined) return known;
    const key = this.parts.length;
    if (place !== undefined) this.#keys.set(place, key);
    this.parts.push(isStored(tensor) ? window(tensor.range) : tensor.bytes);
    return key;
  }

  /** What tells whether two tensors are the same bytes; nothing for those that have none. */
  #place(tensor: AnyTensor): string | undefined {
    const stored = isStored(tensor);
    const owner = stored ? tensor.range.source : tensor.bytes.buffer;
    const offset = stored ? tensor.range.offset : tensor.bytes.byteOffset;
    const length = stored ? tensor.range.length : tensor.bytes.byteLength;
    if (length === 0) return undefined;
    const number = this.#owners.get(owner) ?? this.#owners.size;
    this.#owners.set(owner, number);
    return `${number} ${offset} ${length} ${tensor.dtype}`;
  }
}

function window({ source, offset, length }: { source: ByteSource; offset: number; length: number }): ByteSource {
  if (offset === 0 && length === source.size) return source;
  return { name: source.name, size: length, read: (at, count) => source.read(offset + at, count) };
}
