import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { DType } from '../../src/files/dtype.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { atomicWrite } from '../../src/files/node/write.ts';
import { memorySink } from '../../src/files/sink.ts';
import { memorySource } from '../../src/files/source.ts';
import { type AnyTensor, fromNumbers, load, stringTensor, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { readTensors, type TensorFormat, tensorFormatOf, writeTensors } from '../../src/files/tensors.ts';
import { crc32, portableCrc32 } from '../../src/files/zip/crc32.ts';
import { entrySource, openZip } from '../../src/files/zip/read.ts';
import { zipWriter } from '../../src/files/zip/write.ts';
import { hasPython, python } from '../support/python.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function written(format: TensorFormat, tensors: Map<string, AnyTensor>) {
  const sink = memorySink();
  const changes = await writeTensors(format, tensors, sink);
  return { bytes: sink.bytes(), changes };
}

async function roundTrip(format: TensorFormat, tensors: Map<string, AnyTensor>): Promise<Map<string, Tensor>> {
  const { bytes } = await written(format, tensors);
  const read = await readTensors(memorySource(bytes, `x.${format}`));
  return new Map(await Promise.all([...read].map(async ([name, tensor]) => [name, await load(tensor)] as const)));
}

const plain: DType[] = [
  'float32',
  'float64',
  'float16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
];
const samples = new Map<string, Tensor>(
  plain.map((dtype) => [dtype, fromNumbers(dtype, [2, 3], [0, 1, 2, 3, 4, 100])]),
);
samples.set('scalar', fromNumbers('float32', [], [1.5]));
samples.set('empty', fromNumbers('float32', [0, 3], []));

describe('tensor files', () => {
  it('come back equal from .npz and .safetensors', async () => {
    for (const format of ['npz', 'safetensors'] as const) {
      const read = await roundTrip(format, samples);
      for (const [name, tensor] of samples) expect(read.get(name)).toEqual(tensor);
      expect(read.size).toBe(samples.size);
    }
  });

  it('come back equal from .npy', async () => {
    for (const tensor of samples.values())
      expect((await roundTrip('npy', new Map([['x', tensor]]))).get('')).toEqual(tensor);
    const text = stringTensor([2, 2], ['a', 'Größe', '', '日本𝄞']);
    expect((await roundTrip('npy', new Map([['x', text]]))).get('')?.strings).toEqual(text.strings);
  });

  it('widen what numpy lacks and say so', async () => {
    for (const dtype of ['bfloat16', 'int4', 'uint4'] as const) {
      const tensor = fromNumbers(dtype, [3], [1, 2, 5]);
      const { changes } = await written('npz', new Map([['x', tensor]]));
      expect(changes).toEqual([{ name: 'x', why: expect.stringContaining(dtype) }]);
      const back = (await roundTrip('npz', new Map([['x', tensor]]))).get('x');
      expect([...toNumbers(back as Tensor)]).toEqual([1, 2, 5]);
    }
  });

  it('hold any doubles in .csv and .parquet', async () => {
    const double = fc.double();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(double, { minLength: 1, maxLength: 10 }),
        async (rows, row) => {
          const values = Array.from({ length: rows }, () => row).flat();
          const tensor = fromNumbers('float64', [rows, row.length], values);
          for (const format of ['csv', 'parquet'] as const) {
            const back = (await roundTrip(format, new Map([['x', tensor]]))).get('') as Tensor;
            expect(back.shape).toEqual(tensor.shape);
            const same = [...toNumbers(back)].every((value, index) => Object.is(value, values[index]));
            expect(same).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keep the type in .parquet where it can', async () => {
    for (const dtype of ['float32', 'int64', 'int32', 'bool'] as const) {
      const tensor = fromNumbers(dtype, [2, 2], [0, 1, 1, 0]);
      expect((await roundTrip('parquet', new Map([['x', tensor]]))).get('')).toEqual(tensor);
    }
  });

  it('read tables as people write them', async () => {
    const read = async (text: string) =>
      (await load(
        (await readTensors(memorySource(new TextEncoder().encode(text), 'a.csv'))).get('') as AnyTensor,
      )) as Tensor;
    const table = await read('\ufeff"a, b";c\r\n# a remark\r\n1;-2.5e3\r\n\r\n inf ; NaN \r\n');
    expect(table.shape).toEqual([2, 2]);
    expect([...toNumbers(table)]).toEqual([1, -2500, Infinity, Number.NaN]);
    expect([...toNumbers(await read('1\t2\n3\t4'))]).toEqual([1, 2, 3, 4]);
    expect([...toNumbers(await read('"1","2"\n'))]).toEqual([1, 2]);
    for (const text of ['', 'a,b\n', '1,2\n3\n', '1,2\n3,x\n', '1,2\n"3,4\n', '1,0x10\n2,2\n1,0x10', '1,\n'])
      await expect(read(text), text).rejects.toMatchObject({ code: 'BAD_CSV' });
  });

  it('refuse what a format cannot hold', async () => {
    const two = new Map([...samples].slice(0, 2));
    for (const format of ['npy', 'csv', 'parquet'] as const)
      await expect(written(format, two)).rejects.toMatchObject({ code: 'BAD_COUNT' });
    const cube = new Map([['x', fromNumbers('float32', [1, 1, 1], [1])]]);
    for (const format of ['csv', 'parquet'] as const)
      await expect(written(format, cube)).rejects.toMatchObject({ code: 'BAD_SHAPE' });
    const text = new Map([['x', stringTensor([1], ['a'])]]);
    await expect(written('safetensors', text)).rejects.toMatchObject({ code: 'UNSUPPORTED_DTYPE' });
  });

  it('in .parquet and .npz are refused or read when they are damaged', async () => {
    const tensor = fromNumbers(
      'float64',
      [20, 3],
      Array.from({ length: 60 }, (_, i) => i / 7),
    );
    const files = await Promise.all(
      (['parquet', 'npz'] as const).map(async (format) => ({
        format,
        ...(await written(format, new Map([['x', tensor]]))),
      })),
    );
    const change = fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom(1, 4));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        async ({ bytes, format }, changes) => {
          const copy = bytes.slice();
          for (const [at, value, width] of changes)
            copy.fill(value, at % copy.byteLength, (at % copy.byteLength) + width);
          const began = performance.now();
          const rss = process.memoryUsage().rss;
          try {
            for (const read of (await readTensors(memorySource(copy, 'x'), format)).values()) await load(read);
          } catch (error) {
            expect(error).toBeInstanceOf(HopfcoleError);
          }
          expect(performance.now() - began).toBeLessThan(10_000);
          expect(process.memoryUsage().rss - rss).toBeLessThan(300 * 2 ** 20);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are told by name', () => {
    expect(['a.npz', 'b/c.NPY', 'x.safetensors', 'd.csv', 'e.parquet', 'f.pt', 'g'].map(tensorFormatOf)).toEqual([
      'npz',
      'npy',
      'safetensors',
      'csv',
      'parquet',
      undefined,
      undefined,
    ]);
  });
});

describe('zip', () => {
  it('has the CRC-32 of the standard', () => {
    for (const crc of [crc32, portableCrc32]) expect(crc(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
    for (const crc of [crc32, portableCrc32]) expect(crc(new Uint8Array(0), 5)).toBe(5);
    const bytes = Uint8Array.from({ length: 1001 }, (_, i) => (i * 31) % 256);
    for (const cut of [0, 1, 7, 8, 500])
      expect(portableCrc32(bytes.subarray(cut), portableCrc32(bytes.subarray(0, cut)))).toBe(crc32(bytes));
  });

  it('writes and reads entries, stored and deflated, aligned', async () => {
    for (const deflate of [false, true]) {
      const sink = memorySink();
      const zip = zipWriter(sink, { deflate, align: 64 });
      const content = [new Uint8Array(1000).fill(7), new Uint8Array(0), Uint8Array.from([1, 2, 3])];
      for (const [index, bytes] of content.entries()) await zip.add(`folder/ü${index}`, [bytes, memorySource(bytes)]);
      await expect(zip.add('folder/ü0', [])).rejects.toMatchObject({ code: 'DUPLICATE_NAME' });
      await zip.finish();
      const archive = await openZip(memorySource(sink.bytes()));
      expect([...archive.entries.keys()]).toEqual(['folder/ü0', 'folder/ü1', 'folder/ü2']);
      for (const [index, entry] of [...archive.entries.values()].entries()) {
        expect(entry.offset % 64).toBe(0);
        const bytes = await entrySource(archive, entry).read(0, entry.size);
        expect([...bytes]).toEqual([...(content[index] ?? []), ...(content[index] ?? [])]);
      }
    }
  });

  it('goes beyond 65,535 entries', async () => {
    const sink = memorySink();
    const zip = zipWriter(sink);
    for (let i = 0; i < 65_600; i++) await zip.add(`e${i}`, []);
    await zip.finish();
    expect((await openZip(memorySource(sink.bytes()))).entries.size).toBe(65_600);
  });
});

describe.skipIf(!hasPython)('what we write', () => {
  it('is read by numpy, safetensors and zipfile with the same values', async () => {
    const all = new Map(samples);
    const path = (name: string) => join(folder, name);
    await atomicWrite(path('a.npz'), (sink) => writeTensors('npz', all, sink));
    await atomicWrite(path('a.safetensors'), (sink) => writeTensors('safetensors', all, sink));
    await atomicWrite(path('a.npy'), (sink) =>
      writeTensors('npy', new Map([['x', samples.get('int16') as Tensor]]), sink),
    );
    await atomicWrite(path('a.csv'), (sink) =>
      writeTensors('csv', new Map([['x', samples.get('float32') as Tensor]]), sink),
    );
    const sink = memorySink();
    const packed = zipWriter(sink, { deflate: true });
    await packed.add('é/x', [new Uint8Array(100_000)]);
    await packed.finish();
    writeFileSync(path('a.zip'), sink.bytes());
    const manySink = memorySink();
    const many = zipWriter(manySink);
    for (let i = 0; i < 65_600; i++) await many.add(`${i}`, []);
    await many.finish();
    writeFileSync(path('many.zip'), manySink.bytes());
    const out = python(
      `
import json, sys, zipfile, numpy as np
from safetensors.numpy import load_file
d = sys.argv[1]
show = lambda a: [a.dtype.name, list(a.shape), np.ravel(a).astype(float).tolist()]
z = zipfile.ZipFile(d + '/a.zip')
print(json.dumps({'npz': {k: show(v) for k, v in np.load(d + '/a.npz').items()}, 'st': {k: show(v) for k, v in load_file(d + '/a.safetensors').items()},
  'npy': show(np.load(d + '/a.npy')), 'csv': show(np.loadtxt(d + '/a.csv', delimiter=',')), 'zip': [z.testzip(), len(zipfile.ZipFile(d + '/many.zip').namelist()), len(z.read('é/x'))],
  'zip2': zipfile.ZipFile(d + '/a.npz').testzip()}))`,
      [folder],
    );
    const show = (tensor: Tensor) => [tensor.dtype, [...tensor.shape], [...toNumbers(tensor)]];
    const seen = JSON.parse(out);
    const wanted = Object.fromEntries([...all].map(([name, tensor]) => [name, show(tensor)]));
    expect(seen.npz).toEqual(wanted);
    expect(seen.st).toEqual(wanted);
    expect(seen.npy).toEqual(wanted.int16);
    expect(seen.csv[2]).toEqual(wanted.float32?.[2]);
    expect(seen.zip).toEqual([null, 65_600, 100_000]);
    expect(seen.zip2).toBe(null);
    expect(readFileSync(path('a.csv'), 'utf8')).toBe('0,1,2\n3,4,100\n');
  });
});
