import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameDecoder } from '../../src/runtime/node/frame.ts';
import type { Packet } from '../../src/runtime/node/packet.ts';

const packets = fc.array(
  fc.record({ parts: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }), name: fc.string() }),
  { minLength: 1, maxLength: 5 },
);

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(packets, fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 50 }), (list, cuts) => {
        const sent: Packet[] = list.map(({ parts, name }) => ({
          head: {
            type: 'open',
            name,
            external: [],
            settings: { choice: { requested: '', name: '', why: '' }, verbose: true },
          },
          parts,
        }));
        const stream = Buffer.concat(sent.flatMap(encodeFrame));
        const got: Packet[] = [];
        const decoder = new FrameDecoder((packet) => got.push(packet));
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          decoder.push(stream.subarray(at, at + size));
          at += size;
        }
        expect(got).toEqual(sent);
      }),
    );
  });
});
