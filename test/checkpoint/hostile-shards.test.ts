import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join as path } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { openFile } from '../../src/files/node/file.ts';
import { fileFolder } from '../../src/files/node/folder.ts';
import { join, safetensors, state, tensor, torchZip } from './assemble.ts';
import { earlyStorage, legacy } from './assemble-early.ts';
import { call, four } from './refused.ts';

const base = mkdtempSync(path(tmpdir(), 'hopfcole-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
writeFileSync(path(base, 'outside.bin'), await torchZip(state({ w: tensor([4], [1]) }), four));

const shard = await torchZip(state({ w: tensor([4], [1]) }), four);
const plain = safetensors('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4);
/** An array of one float32. */
const npy = (() => {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
  return join([0x93], 'NUMPY', [1, 0, header.length, 0], header, [0, 0, 0, 0]);
})();
const index = (map: Record<string, unknown>) => JSON.stringify({ weight_map: map });

/** What is wrong, the code, the index, the files beside it, links as [name, where it leads]. */
type Case = readonly [
  what: string,
  code: string,
  index: string,
  files?: Record<string, Uint8Array | string>,
  link?: readonly [string, string],
];

const cases: Case[] = [
  ['an absolute path', 'PATH_OUTSIDE_MODEL', index({ w: '/etc/passwd.bin' })],
  ['a path upwards', 'PATH_OUTSIDE_MODEL', index({ w: '../outside.bin' })],
  ['a path down and up', 'PATH_OUTSIDE_MODEL', index({ w: 'a/../../outside.bin' })],
  ['a path of Windows', 'PATH_OUTSIDE_MODEL', index({ w: 'C:\\x.bin' })],
  ['a path with a NUL', 'PATH_OUTSIDE_MODEL', index({ w: 'a\0.bin' })],
  ['a link out of the folder', 'PATH_OUTSIDE_MODEL', index({ w: 'x.bin' }), {}, ['x.bin', '../outside.bin']],
  ['a folder that is a link', 'PATH_OUTSIDE_MODEL', index({ w: 'up/outside.bin' }), {}, ['up', '..']],
  ['a link to itself', 'PATH_OUTSIDE_MODEL', index({ w: 'x.bin' }), {}, ['x.bin', 'x.bin']],
  ['a shard that is not there', 'FILE_NOT_FOUND', index({ w: 'x.bin' })],
  ['a shard that is a folder', 'NOT_A_FILE', index({ w: 'sub' }), { 'sub/x': '' }],
  ['the index itself as a shard', 'UNSUPPORTED_FORMAT', index({ w: 'm.bin.index.json' })],
  [
    'another index as a shard',
    'UNSUPPORTED_FORMAT',
    index({ w: 'n.bin' }),
    { 'n.bin': index({ w: 'm.bin.index.json' }) },
  ],
  ['a shard that is text', 'UNSUPPORTED_FORMAT', index({ w: 'x.bin' }), { 'x.bin': 'hello' }],
  ['a shard that is empty', 'UNSUPPORTED_FORMAT', index({ w: 'x.bin' }), { 'x.bin': '' }],
  ['a shard of arrays', 'UNSUPPORTED_FORMAT', index({ w: 'x.bin' }), { 'x.bin': npy }],
  [
    'os.system in a shard',
    'UNSAFE_PICKLE',
    index({ w: 'x.bin' }),
    { 'x.bin': await torchZip(call('os', 'system'), four) },
  ],
  [
    'os.system in an early shard',
    'UNSAFE_PICKLE',
    index({ w: 'x.bin' }),
    { 'x.bin': legacy({ object: call('os', 'system') }) },
  ],
  ['a name the shard lacks', 'BAD_INDEX', index({ w: 'x.bin', v: 'x.bin' }), { 'x.bin': shard }],
  ['a name the index lacks', 'BAD_INDEX', index({ v: 'x.bin' }), { 'x.bin': shard }],
  ['a name in another shard', 'BAD_INDEX', index({ w: 'x.bin', v: 'y.bin' }), { 'x.bin': shard, 'y.bin': plain }],
  ['a shard that is a number', 'BAD_INDEX', index({ v: 'y.bin', w: 7 }), { 'y.bin': shard }],
  ['no map', 'BAD_INDEX', '{"weight_map": ["x.bin"]}'],
  [
    'twenty thousand shards',
    'BAD_INDEX',
    index(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`w${i}`, `${i}.bin`]))),
  ],
  ['a name twice', 'BAD_JSON', '{"weight_map": {"w": "x.bin", "w": "y.bin"}}'],
  ['a map a thousand deep', 'BAD_JSON', `{"weight_map": ${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}}`],
];

describe('hostile indices of shards', () => {
  for (const [what, code, content, files = {}, link] of cases)
    it(what, async () => {
      const folder = mkdtempSync(path(base, 'm-'));
      const all = { 'm.bin.index.json': content, ...files };
      for (const [name, bytes] of Object.entries(all)) {
        mkdirSync(dirname(path(folder, name)), { recursive: true });
        writeFileSync(path(folder, name), bytes);
      }
      if (link !== undefined) symlinkSync(link[1], path(folder, link[0]));
      const source = await openFile(path(folder, 'm.bin.index.json'));
      const began = performance.now();
      const problem = await verifyCheckpoint(source, fileFolder(folder)).catch((error) => error);
      expect(problem).toBeInstanceOf(HopfcoleError);
      expect([problem.code, problem.line()]).toEqual([code, expect.not.stringMatching(/[\r\n\0]/)]);
      expect(performance.now() - began).toBeLessThan(2000);
    });

  it('are what they are for: sound shards of three kinds are read', async () => {
    const folder = mkdtempSync(path(base, 'm-'));
    const early = legacy({ object: state({ e: tensor([4], [1], { of: earlyStorage('0', 4) }) }) });
    writeFileSync(path(folder, 'e.bin'), early);
    writeFileSync(path(folder, 'z.bin'), await torchZip(state({ z: tensor([4], [1]) }), four));
    writeFileSync(path(folder, 's.safetensors'), plain);
    writeFileSync(path(folder, 'i.json'), index({ z: 'z.bin', w: 's.safetensors', e: 'e.bin' }));
    const checkpoint = await verifyCheckpoint(await openFile(path(folder, 'i.json')), fileFolder(folder));
    expect([...checkpoint.tensors.keys()]).toEqual(['z', 'w', 'e']);
    await expect(
      verifyCheckpoint(await openFile(path(folder, 'i.json')), fileFolder(folder), { select: 'x' }),
    ).rejects.toMatchObject({ code: 'NO_TENSORS' });
  });

  it('of other formats hold no surprises: a persistent id of a shard is no path', async () => {
    const folder = mkdtempSync(path(base, 'm-'));
    writeFileSync(path(folder, 'x.bin'), legacy({ object: state({ w: 'P../outside.bin\n' }) }));
    writeFileSync(path(folder, 'i.json'), index({ w: 'x.bin' }));
    const checkpoint = verifyCheckpoint(await openFile(path(folder, 'i.json')), fileFolder(folder));
    await expect(checkpoint).rejects.toMatchObject({ code: 'UNSAFE_PICKLE' });
  });
});
