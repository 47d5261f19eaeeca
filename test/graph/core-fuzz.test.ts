import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySource } from '../../src/files/source.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';

const folder = join(import.meta.dirname, '../../fixtures/backend');
const files = readdirSync(folder).filter((name) => name.endsWith('.onnx'));

describe('a damaged model', () => {
  it('is read or refused with an error of ours, and what is read can be written and read again', async () => {
    let accepted = 0;
    let refused = 0;
    const mutation = fc.record({
      file: fc.nat(files.length - 1),
      edits: fc.array(fc.record({ at: fc.double({ min: 0, max: 0.999, noNaN: true }), byte: fc.nat(255) }), {
        minLength: 1,
        maxLength: 4,
      }),
    });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ file, edits }) => {
        const bytes = new Uint8Array(readFileSync(join(folder, files[file] ?? '')));
        for (const { at, byte } of edits) bytes[Math.floor(at * bytes.length)] = byte;
        const model = await readModel(memorySource(bytes))
          .then((message) => fromProto(message))
          .catch((error: unknown) => {
            if (!(error instanceof HopfcoleError)) throw error;
            return undefined;
          });
        if (model === undefined) {
          refused++;
          return;
        }
        accepted++;
        const written = encodeModel(toProto(model));
        const again = encodeModel(toProto(await fromProto(await readModel(memorySource(written)))));
        expect(Buffer.compare(again, written)).toBe(0);
      }),
      { numRuns: 1500, seed: 7 },
    );
    expect(accepted).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(50);
  });
});
