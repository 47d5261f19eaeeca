import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { PickleWriter } from '../../exporters/pytorch/pickle.ts';
import { writeTorch } from '../../exporters/pytorch/write.ts';
import { exportWeights } from '../../exporters/weights/export.ts';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { byteLengthOf, type DType, dtypes } from '../../src/files/dtype.ts';
import { openFile } from '../../src/files/node/file.ts';
import { type ByteSink, memorySink } from '../../src/files/sink.ts';
import { memorySource } from '../../src/files/source.ts';
import { type AnyTensor, elementCount, load, makeTensor, stringTensor, type Tensor } from '../../src/files/tensor.ts';
import { hasPython, python, pythonFile } from '../support/python.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-pytorch-'));

/** Every type of PyTorch that is ours too, as PyTorch calls it. */
const types: Partial<Record<DType, string>> = {
  float32: 'float32',
  float64: 'float64',
  float16: 'float16',
  bfloat16: 'bfloat16',
  int64: 'int64',
  int32: 'int32',
  int16: 'int16',
  int8: 'int8',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  bool: 'bool',
  complex64: 'complex64',
  complex128: 'complex128',
  float8e4m3fn: 'float8_e4m3fn',
  float8e5m2: 'float8_e5m2',
  float8e4m3fnuz: 'float8_e4m3fnuz',
  float8e5m2fnuz: 'float8_e5m2fnuz',
  float8e8m0: 'float8_e8m0fnu',
};

/** Bytes that no two tensors share by chance; booleans are 0 or 1. */
function filled(dtype: DType, shape: readonly number[], seed = 1): Tensor {
  const bytes = new Uint8Array(byteLengthOf(dtype, elementCount(shape)));
  for (let i = 0; i < bytes.byteLength; i++) bytes[i] = dtype === 'bool' ? (i * seed) % 2 : (i * 37 + seed * 11) % 251;
  return makeTensor(dtype, shape, bytes);
}

const names = [
  'a.weight',
  '',
  'Ünï ☃ 🐟',
  'a\nb\0c',
  'quote\'"\\',
  '__proto__',
  'x'.repeat(5000),
  '\ud83d',
  'lone \udc00',
];

function stored(bytes: Uint8Array, dtype: DType, shape: readonly number[], offset: number): AnyTensor {
  const length = byteLengthOf(dtype, elementCount(shape));
  return { dtype, shape, range: { source: memorySource(bytes), offset, length } };
}

const tied = filled('float32', [2, 3]);
const file = memorySource(filled('uint8', [4096]).bytes);
const range = { source: file, offset: 64, length: 48 };
const cases: Readonly<Record<string, ReadonlyMap<string, AnyTensor>>> = {
  dtypes: new Map(
    Object.keys(types).flatMap((dtype, i) => [
      [`${dtype}.matrix`, filled(dtype as DType, [3, 5], i + 1)] as const,
      [`${dtype}.scalar`, filled(dtype as DType, [], i + 2)] as const,
      [`${dtype}.empty`, filled(dtype as DType, [2, 0, 3])] as const,
    ]),
  ),
  names: new Map(names.map((name, i) => [name, filled('int16', [i + 1], i + 1)])),
  tied: new Map<string, AnyTensor>([
    ['one', tied],
    ['two', tied],
    ['other', filled('float32', [2, 3])],
    ['range', { dtype: 'float32', shape: [12], range }],
    ['same', { dtype: 'float32', shape: [3, 4], range: { ...range } }],
    ['otherwise', { dtype: 'int32', shape: [12], range }],
    ['beside', { dtype: 'float32', shape: [12], range: { ...range, offset: 68 } }],
  ]),
  many: new Map(Array.from({ length: 2345 }, (_, i) => [`layer.${i}`, filled('float32', [2], i)])),
  bare: new Map([['', filled('float64', [2, 2])]]),
  large: new Map([['large', stored(filled('uint8', [9_000_001]).bytes, 'uint8', [9_000_000], 1)]]),
  rank: new Map([['rank', filled('int8', [1, 2, 1, 3, 1, 2, 1, 1])]]),
};

interface Described {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly bytes: string;
  readonly storage: number | null;
}

interface Found {
  readonly type: string;
  readonly state: Readonly<Record<string, Described>>;
  readonly mapped: boolean;
  readonly broken: string | null;
  readonly aligned: boolean;
  readonly entries: number;
}

describe.skipIf(!hasPython)('torch.load(weights_only=True)', () => {
  let found: Readonly<Record<string, Found>>;

  beforeAll(async () => {
    for (const [name, tensors] of Object.entries(cases))
      await exportWeights(tensors, join(folder, `${name}.pt`), 'pytorch');
    found = JSON.parse(pythonFile(join(import.meta.dirname, 'pytorch.py'), [folder]));
  }, 120_000);

  it.each(Object.keys(cases))('reads and maps what is written: %s', async (name) => {
    const { type, state, mapped, broken, aligned } = found[name] as Found;
    expect({ mapped, broken, aligned }).toEqual({ mapped: true, broken: null, aligned: true });
    const expected = cases[name] as ReadonlyMap<string, AnyTensor>;
    expect(type).toBe(name === 'bare' ? 'Tensor' : 'OrderedDict');
    const given = name === 'bare' ? { '': state as unknown as Described } : state;
    // In the order written: JSON would sort names that are numbers, of which there are none.
    expect(Object.keys(given)).toEqual([...expected.keys()]);
    for (const [key, tensor] of expected) {
      const { bytes } = await load(tensor);
      const value = given[key];
      expect([key, value?.dtype, value?.shape]).toEqual([key, types[tensor.dtype], tensor.shape]);
      if (bytes.byteLength <= 4096) expect([key, value?.bytes]).toEqual([key, Buffer.from(bytes).toString('hex')]);
      else {
        const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
        expect(value?.bytes).toBe(Buffer.from(digest).toString('hex'));
      }
    }
  });

  it('finds tied tensors tied, and others apart', () => {
    const { state, entries } = found.tied as Found;
    const storage = (name: string) => state[name]?.storage;
    expect(storage('two')).toBe(storage('one'));
    expect(storage('same')).toBe(storage('range'));
    const apart = ['one', 'other', 'range', 'otherwise', 'beside'].map(storage);
    expect(new Set(apart).size).toBe(5);
    expect(entries).toBe(3 + 5);
  });

  it('finds strides as PyTorch lays contiguous tensors out', () => {
    expect(found.rank?.state.rank?.stride).toEqual([12, 6, 6, 2, 2, 1, 1, 1]);
    expect(found.dtypes?.state['float32.empty']?.stride).toEqual([3, 3, 1]);
  });
});

it('is read again by our own reader, name by name and bit by bit', async () => {
  const tensors = cases.dtypes as ReadonlyMap<string, AnyTensor>;
  const path = join(folder, 'again.pt');
  await exportWeights(tensors, path, 'pytorch');
  const again = await openCheckpoint(await openFile(path));
  expect([...again.tensors.keys()]).toEqual([...tensors.keys()]);
  for (const [name, tensor] of again.tensors) expect([name, await load(tensor)]).toEqual([name, tensors.get(name)]);
});

it('refuses what PyTorch has no type for before anything is written, and leaves what was there', async () => {
  const path = join(folder, 'kept');
  writeFileSync(path, 'as it was');
  const lacking = Object.keys(dtypes).filter((dtype) => types[dtype as DType] === undefined) as DType[];
  expect(lacking).toEqual(['string', 'uint4', 'int4', 'float4e2m1', 'uint2', 'int2', 'float6e2m3', 'float6e3m2']);
  for (const dtype of lacking) {
    const bad = dtype === 'string' ? stringTensor([1], ['a']) : filled(dtype, [8]);
    const tensors = new Map([
      ['good', filled('float32', [4])],
      ['bad', bad],
    ]);
    const refused = { code: 'UNSUPPORTED_DTYPE', where: { tensor: 'bad' } };
    await expect(exportWeights(tensors, path, 'pytorch')).rejects.toMatchObject(refused);
    const sink = memorySink();
    await expect(writeTorch(tensors, sink)).rejects.toMatchObject(refused);
    expect(sink.bytes().byteLength).toBe(0);
  }
  const broken = new Map([
    ['a', { dtype: 'float32' as const, shape: [1], range: { source: file, offset: 4096, length: 4 } }],
  ]);
  await expect(exportWeights(broken, path, 'pytorch')).rejects.toMatchObject({ code: 'TRUNCATED' });
  await expect(exportWeights(new Map(), path, 'pytorch')).rejects.toMatchObject({ code: 'MISSING_PARAMETERS' });
  expect(
    (await load({ dtype: 'uint8', shape: [9], range: { source: await openFile(path), offset: 0, length: 9 } })).bytes,
  ).toEqual(new TextEncoder().encode('as it was'));
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

it('never asks a source for more than a piece', async () => {
  const size = 64 * 2 ** 20;
  let largest = 0;
  const source = {
    name: 'endless zeros',
    size,
    read: async (_: number, length: number) => {
      largest = Math.max(largest, length);
      return new Uint8Array(length);
    },
  };
  let written = 0;
  const sink = {
    write: async (bytes: Uint8Array) => {
      written += bytes.byteLength;
    },
  };
  await writeTorch(
    new Map([['w', { dtype: 'uint8', shape: [size], range: { source, offset: 0, length: size } }]]),
    sink,
  );
  expect(written).toBeGreaterThan(size);
  expect(largest).toBeLessThanOrEqual(4 * 2 ** 20);
});

/** A file with holes where a piece is all zeros, so that 4 GiB of them take no room. */
async function writeSparse(path: string, write: (sink: ByteSink) => Promise<void>): Promise<void> {
  const handle = await open(path, 'w');
  try {
    let at = 0;
    await write({
      async write(bytes) {
        if (bytes.byteLength < 65536) await handle.write(bytes, 0, bytes.byteLength, at);
        at += bytes.byteLength;
      },
    });
    await handle.truncate(at);
  } finally {
    await handle.close();
  }
}

it.skipIf(!hasPython)(
  'writes storages beyond 4 GiB, and others after them',
  async () => {
    const size = 2 ** 32 + 4096;
    const zeros = new Uint8Array(1 << 22);
    const source = { name: 'zeros', size, read: async (_: number, length: number) => zeros.subarray(0, length) };
    const tensors = new Map<string, AnyTensor>([
      ['first', filled('float32', [3])],
      ['huge', { dtype: 'int8', shape: [size], range: { source, offset: 0, length: size } }],
      ['last', filled('float32', [3], 5)],
    ]);
    const path = join(folder, 'huge.zip');
    await writeSparse(path, (sink) => writeTorch(tensors, sink));
    const program = `
import sys, torch
state = torch.load(sys.argv[1], weights_only=True, mmap=True)
print(list(state['huge'].shape), int(state['huge'][-5:].sum()), *[state[k].numpy().tobytes().hex() for k in ('first', 'last')])`;
    const hex = (name: string) => Buffer.from((tensors.get(name) as Tensor).bytes).toString('hex');
    expect(python(program, [path]).trim()).toBe(`[${size}] 0 ${hex('first')} ${hex('last')}`);
    const again = await openCheckpoint(await openFile(path));
    expect(again.tensors.get('huge')).toMatchObject({ dtype: 'int8', shape: [size] });
    rmSync(path);
  },
  120_000,
);

it.skipIf(!hasPython)('writes whole numbers and texts as Python reads them', () => {
  const edges = [0, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1];
  const samples = fc.sample(
    fc.tuple(
      fc.array(fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constantFrom(...edges))),
      fc.string({ unit: 'binary' }),
    ),
    500,
  );
  const pickles = [[edges, '\ud800 \udfff \u{1f41f}'] as const, ...samples].map(([counts, text]) => {
    const pickle = new PickleWriter();
    pickle.mark();
    pickle.counts(counts);
    pickle.text(text);
    pickle.boolean(true);
    pickle.boolean(false);
    for (const module of ['collections', 'torch', 'collections']) pickle.empty(module, 'OrderedDict');
    pickle.tuple();
    const bytes = Buffer.from(pickle.stop()).toString('hex');
    const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
    return { bytes, counts, units };
  });
  const program = `
import json, pickle, struct, sys, collections
torch = sys.modules.setdefault('torch', type(sys)('torch'))
torch.OrderedDict = collections.OrderedDict
for sample in json.load(sys.stdin):
    counts, text, yes, no, *dicts = pickle.loads(bytes.fromhex(sample['bytes']))
    units = text.encode('utf-16-le', 'surrogatepass')
    assert counts == tuple(sample['counts']), (counts, sample)
    assert list(struct.unpack(f'<{len(units) // 2}H', units)) == sample['units'], (text, sample)
    assert yes is True and no is False and dicts == [collections.OrderedDict()] * 3
print('all')`;
  expect(python(program, [], JSON.stringify(pickles)).trim()).toBe('all');
});
