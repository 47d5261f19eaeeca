import Long from 'long';
import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySink } from '../../src/files/sink.ts';
import { type ByteSource, type Folder, memorySource } from '../../src/files/source.ts';
import { isStored, load } from '../../src/files/tensor.ts';
import {
  elisionsOf,
  embedExternal,
  encodeModel,
  equalMessages,
  type ModelInit,
  planExternal,
  readModel,
  type TensorInit,
  tensorFromProto,
  tensorsOf,
  tensorToProto,
  writeExternal,
  writeModel,
} from '../../src/onnx/index.ts';
import type { AnyMessage } from '../../src/onnx/messages.ts';

const dims = (...shape: number[]) => shape.map((dim) => Long.fromNumber(dim));
const noise = (size: number, seed: number) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 17 + seed) & 255);

function weight(name: string, bytes: number, seed: number): TensorInit {
  return { name, dims: dims(bytes), dataType: 2, rawData: noise(bytes, seed) };
}

/** Weights in initializers, in a subgraph's, in an attribute, in a function and in a sparse tensor; raw and typed. */
function sample(): ModelInit {
  return {
    irVersion: Long.fromNumber(10),
    producerName: 'test',
    graph: {
      name: 'main',
      node: [
        { opType: 'Relu', input: ['x'], output: ['y'] },
        {
          opType: 'If',
          attribute: [
            {
              name: 'then_branch',
              type: 5,
              g: { name: 'then', initializer: [weight('inner', 9000, 1)] },
            },
            { name: 'value', type: 4, t: weight('', 6000, 2) },
          ],
          docString: 'after the attributes',
        },
        { opType: 'Abs', input: ['y'], output: ['z'] },
      ],
      initializer: [
        weight('tiny', 3, 3),
        weight('big', 300_000, 4),
        { name: 'typed', dims: dims(3000), dataType: 1, floatData: Array.from({ length: 3000 }, (_, i) => i / 7) },
        {
          name: 'ints',
          dims: dims(5000),
          dataType: 7,
          int64Data: dims(...Array.from({ length: 5000 }, (_, i) => i * i)),
        },
        weight('last', 5000, 5),
      ],
      sparseInitializer: [{ dims: dims(9, 9), values: weight('sparse', 4500, 6), indices: weight('', 10, 7) }],
      docString: 'doc',
    },
    functions: [
      {
        name: 'f',
        domain: 'd',
        node: [{ opType: 'Constant', attribute: [{ name: 'value', t: weight('', 7000, 8) }] }],
      },
    ],
    metadataProps: [{ key: 'k', value: 'v' }],
  };
}

/** A source that tells how many bytes were read. */
function counting(bytes: Uint8Array): ByteSource & { count: number; largest: number } {
  const inner = memorySource(bytes, 'counted');
  const source = {
    ...inner,
    count: 0,
    largest: 0,
    async read(offset: number, length: number) {
      source.count += length;
      source.largest = Math.max(source.largest, length);
      return (await inner.read(offset, length)).slice();
    },
  };
  return source;
}

describe('streaming', () => {
  const bytes = encodeModel(sample());

  it('reads the same model whole and with its tensors left in the file', async () => {
    const whole = await readModel(memorySource(bytes));
    for (const keepFrom of [0, 1, 100, 5000, 1e9]) {
      const source = counting(bytes);
      const kept = await readModel(source, { keepFrom });
      const sink = memorySink();
      await writeModel(kept, sink);
      expect(Buffer.compare(sink.bytes(), bytes), `from ${keepFrom}`).toBe(0);
      const [a, b] = [whole, kept].map((m) => [...tensorsOf(m as unknown as AnyMessage, 'ModelProto')]);
      for (const [i, proto] of (a ?? []).entries()) {
        const [x, y] = [await tensorFromProto(proto), await tensorFromProto(b?.[i] as TensorInit)];
        expect(Buffer.compare((await load(y)).bytes, (await load(x)).bytes)).toBe(0);
      }
    }
  });

  it('takes raw data as views of the file', async () => {
    const whole = await readModel(memorySource(bytes));
    expect(whole.graph?.initializer[1]?.rawData?.buffer).toBe(bytes.buffer);
    expect(Buffer.compare(encodeModel(whole), bytes)).toBe(0);
  });

  it('does not read what it leaves', async () => {
    const weights = Array.from({ length: 20 }, (_, i) => weight(`w${i}`, 1_000_000, i));
    const large = encodeModel({ irVersion: Long.fromNumber(10), graph: { name: 'g', initializer: weights } });
    const source = counting(large);
    const model = await readModel(source, { keepFrom: 1024 });
    expect(source.count).toBeLessThan(20 * 40_000);
    expect(model.graph?.initializer.map(({ name }) => name)).toEqual(weights.map(({ name }) => name));
    const tensor = await tensorFromProto(model.graph?.initializer[7] as TensorInit);
    expect(isStored(tensor) && tensor.range.length).toBe(1_000_000);
    expect(Buffer.compare((await load(tensor)).bytes, noise(1_000_000, 7))).toBe(0);
  });

  it('says that a tensor in a file cannot be encoded at once, and what can', async () => {
    const kept = await readModel(memorySource(bytes), { keepFrom: 1000 });
    expect(elisionsOf(kept.graph?.initializer[1] as TensorInit)).toHaveLength(1);
    expect(() => encodeModel(kept)).toThrow(/still in its file/);
    expect(equalMessages(kept, kept)).toBe(true);
    expect(equalMessages(kept, await readModel(memorySource(bytes)))).toBe(false);
  });

  it('reads models beyond 2 GiB, and refuses to write them, before it writes a byte', async () => {
    // A source of 5 GiB that is one weight; only its ends exist.
    const size = 5 * 2 ** 30;
    const head = (payload: number, id: number) => {
      const out = [id * 8 + 2];
      for (let rest = payload; ; rest = Math.floor(rest / 128)) {
        out.push((rest % 128) + (rest >= 128 ? 128 : 0));
        if (rest < 128) return out;
      }
    };
    const tensor = [...head(1, 8), 119, 16, 2, 8, ...head(size, 1).slice(1), ...head(size, 9)];
    const graph = [...head(tensor.length + size, 5), ...tensor];
    const front = Uint8Array.from([8, 10, ...head(graph.length + size, 7), ...graph]);
    const source: ByteSource = {
      name: 'huge',
      size: front.length + size,
      async read(offset, length) {
        const out = new Uint8Array(length);
        out.set(front.subarray(offset, offset + length));
        return out;
      },
    };
    const model = await readModel(source);
    const weights = await tensorFromProto(model.graph?.initializer[0] as TensorInit);
    expect(isStored(weights) && [weights.range.offset, weights.range.length]).toEqual([front.length, size]);
    expect(weights.shape).toEqual([size]);
    const sink = memorySink();
    await expect(writeModel(model, sink)).rejects.toThrow(/at most 2 GiB/);
    expect(sink.bytes().byteLength).toBe(0);
  });
});

describe('external data', () => {
  const folderOf = (files: Record<string, Uint8Array>): Folder => ({
    name: 'folder',
    async open(path) {
      const bytes = files[path];
      if (bytes === undefined) throw new HopfcoleError('FILE_NOT_FOUND', 'no such file', { file: path });
      return memorySource(bytes, path);
    },
  });

  it('is laid out, written, read back and put in again', async () => {
    const model = sample();
    const before = encodeModel(model);
    const plan = await planExternal(model, { location: 'm.data' });
    expect(Buffer.compare(encodeModel(model), before)).toBe(0);
    const sink = memorySink();
    await writeExternal(plan, sink);
    const data = sink.bytes();
    expect(data.byteLength).toBe(plan.size);
    const small = encodeModel(plan.model);
    expect(small.byteLength).toBeLessThan(40_000);

    const read = await readModel(memorySource(small));
    const initializers = [...(read.graph?.initializer ?? [])];
    expect(initializers.map(({ dataLocation }) => dataLocation)).toEqual([null, 1, 1, 1, 1]);
    for (const { externalData, rawData } of initializers.slice(1)) {
      const { offset, length } = Object.fromEntries(externalData.map(({ key, value }) => [key, Number(value)]));
      expect(rawData).toBe(null);
      expect((offset ?? 1) % ((length ?? 0) >= 4096 ? 4096 : 64)).toBe(0);
    }
    const folder = folderOf({ 'm.data': data });
    const one = memorySink();
    await writeModel(await embedExternal(read, folder), one);
    const original = await readModel(memorySource(before));
    const again = await readModel(memorySource(one.bytes()));
    for (const [i, proto] of (original.graph?.initializer ?? []).entries()) {
      const [x, y] = [await tensorFromProto(proto), await tensorFromProto(again.graph?.initializer[i] as TensorInit)];
      expect(Buffer.compare((await load(y)).bytes, (await load(x)).bytes)).toBe(0);
      expect([y.dtype, y.shape]).toEqual([x.dtype, x.shape]);
    }
    // Moving external data to another file needs nothing in memory either.
    const moved = await planExternal(read, { location: 'n.data', folder });
    const second = memorySink();
    await writeExternal(moved, second);
    expect(Buffer.compare(second.bytes(), data)).toBe(0);
  });

  it('stores tensors of the same memory once', async () => {
    const shared = noise(8192, 1);
    const tied = ['a', 'b'].map((name) => tensorToProto(name, { dtype: 'uint8', shape: [8192], bytes: shared }));
    const plan = await planExternal({ graph: { initializer: tied } }, { location: 'tied.data' });
    expect(plan.size).toBe(8192);
  });

  it('is refused outside the folder of the model', async () => {
    await expect(planExternal(sample(), { location: '../m.data' })).rejects.toThrow(HopfcoleError);
  });
});
