import type { DType } from '../../files/dtype.ts';

/** What a pickle of the allow-list can hold. Lists, dicts and sets may be shared and may contain themselves. */
export type PyValue = null | boolean | number | bigint | string | Uint8Array | PyObject;
export type PyObject =
  | PyList
  | PyTuple
  | PyDict
  | PySet
  | PyGlobal
  | PyStorage
  | PyTensor
  | PyArray
  | PyNumpyType
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
/** A name of the allow-list, not yet called. */
export interface PyGlobal {
  readonly kind: 'global';
  readonly name: string;
}
export interface PyStorage {
  readonly kind: 'storage';
  readonly key: string;
  /** Undefined for an untyped storage, whose length is in bytes. */
  readonly dtype: StorageType | undefined;
  readonly length: number;
}
export interface PyTensor {
  readonly kind: 'tensor';
  readonly storage: PyStorage;
  readonly dtype: DType;
  /** In elements of the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly conjugate: boolean;
  readonly negative: boolean;
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
}

export type StorageType = DType | 'quantised' | 'complex32';

export function isObject(value: PyValue): value is PyObject {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

export function isDict(value: PyValue): value is PyDict {
  return isObject(value) && value.kind === 'dict';
}
