import { HopfcoleError } from './error.ts';
import { forNumpy, npyHeader, readNpy } from './npy.ts';
import { chunksOf } from './safetensors.ts';
import type { ByteSink } from './sink.ts';
import type { ByteSource } from './source.ts';
import { type AnyTensor, isStored } from './tensor.ts';
import { entrySource, glimpse, openZip } from './zip/read.ts';
import { zipWriter } from './zip/write.ts';

export interface Change {
  readonly name: string;
  readonly why: string;
}

/**
 * An .npz archive: stored entries are ranges of the file, deflated ones are unpacked when they are read.
 * @throws BAD_ZIP, BAD_NPY, UNSUPPORTED_DTYPE, UNSAFE_PICKLE
 */
export async function readNpz(
  source: ByteSource,
  onProblem: (problem: HopfcoleError) => void = (problem) => {
    throw problem;
  },
): Promise<Map<string, AnyTensor>> {
  const archive = await openZip(source);
  const tensors = new Map<string, AnyTensor>();
  for (const entry of archive.entries.values()) {
    const name = entry.name.replace(/\.npy$/, '');
    try {
      if (name === entry.name)
        throw new HopfcoleError('BAD_NPZ', `its entry ${JSON.stringify(entry.name.slice(0, 200))} is no .npy`, {
          file: source.name,
        });
      tensors.set(name, await readNpy(entrySource(archive, entry), glimpse(archive, entry)));
    } catch (problem) {
      if (!(problem instanceof HopfcoleError)) throw problem;
      onProblem(problem.at({ tensor: name.slice(0, 200) }));
    }
  }
  return tensors;
}

/** Writes an .npz (stored, streamed) and says which tensors numpy could only hold in a wider type. */
export async function writeNpz(
  tensors: ReadonlyMap<string, AnyTensor>,
  sink: ByteSink,
  options: { readonly deflate?: boolean } = {},
): Promise<Change[]> {
  const zip = zipWriter(sink, { deflate: options.deflate ?? false, align: 64 });
  const changes: Change[] = [];
  for (const [name, tensor] of tensors) {
    const ready = await forNumpy(tensor);
    if (ready.changed !== undefined) changes.push({ name, why: ready.changed });
    const data = isStored(ready.tensor) ? rangeSource(ready.tensor.range) : ready.tensor.bytes;
    await zip.add(`${name === '' ? 'arr_0' : name}.npy`, [npyHeader(ready.descr, ready.tensor.shape), data]);
  }
  await zip.finish();
  return changes;
}

/** Writes one tensor as .npy. */
export async function writeNpy(name: string, tensor: AnyTensor, sink: ByteSink): Promise<Change[]> {
  const ready = await forNumpy(tensor);
  await sink.write(npyHeader(ready.descr, ready.tensor.shape));
  for await (const chunk of chunksOf(ready.tensor)) await sink.write(chunk);
  return ready.changed === undefined ? [] : [{ name, why: ready.changed }];
}

function rangeSource({ source, offset, length }: { source: ByteSource; offset: number; length: number }): ByteSource {
  if (offset === 0 && length === source.size) return source;
  return { name: source.name, size: length, read: (at, count) => source.read(offset + at, count) };
}
