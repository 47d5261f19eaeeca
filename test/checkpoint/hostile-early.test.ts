import { describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, op, state, tensor, text, uint32, uint64 } from './assemble.ts';
import { early, earlyStorage, earlyTar, keysOf, legacy, raw, tar } from './assemble-early.ts';
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

const tars: Case[] = [
  ['no storages', 'BAD_CHECKPOINT', () => tar(earlyTar({}).slice(1))],
  ['no pickle', 'BAD_CHECKPOINT', () => tar(earlyTar({}).slice(0, 2))],
  ['a member twice', 'BAD_CHECKPOINT', () => tar([...earlyTar({}), ...earlyTar({}).slice(2)])],
  [
    'a symbolic link',
    'BAD_CHECKPOINT',
    () =>
      tar(earlyTar({}), (header, name) => {
        if (name !== 'pickle') return;
        header[156] = 0x32;
        header.set(text('/etc/passwd'), 157);
      }),
  ],
  ['a hard link', 'BAD_CHECKPOINT', () => tar(earlyTar({}), (header) => header.set([0x31], 156))],
  [
    'a member beyond the end',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({}), (header) => header.set(text('77777777777\0'), 124)),
  ],
  [
    'a size that is no number',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({}), (header) => header.set(text('0x400000000\0'), 124)),
  ],
  [
    'a size in binary',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({}), (header) => header.set([0x80, 0, 0, 0, 255, 255, 255, 255], 124)),
  ],
  ['a wrong checksum', 'BAD_CHECKPOINT', () => tar(earlyTar({}), (header) => header.set(text('000001\0 '), 148))],
  [
    'a hundred thousand members',
    'BAD_CHECKPOINT',
    () => tar(Array.from({ length: 5000 }, (_, i) => [`f${i}`, new Uint8Array(0)] as const)),
  ],
  [
    '2^40 storages',
    /BAD_PICKLE|BAD_CHECKPOINT/,
    () => tar(earlyTar({ storages: join(early.number(2 ** 40), early.storage()) })),
  ],
  [
    '-1 storages',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ storages: join(op.proto, op.int(-1), '.', early.storage()) })),
  ],
  [
    'a storage of 2^62 elements',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ storages: join(early.number(1), early.storage(2n ** 62n)) })),
  ],
  [
    'a storage beyond the member',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ storages: join(early.number(1), early.storage(400, 16)), views: new Uint8Array(0) })),
  ],
  [
    'a storage of no storage type',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ storages: join(early.number(1), early.storage(4, 16, 'float32')) })),
  ],
  [
    'a storage of os.system',
    'UNSAFE_PICKLE',
    () =>
      tar(
        earlyTar({
          storages: join(
            early.number(1),
            op.proto,
            op.int(1),
            op.string('cpu'),
            op.global('os', 'system'),
            [0x87],
            '.',
          ),
        }),
      ),
  ],
  [
    'a view beyond its storage',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ views: join(op.proto, '](', '(', op.int(7), op.int(1), op.int(2), op.int(3), 'te.') })),
  ],
  [
    'a view of a view',
    'BAD_CHECKPOINT',
    () =>
      tar(
        earlyTar({
          views: join(
            op.proto,
            '](',
            '(',
            op.int(7),
            op.int(1),
            op.int(1),
            op.int(3),
            't(',
            op.int(8),
            op.int(7),
            op.int(0),
            op.int(1),
            'te.',
          ),
        }),
      ),
  ],
  [
    'a tensor of a million dimensions',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ tensors: join(early.number(1), early.tensor(1_000_000, [1])) })),
  ],
  [
    'a tensor of -1 dimensions',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ tensors: join(early.number(1), early.tensor(-1, [])) })),
  ],
  [
    'a negative size',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ tensors: join(early.number(1), early.tensor(1, [-4, 1])) })),
  ],
  [
    'a negative stride',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ tensors: join(early.number(1), early.tensor(1, [2, -1], 1)) })),
  ],
  [
    'an offset beyond the storage',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ tensors: join(early.number(1), early.tensor(1, [2, 1], 3)) })),
  ],
  [
    'an offset of 2^63 - 1',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ tensors: join(early.number(1), early.tensor(1, [2, 1], 2n ** 63n - 1n)) })),
  ],
  [
    'a shape of 2^80',
    'BAD_CHECKPOINT',
    () => tar(earlyTar({ tensors: join(early.number(1), early.tensor(2, [2 ** 40, 2 ** 40, 0, 0])) })),
  ],
  ['a reference to no tensor', 'BAD_PICKLE', () => tar(earlyTar({ pickle: join(op.proto, op.int(99), 'Q.') }))],
  ['a reference by a path', 'BAD_PICKLE', () => tar(earlyTar({ pickle: join(op.proto, 'P/etc/passwd\n.') }))],
  [
    'os.system as a container',
    'UNSAFE_PICKLE',
    () => tar(earlyTar({ pickle: join(op.proto, op.global('os', 'system'), 'NN', [0x87], 'Q.') })),
  ],
  ['bytes behind the pickle', 'BAD_CHECKPOINT', () => tar(earlyTar({ pickle: join(early.pickle, early.pickle) }))],
];

refuses('streams of before 1.6', streams, 2000);
refuses('tars of before 0.1.9', tars, 2000);

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
