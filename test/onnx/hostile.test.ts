import { readdirSync, readFileSync } from 'node:fs';
import { join as path } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySource } from '../../src/files/source.ts';
import { load } from '../../src/files/tensor.ts';
import {
  encodeModel,
  type ModelInit,
  readModel,
  readTensor,
  tensorFromProto,
  tensorsOf,
} from '../../src/onnx/index.ts';
import type { AnyMessage } from '../../src/onnx/messages.ts';
import { hasPython, python } from '../support/python.ts';
import { field, integer, join, modelOf, nestedIfs, varint } from './wire.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function failure(bytes: Uint8Array, keepFrom?: number): Promise<HopfcoleError> {
  const error = await readModel(memorySource(bytes, 'bad.onnx'), keepFrom === undefined ? {} : { keepFrom }).catch(
    (e) => e,
  );
  if (!(error instanceof HopfcoleError)) throw new Error(`expected a HopfcoleError, got ${error}`);
  return error;
}

describe('a file that is no model', () => {
  const graph = field(2, 'g');
  const cases: Record<string, [Uint8Array, string]> = {
    'an empty file': [new Uint8Array(0), 'NOT_ONNX'],
    'a zip archive': [bytesOf('PK\x03\x04\x14\x00\x00\x00'), 'NOT_ONNX'],
    'a pickle': [join([0x80, 2, 0x8a, 10], bytesOf('lF')), 'NOT_ONNX'],
    'a gzip archive': [gzipSync(graph), 'NOT_ONNX'],
    'a safetensors file': [join([9, 0, 0, 0, 0, 0, 0, 0], bytesOf('{"a":{}} ')), 'NOT_ONNX'],
    text: [bytesOf('#!/bin/sh\nexit 1\n'), 'BAD_PROTOBUF'],
    JSON: [bytesOf('{"layers": []}'), 'BAD_PROTOBUF'],
    zeros: [new Uint8Array(100), 'BAD_PROTOBUF'],
    ones: [new Uint8Array(100).fill(255), 'BAD_PROTOBUF'],
    'protobuf of something else': [join(field(30, 'hello'), integer(31, 5)), 'NOT_ONNX'],
    'a field of number 0': [join(integer(1, 10), [0, 0]), 'BAD_PROTOBUF'],
    'a wire type that does not exist': [join(integer(1, 10), [0x0e]), 'BAD_PROTOBUF'],
    'a tag of ten bytes': [
      join(integer(1, 10), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
      'BAD_PROTOBUF',
    ],
    'an integer of eleven bytes': [join([8], new Uint8Array(10).fill(128), [0]), 'BAD_PROTOBUF'],
    'an integer cut short': [join(field(7, graph), [8, 0x80]), 'BAD_PROTOBUF'],
    'a float cut short': [
      join(
        integer(1, 10),
        [16 * 8 + 5].map((b) => (b & 127) | 128),
        [1],
        [0, 0],
      ),
      'BAD_PROTOBUF',
    ],
    'a graph cut short': [modelOf(field(2, 'a graph of some name')).subarray(0, 15), 'TRUNCATED'],
    'a length of 2^62': [join(integer(1, 10), [7 * 8 + 2], varint(2n ** 62n)), 'TRUNCATED'],
    'a length of 2^32 + 1': [join(integer(1, 10), [7 * 8 + 2], varint(2 ** 32 + 1), graph), 'TRUNCATED'],
    'a negative length': [join(integer(1, 10), [7 * 8 + 2], varint(-1n)), 'TRUNCATED'],
    'a node longer than its graph': [modelOf(join([10], varint(1000), graph)), 'BAD_PROTOBUF'],
    'packed floats of a broken length': [modelOf(field(5, field(4, new Uint8Array(7)))), 'BAD_PROTOBUF'],
    'a name that is not UTF-8': [modelOf(field(2, Uint8Array.of(0xff, 0xfe))), 'BAD_PROTOBUF'],
    'a long name that is not UTF-8': [modelOf(field(2, join(new Uint8Array(200).fill(65), [0xc0]))), 'BAD_PROTOBUF'],
    'a group that does not end': [join(integer(1, 10), varint(50 * 8 + 3)), 'BAD_PROTOBUF'],
    'a group that ends as another': [join(integer(1, 10), varint(50 * 8 + 3), varint(51 * 8 + 4)), 'BAD_PROTOBUF'],
    'the end of no group': [join(integer(1, 10), varint(50 * 8 + 4)), 'BAD_PROTOBUF'],
  };
  for (const [what, [bytes, code]] of Object.entries(cases))
    it(`is refused: ${what}`, async () => {
      for (const keepFrom of [undefined, 0, 64]) {
        const error = await failure(bytes, keepFrom);
        expect(error.code).toBe(code);
        expect(error.where.file).toBe('bad.onnx');
        expect(error.line()).not.toContain('\n');
        if (code !== 'NOT_ONNX') expect(typeof error.where.at).toBe('number');
      }
    });
});

describe('packed integers that do not end', () => {
  const bytes = modelOf(field(5, join(integer(1, 1), integer(2, 7), field(7, Uint8Array.of(128, 128)))));
  it('are refused when they are read', async () => {
    expect((await failure(bytes)).code).toBe('BAD_PROTOBUF');
    const kept = await readModel(memorySource(bytes), { keepFrom: 0 });
    await expect(tensorFromProto(kept.graph?.initializer[0] ?? {})).rejects.toBeInstanceOf(HopfcoleError);
  });
});

describe('nesting', () => {
  it("is read and written to protobuf's limit of 100 messages: 33 Ifs, not 40", async () => {
    const bytes = nestedIfs(33);
    expect(Buffer.compare(encodeModel(await readModel(memorySource(bytes))), bytes)).toBe(0);
    expect((await failure(nestedIfs(40))).code).toBe('NESTED_TOO_DEEP');
  });

  it.skipIf(!hasPython)('ends where it ends for Python', async () => {
    for (const depth of [32, 33, 34, 40]) {
      const accepted = await readModel(memorySource(nestedIfs(depth))).then(
        () => true,
        () => false,
      );
      const program =
        'import sys, onnx\ntry:\n onnx.ModelProto.FromString(sys.stdin.buffer.read())\n print("true")\nexcept Exception:\n print("false")';
      expect(python(program, [], nestedIfs(depth)).trim(), String(depth)).toBe(String(accepted));
    }
  });

  it('is refused in bounded time, however deep, in models, types and groups', async () => {
    const started = performance.now();
    let type = field(1, integer(1, 1));
    for (let i = 0; i < 2000; i++) type = field(4, field(1, type));
    const groups = new Uint8Array(1_000_000).fill(0x0b + 8 * 6);
    for (const bytes of [
      nestedIfs(200),
      nestedIfs(100_000),
      modelOf(field(11, field(2, type))),
      join(integer(1, 1), groups),
    ])
      for (const keepFrom of [undefined, 0]) expect((await failure(bytes, keepFrom)).code).toBe('NESTED_TOO_DEEP');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('is refused when it is written too', () => {
    let model: ModelInit = { graph: { name: 'leaf' } };
    for (let i = 0; i < 5000; i++) model = { graph: { node: [{ attribute: [{ g: model.graph ?? {} }] }] } };
    expect(() => encodeModel(model)).toThrow(expect.objectContaining({ code: 'NESTED_TOO_DEEP' }));
  });
});

describe('many small fields', () => {
  it('are read in a time and a memory that follow the size of the file', async () => {
    const nodes = modelOf(new Uint8Array(1_000_000).map((_, i) => (i % 2 === 0 ? 10 : 0)));
    const started = performance.now();
    const model = await readModel(memorySource(nodes));
    expect(model.graph?.node).toHaveLength(500_000);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('are refused where they would take more than the engine has', async () => {
    const unknown = new Uint8Array(40_000_000).map((_, i) => (i % 2 === 0 ? 0x78 : 0));
    expect((await failure(join(integer(1, 10), unknown))).code).toBe('TOO_MANY_FIELDS');
  });
});

describe('mutated models', () => {
  const folder = path(import.meta.dirname, '../../fixtures/backend');
  const seeds = readdirSync(folder)
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => new Uint8Array(readFileSync(path(folder, name))));

  /** Reads everything there is to read: an error of ours or a result. */
  async function outcome(bytes: Uint8Array): Promise<'read' | 'refused'> {
    try {
      const [whole, kept] = [
        await readModel(memorySource(bytes)),
        await readModel(memorySource(bytes), { keepFrom: 8 }),
      ];
      for (const model of [whole, kept])
        for (const tensor of tensorsOf(model as unknown as AnyMessage, 'ModelProto'))
          try {
            await load(await tensorFromProto(tensor));
          } catch (error) {
            if (!(error instanceof HopfcoleError)) throw error;
          }
      const again = encodeModel(whole);
      expect(Buffer.compare(encodeModel(await readModel(memorySource(again))), again)).toBe(0);
      return 'read';
    } catch (error) {
      if (error instanceof HopfcoleError && error.line().length > 0) return 'refused';
      throw error;
    }
  }

  const edit = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), with: fc.nat(7) }),
    fc.record({ kind: fc.constant('set' as const), at: fc.nat(), with: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), with: fc.nat(64) }),
    fc.record({ kind: fc.constant('copy' as const), at: fc.nat(), with: fc.nat(64) }),
    fc.record({ kind: fc.constant('end' as const), at: fc.nat(), with: fc.constant(0) }),
  );

  function apply(bytes: Uint8Array, { kind, at, with: value }: { kind: string; at: number; with: number }): Uint8Array {
    if (bytes.length === 0) return bytes;
    const place = at % bytes.length;
    const out = bytes.slice();
    if (kind === 'flip') out[place] = (out[place] ?? 0) ^ (1 << value);
    else if (kind === 'set') out[place] = value;
    else if (kind === 'cut') return join(out.subarray(0, place), out.subarray(place + value));
    else if (kind === 'copy')
      return join(out.subarray(0, place), out.subarray(place, place + value), out.subarray(place));
    else return out.subarray(0, place);
    return out;
  }

  it('are errors of ours or results, in bounded time', async () => {
    const seen = { read: 0, refused: 0 };
    let slowest = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        async (seed, edits) => {
          const started = performance.now();
          seen[await outcome(edits.reduce(apply, seed))]++;
          slowest = Math.max(slowest, performance.now() - started);
        },
      ),
      { numRuns: 15_000, seed: 20260101 },
    );
    expect(seen.read).toBeGreaterThan(1000);
    expect(seen.refused).toBeGreaterThan(1000);
    expect(slowest).toBeLessThan(2000);
  });

  it('are refused at each length a truncated file can have, or read', async () => {
    const seed = seeds.find((bytes) => bytes.length > 400 && bytes.length < 900) ?? new Uint8Array(0);
    expect(seed.length).toBeGreaterThan(400);
    let refused = 0;
    for (let length = 0; length < seed.length; length++)
      if ((await outcome(seed.subarray(0, length))) === 'refused') refused++;
    expect(refused).toBeGreaterThan(seed.length * 0.9);
  });

  it('as random bytes are errors of ours or results, also as tensors', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await outcome(bytes);
        const tensor = await readTensor(memorySource(bytes)).catch((error) => error);
        if (tensor instanceof Error) expect(tensor).toBeInstanceOf(HopfcoleError);
      }),
      { numRuns: 2000, seed: 20260102 },
    );
  });
});
