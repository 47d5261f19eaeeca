import { join, op, text } from './assemble.ts';
import { early, earlyTar, tar } from './assemble-early.ts';
import { type Case, refuses } from './refused.ts';

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

refuses('tars of before 0.1.9', tars, 2000);
