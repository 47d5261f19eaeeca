import { HopfcoleError } from '../files/error.ts';
import { badZip } from '../files/zip/directory.ts';
import { entrySource, readEntry, type ZipArchive, type ZipEntry } from '../files/zip/read.ts';
import { type Contents, contentsOf, type OnProblem, type Opened } from './contents.ts';
import { type Pickled, readPickle } from './pickle/machine.ts';
import type { StateOptions } from './state.ts';
import { Storages } from './storages.ts';

const pickleLimit = 512 * 2 ** 20;

/**
 * A checkpoint of torch.save (the zip format): only its headers and its pickle are read; a contiguous tensor is a range of the file,
 * another one is gathered when it is read. Tied weights are the same range.
 * @throws UNSAFE_PICKLE, BAD_PICKLE, BAD_ZIP, BAD_CHECKPOINT, UNSUPPORTED_TENSOR, AMBIGUOUS_CHECKPOINT, NO_TENSORS
 */
export async function readTorch(archive: ZipArchive, options: StateOptions, onProblem: OnProblem): Promise<Contents> {
  return contentsOf(await openArchive(archive), archive.source.name, options, onProblem);
}

/** The pickle of an archive and where its storages are: of torch.save, and of TorchScript. */
export async function openArchive(archive: ZipArchive): Promise<Opened & { readonly top: string }> {
  const file = archive.source.name;
  const [entry, top] = findPickle(archive);
  const { value, strangers } = await pickleOf(archive, entry, file);
  const place = (key: string) => {
    const found = archive.entries.get(`${top}data/${key}`);
    return found === undefined ? undefined : entrySource(archive, found);
  };
  return { value, strangers, storages: new Storages(place, await byteOrder(archive, top)), top };
}

async function pickleOf(archive: ZipArchive, entry: ZipEntry, file: string): Promise<Pickled> {
  if (entry.size > pickleLimit)
    throw new HopfcoleError('BAD_CHECKPOINT', `a pickle of ${entry.size} bytes is over the limit`, { file });
  const bytes = await readEntry(archive, entry);
  const pickled = readPickle(bytes, `${file}:${entry.name}`);
  if (pickled.end === bytes.byteLength) return pickled;
  throw new HopfcoleError(
    'BAD_PICKLE',
    'not a sound pickle: bytes follow the end',
    { file: `${file}:${entry.name}`, at: pickled.end },
    'Save the checkpoint again',
  );
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
