import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { fileFolder } from '../../src/files/node/folder.ts';
import { npyHeader } from '../../src/files/npy.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, safetensors, text, uint32, uint64, zip } from './assemble.ts';
import { type Case, call, refuses } from './refused.ts';

const header =
  (body: string, size = 16) =>
  () =>
    safetensors(body, size);
const entry = (fields: string) => `{"w":{${fields}}}`;
const safe: Case[] = [
  ['a header of 2^63 bytes', /BAD_SAFETENSORS|UNSUPPORTED_FORMAT/, () => safetensors('{}', 0, 2n ** 63n)],
  ['a header over the limit', 'BAD_SAFETENSORS', () => safetensors('{}', 0, 100_000_001n)],
  ['a header beyond the file', 'BAD_SAFETENSORS', () => safetensors('{}', 0, 99_999n)],
  ['a header that is cut', 'BAD_JSON', () => safetensors('{"w":', 0)],
  ['a header that is not UTF-8', 'BAD_SAFETENSORS', () => join(uint64(4), '{"', [0xff], '}')],
  ['text after the header', 'BAD_JSON', header('{}{}', 0)],
  [
    'a key twice',
    'BAD_JSON',
    header(
      '{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
    ),
  ],
  [
    'a key twice, once in escapes',
    'BAD_JSON',
    header(
      '{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"\\u0077":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
    ),
  ],
  ['a field twice', 'BAD_JSON', header(entry('"dtype":"F32","shape":[4],"shape":[2],"data_offsets":[0,16]'))],
  ['nesting of 100,000', 'BAD_JSON', header(`{"w":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)],
  ['nested metadata', 'BAD_SAFETENSORS', header('{"__metadata__":{"a":{"b":1}}}', 0)],
  ['metadata that is a list', 'BAD_SAFETENSORS', header('{"__metadata__":[]}', 0)],
  ['an unknown dtype', 'BAD_SAFETENSORS', header(entry('"dtype":"F31","shape":[4],"data_offsets":[0,16]'))],
  ['a dtype of an object', 'BAD_SAFETENSORS', header(entry('"dtype":"constructor","shape":[4],"data_offsets":[0,16]'))],
  ['a shape with a fraction', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[4.5],"data_offsets":[0,16]'))],
  ['a negative shape', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[-4],"data_offsets":[0,16]'))],
  [
    'a shape beyond 2^53',
    'BAD_JSON',
    header(entry('"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,16]')),
  ],
  [
    'a product that overflows',
    'BAD_SAFETENSORS',
    header(entry('"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,16]')),
  ],
  [
    'a product that overflows to 0',
    'BAD_SAFETENSORS',
    header(entry('"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,16]')),
  ],
  ['offsets outside', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[8],"data_offsets":[0,32]'))],
  ['offsets reversed', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[4],"data_offsets":[16,0]'))],
  ['three offsets', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[4],"data_offsets":[0,16,16]'))],
  ['a wrong size', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[3],"data_offsets":[0,16]'))],
  ['a missing field', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","data_offsets":[0,16]'))],
  ['an unknown field', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1'))],
  ['a gap at the start', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[2],"data_offsets":[8,16]'))],
  ['bytes left over', 'BAD_SAFETENSORS', header(entry('"dtype":"F32","shape":[2],"data_offsets":[0,8]'))],
  [
    'an overlap',
    'BAD_SAFETENSORS',
    header(
      '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}',
    ),
  ],
  [
    'the same bytes twice',
    'BAD_SAFETENSORS',
    header(
      '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
    ),
  ],
  ['half a byte', 'BAD_SAFETENSORS', header('{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}', 1)],
  ['a list for a header', /UNSUPPORTED_FORMAT|BAD_SAFETENSORS/, header('[]', 0)],
];

const npy =
  (headerText: string, size: number, version = 1) =>
  () =>
    zip({
      'a.npy': join(
        [0x93],
        'NUMPY',
        [version, 0],
        [headerText.length & 255, headerText.length >> 8],
        version > 1 ? [0, 0] : '',
        headerText,
        new Uint8Array(size),
      ),
    });
const numpy: Case[] = [
  ['code in the header', 'BAD_NPY', npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}", 0)],
  [
    'a shape beyond the data',
    'BAD_NPY',
    npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", 4),
  ],
  [
    'a shape that overflows',
    'BAD_NPY',
    npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }", 4),
  ],
  ['texts of no width', 'BAD_NPY', npy("{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000,), }", 0)],
  ['a width beyond the data', 'BAD_NPY', npy("{'descr': '<U999999999', 'fortran_order': False, 'shape': (1,), }", 4)],
  ['a key twice', 'BAD_NPY', npy("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", 4)],
  ['a missing key', 'BAD_NPY', npy("{'descr': '<f4', 'shape': (1,), }", 4)],
  ['a negative size', 'BAD_NPY', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4)],
  ['an unknown version', 'BAD_NPY', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4, 9)],
  ['a long double', 'UNSUPPORTED_DTYPE', npy("{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", 16)],
  ['objects', 'UNSAFE_PICKLE', npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8)],
  [
    'a header beyond the file',
    'BAD_NPY',
    () => zip({ 'a.npy': join([0x93], 'NUMPY', [2, 0], uint32(0xffffffff), '{}') }),
  ],
  [
    'an entry that is no array',
    /BAD_NPZ|UNSUPPORTED_FORMAT/,
    () => zip({ 'a.npy': join(npyHeader('<f4', [1]), new Uint8Array(4)), readme: 'x' }),
  ],
  ['a character beyond Unicode', 'BAD_NPY', () => zip({ 'a.npy': join(npyHeader('<U1', [1]), [255, 255, 255, 255]) })],
];

const others: Case[] = [
  ['an empty file', 'UNSUPPORTED_FORMAT', () => new Uint8Array(0)],
  ['one byte', 'UNSUPPORTED_FORMAT', () => Uint8Array.from([0x50])],
  ['noise', 'UNSUPPORTED_FORMAT', () => Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919 + (i >> 3)) % 256)],
  ['a bare pickle', 'UNSUPPORTED_FORMAT', () => call('os', 'system')],
  ['a GGUF file that is cut short', 'BAD_GGUF', () => text('GGUF\x03\0\0\0')],
  ['an HDF5 file', 'UNSUPPORTED_FORMAT', () => join([0x89], 'HDF\r\n\x1a\n')],
];

refuses('safetensors', safe);
refuses('numpy files', numpy);
refuses('other files', others);

describe('the same headers', () => {
  it('are read where nothing is wrong with them', async () => {
    expect(
      (await verifyCheckpoint(memorySource(safetensors(entry('"dtype":"F32","shape":[4],"data_offsets":[0,16]'), 16))))
        .tensors.size,
    ).toBe(1);
    expect(
      (
        await verifyCheckpoint(
          memorySource(await npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4)()),
        )
      ).tensors.size,
    ).toBe(1);
  });
});

describe('hostile shards', () => {
  const root = mkdtempSync(pathOf(tmpdir(), 'hopfcole-'));
  const model = pathOf(root, 'model');
  const one = safetensors('{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', 16);
  beforeAll(() => {
    mkdirSync(model);
    writeFileSync(pathOf(root, 'outside.safetensors'), one);
    writeFileSync(pathOf(model, 'one.safetensors'), one);
    writeFileSync(pathOf(model, 'again.safetensors'), one);
    symlinkSync('../outside.safetensors', pathOf(model, 'link.safetensors'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const open = (index: string) => verifyCheckpoint(memorySource(text(index)), fileFolder(model));
  const shards: readonly (readonly [string, string, string])[] = [
    ['a shard outside', 'PATH_OUTSIDE_MODEL', '{"weight_map":{"a":"../outside.safetensors"}}'],
    ['an absolute shard', 'PATH_OUTSIDE_MODEL', '{"weight_map":{"a":"/etc/passwd"}}'],
    ['a linked shard', 'PATH_OUTSIDE_MODEL', '{"weight_map":{"a":"link.safetensors"}}'],
    ['a missing shard', 'FILE_NOT_FOUND', '{"weight_map":{"a":"none.safetensors"}}'],
    ['a name that its shard lacks', 'BAD_INDEX', '{"weight_map":{"a":"one.safetensors","b":"one.safetensors"}}'],
    ['a tensor in two shards', 'BAD_INDEX', '{"weight_map":{"a":"one.safetensors","b":"again.safetensors"}}'],
    ['a name twice', 'BAD_JSON', '{"weight_map":{"a":"one.safetensors","a":"again.safetensors"}}'],
    ['a shard that is a number', 'BAD_INDEX', '{"weight_map":{"a":1}}'],
    ['a map that is a list', 'BAD_INDEX', '{"weight_map":[]}'],
    ['a shard that is itself', 'FILE_NOT_FOUND', '{"weight_map":{"a":"model.safetensors.index.json"}}'],
  ];
  for (const [what, code, index] of shards)
    it(what, async () => {
      const problem = await open(index).then(
        () => ({ code: 'none' }),
        (error) => error,
      );
      expect(problem.code).toBe(code);
    });
  it('a shard that holds more than the index says', async () => {
    writeFileSync(
      pathOf(model, 'more.safetensors'),
      safetensors(
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"c":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}',
        16,
      ),
    );
    await expect(open('{"weight_map":{"a":"more.safetensors"}}')).rejects.toMatchObject({ code: 'BAD_INDEX' });
  });
  it('none, when no folder is given', async () => {
    await expect(verifyCheckpoint(memorySource(text('{"weight_map":{"a":"one.safetensors"}}')))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });
});
