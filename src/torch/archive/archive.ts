import { HopfcoleError } from '../../files/error.ts';
import type { ByteSource } from '../../files/source.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import { openZip, readEntry, type ZipArchive } from '../../files/zip/read.ts';
import { earlierPayloads } from './earlier.ts';
import { readPayloads } from './payload.ts';

/** One program of an archive: its JSON, and its weights and constants by their names in the state dict. */
export interface Method {
  readonly name: string;
  readonly json: string;
  readonly weights: () => Promise<ReadonlyMap<string, AnyTensor>>;
  readonly constants: () => Promise<ReadonlyMap<string, AnyTensor>>;
}

const jsonLimit = 512 * 2 ** 20;

/**
 * The programs of a .pt2 archive, in either layout: of PyTorch 2.6 and 2.7 (four files at the top) and the PT2 Archive Spec (since 2.8: `models/*.json` and
 * `data/`). Only JSON is read; weights and constants are ranges of the archive.
 * @throws NOT_A_PROGRAM with what it is instead (an AOTInductor package: compiled code), BAD_ZIP, BAD_PROGRAM.
 */
export async function openPrograms(source: ByteSource): Promise<readonly Method[]> {
  const archive = await openZip(source);
  const names = [...archive.entries.keys()];
  if (archive.entries.has('serialized_exported_program.json')) return [await earlierProgram(archive)];
  const models = names.flatMap((name) => /^((?:[^/]+\/)?)models\/([^/]+)\.json$/.exec(name) ?? []);
  if (models.length === 0) throw notProgram(source, names);
  const methods: Method[] = [];
  for (let at = 0; at < models.length; at += 3) {
    const [entry, root = '', name = ''] = models.slice(at, at + 3);
    methods.push(await program(archive, entry ?? '', root, name));
  }
  return methods;
}

async function program(archive: ZipArchive, entry: string, root: string, name: string): Promise<Method> {
  const order = await byteOrder(archive, root);
  return {
    name,
    json: await textOf(archive, entry),
    weights: () => readPayloads(archive, `${root}data/weights/`, `${name}_weights_config.json`, name, order),
    constants: () => readPayloads(archive, `${root}data/constants/`, `${name}_constants_config.json`, name, order),
  };
}

async function earlierProgram(archive: ZipArchive): Promise<Method> {
  return {
    name: 'model',
    json: await textOf(archive, 'serialized_exported_program.json'),
    weights: () => earlierPayloads(archive, 'serialized_state_dict'),
    constants: () => earlierPayloads(archive, 'serialized_constants'),
  };
}

async function textOf(archive: ZipArchive, name: string): Promise<string> {
  const entry = archive.entries.get(name);
  const fail = (message: string) =>
    new HopfcoleError('BAD_PROGRAM', message, { file: `${archive.source.name}:${name}` });
  if (entry === undefined) throw fail('the entry is missing');
  if (entry.size > jsonLimit) throw fail(`a program of ${entry.size} bytes is over the limit of ${jsonLimit}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readEntry(archive, entry));
  } catch (error) {
    throw error instanceof TypeError ? fail('it is not UTF-8 text') : error;
  }
}

async function byteOrder(archive: ZipArchive, root: string): Promise<'little' | 'big'> {
  const entry = archive.entries.get(`${root}byteorder`);
  if (entry === undefined) return 'little';
  const text = entry.size < 16 ? new TextDecoder().decode(await readEntry(archive, entry)).trim() : '';
  if (text === 'little' || text === 'big') return text;
  throw new HopfcoleError('BAD_PROGRAM', "its byteorder is neither 'little' nor 'big'", { file: archive.source.name });
}

/** The program asked for; the only one, `model` or `forward`, where none is. @throws AMBIGUOUS_PROGRAM listing those there are. */
export function chosenMethod(methods: readonly Method[], asked: string | undefined, file: string): Method {
  const found =
    asked === undefined
      ? methods.length === 1
        ? methods[0]
        : methods.find(({ name }) => name === 'model' || name === 'forward')
      : methods.find(({ name }) => name === asked);
  if (found !== undefined) return found;
  const names = methods.map(({ name }) => `'${name}'`).join(', ');
  throw new HopfcoleError(
    'AMBIGUOUS_PROGRAM',
    asked === undefined
      ? `the archive holds several programs: ${names}`
      : `the archive holds no program '${asked}', but ${names}`,
    { file },
    'Say which one is meant: --method NAME',
  );
}

function notProgram(source: ByteSource, names: readonly string[]): HopfcoleError {
  const fail = (message: string, hint: string) =>
    new HopfcoleError('NOT_A_PROGRAM', message, { file: source.name }, hint);
  if (names.some((name) => name.includes('data/aotinductor/')))
    return fail(
      'it is an AOTInductor package: compiled code without the graph',
      'Save the program itself: torch.export.save(torch.export.export(model, inputs), path)',
    );
  if (names.some((name) => name.includes('data/executorch/') || name.endsWith('.pte')))
    return fail('it holds an ExecuTorch program, which is not read', 'Save it with torch.export.save');
  return fail('the archive holds no program of torch.export', 'Save it with torch.export.save');
}
