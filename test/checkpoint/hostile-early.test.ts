import { describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, op, state, tensor, uint32, uint64 } from './assemble.ts';
import { earlyStorage, earlyTar, keysOf, legacy, raw, tar } from './assemble-early.ts';
import { type Case, changed, refuses } from './refused.ts';

const whole = earlyStorage('0', 4);
const object = state({ w: tensor([2, 2], [2, 1], { of: whole }) });
const part = (offset: number, length: number) => join('(', op.string('v'), op.int(offset), op.int(length), 't');
const viewed = (offset: number, length: number) =>
  state({ w: tensor([2], [1], { of: earlyStorage('0', 4, part(offset, length)) }) });
const reaching = (module: string, name: string) =>
  state({ w: tensor([4], [1], { of: whole }), x: op.global(module, name) });

const streams: Case[] = [
  ['another protocol', 'BAD_CHECKPOINT', () => legacy({ object, protocol: join(op.proto, 'M', [1, 4], '.') })],
  ['a machine that is no dict', 'BAD_CHECKPOINT', () => legacy({ object, machine: join(op.proto, '].') })],
  [
    'os.system in the machine',
    'UNSAFE_PICKLE',
    () => legacy({ object, machine: join(op.proto, op.global('os', 'system'), '.') }),
  ],
  ['os.system in the object', 'UNSAFE_PICKLE', () => legacy({ object: reaching('os', 'system') })],
  [
    'os.system among the keys',
    'UNSAFE_PICKLE',
    () => legacy({ object, keys: join(op.proto, ']', op.global('os', 'system'), 'a.') }),
  ],
  ['a storage among the keys', 'UNSAFE_PICKLE', () => legacy({ object, keys: join(op.proto, ']', whole, 'a.') })],
  ['keys that are no list', 'BAD_CHECKPOINT', () => legacy({ object, keys: join(op.proto, '}.') })],
  [
    'a key twice',
    'BAD_CHECKPOINT',
    () => legacy({ object, keys: keysOf('0', '0'), raw: join(raw(4, 16), raw(4, 16)) }),
  ],
  ['a key that is not known', 'BAD_CHECKPOINT', () => legacy({ object, keys: keysOf('0', '9') })],
  ['twenty thousand keys', 'BAD_CHECKPOINT', () => legacy({ object, keys: keysOf(...Array(20_000).fill('9')) })],
  ['a storage that no key names', 'BAD_CHECKPOINT', () => legacy({ object, keys: keysOf(), raw: new Uint8Array(0) })],
  ['2^62 elements', 'BAD_CHECKPOINT', () => legacy({ object, raw: raw(2n ** 62n, 16) })],
  ['-1 elements', 'BAD_CHECKPOINT', () => legacy({ object, raw: raw(-1, 16) })],
  ['fewer elements than the pickle says', 'BAD_CHECKPOINT', () => legacy({ object, raw: raw(3, 12) })],
  ['elements beyond the end', 'BAD_CHECKPOINT', () => legacy({ object, raw: raw(4, 12) })],
  ['no room for a number of elements', 'BAD_CHECKPOINT', () => legacy({ object, raw: new Uint8Array(5) })],
  ['a second object behind', 'BAD_CHECKPOINT', () => join(legacy({ object }), legacy({ object }))],
  ['a view beyond its storage', 'BAD_PICKLE', () => legacy({ object: viewed(3, 2) })],
  [
    'a view of 2^52 elements',
    'BAD_PICKLE',
    () =>
      legacy({
        object: state({
          w: tensor([2], [1], {
            of: earlyStorage('0', 4, join('(', op.string('v'), op.long(2n ** 52n), op.int(1), 't')),
          }),
        }),
      }),
  ],
  [
    'a tensor beyond its view',
    'BAD_CHECKPOINT',
    () => legacy({ object: state({ w: tensor([3], [1], { of: earlyStorage('0', 4, part(1, 2)) }) }) }),
  ],
  [
    'one storage of two sizes',
    'BAD_PICKLE',
    () =>
      legacy({
        object: state({ w: tensor([4], [1], { of: whole }), v: tensor([2], [1], { of: earlyStorage('0', 8) }) }),
      }),
  ],
  [
    'one storage of two types',
    'BAD_PICKLE',
    () =>
      legacy({
        object: state({
          w: tensor([4], [1], { of: whole }),
          v: tensor([2], [1], { of: earlyStorage('0', 4, undefined, 'DoubleStorage') }),
        }),
      }),
  ],
  [
    'a storage of 2^50 elements',
    'BAD_CHECKPOINT',
    () => legacy({ object: state({ w: tensor([4], [1], { of: earlyStorage('0', 2 ** 50) }) }), raw: raw(2 ** 50, 16) }),
  ],
  [
    'a module id with os.system',
    'UNSAFE_PICKLE',
    () =>
      legacy({
        object: join(
          op.proto,
          '(',
          op.string('module'),
          op.global('os', 'system'),
          op.string('f'),
          op.string('s'),
          'tQ.',
        ),
      }),
  ],
  [
    'a module id that is called',
    'UNSAFE_PICKLE',
    () =>
      legacy({
        object: join(
          op.proto,
          '(',
          op.string('module'),
          op.global('evil', 'Net'),
          'NNtQ',
          op.string('x'),
          [0x85],
          'R.',
        ),
      }),
  ],
  [
    'a module id that is no class',
    'UNSAFE_PICKLE',
    () => legacy({ object: join(op.proto, '(', op.string('module'), op.string('os.system'), 'NNtQ.') }),
  ],
  ['a text persistent id', 'UNSAFE_PICKLE', () => legacy({ object: join(op.proto, 'P1\n.') })],
  [
    'an object that does not end',
    'BAD_PICKLE',
    () => legacy({ object: join(op.proto, '}'), keys: new Uint8Array(0), raw: new Uint8Array(0) }),
  ],
  ['a string of 4 GB', 'BAD_PICKLE', () => legacy({ object: join(op.proto, 'X', uint32(2 ** 32 - 1)) })],
  ['bytes of 2^63', 'BAD_PICKLE', () => legacy({ object: join([0x80, 4, 0x8e], uint64(2n ** 63n)) })],
  [
    'a pickle that asks for more, a thousand times',
    'BAD_PICKLE',
    () => legacy({ object: join(op.proto, new Uint8Array(4_000_000).fill(0x5d), '0'.repeat(3_999_999), 'R') }),
  ],
  ['only the magic number', 'BAD_PICKLE', () => legacy({ object }).slice(0, 15)],
  ['a cut in the object', /BAD_PICKLE|BAD_CHECKPOINT/, () => legacy({ object }).slice(0, 120)],
];

refuses('streams of before 1.6', streams, 2000);

describe('the assembled early files', () => {
  it.each([
    ['a stream', legacy({ object })],
    ['a stream with a view', legacy({ object: viewed(1, 3) })],
    ['a tar', tar(earlyTar({}))],
    [
      'a tar with a view',
      tar(earlyTar({ views: join(op.proto, '](', '(', op.int(7), op.int(1), op.int(1), op.int(3), 'te.') })),
    ],
  ])('are sound where nothing is wrong: %s', async (_what, bytes) => {
    const { tensors, format } = await verifyCheckpoint(memorySource(bytes));
    expect(format).toBe('torch-legacy');
    expect([...tensors.keys()]).toEqual(['w']);
  });

  it('are refused for what is changed, not for what they are', async () => {
    const bytes = await changed(legacy({ object }), (view, copy) => view.setUint8(copy.byteLength - 1, 1));
    expect((await verifyCheckpoint(memorySource(bytes))).tensors.size).toBe(1);
  });
});
