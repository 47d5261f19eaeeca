import { HopfcoleError } from '../files/error.ts';
import { readEntry, type ZipArchive } from '../files/zip/read.ts';
import { type Contents, type OnProblem, tensorsOf } from './contents.ts';
import { attributesOf } from './module.ts';
import { missing } from './pickle/rebuild.ts';
import { isObject, type Leaf, leafOf, type PyRecord, type PyValue } from './pickle/value.ts';
import { Places } from './places.ts';
import { openArchive } from './torch.ts';

const codeLimit = 64 * 2 ** 20;
const deepest = 256;

/** What a class of an archive's code says of itself. */
interface ScriptClass {
  readonly isModule: boolean;
  readonly parameters: ReadonlySet<string>;
  readonly buffers: ReadonlySet<string>;
}

/**
 * The weights of a TorchScript archive under the names of `torch.jit.load(path).state_dict()`. Its objects are in a pickle; which of their
 * attributes are parameters and buffers is said by their classes' code, of which only these declarations are read.
 * @throws UNSUPPORTED_FORMAT for archives of before 1.4, UNSAFE_PICKLE, BAD_PICKLE, BAD_ZIP, BAD_CHECKPOINT, UNSUPPORTED_TENSOR, NO_TENSORS
 */
export async function readTorchScript(archive: ZipArchive, onProblem: OnProblem): Promise<Contents> {
  const file = archive.source.name;
  if ([...archive.entries.keys()].some((name) => /^([^/]+\/)?model\.json$/.test(name)))
    throw new HopfcoleError(
      'UNSUPPORTED_FORMAT',
      'it is a TorchScript archive of before PyTorch 1.4',
      { file },
      'Load it with torch.jit.load and save it again, or its state dict',
    );
  const { value, storages, top } = await openArchive(archive);
  if (!isObject(value) || value.kind !== 'record')
    throw new HopfcoleError('BAD_CHECKPOINT', 'its pickle holds no module', { file }, 'Save it again');
  const classes = new Classes(archive, top);
  const leaves = new Map<string, Leaf>();
  await collect(value, classes, leaves, file);
  if (leaves.size === 0)
    throw new HopfcoleError('NO_TENSORS', 'its module has neither parameters nor buffers', { file });
  return { ...tensorsOf(leaves, storages, file, onProblem), metadata: new Map() };
}

/** In the order of a state dict: a module's parameters, its buffers, then the modules within it. */
async function collect(root: PyRecord, classes: Classes, leaves: Map<string, Leaf>, file: string): Promise<void> {
  const places = new Places();
  const visit = async (record: PyRecord, path: string, depth: number): Promise<void> => {
    const held = attributesOf(record);
    if (depth > deepest || !places.enter(held, held.size))
      throw new HopfcoleError('BAD_CHECKPOINT', 'modules within modules, beyond all measure', { file });
    const type = await classes.find(record.name);
    if (type?.isModule === false) return;
    const attributes = [...held].filter((entry): entry is [string, PyValue] => typeof entry[0] === 'string');
    for (const kind of ['parameters', 'buffers'] as const)
      for (const [name, value] of attributes) {
        const leaf = leafOf(value);
        // Without the class's code every tensor counts, as a buffer.
        if (leaf !== undefined && (type === undefined ? kind === 'buffers' : type[kind].has(name)))
          leaves.set(`${path}${name}`, leaf);
      }
    for (const [name, value] of attributes) {
      if (!isObject(value) || value.kind !== 'record') continue;
      if (value.name.startsWith('__torch__.torch.classes.'))
        leaves.set(`${path}${name}`, missing(`a tensor in an object of C++ (${value.name.slice(10, 110)})`));
      else await visit(value, `${path}${name}.`, depth + 1);
    }
  };
  await visit(root, '', 0);
}

/** The classes of an archive's code, read where they are asked for. */
class Classes {
  readonly #archive: ZipArchive;
  readonly #top: string;
  readonly #files = new Map<string, ReadonlyMap<string, ScriptClass>>();
  #read = 0;

  constructor(archive: ZipArchive, top: string) {
    this.#archive = archive;
    this.#top = top;
  }

  /** By a qualified name: `__torch__.models.Net` is the class Net in code/__torch__/models.py. Undefined where there is none. */
  async find(name: string): Promise<ScriptClass | undefined> {
    const parts = name.split('.');
    const path = `${this.#top}code/${parts.slice(0, -1).join('/')}.py`;
    let classes = this.#files.get(path);
    if (classes === undefined) {
      const entry = this.#archive.entries.get(path);
      if (entry === undefined) return undefined;
      this.#read += entry.size;
      if (this.#read > codeLimit)
        throw new HopfcoleError('BAD_CHECKPOINT', `its code takes more than ${codeLimit} bytes`, {
          file: this.#archive.source.name,
        });
      classes = declarations(new TextDecoder().decode(await readEntry(this.#archive, entry)));
      this.#files.set(path, classes);
    }
    return classes.get(parts.at(-1) ?? '');
  }
}

/** `class Net(Module):` and below it `__parameters__ = ["weight", ]` and `__buffers__ = [..]`. */
function declarations(code: string): Map<string, ScriptClass> {
  const classes = new Map<string, ScriptClass>();
  let here = '';
  for (const line of code.split('\n')) {
    const header = /^class (\w+)(?:\((\w+)\))?:/.exec(line);
    if (header !== null) {
      here = header[1] as string;
      classes.set(here, { isModule: header[2] === 'Module', parameters: new Set(), buffers: new Set() });
    }
    const list = /^ {2}__(parameters|buffers)__ = \[(.*)\]/.exec(line);
    const type = classes.get(here);
    if (list === null || type === undefined) continue;
    const names = new Set([...(list[2] as string).matchAll(/"([^"\\]*)"/g)].map((match) => match[1] as string));
    classes.set(here, { ...type, [list[1] as 'parameters' | 'buffers']: names });
  }
  return classes;
}
