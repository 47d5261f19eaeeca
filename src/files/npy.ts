import { type DType, dtypes } from './dtype.ts';
import { HopfcoleError } from './error.ts';
import { lazySource } from './lazy.ts';
import { countOf } from './safetensors.ts';
import type { ByteSource } from './source.ts';
import { type AnyTensor, load, stringTensor, type Tensor } from './tensor.ts';
import { widened } from './widen.ts';

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const headerLimit = 1 << 20;

const codes: Partial<Record<DType, string>> = {
  bool: 'b1',
  int8: 'i1',
  uint8: 'u1',
  int16: 'i2',
  uint16: 'u2',
  int32: 'i4',
  uint32: 'u4',
  int64: 'i8',
  uint64: 'u8',
  float16: 'f2',
  float32: 'f4',
  float64: 'f8',
  complex64: 'c8',
  complex128: 'c16',
};
const byCode = new Map(Object.entries(codes).map(([dtype, code]) => [code, dtype as DType]));

/** Numpy's element types as the header writes them (`<f4`, `|S5`): a numeric one, or text of a fixed width. */
export interface NumpyType {
  readonly dtype: DType;
  readonly big: boolean;
  /** Bytes of one element. */
  readonly width: number;
  readonly text?: 'unicode' | 'bytes';
}

/** @throws UNSAFE_PICKLE for object arrays; UNSUPPORTED_DTYPE for what has no counterpart. */
export function numpyType(descr: string, file: string): NumpyType {
  const match = /^([<>|=])([a-zA-Z?])([0-9]{0,9})$/.exec(descr);
  const [, order, kind, digits] = match ?? [];
  const width = kind === '?' ? 1 : Number(digits);
  const big = order === '>';
  const where = { file };
  if (kind === 'O')
    throw new HopfcoleError(
      'UNSAFE_PICKLE',
      'an array of Python objects is a pickle, which is not read',
      where,
      'Save plain arrays',
    );
  if (kind === 'V')
    throw new HopfcoleError(
      'UNSUPPORTED_DTYPE',
      `the dtype ${descr} says only how wide an element is; bfloat16 and float8 arrays of ml_dtypes look like this`,
      where,
      'Save it as float32, or as .safetensors, which names these types',
    );
  if (kind === 'U' && digits !== '') return { dtype: 'string', big, width: width * 4, text: 'unicode' };
  if ((kind === 'S' || kind === 'a') && digits !== '') return { dtype: 'string', big, width, text: 'bytes' };
  const dtype = byCode.get(kind === '?' ? 'b1' : `${kind ?? ''}${digits ?? ''}`);
  if (dtype === undefined || match === null)
    throw new HopfcoleError(
      'UNSUPPORTED_DTYPE',
      `the numpy dtype ${JSON.stringify(descr.slice(0, 100))} has no counterpart here`,
      where,
      'Cast it to a plain number type and save it again',
    );
  return { dtype, big, width: dtypes[dtype].bits / 8 };
}

/**
 * An .npy file (versions 1 to 3): a range of the source where numpy's layout is ours, otherwise converted when it is read.
 * `header` is where the header is read from, where that is cheaper.
 * @throws BAD_NPY, UNSUPPORTED_DTYPE, UNSAFE_PICKLE
 */
export async function readNpy(source: ByteSource, header: ByteSource = source): Promise<AnyTensor> {
  const fail = (message: string) =>
    new HopfcoleError('BAD_NPY', `not a sound .npy file: ${message}`, { file: source.name }, 'Save it again');
  const head = await header.read(0, Math.min(12, source.size));
  if (head.byteLength < 10 || !magic.every((byte, index) => head[index] === byte))
    throw fail('it does not begin as one');
  const [major, minor] = [head[6] ?? 0, head[7]];
  if (major < 1 || major > 3 || minor !== 0) throw fail(`version ${major}.${minor} is not known`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const begin = major === 1 ? 10 : 12;
  if (head.byteLength < begin) throw fail('it is cut short');
  const headerSize = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerSize > headerLimit || begin + headerSize > source.size)
    throw fail(`a header of ${headerSize} bytes does not fit`);
  const text = new TextDecoder(major === 3 ? 'utf-8' : 'latin1').decode(await header.read(begin, headerSize));
  const { descr, fortran, shape } = parseHeader(text, fail);
  const type = numpyType(descr, source.name);
  const offset = begin + headerSize;
  const count = countOf(shape);
  if (count === undefined || count * type.width !== source.size - offset)
    throw fail(`${descr} of shape [${shape}] does not take the ${source.size - offset} bytes that follow the header`);
  const length = source.size - offset;
  const plain = type.text === undefined && (!type.big || type.width === 1) && (!fortran || isFlat(shape));
  if (plain) return { dtype: type.dtype, shape, range: { source, offset, length } };
  if (type.text !== undefined) return numpyTensor(type, shape, fortran, await source.read(offset, length), source.name);
  const converted = lazySource(source.name, length, async () => {
    return numpyTensor(type, shape, fortran, await source.read(offset, length), source.name).bytes;
  });
  return { dtype: type.dtype, shape, range: { source: converted, offset: 0, length } };
}

/** Raw numpy data as a tensor of ours: little-endian, row-major. @throws BAD_NPY when bytes and shape do not fit. */
export function numpyTensor(
  type: NumpyType,
  shape: readonly number[],
  fortran: boolean,
  bytes: Uint8Array,
  file: string,
): Tensor {
  const count = countOf(shape);
  if (count === undefined || count * type.width !== bytes.byteLength)
    throw new HopfcoleError('BAD_NPY', `an array of shape [${shape}] does not fit its ${bytes.byteLength} bytes`, {
      file,
    });
  const ordered = fortran && !isFlat(shape) ? rowMajor(bytes, shape, type.width) : bytes;
  if (type.text !== undefined) return stringTensor(shape, readText(ordered, type, count, file));
  const complex = dtypes[type.dtype].kind === 'complex';
  const part = complex ? type.width / 2 : type.width;
  return { dtype: type.dtype, shape, bytes: type.big && part > 1 ? swapped(ordered, part) : ordered };
}

/** A copy with the bytes of each `width` reversed. */
export function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(bytes.byteLength);
  for (let at = 0; at < bytes.byteLength; at += width)
    for (let i = 0; i < width; i++) out[at + i] = bytes[at + width - 1 - i] as number;
  return out;
}

function isFlat(shape: readonly number[]): boolean {
  return shape.filter((dim) => dim !== 1).length <= 1 || shape.includes(0);
}

function rowMajor(bytes: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  const out = new Uint8Array(bytes.byteLength);
  const strides: number[] = [];
  let stride = width;
  for (const dim of shape) {
    strides.push(stride);
    stride *= dim;
  }
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.byteLength; to += width) {
    for (let i = 0; i < width; i++) out[to + i] = bytes[from + i] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      from += strides[axis] ?? 0;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      from -= next * (strides[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return out;
}

function readText(bytes: Uint8Array, type: NumpyType, count: number, file: string): string[] {
  // Elements of width 0 take no bytes: their number is only a claim.
  if (type.width === 0 && count > 65536)
    throw new HopfcoleError('BAD_NPY', `${count} texts of no width are more than is sensible`, { file });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: string[] = [];
  for (let i = 0; i < count; i++) {
    const begin = i * type.width;
    if (type.text === 'bytes') {
      let end = begin + type.width;
      while (end > begin && bytes[end - 1] === 0) end -= 1;
      strings.push(new TextDecoder('utf-8').decode(bytes.subarray(begin, end)));
      continue;
    }
    let text = '';
    for (let at = begin; at < begin + type.width; at += 4) {
      const point = view.getUint32(at, !type.big);
      if (point > 0x10ffff) throw new HopfcoleError('BAD_NPY', `${point} is no character`, { file });
      text += String.fromCodePoint(point);
    }
    strings.push(text.replace(/\0+$/, ''));
  }
  return strings;
}

type Fail = (message: string) => HopfcoleError;

/** The header is a Python dict literal of three known keys: nothing else is understood. */
function parseHeader(text: string, fail: Fail): { descr: string; fortran: boolean; shape: number[] } {
  const token = /\s*(?:'([^'\\\n]*)'|"([^"\\\n]*)"|([0-9]+)L?|(True|False)|([{}(),:[\]]))/y;
  let at = 0;
  const next = (): { text?: string; number?: number; word?: string } => {
    token.lastIndex = at;
    const match = token.exec(text);
    if (match === null) throw fail('its header cannot be understood');
    at = token.lastIndex;
    if (match[3] !== undefined) return { number: Number(match[3]) };
    const word = match[4] ?? match[5];
    return word === undefined ? { text: match[1] ?? match[2] ?? '' } : { word };
  };
  const expect = (word: string) => {
    if (next().word !== word) throw fail(`its header lacks '${word}'`);
  };
  let descr: string | undefined;
  let fortran: boolean | undefined;
  let shape: number[] | undefined;
  expect('{');
  for (let item = next(); item.word !== '}'; item = next()) {
    const key = item.text;
    expect(':');
    if (key === 'descr' && descr === undefined) {
      const value = next();
      if (value.word === '[') throw fail('structured arrays are not read');
      if (value.text === undefined) throw fail("its 'descr' is no text");
      descr = value.text;
    } else if (key === 'fortran_order' && fortran === undefined) {
      const { word } = next();
      if (word !== 'True' && word !== 'False') throw fail("its 'fortran_order' is no boolean");
      fortran = word === 'True';
    } else if (key === 'shape' && shape === undefined) {
      expect('(');
      shape = [];
      for (let dim = next(); dim.word !== ')'; dim = next()) {
        if (dim.number === undefined || !Number.isSafeInteger(dim.number) || shape.length >= 64)
          throw fail("its 'shape' is no tuple of sizes");
        shape.push(dim.number);
        const comma = next();
        if (comma.word === ')') break;
        if (comma.word !== ',') throw fail("its 'shape' is no tuple of sizes");
      }
    } else throw fail(`its header has an unknown or repeated key ${JSON.stringify(key ?? '').slice(0, 60)}`);
    const after = next();
    if (after.word === '}') break;
    if (after.word !== ',') throw fail("its header lacks ','");
  }
  if (text.slice(at).trim() !== '') throw fail('text follows its header');
  if (descr === undefined || fortran === undefined || shape === undefined)
    throw fail("its header lacks one of 'descr', 'fortran_order', 'shape'");
  return { descr, fortran, shape };
}

/**
 * The header of an .npy file for a tensor. Types numpy lacks are widened first (`forNumpy`).
 * The data begin at a multiple of 64 bytes, as numpy itself lays them out.
 */
export function npyHeader(descr: string, shape: readonly number[]): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const total = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(total).fill(0x20);
  bytes.set(magic);
  bytes.set([1, 0], 6);
  new DataView(bytes.buffer).setUint16(8, total - 10, true);
  bytes.set(new TextEncoder().encode(text), 10);
  bytes[total - 1] = 0x0a;
  return bytes;
}

export interface NumpyReady {
  readonly descr: string;
  readonly tensor: AnyTensor;
  /** Why the values are of another type than they were; nothing is lost. */
  readonly changed?: string;
}

/** A tensor as numpy can hold it: bfloat16, float8 and float4 become float32, packed integers int8 or uint8, text `<U`. */
export async function forNumpy(tensor: AnyTensor): Promise<NumpyReady> {
  const { dtype } = tensor;
  const code = codes[dtype];
  if (code !== undefined) return { descr: `${code.endsWith('1') ? '|' : '<'}${code}`, tensor };
  if (dtype === 'string') return unicode(await load(tensor));
  const { kind, bits } = dtypes[dtype];
  const wider: DType = kind === 'float' ? 'float32' : kind === 'int' ? 'int8' : 'uint8';
  return {
    ...(await forNumpy(widened(tensor, wider))),
    changed: `numpy has no ${dtype}: written as ${wider} (${bits} bits fit exactly)`,
  };
}

function unicode(tensor: Tensor): NumpyReady {
  const points = (tensor.strings ?? []).map((text) => [...text].map((char) => char.codePointAt(0) ?? 0));
  const width = points.reduce((most, text) => Math.max(most, text.length), 1);
  const bytes = new Uint8Array(points.length * width * 4);
  const view = new DataView(bytes.buffer);
  points.forEach((text, index) => {
    text.forEach((point, at) => {
      view.setUint32((index * width + at) * 4, point, true);
    });
  });
  return { descr: `<U${width}`, tensor: { dtype: 'string', shape: tensor.shape, bytes } };
}
