import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/files/source.ts';
import { equalMessages } from '../../src/onnx/equal.ts';
import { type AnyMessage, childrenOf, fieldsOf, type MessageName } from '../../src/onnx/messages.ts';
import { readMessage, readModel } from '../../src/onnx/read.ts';
import { encodeMessage, encodeModel } from '../../src/onnx/write.ts';
import { hasPython, python, pythonFile } from '../support/python.ts';
import { field, integer, join, modelOf, varint } from './wire.ts';

const root = path(import.meta.dirname, '../..');
const read = (bytes: Uint8Array) => readModel(memorySource(bytes));

describe('the committed part of the backend corpus', () => {
  const folder = path(root, 'fixtures/backend');
  const facts = JSON.parse(readFileSync(path(folder, 'facts.json'), 'utf8')).models;

  it('is read as Python read it, and written back as it was', async () => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.onnx'));
    expect(names.length).toBeGreaterThan(50);
    for (const name of names) {
      const bytes = new Uint8Array(readFileSync(path(folder, name)));
      const model = await read(bytes);
      const { graph } = model;
      expect({
        bytes: bytes.byteLength,
        irVersion: Number(model.irVersion),
        opsets: Object.fromEntries(model.opsetImport.map((o) => [o.domain ?? '', Number(o.version)])),
        operators: graph?.node.map(({ opType }) => opType),
        inputs: graph?.input.map((input) => input.name),
        outputs: graph?.output.map((output) => output.name),
        functions: model.functions.length,
      }).toEqual(facts[name.slice(0, -'.onnx'.length)]);
      expect(Buffer.compare(encodeModel(model), bytes), name).toBe(0);
    }
  });
});

describe('fields this version does not know', () => {
  const unknown = join(integer(1999, 7n), field(2000, 'from the future'), varint(2001 * 8 + 5), [1, 2, 3, 4]);

  /** A message of a type with one of each submessage in it, unknown fields at the end of each. */
  function full(type: MessageName, depth: number): Uint8Array {
    const parts: Uint8Array[] = [];
    const oneofs = new Set<string>();
    for (const [id, facts] of fieldsOf(type)) {
      if (facts.of === undefined || depth === 0) continue;
      // Members of a oneof exclude each other: keep the first.
      if (type === 'TypeProto' && oneofs.has('value')) continue;
      if (type === 'TypeProto') oneofs.add('value');
      parts.push(field(id, full(facts.of, depth - 1)));
    }
    return join(...parts, unknown);
  }

  it('are kept at every level', async () => {
    const bytes = join(integer(1, 14), full('ModelProto', 8));
    const model = await read(bytes);
    const count = (message: AnyMessage, type: MessageName): number => {
      expect(message.$unknowns, type).toHaveLength(3);
      let sum = 1;
      for (const facts of fieldsOf(type).values())
        if (facts.of !== undefined) for (const child of childrenOf(message, facts)) sum += count(child, facts.of);
      return sum;
    };
    expect(count(model as unknown as AnyMessage, 'ModelProto')).toBeGreaterThan(1000);
    expect(Buffer.compare(encodeModel(model), bytes)).toBe(0);
  });

  it('are part of what makes messages equal', async () => {
    const graph = field(2, 'g');
    const [with1, with2, without] = await Promise.all(
      [join(graph, integer(1999, 1)), join(graph, integer(1999, 2)), graph].map((g) => read(modelOf(g))),
    );
    expect(equalMessages(with1 as object, with1 as object, 'ModelProto')).toBe(true);
    expect(equalMessages(with1 as object, with2 as object, 'ModelProto')).toBe(false);
    expect(equalMessages(with1 as object, without as object, 'ModelProto')).toBe(false);
  });

  it('are a known field of another wire type, and an enum value of a later version', async () => {
    const bytes = modelOf(
      field(1, join(field(4, 'Relu'), field(5, join(field(1, 'a'), integer(20, 99))), integer(3, 5))),
    );
    const model = await read(bytes);
    const node = model.graph?.node[0];
    expect(node?.name).toBe(null);
    expect(node?.$unknowns).toHaveLength(1);
    expect(node?.attribute[0]?.$unknowns).toHaveLength(1);
    expect(
      Buffer.compare(
        encodeModel(model),
        join(
          integer(1, 10),
          field(7, field(1, join(field(4, 'Relu'), field(5, join(field(1, 'a'), integer(20, 99))), integer(3, 5)))),
        ),
      ),
    ).toBe(0);
  });

  it('are groups too', async () => {
    const group = join(varint(50 * 8 + 3), integer(1, 2), varint(51 * 8 + 3), varint(51 * 8 + 4), varint(50 * 8 + 4));
    const bytes = modelOf(join(field(2, 'g'), group));
    expect(Buffer.compare(encodeModel(await read(bytes)), bytes)).toBe(0);
  });
});

describe('protobuf semantics', () => {
  it('merges a message field that stands twice, and takes the last of a scalar', async () => {
    const first = field(7, join(field(2, 'first'), field(1, field(4, 'Relu'))));
    const second = field(7, join(field(2, 'second'), field(1, field(4, 'Abs')), field(10, 'doc')));
    const model = await read(join(first, second, integer(1, 3), integer(1, 10)));
    expect(model.graph?.name).toBe('second');
    expect(model.graph?.docString).toBe('doc');
    expect(model.graph?.node.map(({ opType }) => opType)).toEqual(['Relu', 'Abs']);
    expect(Number(model.irVersion)).toBe(10);
  });

  it('tells absent from empty', async () => {
    const model = await read(modelOf(field(1, join(field(3, ''), field(4, 'Relu')))));
    expect(model.graph?.node[0]?.name).toBe('');
    expect(model.graph?.node[0]?.domain).toBe(null);
  });

  it('keeps only the last member of a oneof', async () => {
    const dim = (await readMessage(
      'TensorShapeProto.Dimension',
      memorySource(join(integer(1, 5), field(2, 'batch'))),
    )) as { dimValue?: unknown; dimParam?: unknown };
    expect(dim.dimParam).toBe('batch');
    expect(dim.dimValue).toBe(null);
  });

  it('takes packed and unpacked numbers, in the order they stand', async () => {
    const bytes = join(
      varint(4 * 8 + 2),
      [4, 0, 0, 128, 63],
      varint(4 * 8 + 5),
      [0, 0, 0, 64],
      integer(1, 2),
      field(1, Uint8Array.of(3)),
    );
    const tensor = (await readMessage('TensorProto', memorySource(bytes))) as {
      floatData?: number[];
      dims?: unknown[];
    };
    expect(tensor.floatData).toEqual([1, 2]);
    expect(tensor.dims?.map(String)).toEqual(['2', '3']);
  });

  it('carries 64-bit integers whole', async () => {
    const extremes = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n];
    const bytes = join(...extremes.map((value) => integer(1, value)));
    const message = await readMessage('TensorProto', memorySource(bytes));
    expect((message.dims as unknown[]).map(String)).toEqual(extremes.map(String));
    expect(Buffer.compare(encodeMessage('TensorProto', message), bytes)).toBe(0);
  });

  it('writes any text there is in UTF-8, and refuses what is none', async () => {
    for (const name of ['ąęö', '\u{1f600}', '\ufeffx', '\0', 'x'.repeat(10_000)])
      expect((await read(encodeModel({ graph: { name } }))).graph?.name).toBe(name);
    expect(() => encodeModel({ graph: { name: 'a\ud800b' } })).toThrow(
      expect.objectContaining({ code: 'BAD_MESSAGE' }),
    );
  });

  it('writes no data of the prototype, and the same bytes for a plain object', () => {
    const plain = { irVersion: null, producerName: 'hopfcole', graph: { name: 'g', node: [{ opType: 'Relu' }] } };
    expect(encodeModel(plain)).toEqual(
      join(field(2, 'hopfcole'), field(7, join(field(1, field(4, 'Relu')), field(2, 'g')))),
    );
  });
});

describe('the generated code', () => {
  it('needs no evaluation of code and bundles for a browser', async () => {
    const folder = mkdtempSync(path(tmpdir(), 'hopfcole-bundle-'));
    try {
      const outfile = path(folder, 'onnx.mjs');
      await build({
        stdin: { contents: "export * from './src/onnx/index.ts';", resolveDir: root, loader: 'ts' },
        bundle: true,
        format: 'esm',
        platform: 'browser',
        outfile,
        logLevel: 'silent',
      });
      const code = readFileSync(outfile, 'utf8');
      expect(code).not.toMatch(/\beval\s*\(|new Function\b|\bFunction\s*\(/);
      const bundle = await import(outfile);
      const bytes = new Uint8Array(readFileSync(path(root, 'fixtures/backend/test_if.onnx')));
      expect(Buffer.compare(bundle.encodeModel(await bundle.readModel(memorySource(bytes))), bytes)).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.skipIf(!hasPython)('is of the descriptor that the onnx package has', () => {
    const folder = mkdtempSync(path(tmpdir(), 'hopfcole-descriptor-'));
    try {
      pythonFile(path(root, 'scripts/onnx-descriptor.py'), [path(folder, 'onnx.proto')]);
      const made = readFileSync(path(folder, 'onnx.proto'), 'utf8');
      expect(readFileSync(path(root, 'src/onnx/onnx.proto'), 'utf8')).toBe(made);
      const counted = python(
        'from onnx import onnx_ml_pb2 as p\ndef n(m): return len(m.fields) + sum(n(x) for x in m.nested_types)\n' +
          'print(sum(n(m) for m in p.DESCRIPTOR.message_types_by_name.values()))',
      );
      const names = readFileSync(path(root, 'src/onnx/generated/fields.ts'), 'utf8').match(/^ {4}\d+:/gm);
      expect(names).toHaveLength(Number(counted));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
