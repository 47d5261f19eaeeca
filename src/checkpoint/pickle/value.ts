import type { DType } from '../../files/dtype.ts';

/** What a pickle of the allow-list can hold. Lists, dicts, sets and records may be shared and may contain themselves. */
export type PyValue = null | boolean | number | bigint | string | Uint8Array | PyObject;
export type PyObject =
  | PyList
  | PyTuple
  | PyDict
  | PySet
  | PyGlobal
  | PyStorage
  | PyTensor
  | PyQuantised
  | PySparse
  | PyArray
  | PyNumpyType
  | PyRecord
  | PyUnsupported;

export interface PyList {
  readonly kind: 'list';
  readonly items: PyValue[];
}
export interface PyTuple {
  readonly kind: 'tuple';
  readonly items: readonly PyValue[];
}
/** dict, OrderedDict, defaultdict, Counter. */
export interface PyDict {
  readonly kind: 'dict';
  readonly ordered: boolean;
  readonly entries: Map<PyValue, PyValue>;
}
export interface PySet {
  readonly kind: 'set';
  readonly items: Set<PyValue>;
}
/** A name that was mentioned, not yet called. */
export interface PyGlobal {
  readonly kind: 'global';
  readonly name: string;
  /** Not of the allow-list: it may stand for itself and for the class of a record, and is never called. */
  readonly stranger: boolean;
}
/** An object of a class that is not known: what the pickle says of it, and nothing made of that. */
export interface PyRecord {
  readonly kind: 'record';
  readonly name: string;
  /** `__dict__`, or what its class's `__getstate__` gave. */
  state: PyValue | undefined;
  /** Of a subclass of dict or list. */
  readonly entries: Map<PyValue, PyValue>;
  readonly items: PyValue[];
}
export interface PyStorage {
  readonly kind: 'storage';
  readonly key: string;
  /** Undefined for an untyped storage, whose length is in bytes. */
  readonly dtype: StorageType | undefined;
  /** Of the storage that the file holds. */
  readonly length: number;
  /** In the oldest files: the elements of it that are meant. */
  readonly view?: { readonly offset: number; readonly length: number } | undefined;
}

/** Elements of a storage: offset and strides in elements. */
export interface PyView<D> {
  readonly storage: PyStorage;
  readonly dtype: D;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}
export interface PyTensor extends PyView<DType | 'complex32'> {
  readonly kind: 'tensor';
  readonly conjugate: boolean;
  readonly negative: boolean;
  /** What of it is left out: the class of a tensor subclass. */
  readonly note?: string;
}
/** Integers that stand for (q - zero) * scale, the same for all or one for each index of an axis. */
export interface PyQuantised extends PyView<'int8' | 'uint8' | 'int32'> {
  readonly kind: 'quantised';
  readonly scheme:
    | { readonly scale: number; readonly zero: number }
    | { readonly scales: PyTensor; readonly zeros: PyTensor; readonly axis: number };
}
/** COO: indices [sparse dimensions, n]. CSR and CSC: the pointers of the compressed axis and the indices of the other. */
export interface PySparse {
  readonly kind: 'sparse';
  readonly layout: 'coo' | 'csr' | 'csc';
  readonly shape: readonly number[];
  readonly indices: readonly PyTensor[];
  readonly values: PyTensor;
}
/** A numpy array (or scalar: shape []), filled by BUILD. */
export interface PyArray {
  readonly kind: 'array';
  state:
    | {
        readonly descr: string;
        readonly shape: readonly number[];
        readonly fortran: boolean;
        readonly bytes: Uint8Array;
      }
    | undefined;
}
export interface PyNumpyType {
  readonly kind: 'numpy-type';
  readonly code: string;
  order: string;
}
/** A thing that is known and harmless, but no plain tensor: said by name where it is asked for. */
export interface PyUnsupported {
  readonly kind: 'unsupported';
  readonly what: string;
  /** Whether a tensor is missing where this stands. */
  readonly isTensor: boolean;
}

/** What stands in a state dict. */
export type Leaf = PyTensor | PyQuantised | PySparse | PyArray | PyUnsupported;

export type StorageType = DType | 'complex32' | 'qint8' | 'quint8' | 'qint32' | 'packed';

export function isObject(value: PyValue | undefined): value is PyObject {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

export function isDict(value: PyValue | undefined): value is PyDict {
  return isObject(value) && value.kind === 'dict';
}

export function isGlobal(value: PyValue | undefined): value is PyGlobal {
  return isObject(value) && value.kind === 'global';
}

/** The items of a tuple; undefined for anything else. */
export function tupleOf(value: PyValue | undefined): readonly PyValue[] | undefined {
  return isObject(value) && value.kind === 'tuple' ? value.items : undefined;
}

export function leafOf(value: PyValue | undefined): Leaf | undefined {
  if (!isObject(value)) return undefined;
  switch (value.kind) {
    case 'tensor':
    case 'quantised':
    case 'sparse':
    case 'array':
      return value;
    case 'unsupported':
      return value.isTensor ? value : undefined;
    default:
      return undefined;
  }
}

/** A number of elements, an offset, a stride: no negative ones, in PyTorch as here. */
export function isSize(value: PyValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
