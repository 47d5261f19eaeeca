import { describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, uint64 } from './assemble.ts';
import { type Case, central, changed, end, find, good, local, refuses } from './refused.ts';

const most = 0xffffffff;
const field = (values: readonly bigint[], length = 8 * values.length) =>
  join([1, 0, length & 255, length >> 8], ...values.map((value) => uint64(value)));

/** A sound archive whose nth directory record gets an extra field, after its own fields were written over. */
async function lying(
  extra: Uint8Array,
  change: (view: DataView, record: number) => void,
  nth = 0,
): Promise<Uint8Array> {
  const bytes = await changed(good(), (view, copy) => {
    const record = find(copy, central, nth);
    change(view, record);
    view.setUint16(record + 30, extra.byteLength, true);
    const last = find(copy, end);
    view.setUint32(last + 12, view.getUint32(last + 12, true) + extra.byteLength, true);
  });
  const record = find(bytes, central, nth);
  const at = record + 46 + new DataView(bytes.buffer).getUint16(record + 28, true);
  return join(bytes.subarray(0, at), extra, bytes.subarray(at));
}

const wideSizes = (view: DataView, record: number) => {
  view.setUint32(record + 20, most, true);
  view.setUint32(record + 24, most, true);
};
const streamed = (size: number) =>
  changed(good(), (view, copy) => {
    for (const [signature, flags, sizes] of [
      [local, 6, 18],
      [central, 8, 0],
    ] as const) {
      const record = find(copy, signature);
      view.setUint16(record + flags, view.getUint16(record + flags, true) | 8, true);
      if (sizes === 0) continue;
      view.setUint32(record + 14, 0, true);
      view.setUint32(record + sizes, size, true);
      view.setUint32(record + sizes + 4, size, true);
    }
  });

const lies: Case[] = [
  ['sizes of 2^60 in a zip64 field', 'BAD_ZIP', () => lying(field([2n ** 60n, 2n ** 60n]), wideSizes)],
  ['sizes of 2^64 - 1', 'BAD_ZIP', () => lying(field([2n ** 64n - 1n, 2n ** 64n - 1n]), wideSizes)],
  ['other sizes than the local header', 'BAD_ZIP', () => lying(field([17n, 17n]), wideSizes)],
  ['sizes that a field should hold and does not', 'BAD_ZIP', () => lying(new Uint8Array(0), wideSizes)],
  ['a field that is too short', 'BAD_ZIP', () => lying(field([16n]), wideSizes)],
  ['a field longer than the extra data', 'BAD_ZIP', () => lying(field([16n, 16n], 4000), wideSizes)],
  [
    'a place beyond the file',
    'BAD_ZIP',
    () => lying(field([2n ** 50n]), (view, record) => view.setUint32(record + 42, most, true)),
  ],
  [
    'a place inside another entry',
    'BAD_ZIP',
    () => lying(field([3n]), (view, record) => view.setUint32(record + 42, most, true)),
  ],
  ['a streamed entry whose local header says other sizes', 'BAD_ZIP', () => streamed(5)],
];

refuses('zip64 fields and streamed entries', lies, 2000);

describe('zip64 fields and streamed entries', () => {
  it('that are true, or ignored by every reader, are read', async () => {
    const files = [await streamed(0), await lying(field([2n ** 60n, 2n ** 60n]), () => {}, 1)];
    for (const bytes of files) expect((await verifyCheckpoint(memorySource(bytes))).tensors.size).toBe(1);
  });

  it('make no error but ours, whatever they say', async () => {
    for (let length = 0; length < 40; length++) {
      const extra = Uint8Array.from({ length }, (_, i) => (i * 97 + length) % 256);
      const problem = await lying(extra, wideSizes)
        .then((bytes) => verifyCheckpoint(memorySource(bytes)))
        .catch((error) => error);
      expect(problem).toBeInstanceOf(HopfcoleError);
    }
  });
});
