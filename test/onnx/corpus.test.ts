import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memorySink } from '../../src/files/sink.ts';
import { memorySource } from '../../src/files/source.ts';
import { equalMessages } from '../../src/onnx/equal.ts';
import { readModel, readTensor } from '../../src/onnx/read.ts';
import { inlineTensor } from '../../src/onnx/tensor.ts';
import { encodeModel, encodeTensor, writeModel } from '../../src/onnx/write.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { type CorpusRecord, readRecords, writeRecords } from './records.ts';

const script = join(import.meta.dirname, 'corpus.py');

describe.skipIf(!hasPython)('the ONNX backend corpus', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-corpus-'));
  const theirs = join(folder, 'theirs.bin');
  let records: CorpusRecord[] = [];

  beforeAll(() => {
    pythonFile(script, ['dump', theirs]);
    records = readRecords(theirs);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const models = () => records.filter(({ kind }) => kind === 'M');
  const tensors = () => records.filter(({ kind }) => kind === 'T');

  it('is all there', () => {
    expect(models().length).toBeGreaterThan(1900);
    expect(tensors().length).toBeGreaterThan(4000);
  });

  it('is equal for Python after reading and writing, data left in the file or not', async () => {
    const ours: CorpusRecord[] = [];
    for (const record of records) {
      const source = memorySource(record.bytes, record.name);
      if (record.kind === 'M') {
        const sink = memorySink();
        await writeModel(await readModel(source, { keepFrom: 16 }), sink);
        const bytes = encodeModel(await readModel(source));
        expect(Buffer.compare(bytes, sink.bytes()), record.name).toBe(0);
        ours.push({ ...record, bytes });
      } else if (record.kind === 'T') ours.push({ ...record, bytes: encodeTensor(await readTensor(source)) });
    }
    const path = join(folder, 'ours.bin');
    writeRecords(path, ours);
    expect(pythonFile(script, ['compare', theirs, path])).toMatch(/^\d+ compared, 0 differ/);
    // The comparison can fail: one bit of one float is enough.
    const damaged = ours.find(({ kind, bytes }) => kind === 'T' && bytes.byteLength > 40) as CorpusRecord;
    damaged.bytes[damaged.bytes.byteLength - 1] = (damaged.bytes.at(-1) ?? 0) ^ 1;
    writeRecords(path, ours);
    expect(pythonFile(script, ['compare', theirs, path])).toMatch(/^\d+ compared, 1 differ/);
  });

  it('is read from what we write by onnx-proto, an independent reader', async () => {
    for (const { name, bytes } of models()) {
      const model = await readModel(memorySource(bytes, name));
      const other = onnxProto.onnx.ModelProto.decode(encodeModel(model));
      expect(other.graph?.node?.map(({ opType }) => opType)).toEqual(model.graph?.node.map(({ opType }) => opType));
      const sizes = (proto: { initializer?: { rawData?: Uint8Array | null }[] | null } | null | undefined) =>
        proto?.initializer?.map(({ rawData }) => rawData?.byteLength ?? 0);
      expect(sizes(other.graph)).toEqual(sizes(model.graph));
      expect(String(other.irVersion)).toBe(String(model.irVersion));
    }
  });

  it('gives equal messages twice, and messages of two models that differ', async () => {
    let previous: Awaited<ReturnType<typeof readModel>> | undefined;
    for (const { name, bytes } of models()) {
      const [a, b] = [await readModel(memorySource(bytes, name)), await readModel(memorySource(bytes, name))];
      expect(equalMessages(a, b), name).toBe(true);
      if (previous !== undefined && Buffer.compare(encodeModel(previous), encodeModel(a)) !== 0)
        expect(equalMessages(previous, a), name).toBe(false);
      previous = a;
    }
  });

  it('has tensors whose bytes are those of Python', async () => {
    const raw = new Map(records.filter(({ kind }) => kind === 'R').map(({ name, bytes }) => [name, bytes]));
    for (const { name, bytes } of tensors()) {
      const tensor = inlineTensor(await readTensor(memorySource(bytes, name)));
      const data = tensor.strings === undefined ? tensor.bytes : Buffer.from(tensor.strings.join('\0'));
      expect(Buffer.compare(data, raw.get(name) ?? Buffer.from('missing')), name).toBe(0);
    }
  });
});
