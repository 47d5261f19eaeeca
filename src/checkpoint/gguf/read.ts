import { HopfcoleError } from '../../files/error.ts';
import type { ByteSource, Folder } from '../../files/source.ts';
import { badGguf } from './cursor.ts';
import { type GgufFile, readGgufFile } from './file.ts';

/** llama.cpp counts parts in 16 bits. */
const mostParts = 65535;

/**
 * A GGUF model: one file, or all of those that llama.cpp split it into (`name-00001-of-00003.gguf`), whichever of them was opened. The metadata are
 * those of the first.
 * @throws what one file throws; FILE_NOT_FOUND for a part that is missing; BAD_GGUF for parts that do not belong together.
 */
export async function readGguf(
  source: ByteSource,
  folder: Folder | undefined,
  onProblem: (problem: HopfcoleError) => void,
): Promise<GgufFile> {
  const opened = await readGgufFile(source, onProblem);
  const count = opened.metadata.get('split.count') ?? 1;
  if (count === 0 || count === 1) return opened;
  const tensors: GgufFile['tensors'] = new Map();
  const changed: GgufFile['changed'][number][] = [];
  let metadata = opened.metadata;
  try {
    const parts = new Parts(source, opened);
    const names = parts.names();
    for (const [index, name] of names.entries()) {
      try {
        const part = index === parts.index ? opened : await readGgufFile(await beside(folder, name, source), onProblem);
        parts.check(part, index, name);
        if (index === 0) metadata = part.metadata;
        for (const [key, tensor] of part.tensors) {
          if (tensors.has(key))
            onProblem(badGguf(source, `two parts have it, one is ${name}`).at({ tensor: key.slice(0, 200) }));
          else tensors.set(key, tensor);
        }
        changed.push(...part.changed);
      } catch (problem) {
        if (!(problem instanceof HopfcoleError)) throw problem;
        onProblem(problem);
      }
    }
  } catch (problem) {
    if (!(problem instanceof HopfcoleError)) throw problem;
    onProblem(problem);
    return opened;
  }
  return { tensors, metadata, changed };
}

async function beside(folder: Folder | undefined, name: string, source: ByteSource): Promise<ByteSource> {
  if (folder === undefined)
    throw new HopfcoleError(
      'FILE_NOT_FOUND',
      `its other parts, such as ${name}, need its folder`,
      { file: source.name },
      'Open it by its path',
    );
  return folder.open(name);
}

/** What a part says of the whole. */
class Parts {
  readonly #source: ByteSource;
  readonly #count: number;
  readonly index: number;

  constructor(source: ByteSource, { metadata }: GgufFile) {
    this.#source = source;
    const [count, index] = [metadata.get('split.count'), metadata.get('split.no')];
    const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
    if (!isCount(count) || !isCount(index) || index >= count || count > mostParts)
      throw badGguf(source, `it is part ${String(index)} (from 0) of ${String(count)}`);
    this.#count = count;
    this.index = index;
  }

  /** The files of all parts: they are told by their names alone. */
  names(): string[] {
    const own = this.#source.name.replace(/^.*[/\\]/, '');
    const digits = (value: number) => String(value).padStart(5, '0');
    const ending = (index: number) => `-${digits(index + 1)}-of-${digits(this.#count)}.gguf`;
    if (!own.endsWith(ending(this.index)))
      throw new HopfcoleError(
        'BAD_GGUF',
        `it is part ${this.index + 1} of ${this.#count}, but its name does not end in ${ending(this.index)}, so that the others cannot be found`,
        { file: this.#source.name },
        'Give all parts the names they came with',
      );
    const stem = own.slice(0, -ending(this.index).length);
    return Array.from({ length: this.#count }, (_, index) => stem + ending(index));
  }

  check({ metadata }: GgufFile, index: number, name: string): void {
    if (metadata.get('split.count') !== this.#count || metadata.get('split.no') !== index)
      throw badGguf(this.#source, `${name} is no part ${index + 1} of ${this.#count}: it belongs to another model`);
  }
}
