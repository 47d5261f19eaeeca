import { describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { npyHeader } from '../../src/files/npy.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, text, zip } from './assemble.ts';
import { at, type Case, central, changed, end, find, good, local, refuses } from './refused.ts';

const zips: Case[] = [
  ['a name with ..', 'BAD_ZIP', () => zip({ 'm/data.pkl': '', '../evil': '' })],
  ['an absolute name', 'BAD_ZIP', () => zip({ 'm/data.pkl': '', '/etc/passwd': '' })],
  ['a name with a drive', 'BAD_ZIP', () => zip({ 'm/data.pkl': '', 'C:evil': '' })],
  ['a name with a backslash', 'BAD_ZIP', () => zip({ 'm/data.pkl': '', '..\\evil': '' })],
  ['a name with a NUL', 'BAD_ZIP', () => zip({ 'm/data.pkl': '', 'a\0b': '' })],
  [
    'a name twice',
    'BAD_ZIP',
    async () =>
      changed(zip({ 'm/data.pkl': '', 'm/data.pkm': '' }), (_, bytes) =>
        bytes.forEach((byte, i) => {
          if (byte === 0x6d && bytes[i - 1] === 0x6b) bytes[i] = 0x6c;
        }),
      ),
  ],
  [
    'another name in the local header',
    'BAD_ZIP',
    async () =>
      changed(good(), (_, bytes) => {
        bytes[30] = 0x6e;
      }),
  ],
  ['an encrypted entry', 'BAD_ZIP', at(central, 8, 16, 0x801)],
  ['an unknown method', 'BAD_ZIP', at(central, 10, 16, 99)],
  ['another method in the local header', 'BAD_ZIP', at(local, 8, 16, 8)],
  ['another size in the local header', 'BAD_ZIP', at(local, 22, 32, 1)],
  ['another checksum in the local header', 'BAD_ZIP', at(local, 14, 32, 1)],
  ['a local header outside', 'BAD_ZIP', at(central, 42, 32, 0x7fffffff)],
  ['a local header that is none', 'BAD_ZIP', at(central, 42, 32, 5)],
  ['a packed size beyond the file', 'BAD_ZIP', at(central, 20, 32, 0x7ffffff0)],
  [
    'two entries on the same bytes',
    'BAD_ZIP',
    async () =>
      changed(zip({ aa: 'xx', ab: 'xx' }), (view, bytes) => {
        view.setUint32(find(bytes, central, 1) + 42, 0, true);
        bytes[find(bytes, central, 1) + 47] = 0x61;
      }),
  ],
  [
    'an entry inside another',
    'BAD_ZIP',
    async () => {
      const inner = await zip({ b: 'x' });
      const outer = await zip({ a: inner, b: 'x' });
      return changed(outer, (view, bytes) => view.setUint32(find(bytes, central, 2) + 42, 31, true));
    },
  ],
  ['another disk', 'BAD_ZIP', at(end, 4, 16, 1)],
  ['more entries than there are', 'BAD_ZIP', at(end, 10, 16, 99)],
  ['a directory elsewhere', 'BAD_ZIP', at(end, 16, 32, 3)],
  ['a directory larger than the file', 'BAD_ZIP', at(end, 12, 32, 0x7fffffff)],
  ['a zip64 mark without its record', 'BAD_ZIP', at(end, 16, 32, 0xffffffff)],
  [
    'a comment that holds another end record',
    'BAD_ZIP',
    async () => {
      const bytes = await good();
      const place = find(bytes, end);
      const tail = bytes.slice(place);
      return changed(join(bytes, tail), (view) => view.setUint16(place + 20, tail.byteLength, true));
    },
  ],
  ['bytes after the end', 'BAD_ZIP', async () => join(await good(), 'more')],
  ['bytes before the start', 'BAD_ZIP', async () => join('PK\x03\x04', await good())],
  ['a cut', 'BAD_ZIP', async () => (await good()).slice(0, -30)],
  ['only a beginning', 'BAD_ZIP', () => text('PK\x03\x04')],
  ['a folder with data', 'BAD_ZIP', () => zip({ 'm/': 'x' })],
  [
    'a flipped bit in a tensor',
    'BAD_ZIP',
    async () => {
      const bytes = await good();
      return changed(bytes, (_, copy) => {
        const place = find(bytes, local, 2);
        copy[place + 30 + 'm/data/0'.length] = 1;
      });
    },
  ],
  [
    'a bomb of 256 MB',
    'BAD_ZIP',
    () => zip({ 'a.npy': new Uint8Array(2 ** 27), 'b.npy': new Uint8Array(2 ** 27) }, true),
  ],
  [
    'a deflated size that cannot be',
    'BAD_ZIP',
    async () =>
      changed(zip({ 'a.npy': new Uint8Array(100) }, true), (view, bytes) => {
        view.setUint32(22, 50_000_000, true);
        view.setUint32(find(bytes, central) + 24, 50_000_000, true);
      }),
  ],
  [
    'more unpacked than declared',
    'BAD_ZIP',
    async () =>
      changed(zip({ 'a.npy': join(npyHeader('<f4', [968]), new Uint8Array(4000)) }, true), (view, bytes) => {
        view.setUint32(22, 4000, true);
        view.setUint32(find(bytes, central) + 24, 4000, true);
      }),
  ],
  [
    'less unpacked than declared',
    'BAD_ZIP',
    async () =>
      changed(zip({ 'a.npy': join(npyHeader('<f4', [1218]), new Uint8Array(4000)) }, true), (view, bytes) => {
        view.setUint32(22, 5000, true);
        view.setUint32(find(bytes, central) + 24, 5000, true);
      }),
  ],
  [
    'damaged deflate data',
    'BAD_ZIP',
    async () =>
      changed(zip({ 'a.npy': new Uint8Array(1000) }, true), (_, bytes) => {
        bytes[36] = 0xff;
        bytes[37] = 0xff;
      }),
  ],
];

refuses('archives', zips);

describe('the assembled files', () => {
  it('are sound where nothing is wrong with them', async () => {
    const { tensors } = await verifyCheckpoint(memorySource(await good()));
    expect([...tensors]).toMatchObject([['w', { dtype: 'float32', shape: [2, 2] }]]);
  });

  it('are accepted with a checksum of 0, which PyTorch may write', async () => {
    const bytes = await changed(good(), (view, copy) => {
      view.setUint32(find(copy, local, 2) + 14, 0, true);
      view.setUint32(find(copy, central, 2) + 16, 0, true);
      copy[find(copy, local, 2) + 30 + 'm/data/0'.length] = 1;
    });
    expect((await verifyCheckpoint(memorySource(bytes))).tensors.size).toBe(1);
  });
});
