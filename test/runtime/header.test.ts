import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { widenBoundary } from '../../src/runtime/boundary.ts';
import { checkLoadable, memoryBytes, readHeader } from '../../src/runtime/header.ts';
import { tinyModel } from '../../src/runtime/node/probe.ts';
import { widenModel } from '../../src/runtime/widen.ts';
import { concat, field, numberField } from '../../src/runtime/wire.ts';
import { fixture } from './support.ts';

const header = (name: string) => readHeader(memoryBytes(readFileSync(fixture(name))));

describe('readHeader', () => {
  it('reads versions, inputs and outputs', () => {
    expect(header('pair')).toEqual({
      irVersion: 10,
      opsets: new Map([['', 21]]),
      inputs: [
        { name: 'a', dtype: 'float32', shape: ['B', 'T'] },
        { name: 'b', dtype: 'float32', shape: ['T', 'B'] },
      ],
      optional: ['scale'],
      outputs: [
        { name: 'product', dtype: 'float32', shape: ['B', 'B'] },
        { name: 'scaled', dtype: 'float32', shape: undefined },
      ],
      external: [],
      emptyCalls: false,
      bfloat16: false,
    });
    expect(header('dtypes').inputs.map(({ name, dtype }) => name === dtype)).toEqual(new Array(13).fill(true));
    expect(header('external').external).toEqual(['weights.bin']);
  });

  it('finds external data inside subgraphs, functions and sparse tensors', () => {
    const tensor = (number: number, place: string) =>
      field(number, field(13, field(1, 'location'), field(2, place)), numberField(14, 1));
    const inBranch = field(1, field(5, field(6, tensor(5, 'branch.bin'))));
    const inConstant = field(1, field(5, tensor(5, 'constant.bin')));
    const sparse = field(15, tensor(1, 'values.bin'), tensor(2, 'indices.bin'));
    const inFunction = field(25, field(7, field(5, tensor(10, 'function.bin'))));
    const model = concat([field(7, inBranch, inConstant, sparse), inFunction]);
    const found = readHeader(memoryBytes(model)).external;
    expect([...found].sort()).toEqual(['branch.bin', 'constant.bin', 'function.bin', 'indices.bin', 'values.bin']);
  });

  it('notices function calls that leave an input empty', () => {
    expect(header('empty-call').emptyCalls).toBe(true);
    const definition = field(25, field(1, 'F'), field(10, 'd'), field(4, 'a'), field(4, 'b'));
    const call = (...inputs: string[]) =>
      field(7, field(1, ...inputs.map((name) => field(1, name)), field(4, 'F'), field(7, 'd')));
    const noticed = (...inputs: string[]) => readHeader(memoryBytes(concat([call(...inputs), definition]))).emptyCalls;
    expect([noticed('x', 'y'), noticed('x', ''), noticed('', 'y'), noticed('x')]).toEqual([false, true, true, true]);
  });

  it('refuses sequences, and names them', () => {
    expect(() => header('sequence')).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_DTYPE', message: expect.stringContaining("'x'") }),
    );
  });

  it('stops at graphs nested without end', () => {
    let graph: Uint8Array = field(2, 'innermost');
    for (let i = 0; i < 500; i++) graph = field(1, field(5, field(6, graph)));
    expect(() => readHeader(memoryBytes(field(7, graph)))).toThrow(expect.objectContaining({ code: 'TOO_DEEP' }));
  });

  it('gives a result or an error of ours for damaged files', () => {
    const whole = readFileSync(fixture('bfloat16'));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(whole.length),
        (changes, length) => {
          const bytes = new Uint8Array(whole).subarray(0, length);
          for (const [at, byte] of changes) if (at < length) bytes[at] = byte;
          try {
            readHeader(memoryBytes(bytes));
            widenBoundary(memoryBytes(bytes));
            widenModel(memoryBytes(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(HopfcoleError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('checkLoadable', () => {
  // Later fields win in protobuf, so that a version can be appended.
  const withVersions = (ir: number, opset: number) =>
    readHeader(memoryBytes(concat([tinyModel(), numberField(1, ir), field(8, numberField(2, opset))])));
  it('lets through what ONNX Runtime 1.30 loads, and says why not for what is newer', () => {
    expect(() => checkLoadable(withVersions(13, 26), 'm')).not.toThrow();
    expect(() => checkLoadable(withVersions(13, 27), 'm')).toThrow(/opset 27.* up to 26/);
    expect(() => checkLoadable(withVersions(14, 26), 'm')).toThrow(/IR version 14.* up to 13/);
  });
});
