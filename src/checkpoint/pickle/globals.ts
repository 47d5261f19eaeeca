import type { DType } from '../../files/dtype.ts';
import type { HopfcoleError } from '../../files/error.ts';
import { storageType, torchType } from './dtype.ts';
import { isDict, isObject, type PyDict, type PyGlobal, type PyStorage, type PyTensor, type PyValue } from './value.ts';

/** Makes the error: UNSAFE_PICKLE unless told otherwise. */
export type Refuse = (message: string, code?: 'BAD_PICKLE') => HopfcoleError;

/** Names that may be mentioned; those that may be called are the cases of `Calls.call`. */
const allowed = new Set([
  'collections.OrderedDict',
  'collections.defaultdict',
  'collections.Counter',
  'builtins.set',
  'builtins.frozenset',
  'builtins.bytearray',
  'builtins.bytes',
  'builtins.int',
  'builtins.float',
  'builtins.bool',
  'builtins.str',
  'builtins.list',
  'builtins.dict',
  'builtins.tuple',
  '_codecs.encode',
  'torch.Size',
  'torch.device',
  'torch.Tensor',
  'torch.nn.parameter.Parameter',
  'torch.nn.parameter.Buffer',
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_tensor_v3',
  'torch._utils._rebuild_parameter',
  'torch._utils._rebuild_parameter_with_state',
  'torch._tensor._rebuild_from_type_v2',
  'torch._utils._rebuild_qtensor',
  'torch._utils._rebuild_sparse_tensor',
  'torch._utils._rebuild_sparse_csr_tensor',
  'torch._utils._rebuild_nested_tensor',
  'torch._utils._rebuild_meta_tensor_no_storage',
  'torch.serialization._get_layout',
  'torch.per_tensor_affine',
  'torch.per_channel_affine',
  'torch.per_channel_affine_float_qparams',
  'torch.per_tensor_symmetric',
  'torch.per_channel_symmetric',
  'numpy.dtype',
  'numpy.ndarray',
  'numpy.core.multiarray.scalar',
  'numpy.core.multiarray._reconstruct',
  'numpy.core.numeric._frombuffer',
]);

const unsupported: Readonly<Record<string, string>> = {
  'torch._utils._rebuild_qtensor': 'a quantised tensor',
  'torch._utils._rebuild_sparse_tensor': 'a sparse tensor',
  'torch._utils._rebuild_sparse_csr_tensor': 'a sparse tensor',
  'torch._utils._rebuild_nested_tensor': 'a nested tensor',
  'torch._utils._rebuild_meta_tensor_no_storage': 'a tensor on the meta device, which has no data',
  'torch.serialization._get_layout': 'a layout',
  'torch.device': 'a device',
};

export function globalOf(module: string, name: string, refuse: Refuse): PyGlobal {
  const full = `${module}.${name}`
    .replace(/^__builtin__\./, 'builtins.')
    .replace(/^numpy\._core\./, 'numpy.core.')
    .replace(/^torch\.storage\.UntypedStorage$/, 'torch.UntypedStorage');
  const known = allowed.has(full) || storageType(full) !== undefined || torchType(full) !== undefined;
  if (!known)
    throw refuse(`the pickle asks for ${printable(`${module}.${name}`)}, which is not on the list of harmless names`);
  return { kind: 'global', name: full };
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 200)).slice(1, -1);
}

/** What the allowed names do when called, in our own words. */
export class Calls {
  readonly #refuse: Refuse;
  /** What copies may make in all: arguments can be shared by the memo, so that each call could copy the whole pickle. */
  #budget: number;

  constructor(pickleLength: number, refuse: Refuse) {
    this.#refuse = refuse;
    this.#budget = 8 * pickleLength + 65536;
  }

  call(name: string, args: readonly PyValue[]): PyValue {
    switch (name) {
      case 'collections.OrderedDict':
        return this.#dict(args[0], true);
      case 'collections.Counter':
        return this.#dict(args[0], false);
      case 'collections.defaultdict':
        return this.#dict(args[1], false);
      case 'builtins.set':
      case 'builtins.frozenset':
        return { kind: 'set', items: new Set(this.#items(args[0])) };
      case 'builtins.bytes':
      case 'builtins.bytearray':
        return this.#bytes(args);
      case '_codecs.encode':
        return this.#encode(args);
      case 'torch.Size':
        return { kind: 'tuple', items: this.#items(args[0]) };
      case 'torch._utils._rebuild_tensor':
      case 'torch._utils._rebuild_tensor_v2':
        return this.#tensor(args, undefined, args[6]);
      case 'torch._utils._rebuild_tensor_v3':
        return this.#tensor(args, args[6], args[7]);
      case 'torch._utils._rebuild_parameter':
      case 'torch._utils._rebuild_parameter_with_state':
        if (!isObject(args[0] ?? null)) throw this.#bad(`${name} is called without a tensor`);
        return args[0] as PyValue;
      case 'torch._tensor._rebuild_from_type_v2':
        return this.#fromType(args);
      case 'numpy.dtype':
        return this.#numpyType(args[0]);
      case 'numpy.core.multiarray._reconstruct':
        return { kind: 'array', state: undefined };
      case 'numpy.core.multiarray.scalar':
        return this.#array(args[0], [], false, args[1]);
      case 'numpy.core.numeric._frombuffer':
        return this.#array(args[1], sizes(args[2], this.#refuse), args[3] === 'F', args[0]);
      default: {
        const what = unsupported[name];
        if (what === undefined)
          throw this.#refuse(`the pickle calls ${name}, which is not on the list of harmless calls`);
        return { kind: 'unsupported', what };
      }
    }
  }

  /** ('storage', type, key, location, elements) */
  storage(id: readonly PyValue[]): PyStorage {
    const [, type, key, , length] = id;
    const name = isObject(type ?? null) && (type as PyGlobal).kind === 'global' ? (type as PyGlobal).name : '';
    const found = storageType(name);
    if (found === undefined) throw this.#refuse('a storage of a type that is no storage type');
    if (typeof key !== 'string' || !isSize(length ?? null)) throw this.#bad('a storage without a key and a length');
    return { kind: 'storage', key, dtype: found === 'untyped' ? undefined : found, length: length as number };
  }

  #fromType(args: readonly PyValue[]): PyValue {
    const [rebuild, type, inner] = args;
    const plain = ['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer'];
    if (!isGlobal(type) || !plain.includes(type.name)) throw this.#refuse('a tensor of a class that is not known');
    if (!isGlobal(rebuild) || !/^torch\._utils\._rebuild_(tensor|parameter)/.test(rebuild.name))
      throw this.#refuse('a tensor is rebuilt by something that is not known');
    if (!isObject(inner ?? null) || (inner as PyValue & object as { kind: string }).kind !== 'tuple')
      throw this.#bad('a tensor is rebuilt without arguments');
    return this.call(rebuild.name, (inner as { items: readonly PyValue[] }).items);
  }

  #tensor(args: readonly PyValue[], type: PyValue | undefined, metadata: PyValue | undefined): PyValue {
    const storage = args[0] ?? null;
    if (!isObject(storage) || storage.kind !== 'storage') throw this.#bad('a tensor without a storage');
    const offset = args[1] ?? null;
    const shape = sizes(args[2], this.#refuse);
    const strides = sizes(args[3], this.#refuse);
    if (!isSize(offset) || shape.length !== strides.length)
      throw this.#bad('a tensor whose shape and strides do not fit');
    const named = isGlobal(type) ? torchType(type.name) : undefined;
    const dtype = named ?? storage.dtype;
    if (dtype === 'quantised') return { kind: 'unsupported', what: 'a quantised tensor' };
    if (dtype === 'complex32') return { kind: 'unsupported', what: 'a complex32 tensor' };
    if (typeof dtype === 'object') return { kind: 'unsupported', what: `a tensor of ${dtype.unsupported}` };
    if (dtype === undefined) throw this.#bad('a tensor without a dtype');
    const flags = isDict(metadata ?? null) ? (metadata as PyDict).entries : new Map<PyValue, PyValue>();
    const tensor: PyTensor = {
      kind: 'tensor',
      storage,
      dtype: dtype as DType,
      offset,
      shape,
      strides,
      conjugate: flags.get('conj') === true,
      negative: flags.get('neg') === true,
    };
    return tensor;
  }

  #numpyType(code: PyValue | undefined): PyValue {
    if (typeof code !== 'string' || code.length > 20) throw this.#bad('a numpy dtype without a name');
    return { kind: 'numpy-type', code, order: '|' };
  }

  #array(type: PyValue | undefined, shape: readonly number[], fortran: boolean, bytes: PyValue | undefined): PyValue {
    return { kind: 'array', state: arrayState(type, shape, fortran, bytes, this.#refuse) };
  }

  #dict(source: PyValue | undefined, ordered: boolean): PyValue {
    const entries = new Map<PyValue, PyValue>();
    if (isDict(source ?? null)) {
      this.#spend((source as PyDict).entries.size);
      for (const [key, value] of (source as PyDict).entries) entries.set(key, value);
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

  #bad(message: string): HopfcoleError {
    return this.#refuse(`not a sound pickle: ${message}`, 'BAD_PICKLE');
  }
}

/** BUILD: gives an object its state. Attributes of dicts (`_metadata` of a state dict) are not kept. */
export function build(target: PyValue, state: PyValue, refuse: Refuse): void {
  if (isDict(target) && target.ordered && (isDict(state) || state === null)) return;
  if (isObject(target) && isObject(state) && state.kind === 'tuple') {
    const { items } = state;
    if (target.kind === 'numpy-type') {
      const order = items[1] ?? null;
      const plain = items[2] === null && items[3] === null && items[4] === null;
      if (typeof order !== 'string' || !'<>|='.includes(order) || order.length !== 1 || !plain)
        throw refuse('a numpy dtype with fields or of an unknown order', 'BAD_PICKLE');
      target.order = order;
      return;
    }
    if (target.kind === 'array' && target.state === undefined) {
      target.state = arrayState(items[2], sizes(items[1], refuse), items[3] === true, items[4], refuse);
      return;
    }
  }
  const what = isObject(target) ? (target.kind === 'global' ? target.name : `a ${target.kind}`) : `a ${typeof target}`;
  throw refuse(`the pickle sets the inner state of ${what}`);
}

function arrayState(
  type: PyValue | undefined,
  shape: readonly number[],
  fortran: boolean,
  bytes: PyValue | undefined,
  refuse: Refuse,
) {
  if (!isObject(type ?? null) || (type as { kind: string }).kind !== 'numpy-type')
    throw refuse('not a sound pickle: a numpy array without a dtype', 'BAD_PICKLE');
  const { code, order } = type as { code: string; order: string };
  if (/^[|<>=]?O/.test(code)) throw refuse('a numpy array of Python objects');
  if (!(bytes instanceof Uint8Array)) throw refuse('a numpy array whose data are no bytes');
  return { descr: `${order}${code.replace(/^[|<>=]/, '')}`, shape, fortran, bytes };
}

function sizes(value: PyValue | undefined, refuse: Refuse): readonly number[] {
  const items =
    isObject(value ?? null) && (value as { kind: string }).kind === 'tuple'
      ? (value as { items: readonly PyValue[] }).items
      : undefined;
  // 64 dimensions is what PyTorch and numpy go to.
  if (items === undefined || items.length > 64 || !items.every(isSize))
    throw refuse('not a sound pickle: a shape or strides that are no tuple of non-negative integers', 'BAD_PICKLE');
  return items as readonly number[];
}

function isSize(value: PyValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isGlobal(value: PyValue | undefined): value is PyGlobal {
  return value !== undefined && isObject(value) && value.kind === 'global';
}
