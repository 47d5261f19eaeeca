import type { HopfcoleError } from '../../files/error.ts';
import { torchType } from './dtype.ts';
import type { Refuse } from './refuse.ts';
import {
  isDict,
  isGlobal,
  isObject,
  isSize,
  leafOf,
  type PySparse,
  type PyTensor,
  type PyUnsupported,
  type PyValue,
  type PyView,
  type StorageType,
  tupleOf,
} from './value.ts';

/** What the elements of a quantised storage are. */
const integers = new Map<StorageType | undefined, 'int8' | 'uint8' | 'int32'>([
  ['qint8', 'int8'],
  ['quint8', 'uint8'],
  ['qint32', 'int32'],
]);

/** The rebuilding functions of torch._utils, in our own words: what they are given is a tensor over a storage. */
export class Rebuild {
  readonly #refuse: Refuse;

  constructor(refuse: Refuse) {
    this.#refuse = refuse;
  }

  /** _rebuild_tensor(_v2, _v3): storage, offset, shape, strides; `type` is v3's own dtype, `metadata` holds the lazy bits. */
  tensor(args: readonly PyValue[], type?: PyValue, metadata?: PyValue): PyTensor | PyUnsupported {
    const view = this.#view(args);
    const named = isGlobal(type) ? torchType(type.name) : undefined;
    const dtype = named ?? view.storage.dtype;
    if (dtype === undefined) throw this.#bad('a tensor without a dtype');
    if (typeof dtype === 'object') return missing(`a tensor of ${dtype.unsupported}`);
    if (dtype === 'packed' || dtype === 'qint8' || dtype === 'quint8' || dtype === 'qint32')
      return missing('a quantised tensor without its scale');
    const flags = isDict(metadata) ? metadata.entries : new Map<PyValue, PyValue>();
    return {
      kind: 'tensor',
      ...view,
      dtype,
      conjugate: flags.get('conj') === true,
      negative: flags.get('neg') === true,
    };
  }

  /** _rebuild_qtensor: storage, offset, shape, strides, (scheme, scale, zero point) or (scheme, scales, zero points, axis). */
  quantised(args: readonly PyValue[]): PyValue {
    const view = this.#view(args);
    const dtype = integers.get(view.storage.dtype);
    if (dtype === undefined) return missing('a quantised tensor of less than a byte an element');
    const [scheme, scale, zero, axis] = tupleOf(args[4]) ?? [];
    const what = isGlobal(scheme) ? scheme.name : '';
    if (what === 'torch.per_tensor_affine' || what === 'torch.per_tensor_symmetric') {
      if (typeof scale !== 'number' || typeof zero !== 'number' || !Number.isInteger(zero))
        throw this.#bad('a quantised tensor without its scale');
      return { kind: 'quantised', ...view, dtype, scheme: { scale, zero } };
    }
    if (!what.startsWith('torch.per_channel')) throw this.#bad('a tensor that is quantised in an unknown way');
    if (!isTensor(scale) || !isTensor(zero) || !isSize(axis) || axis >= view.shape.length)
      throw this.#bad('a quantised tensor without its scales');
    const count = view.shape[axis];
    for (const { shape } of [scale, zero])
      if (shape.length !== 1 || shape[0] !== count)
        throw this.#bad(`a quantised tensor of ${count} channels with scales or zero points of another number`);
    return { kind: 'quantised', ...view, dtype, scheme: { scales: scale, zeros: zero, axis } };
  }

  /** _rebuild_sparse_tensor: layout, (indices, values, shape, coalesced) or (pointers, indices, values, shape). */
  sparse(args: readonly PyValue[]): PyValue {
    const layout = isObject(args[0]) && args[0].kind === 'unsupported' ? args[0].what : '';
    const items = tupleOf(args[1]) ?? [];
    if (layout === 'torch.sparse_coo') {
      const [indices, values, shape] = items;
      return this.#sparse('coo', [indices], values, shape);
    }
    if (layout === 'torch.sparse_csr' || layout === 'torch.sparse_csc') {
      const [pointers, indices, values, shape] = items;
      return this.#sparse(layout === 'torch.sparse_csr' ? 'csr' : 'csc', [pointers, indices], values, shape);
    }
    return missing(`a sparse tensor (${/^torch\.\w{1,30}$/.test(layout) ? layout.slice(6) : 'of an unknown layout'})`);
  }

  /**
   * _rebuild_from_type_v2: a function of ours, a subclass of Tensor, the arguments. The elements are read where they are in a storage;
   * that they were of a subclass is noted, and its attributes are left out.
   */
  ofType(args: readonly PyValue[], call: (name: string, args: readonly PyValue[]) => PyValue): PyValue {
    const [rebuild, type, inner] = args;
    if (!isGlobal(type)) throw this.#refuse('a tensor of a class that is none');
    if (!isGlobal(rebuild) || !/^torch\.(_utils|nested\._internal\.nested_tensor)\._rebuild_\w+$/.test(rebuild.name))
      throw this.#refuse('a tensor is rebuilt by something that is not known');
    if (rebuild.name === 'torch.nested._internal.nested_tensor._rebuild_njt') return missing('a nested tensor');
    const given = tupleOf(inner);
    if (given === undefined) throw this.#bad('a tensor is rebuilt without arguments');
    if (rebuild.name === 'torch._utils._rebuild_wrapper_subclass') return this.wrapper([type]);
    const tensor = call(rebuild.name, given);
    const own = ['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer'].includes(type.name);
    return own || !isTensor(tensor) ? tensor : { ...tensor, note: `its class ${printable(type.name)} is left out` };
  }

  /** A tensor that only wraps others (DTensor, torchao's): its class alone knows what they mean. */
  wrapper(args: readonly PyValue[]): PyValue {
    const name = isGlobal(args[0]) ? printable(args[0].name) : 'an unknown class';
    return missing(`a tensor of the wrapping class ${name}`);
  }

  /** The tensor that a parameter, or a device's copy, is made from. */
  inner(name: string, args: readonly PyValue[]): PyValue {
    const leaf = leafOf(args[0]);
    if (leaf === undefined) throw this.#bad(`${name} is called without a tensor`);
    return leaf;
  }

  #sparse(
    layout: PySparse['layout'],
    indices: readonly (PyValue | undefined)[],
    values: PyValue | undefined,
    shape: PyValue | undefined,
  ): PyValue {
    const size = this.sizes(shape);
    if (!indices.every((item) => isTensor(item) && (item.dtype === 'int64' || item.dtype === 'int32')))
      throw this.#bad('a sparse tensor whose indices are no integers');
    if (!isTensor(values)) throw this.#bad('a sparse tensor without values');
    return { kind: 'sparse', layout, shape: size, indices: indices as PyTensor[], values };
  }

  #view(args: readonly PyValue[]): PyView<unknown> {
    const [storage, offset] = args;
    if (!isObject(storage) || storage.kind !== 'storage') throw this.#bad('a tensor without a storage');
    const shape = this.sizes(args[2]);
    const strides = this.sizes(args[3]);
    if (!isSize(offset) || shape.length !== strides.length)
      throw this.#bad('a tensor whose shape and strides do not fit');
    return { storage, dtype: undefined, offset, shape, strides };
  }

  /** A shape, or strides. 64 dimensions is what PyTorch and numpy go to. */
  sizes(value: PyValue | undefined): readonly number[] {
    const items = tupleOf(value);
    if (items === undefined || items.length > 64 || !items.every(isSize))
      throw this.#bad('a shape or strides that are no tuple of non-negative integers');
    return items as readonly number[];
  }

  #bad(message: string): HopfcoleError {
    return this.#refuse(`not a sound pickle: ${message}`, 'BAD_PICKLE');
  }
}

/** A tensor that is known for what it is and not read. */
export function missing(what: string): PyUnsupported {
  return { kind: 'unsupported', what, isTensor: true };
}

function isTensor(value: PyValue | undefined): value is PyTensor {
  return isObject(value) && value.kind === 'tensor';
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 100)).slice(1, -1);
}
