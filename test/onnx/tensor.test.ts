import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import Long from 'long';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dtypes } from '../../src/files/dtype.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { checkRelativePath } from '../../src/files/path.ts';
import { type Folder, memorySource } from '../../src/files/source.ts';
import { isStored, load, toNumbers } from '../../src/files/tensor.ts';
import {
  closeExternal,
  inlineTensor,
  readTensor,
  tensorFromProto,
  tensorToProto,
  verifyChecksum,
} from '../../src/onnx/index.ts';
import type { StringStringEntryProto, TensorInit } from '../../src/onnx/messages.ts';
import { sha1 } from '../../src/onnx/sha1.ts';
import { encodeTensor } from '../../src/onnx/write.ts';
import { hasPython, python, pythonFile } from '../support/python.ts';
import { readRecords } from './records.ts';

const dims = (...shape: number[]) => shape.map((dim) => Long.fromNumber(dim));

async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action();
    return 'none';
  } catch (error) {
    if (!(error instanceof HopfcoleError)) throw error;
    return error.code;
  }
}

describe.skipIf(!hasPython)('tensors of every element type, against Python', () => {
  const folder = mkdtempSync(path(tmpdir(), 'hopfcole-tensors-'));
  const file = path(folder, 'tensors.bin');
  beforeAll(() => {
    pythonFile(path(import.meta.dirname, 'tensors.py'), [file]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('have the same raw bytes from raw data and from typed fields, decoded or left in the file', async () => {
    const records = readRecords(file);
    const raw = new Map(records.filter(({ kind }) => kind === 'R').map(({ name, bytes }) => [name, bytes]));
    const names = new Set(records.map(({ name }) => name.split('/')[0]));
    expect(names.size).toBe(Object.keys(dtypes).length - 1);
    let stored = 0;
    for (const { kind, name, bytes } of records) {
      if (kind !== 'T') continue;
      const expected = raw.get(name) as Uint8Array;
      for (const keepFrom of [undefined, 1, 100]) {
        const source = memorySource(bytes, name);
        const proto = await readTensor(source, keepFrom === undefined ? {} : { keepFrom });
        const tensor = await tensorFromProto(proto);
        if (isStored(tensor)) stored++;
        expect(Buffer.compare((await load(tensor)).bytes, expected), `${name} from ${keepFrom}`).toBe(0);
        const again = await readTensor(memorySource(encodeTensor(tensorToProto('t', await load(tensor)))));
        expect(Buffer.compare(inlineTensor(again).bytes, expected), name).toBe(0);
      }
    }
    expect(stored).toBeGreaterThan(100);
  });

  it('have the values Python sees in six-bit floats', () => {
    const all = Uint8Array.from({ length: 48 }, (_, i) => i * 5 + 3);
    const ours = (['float6e2m3', 'float6e3m2'] as const).map((dtype) => [
      ...toNumbers({ dtype, shape: [64], bytes: all }),
    ]);
    const theirs = python(
      'import json, numpy as np\nfrom onnx import TensorProto, numpy_helper\n' +
        'def v(c):\n t = TensorProto(data_type=c, dims=[64], raw_data=bytes((i * 5 + 3) % 256 for i in range(48)))\n' +
        ' return numpy_helper.to_array(t).astype(np.float64).tolist()\nprint(json.dumps([v(27), v(28)]))',
    );
    expect(ours).toEqual(JSON.parse(theirs));
  });
});

describe('a tensor message', () => {
  it('gives views, not copies, of raw data', () => {
    const rawData = Uint8Array.of(0, 0, 128, 63);
    const tensor = inlineTensor({ dims: dims(1), dataType: 1, rawData });
    expect(tensor.bytes.buffer).toBe(rawData.buffer);
    expect(tensorToProto('w', tensor).rawData?.buffer).toBe(rawData.buffer);
  });

  it('carries strings', () => {
    const strings = ['', 'a', 'żółć', '\u{1f600}'];
    const proto = tensorToProto('s', { dtype: 'string', shape: [2, 2], bytes: new Uint8Array(0), strings });
    expect(inlineTensor(proto).strings).toEqual(strings);
  });

  const bad: Record<string, [TensorInit, string]> = {
    'an unknown element type': [{ dims: dims(1), dataType: 99, rawData: new Uint8Array(4) }, 'UNKNOWN_DTYPE'],
    'no element type': [{ dims: dims(1), rawData: new Uint8Array(4) }, 'UNKNOWN_DTYPE'],
    'a negative dimension': [{ dims: dims(-1), dataType: 1 }, 'BAD_TENSOR'],
    'a dimension beyond 2^53': [{ dims: [Long.MAX_VALUE], dataType: 1 }, 'BAD_TENSOR'],
    'a product beyond 2^53': [{ dims: dims(2 ** 30, 2 ** 30), dataType: 1 }, 'BAD_TENSOR'],
    'too few bytes': [{ dims: dims(2), dataType: 1, rawData: new Uint8Array(7) }, 'BAD_TENSOR'],
    'too many bytes': [{ dims: dims(2), dataType: 1, rawData: new Uint8Array(9) }, 'BAD_TENSOR'],
    'a huge shape with no data': [{ dims: dims(2 ** 40), dataType: 1 }, 'BAD_TENSOR'],
    'data in the wrong field': [{ dims: dims(1), dataType: 1, doubleData: [1] }, 'BAD_TENSOR'],
    'data in two fields': [{ dims: dims(1), dataType: 1, floatData: [1], rawData: new Uint8Array(4) }, 'BAD_TENSOR'],
    'too few values': [{ dims: dims(3), dataType: 7, int64Data: dims(1, 2) }, 'BAD_TENSOR'],
    'an int8 out of range': [{ dims: dims(1), dataType: 3, int32Data: [256] }, 'BAD_TENSOR'],
    'a uint32 out of range': [{ dims: dims(1), dataType: 12, uint64Data: [Long.fromNumber(2 ** 33)] }, 'BAD_TENSOR'],
    'raw strings': [{ dims: dims(1), dataType: 8, rawData: new Uint8Array(1) }, 'BAD_TENSOR'],
    'a string that is not UTF-8': [{ dims: dims(1), dataType: 8, stringData: [Uint8Array.of(255)] }, 'BAD_TENSOR'],
    'a segment': [{ dims: dims(1), dataType: 1, segment: {}, rawData: new Uint8Array(4) }, 'BAD_TENSOR'],
  };
  for (const [what, [proto, code]] of Object.entries(bad))
    it(`is refused for ${what}`, async () => {
      expect(await codeOf(() => inlineTensor(proto))).toBe(code);
      expect(await codeOf(() => tensorFromProto(proto))).toBe(code);
    });

  it('takes dimensions of zero for an empty tensor, whatever the others are', () => {
    expect(inlineTensor({ dims: dims(0, 2 ** 40, 2 ** 40), dataType: 1 }).bytes.byteLength).toBe(0);
  });
});

describe('external data', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  let opened = 0;
  let closed = 0;
  const folder: Folder = {
    name: 'folder',
    async open(relative) {
      checkRelativePath(relative, 'folder');
      if (relative !== 'w.data') throw new HopfcoleError('FILE_NOT_FOUND', 'no such file', { file: relative });
      opened++;
      return {
        ...memorySource(bytes, relative),
        close: async () => {
          closed++;
        },
      };
    },
  };
  const proto = (entries: Record<string, string> | StringStringEntryProto[], more: TensorInit = {}): TensorInit => ({
    name: 'w',
    dims: dims(2, 2),
    dataType: 1,
    dataLocation: 1,
    externalData: Array.isArray(entries) ? entries : Object.entries(entries).map(([key, value]) => ({ key, value })),
    ...more,
  });

  it('is a range of its file, opened once, and read when it is asked for', async () => {
    const [a, b] = await Promise.all([
      tensorFromProto(proto({ location: 'w.data', offset: '8', length: '16' }), folder),
      tensorFromProto(proto({ location: 'w.data' }), folder),
    ]);
    expect(isStored(a) && [a.range.offset, a.range.length]).toEqual([8, 16]);
    expect([...(await load(a)).bytes]).toEqual([...bytes.subarray(8, 24)]);
    expect([...(await load(b)).bytes]).toEqual([...bytes.subarray(0, 16)]);
    expect(opened).toBe(1);
    await closeExternal(folder);
    expect(closed).toBe(1);
  });

  const bad: Record<string, [Record<string, string>, string]> = {
    'no location': [{ offset: '0' }, 'BAD_EXTERNAL_DATA'],
    'an empty location': [{ location: '' }, 'BAD_EXTERNAL_DATA'],
    'a path upward': [{ location: '../w.data' }, 'PATH_OUTSIDE_MODEL'],
    'an absolute path': [{ location: '/etc/passwd' }, 'PATH_OUTSIDE_MODEL'],
    'a missing file': [{ location: 'x.data' }, 'FILE_NOT_FOUND'],
    'a negative offset': [{ location: 'w.data', offset: '-4' }, 'BAD_EXTERNAL_DATA'],
    'an offset in words': [{ location: 'w.data', offset: 'ten' }, 'BAD_EXTERNAL_DATA'],
    'an offset in hexadecimal': [{ location: 'w.data', offset: '0x10' }, 'BAD_EXTERNAL_DATA'],
    'an empty offset': [{ location: 'w.data', offset: '' }, 'BAD_EXTERNAL_DATA'],
    'an offset beyond 2^53': [{ location: 'w.data', offset: '99999999999999999999' }, 'BAD_EXTERNAL_DATA'],
    'a length of another shape': [{ location: 'w.data', length: '20' }, 'BAD_EXTERNAL_DATA'],
    'a range beyond the file': [{ location: 'w.data', offset: '90', length: '16' }, 'TRUNCATED'],
    'a malformed checksum': [{ location: 'w.data', checksum: 'abc' }, 'BAD_EXTERNAL_DATA'],
  };
  for (const [what, [entries, code]] of Object.entries(bad))
    it(`is refused for ${what}`, async () => {
      expect(await codeOf(() => tensorFromProto(proto(entries), folder))).toBe(code);
    });

  it('is refused for a key that stands twice, for strings, and with no folder', async () => {
    const twice = ['w.data', 'other'].map((value) => ({ key: 'location', value })) as StringStringEntryProto[];
    expect(await codeOf(() => tensorFromProto(proto(twice), folder))).toBe('BAD_EXTERNAL_DATA');
    expect(await codeOf(() => tensorFromProto(proto({ location: 'w.data' }, { dataType: 8 }), folder))).toBe(
      'BAD_EXTERNAL_DATA',
    );
    expect(await codeOf(() => tensorFromProto(proto({ location: 'w.data' })))).toBe('NO_FOLDER');
  });

  it('is held against its checksum, which is SHA-1 as Node computes it', async () => {
    for (const size of [0, 1, 55, 56, 63, 64, 65, 100, 1024 * 1024 + 77]) {
      const data = Uint8Array.from({ length: size }, (_, i) => (i * 7) % 251);
      expect(await sha1(memorySource(data))).toBe(createHash('sha1').update(data).digest('hex'));
    }
    const checksum = createHash('sha1').update(bytes).digest('hex');
    await verifyChecksum(proto({ location: 'w.data', checksum: checksum.toUpperCase() }), folder);
    const wrong = proto({ location: 'w.data', checksum: checksum.replace(/^./, (c) => (c === '0' ? '1' : '0')) });
    expect(await codeOf(() => verifyChecksum(wrong, folder))).toBe('BAD_CHECKSUM');
  });
});
