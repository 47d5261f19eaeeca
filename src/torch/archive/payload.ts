import { openCheckpoint } from '../../checkpoint/open.ts';
import { isPlain, type Layout, strided } from '../../checkpoint/strided.ts';
import { dtypes } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { parseWideJson } from '../../files/json.ts';
import { checkRelativePath } from '../../files/path.ts';
import { countOf } from '../../files/safetensors.ts';
import type { ByteSource } from '../../files/source.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import { entrySource, readEntry, type ZipArchive } from '../../files/zip/read.ts';
import { Field } from '../schema/fields.ts';
import { dtypeOfScalarType } from '../schema/scalar-types.ts';
import { earlierPayloads } from './earlier.ts';

const configLimit = 256 * 2 ** 20;
/** What tensors that repeat their elements may take beyond their files, all together. */
const repeatLimit = 256 * 2 ** 20;

/**
 * The tensors of a folder of an archive by its `*_config.json`: each a file of raw elements, seen through the sizes, strides and offset that the config gives.
 * Those marked as pickled go through the allow-list reader. Two names of one file and place are the same range: tied weights.
 * @throws BAD_PROGRAM naming the tensor: a file that is missing or too small, sizes that are none.
 */
export async function readPayloads(
  archive: ZipArchive,
  folder: string,
  config: string,
  method: string,
  order: 'little' | 'big',
): Promise<ReadonlyMap<string, AnyTensor>> {
  const entry = archive.entries.get(`${folder}${config}`);
  if (entry === undefined) return earlierPayloads(archive, `${folder}${method}`);
  const file = `${archive.source.name}:${entry.name}`;
  if (entry.size > configLimit)
    throw new HopfcoleError('BAD_PROGRAM', `a config of ${entry.size} bytes is over the limit`, { file });
  const root = new Field(parseWideJson(new TextDecoder().decode(await readEntry(archive, entry)), file), file);
  const files = new Files(archive, folder, order);
  const tensors = new Map<string, AnyTensor>();
  for (const [name, meta] of root.at('config').members()) {
    const tensor = await readPayload(meta, files);
    if (tensor !== undefined) tensors.set(name, tensor);
  }
  return tensors;
}

class Files {
  readonly order: 'little' | 'big';
  private readonly archive: ZipArchive;
  private readonly folder: string;
  private readonly open = new Map<string, ByteSource>();
  private repeats = 0;

  constructor(archive: ZipArchive, folder: string, order: 'little' | 'big') {
    this.archive = archive;
    this.folder = folder;
    this.order = order;
  }

  find(path: string): ByteSource | undefined {
    const known = this.open.get(path);
    if (known !== undefined) return known;
    checkRelativePath(path, this.archive.source.name);
    const entry = this.archive.entries.get(`${this.folder}${path}`);
    if (entry === undefined) return undefined;
    const source = entrySource(this.archive, entry);
    this.open.set(path, source);
    return source;
  }

  /** Whether so many bytes more than are stored may still be made of the archive. */
  mayRepeat(bytes: number): boolean {
    this.repeats += Math.max(0, bytes);
    return this.repeats <= repeatLimit;
  }
}

async function readPayload(field: Field, files: Files): Promise<AnyTensor | undefined> {
  const path = field.at('path_name').text();
  // Objects of custom classes are no tensors; what uses one is refused where it does.
  if (/^(custom|opaque)_obj_/.test(path)) return undefined;
  const source = files.find(path);
  if (source === undefined) throw field.fail(`its file '${path.slice(0, 100)}' is not in the archive`);
  const pickled = field.at('use_pickle');
  if (pickled.given && pickled.boolean()) {
    const [tensor] = (await openCheckpoint(source)).tensors.values();
    return tensor;
  }
  return view(field, field.at('tensor_meta'), source, files);
}

function view(field: Field, meta: Field, source: ByteSource, files: Files): AnyTensor {
  const dtype = dtypeOfScalarType(meta.at('dtype').integer());
  if (dtype === undefined) throw field.fail('its element type cannot be represented in ONNX');
  const known = (size: Field): number => {
    const value = size.at('as_int').integer();
    if (value < 0) throw size.fail(`expected a size of 0 or more, got ${value}`);
    return value;
  };
  const shape = meta.at('sizes').items().map(known);
  const strides = meta.at('strides').items().map(known);
  const offset = known(meta.at('storage_offset'));
  const layout = meta.at('layout');
  if (layout.given && layout.integer() !== 7) throw field.fail('it is no dense tensor');
  if (shape.length !== strides.length) throw field.fail(`${shape.length} sizes, but ${strides.length} strides`);
  const width = dtypes[dtype].bits / 8;
  const count = countOf(shape);
  const begin = offset * width;
  const last =
    count === 0 ? offset - 1 : shape.reduce((sum, dim, axis) => sum + (dim - 1) * (strides[axis] ?? 0), offset);
  const end = (last + 1) * width;
  if (count === undefined || !Number.isSafeInteger(end) || end > source.size)
    throw field.fail(
      `sizes [${shape}] with strides [${strides}] from ${offset} leave its file of ${source.size} bytes`,
    );
  const spec: Layout = { dtype, shape, strides, begin, end: Math.max(begin, end), conjugate: false, negative: false };
  if (isPlain(spec) && (files.order === 'little' || width === 1))
    return { dtype, shape, range: { source, offset: begin, length: count * width } };
  if (!files.mayRepeat(count * width - (end - begin))) throw field.fail('its repeated elements take too much memory');
  return { dtype, shape, range: { source: strided(source, spec, files.order), offset: 0, length: count * width } };
}
