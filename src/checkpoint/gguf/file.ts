import { byteLengthOf, dtypes } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { countOf } from '../../files/safetensors.ts';
import type { ByteSource } from '../../files/source.ts';
import type { StoredTensor } from '../../files/tensor.ts';
import { badGguf, Cursor } from './cursor.ts';
import { dequantised } from './dequantised.ts';
import { readMetadata } from './metadata.ts';
import { turned } from './turned.ts';
import { type GgmlType, ggmlType, readBlocks } from './types.ts';

const mostTensors = 1_000_000;
/** ggml's own limit is 4. */
const mostDims = 8;

export interface GgufFile {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Map<string, string | number | boolean>;
  /** The tensors that are stored in blocks of small integers, and read as float32. */
  readonly changed: readonly { readonly name: string; readonly why: string }[];
}

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly offset: number;
  readonly at: number;
}

/**
 * One .gguf file (versions 2 and 3, either byte order) under its own names: plain tensors are ranges of the file, quantised ones are taken apart
 * piece by piece when they are read. GGUF counts dimensions from the fastest; shapes here are PyTorch's, the fastest last.
 * @throws BAD_GGUF, UNSUPPORTED_FORMAT for other versions; BAD_GGUF and UNSUPPORTED_TENSOR for a single tensor go to `onProblem`.
 */
export async function readGgufFile(source: ByteSource, onProblem: (problem: HopfcoleError) => void): Promise<GgufFile> {
  const cursor = await beginning(source);
  const tensorCount = await cursor.size('the number of tensors');
  const keyCount = await cursor.size('the number of metadata keys');
  if (tensorCount > mostTensors) throw cursor.fail(`${tensorCount} tensors are more than is sensible`);
  const { values, alignment } = await readMetadata(cursor, keyCount);
  const entries: Entry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const entry = await readEntry(cursor);
    if (names.has(entry.name)) throw cursor.fail(`two tensors are called ${shown(entry.name)}`, entry.at);
    names.add(entry.name);
    entries.push(entry);
  }
  const data = Math.ceil(cursor.at / alignment) * alignment;

  const tensors = new Map<string, StoredTensor>();
  const changed: { name: string; why: string }[] = [];
  const placed: { readonly name: string; readonly begin: number; readonly end: number }[] = [];
  for (const entry of entries) {
    try {
      const fail = (message: string) => badGguf(source, message, entry.at);
      if (entry.offset % alignment !== 0)
        throw fail(`its data begin at ${entry.offset}, which is no multiple of ${alignment}`);
      const type = ggmlType(entry.type);
      if (type === undefined) throw fail(`its type ${entry.type} is none of ggml's`);
      const found = tensorOf(source, entry, type, data + entry.offset, cursor.little, fail);
      tensors.set(entry.name, found.tensor);
      placed.push({ name: entry.name, begin: entry.offset, end: entry.offset + found.stored });
      if ('codec' in type) changed.push({ name: entry.name, why: `${type.name} in the file, read as float32` });
    } catch (problem) {
      if (!(problem instanceof HopfcoleError)) throw problem;
      onProblem(problem.at({ file: source.name, tensor: entry.name.slice(0, 200) }));
    }
  }
  placed.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const { name, begin, end: its } of placed) {
    if (its > begin && begin < end)
      onProblem(badGguf(source, 'its bytes overlap those of another').at({ tensor: name.slice(0, 200) }));
    end = Math.max(end, its);
  }
  return { tensors, metadata: values, changed };
}

/** After magic number and version, which also tell the byte order. */
async function beginning(source: ByteSource): Promise<Cursor> {
  if (source.size < 24) throw badGguf(source, `${source.size} bytes cannot hold its header`);
  const head = await source.read(0, 8);
  if (String.fromCharCode(...head.subarray(0, 4)) !== 'GGUF') throw badGguf(source, 'it does not begin as one', 0);
  const view = new DataView(head.buffer, head.byteOffset, 8);
  // A small number with its bytes turned has zeros where small numbers have their digits.
  const little = view.getUint16(4, true) !== 0;
  const version = view.getUint32(4, little);
  if (version !== 2 && version !== 3)
    throw new HopfcoleError(
      'UNSUPPORTED_FORMAT',
      `it is of version ${version} of GGUF; versions 2 and 3 are read`,
      { file: source.name, at: 4 },
      'Convert the model again with a current llama.cpp',
    );
  return new Cursor(source, little, 8);
}

async function readEntry(cursor: Cursor): Promise<Entry> {
  const at = cursor.at;
  const name = await cursor.name('the name of a tensor');
  const dims = await cursor.uint32();
  if (dims > mostDims) throw cursor.fail(`${shown(name)} has ${dims} dimensions`, at);
  const shape: number[] = [];
  for (let i = 0; i < dims; i++) shape.unshift(await cursor.size(`a dimension of ${shown(name)}`));
  const type = await cursor.uint32();
  const offset = await cursor.size(`the offset of ${shown(name)}`);
  return { name, shape, type, offset, at };
}

interface Found {
  readonly tensor: StoredTensor;
  /** Bytes in the file. */
  readonly stored: number;
}

function tensorOf(
  source: ByteSource,
  { shape }: Entry,
  type: GgmlType,
  begin: number,
  little: boolean,
  fail: (message: string) => HopfcoleError,
): Found {
  const refuse = (what: string) =>
    new HopfcoleError(
      'UNSUPPORTED_TENSOR',
      `it is ${what}, which is not read`,
      {},
      `F32, F16, BF16, integers and ${readBlocks} are read: requantise the model, or convert it from its original`,
    );
  const count = countOf(shape);
  if (count === undefined) throw fail(`its shape [${shape.join(', ')}] is too large`);
  if ('refused' in type) throw refuse(`of ggml's type ${type.name}`);
  const inside = (bytes: number) => {
    if (!(begin + bytes <= source.size))
      throw fail(
        `${type.name} of shape [${shape.join(', ')}] takes ${bytes} bytes from ${begin} on, the file has ${source.size}`,
      );
    return bytes;
  };
  if ('codec' in type) {
    const { codec } = type;
    const row = shape.at(-1) ?? 1;
    if (row % codec.elements !== 0)
      throw fail(`its rows of ${row} elements do not fill ${type.name} blocks of ${codec.elements}`);
    if (!little && codec.halves === undefined) throw refuse(`${type.name} in a big-endian file`);
    const blocks = count / codec.elements;
    const stored = inside(blocks * codec.bytes);
    const opened = dequantised(source, begin, blocks, codec, !little);
    return { stored, tensor: { dtype: 'float32', shape, range: { source: opened, offset: 0, length: opened.size } } };
  }
  const { dtype } = type;
  const stored = inside(byteLengthOf(dtype, count));
  const width = dtypes[dtype].bits / 8;
  if (little || width === 1)
    return { stored, tensor: { dtype, shape, range: { source, offset: begin, length: stored } } };
  const range = { source: turned(source, begin, stored, width), offset: 0, length: stored };
  return { stored, tensor: { dtype, shape, range } };
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
