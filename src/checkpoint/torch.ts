import { byteLengthOf, dtypes } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { numpyTensor, numpyType } from '../files/npy.ts';
import { countOf } from '../files/safetensors.ts';
import type { ByteSource } from '../files/source.ts';
import type { AnyTensor } from '../files/tensor.ts';
import { badZip } from '../files/zip/directory.ts';
import { entrySource, readEntry, type ZipArchive, type ZipEntry } from '../files/zip/read.ts';
import { readPickle } from './pickle/machine.ts';
import type { PyArray, PyTensor } from './pickle/value.ts';
import { chooseState, type Leaf, type StateOptions } from './state.ts';
import { isPlain, type Layout, strided } from './strided.ts';

/** What all tensors that repeat their elements (expanded, overlapping windows) may take beyond their storages. */
const repeatLimit = 256 * 2 ** 20;
const pickleLimit = 512 * 2 ** 20;

/** The named tensors of a checkpoint, under the names they have in it. */
export interface Checkpoint {
  readonly format: string;
  readonly tensors: Map<string, AnyTensor>;
  /** Plain values that stand beside the tensors: the epoch, the text of `__metadata__`. */
  readonly metadata: Map<string, string | number | boolean | null>;
  /** What is wrong with single tensors; without `forgiving` the first of them is thrown instead. */
  readonly problems: readonly HopfcoleError[];
  /** Tensors whose values are given in another type than the file's, and why. */
  readonly changed?: readonly { readonly name: string; readonly why: string }[];
}

export type OnProblem = (problem: HopfcoleError) => void;

/**
 * A checkpoint of torch.save (the zip format): only its headers and its pickle are read; a contiguous tensor is a range of the file,
 * another one is gathered when it is read. Tied weights are the same range.
 * @throws UNSAFE_PICKLE, BAD_PICKLE, BAD_ZIP, BAD_CHECKPOINT, UNSUPPORTED_TENSOR, AMBIGUOUS_CHECKPOINT
 */
export async function readTorch(
  archive: ZipArchive,
  options: StateOptions,
  onProblem: OnProblem,
): Promise<Omit<Checkpoint, 'problems' | 'format'>> {
  const file = archive.source.name;
  const [pickle, top] = findPickle(archive);
  if (pickle.size > pickleLimit)
    throw new HopfcoleError('BAD_CHECKPOINT', `a pickle of ${pickle.size} bytes is over the limit`, { file });
  const root = readPickle(await readEntry(archive, pickle), `${file}:${pickle.name}`);
  const { leaves, metadata } = chooseState(root, file, options);
  const storages = new Storages(archive, top, await byteOrder(archive, top));
  const tensors = new Map<string, AnyTensor>();
  for (const [name, leaf] of leaves) {
    try {
      tensors.set(name, tensorOf(leaf, storages, file));
    } catch (problem) {
      if (!(problem instanceof HopfcoleError)) throw problem;
      onProblem(problem.at({ file, tensor: name.slice(0, 200) }));
    }
  }
  return { tensors, metadata };
}

function findPickle(archive: ZipArchive): [ZipEntry, string] {
  const found = [...archive.entries.values()].filter((entry) => /^([^/]+\/)?data\.pkl$/.test(entry.name));
  const [entry] = found;
  if (entry === undefined || found.length > 1)
    throw badZip(archive.source, `expected one data.pkl in the top folder, found ${found.length}`);
  return [entry, entry.name.slice(0, -'data.pkl'.length)];
}

async function byteOrder(archive: ZipArchive, top: string): Promise<'little' | 'big'> {
  const entry = archive.entries.get(`${top}byteorder`);
  if (entry === undefined) return 'little';
  const text = entry.size < 16 ? new TextDecoder().decode(await readEntry(archive, entry)).trim() : '';
  if (text === 'little' || text === 'big') return text;
  throw new HopfcoleError('BAD_CHECKPOINT', "its byteorder is neither 'little' nor 'big'", {
    file: archive.source.name,
  });
}

/** The storages of an archive; each is one source, so that tensors that share one can be seen to. */
class Storages {
  readonly #archive: ZipArchive;
  readonly #top: string;
  readonly order: 'little' | 'big';
  readonly #open = new Map<string, ByteSource>();
  readonly #views = new Map<string, ByteSource>();
  #repeats = 0;

  constructor(archive: ZipArchive, top: string, order: 'little' | 'big') {
    this.#archive = archive;
    this.#top = top;
    this.order = order;
  }

  find(key: string): ByteSource {
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const entry = this.#archive.entries.get(`${this.#top}data/${key}`);
    if (entry === undefined)
      throw new HopfcoleError('BAD_CHECKPOINT', `its storage ${JSON.stringify(key.slice(0, 100))} is missing`);
    const source = entrySource(this.#archive, entry);
    this.#open.set(key, source);
    return source;
  }

  /** A gathered view of a storage; the same view, met again, is the same source. */
  view(key: string, source: ByteSource, layout: Layout): ByteSource {
    const place = `${key}:${JSON.stringify(layout)}`;
    const known = this.#views.get(place) ?? strided(source, layout, this.order);
    this.#views.set(place, known);
    return known;
  }

  /** A shape is only a claim: what it repeats counts against one limit for the whole file. */
  repeat(bytes: number): void {
    this.#repeats += bytes;
    if (this.#repeats > repeatLimit)
      throw new HopfcoleError(
        'BAD_CHECKPOINT',
        `its expanded tensors would take more than ${repeatLimit} bytes beyond what is stored`,
        {},
        'Save contiguous tensors, or the small one that is expanded',
      );
  }
}

function tensorOf(leaf: Leaf, storages: Storages, file: string): AnyTensor {
  if (leaf.kind === 'unsupported')
    throw new HopfcoleError(
      'UNSUPPORTED_TENSOR',
      `it is ${leaf.what}, which is not read`,
      {},
      'Save it as a plain dense tensor',
    );
  return leaf.kind === 'array' ? arrayOf(leaf, file) : viewOf(leaf, storages);
}

function arrayOf(leaf: PyArray, file: string): AnyTensor {
  if (leaf.state === undefined) throw new HopfcoleError('BAD_PICKLE', 'a numpy array that was never given its data');
  const { descr, shape, fortran, bytes } = leaf.state;
  return numpyTensor(numpyType(descr, file), shape, fortran, bytes, file);
}

function viewOf(tensor: PyTensor, storages: Storages): AnyTensor {
  const { dtype, shape, strides, storage } = tensor;
  const fail = (message: string) => new HopfcoleError('BAD_CHECKPOINT', message);
  const source = storages.find(storage.key);
  const width = dtypes[dtype].bits / 8;
  const declared =
    storage.dtype === undefined || storage.dtype === 'quantised' || storage.dtype === 'complex32'
      ? storage.length
      : byteLengthOf(storage.dtype, storage.length);
  if (declared !== source.size)
    throw fail(`its storage should hold ${declared} bytes, the file has ${source.size} for it`);
  const count = countOf(shape);
  const begin = tensor.offset * width;
  let end = begin;
  if (count !== 0) {
    const last = shape.reduce((sum, dim, axis) => sum + (dim - 1) * (strides[axis] ?? 0), tensor.offset);
    end = (last + 1) * width;
  }
  if (count === undefined || !Number.isSafeInteger(end) || end > source.size)
    throw fail(
      `shape [${shape}] with strides [${strides}] from ${tensor.offset} leaves its storage of ${source.size} bytes`,
    );
  const length = count * width;
  const layout: Layout = { dtype, shape, strides, begin, end, conjugate: tensor.conjugate, negative: tensor.negative };
  if (isPlain(layout) && (storages.order === 'little' || width === 1))
    return { dtype, shape, range: { source, offset: begin, length } };
  if (length > end - begin) storages.repeat(length - (end - begin));
  return { dtype, shape, range: { source: storages.view(storage.key, source, layout), offset: 0, length } };
}
