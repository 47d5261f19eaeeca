import type { HopfcoleError } from '../../files/error.ts';
import { arrayState } from './build.ts';
import { isPlainValue } from './names.ts';
import { missing, Rebuild } from './rebuild.ts';
import type { Refuse } from './refuse.ts';
import { isDict, isGlobal, isObject, type PyGlobal, type PyRecord, type PyValue } from './value.ts';

/** How a pickle asks for an object: a call (REDUCE), a class made without its `__init__` (NEWOBJ), or as Python 2 did (INST, OBJ). */
export type Manner = 'reduce' | 'newobj' | 'old';

const notRead: Readonly<Record<string, string>> = {
  'torch._utils._rebuild_sparse_csr_tensor': 'a sparse tensor of an early PyTorch',
  'torch._utils._rebuild_nested_tensor': 'a nested tensor',
  'torch._utils._rebuild_meta_tensor_no_storage': 'a tensor on the meta device, which has no data',
  'torch.nn.parameter.UninitializedParameter': 'a tensor of a lazy module that has not been made yet',
  'torch.nn.parameter.UninitializedBuffer': 'a tensor of a lazy module that has not been made yet',
};

/** What the allowed names do when called, in our own words; classes that are not known become records. */
export class Calls {
  readonly #refuse: Refuse;
  readonly #rebuild: Rebuild;
  /** What copies may make in all: arguments can be shared by the memo, so that each call could copy the whole pickle. */
  #budget: number;
  /** Records made by a bare call: a call of a function that is not known unless a state follows, as one does for an object. */
  readonly #bare = new Set<PyRecord>();

  constructor(pickleLength: number, refuse: Refuse) {
    this.#refuse = refuse;
    this.#rebuild = new Rebuild(refuse);
    this.#budget = 8 * pickleLength + 65536;
  }

  call(callee: PyGlobal, args: readonly PyValue[], manner: Manner): PyValue {
    return callee.stranger || isPlainValue(callee.name)
      ? this.#made(callee, args, manner)
      : this.#known(callee.name, args);
  }

  /** A record was given its state. */
  built(record: PyRecord): void {
    this.#bare.delete(record);
  }

  /** @throws UNSAFE_PICKLE where something that is not known was called and what came of it was never shown to be an object. */
  end(): void {
    for (const { name } of this.#bare) throw this.#uncalled(name);
  }

  #made({ name, stranger }: PyGlobal, args: readonly PyValue[], manner: Manner): PyRecord {
    const record: PyRecord = { kind: 'record', name, state: undefined, entries: new Map(), items: [] };
    if (!stranger || manner === 'newobj') return record;
    if (manner === 'old' || args.length > 0) throw this.#uncalled(name);
    this.#bare.add(record);
    return record;
  }

  #known(name: string, args: readonly PyValue[]): PyValue {
    switch (name) {
      case 'collections.OrderedDict':
        return this.#dict(args[0], true);
      case 'collections.Counter':
        return this.#dict(args[0], false);
      case 'collections.defaultdict':
        return this.#dict(args[1], false);
      case 'collections.deque':
        return { kind: 'list', items: this.#items(args[0]) };
      case 'builtins.set':
      case 'builtins.frozenset':
        return { kind: 'set', items: new Set(this.#items(args[0])) };
      case 'builtins.bytes':
      case 'builtins.bytearray':
        return this.#bytes(args);
      case '_codecs.encode':
        return this.#encode(args);
      case 'copyreg._reconstructor':
        return this.#reconstructed(args);
      case 'functools.partial':
        if (args.length !== 1 || !isGlobal(args[0])) throw this.#refuse('functools.partial of what is no plain name');
        return this.#made({ kind: 'global', name, stranger: false }, args, 'reduce');
      case 'torch.Size':
        return { kind: 'tuple', items: this.#items(args[0]) };
      case 'torch.device':
        return { kind: 'unsupported', what: 'a device', isTensor: false };
      case 'torch.serialization._get_layout':
        return { kind: 'unsupported', what: typeof args[0] === 'string' ? args[0] : '', isTensor: false };
      case 'torch.nn.backends.thnn._get_thnn_function_backend':
        return null;
      case 'torch.jit._pickle.build_intlist':
      case 'torch.jit._pickle.build_doublelist':
      case 'torch.jit._pickle.build_boollist':
      case 'torch.jit._pickle.build_tensorlist':
      case 'torch.jit._pickle.restore_type_tag':
        if (args[0] === undefined) throw this.#bad(`${name} is called with nothing`);
        return args[0];
      case 'torch._utils._rebuild_tensor':
      case 'torch._utils._rebuild_tensor_v2':
        return this.#rebuild.tensor(args, undefined, args[6]);
      case 'torch._utils._rebuild_tensor_v3':
        return this.#rebuild.tensor(args, args[6], args[7]);
      case 'torch._utils._rebuild_qtensor':
        return this.#rebuild.quantised(args);
      case 'torch._utils._rebuild_sparse_tensor':
        return this.#rebuild.sparse(args);
      case 'torch._utils._rebuild_parameter':
      case 'torch._utils._rebuild_parameter_with_state':
      case 'torch._utils._rebuild_device_tensor_from_cpu_tensor':
      case 'torch._utils._rebuild_device_tensor_from_numpy':
      case 'torch._utils._rebuild_xla_tensor':
        return this.#rebuild.inner(name, args);
      case 'torch._utils._rebuild_wrapper_subclass':
        return this.#rebuild.wrapper(args);
      case 'torch._tensor._rebuild_from_type':
      case 'torch._tensor._rebuild_from_type_v2':
        return this.#rebuild.ofType(args, (inner, given) => this.#known(inner, given));
      case 'numpy.dtype':
        return this.#numpyType(args[0]);
      case 'numpy.core.multiarray._reconstruct':
        return { kind: 'array', state: undefined };
      case 'numpy.core.multiarray.scalar':
        return { kind: 'array', state: arrayState(args[0], [], false, args[1], this.#refuse) };
      case 'numpy.core.numeric._frombuffer': {
        const shape = this.#rebuild.sizes(args[2]);
        return { kind: 'array', state: arrayState(args[1], shape, args[3] === 'F', args[0], this.#refuse) };
      }
      default: {
        const what = Object.hasOwn(notRead, name) ? notRead[name] : undefined;
        if (what === undefined) throw this.#uncalled(name);
        return missing(what);
      }
    }
  }

  /** copyreg._reconstructor: class, the built-in it derives from, that one's own value. */
  #reconstructed([type, base, value]: readonly PyValue[]): PyValue {
    if (!isGlobal(type) || !isGlobal(base)) throw this.#refuse('copyreg._reconstructor is called without a class');
    if (!type.stranger && !isPlainValue(type.name)) throw this.#uncalled(type.name);
    const record = this.#made(type, [], 'newobj');
    if (base.name === 'builtins.object') return record;
    if (base.name === 'builtins.dict' && isDict(value)) {
      this.#spend(value.entries.size);
      for (const [key, item] of value.entries) record.entries.set(key, item);
      return record;
    }
    if (base.name === 'builtins.list') {
      record.items.push(...this.#items(value));
      return record;
    }
    if (/^builtins\.(int|float|str|bool|bytes|tuple|set|frozenset)$/.test(base.name)) return value ?? null;
    throw this.#uncalled(base.name);
  }

  #numpyType(code: PyValue | undefined): PyValue {
    if (typeof code !== 'string' || code.length > 20) throw this.#bad('a numpy dtype without a name');
    return { kind: 'numpy-type', code, order: '|' };
  }

  #dict(source: PyValue | undefined, ordered: boolean): PyValue {
    const entries = new Map<PyValue, PyValue>();
    if (isDict(source)) {
      this.#spend(source.entries.size);
      for (const [key, value] of source.entries) entries.set(key, value);
    } else if (source !== undefined) {
      for (const pair of this.#items(source)) {
        if (!isObject(pair) || (pair.kind !== 'tuple' && pair.kind !== 'list') || pair.items.length !== 2)
          throw this.#bad('a dict made of what are no pairs');
        entries.set(pair.items[0] as PyValue, pair.items[1] as PyValue);
      }
    }
    return { kind: 'dict', ordered, entries };
  }

  #items(value: PyValue | undefined): PyValue[] {
    if (value === undefined) return [];
    if (!isObject(value) || (value.kind !== 'list' && value.kind !== 'tuple' && value.kind !== 'set'))
      throw this.#bad('a collection made of what is none');
    this.#spend(value.kind === 'set' ? value.items.size : value.items.length);
    return [...value.items];
  }

  #bytes(args: readonly PyValue[]): Uint8Array {
    const [source] = args;
    if (source === undefined) return new Uint8Array(0);
    if (source instanceof Uint8Array) return source;
    if (typeof source === 'string') return this.#encode(args);
    throw this.#bad('bytes made of what is neither bytes nor text');
  }

  #encode(args: readonly PyValue[]): Uint8Array {
    const [text, encoding] = args;
    if (typeof text !== 'string') throw this.#bad('_codecs.encode is called without text');
    this.#spend(text.length);
    if (encoding === 'utf-8' || encoding === 'utf8') return new TextEncoder().encode(text);
    if (encoding !== 'latin1' && encoding !== 'latin-1')
      throw this.#refuse('text is encoded in a way that is not known');
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 255) throw this.#bad('text that does not fit latin-1');
      bytes[i] = code;
    }
    return bytes;
  }

  #spend(amount: number): void {
    this.#budget -= amount;
    if (this.#budget < 0)
      throw this.#bad('shared values are copied again and again: it would swell beyond all measure');
  }

  #uncalled(name: string): HopfcoleError {
    const said = JSON.stringify(name.slice(0, 200)).slice(1, -1);
    return this.#refuse(`the pickle calls ${said}, which is not on the list of harmless calls`);
  }

  #bad(message: string): HopfcoleError {
    return this.#refuse(`not a sound pickle: ${message}`, 'BAD_PICKLE');
  }
}
