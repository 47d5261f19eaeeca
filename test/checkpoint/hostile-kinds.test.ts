import { describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, op, state, storage, tensor, torchZip } from './assemble.ts';
import { type Case, call, four, refuses } from './refused.ts';

const w = tensor([4], [1]);
const layout = (name: string) => call('torch.serialization', '_get_layout', op.string(name)).slice(2, -1);
const longs = (shape: readonly number[], strides: readonly number[]) =>
  tensor(shape, strides, { of: storage('1', 'LongStorage', 2) });
const sparse = (kind: string, items: readonly (Uint8Array | string)[]) =>
  call('torch._utils', '_rebuild_sparse_tensor', join(layout(kind), '(', ...items, 't')).slice(2, -1);
const two = (first: number, second: number) => ({
  ...four,
  '1': new Uint8Array(BigInt64Array.of(BigInt(first), BigInt(second)).buffer),
});
const held =
  (value: Uint8Array, storages: Record<string, Uint8Array> = two(0, 1)) =>
  () =>
    torchZip(state({ w: value }), storages);
const one = tensor([1], [1]);
const quantised = (scheme: Uint8Array) =>
  call(
    'torch._utils',
    '_rebuild_qtensor',
    join(storage('0', 'QInt8Storage', 16), op.int(0), op.ints([4, 4]), op.ints([4, 1]), scheme),
  ).slice(2, -1);

const tensors: Case[] = [
  [
    'a sparse index outside',
    'BAD_CHECKPOINT',
    held(sparse('torch.sparse_coo', [longs([2, 1], [1, 1]), one, op.ints([2, 2])]), two(0, 5)),
  ],
  [
    'a negative sparse index',
    'BAD_CHECKPOINT',
    held(sparse('torch.sparse_coo', [longs([2, 1], [1, 1]), one, op.ints([2, 2])]), two(-1, 0)),
  ],
  [
    'sparse indices of another rank',
    'BAD_CHECKPOINT',
    held(sparse('torch.sparse_coo', [longs([2, 1], [1, 1]), one, op.ints([2, 2, 2])])),
  ],
  [
    'sparse values of another number',
    'BAD_CHECKPOINT',
    held(sparse('torch.sparse_coo', [longs([2, 1], [1, 1]), tensor([4], [1]), op.ints([2, 2])])),
  ],
  [
    'a sparse tensor of 2^80',
    'UNSUPPORTED_TENSOR',
    held(sparse('torch.sparse_coo', [longs([2, 1], [1, 1]), one, op.ints([2 ** 40, 2 ** 40])])),
  ],
  [
    'a hundred sparse tensors of 60 MB',
    'BAD_CHECKPOINT',
    () =>
      torchZip(
        state(
          Object.fromEntries(
            Array.from({ length: 100 }, (_, i) => [
              `s${i}`,
              sparse('torch.sparse_coo', [longs([2, 1], [1, 1]), one, op.ints([3000, 5000])]),
            ]),
          ),
        ),
        two(0, 1),
      ),
  ],
  [
    'CSR pointers that fall',
    'BAD_CHECKPOINT',
    held(sparse('torch.sparse_csr', [longs([2], [1]), longs([1], [1]), one, op.ints([1, 2])]), two(1, 0)),
  ],
  [
    'CSR pointers beyond the values',
    'BAD_CHECKPOINT',
    held(sparse('torch.sparse_csr', [longs([2], [1]), longs([1], [1]), one, op.ints([1, 2])]), two(0, 2 ** 40)),
  ],
  [
    'a layout that is not known',
    'UNSUPPORTED_TENSOR',
    held(sparse('torch.evil', [longs([2], [1]), one, op.ints([1, 2])])),
  ],
  ['sparse indices of floats', 'BAD_PICKLE', held(sparse('torch.sparse_coo', [one, one, op.ints([2])]))],
  [
    'a scale that is text',
    'BAD_PICKLE',
    held(quantised(join('(', op.global('torch', 'per_tensor_affine'), op.string('1'), op.int(0), 't'))),
  ],
  [
    'a scheme that is none',
    'BAD_PICKLE',
    held(quantised(join('(', op.global('evil', 'scheme'), op.int(1), op.int(0), 't'))),
  ],
  [
    'three scales for four channels',
    'BAD_PICKLE',
    held(
      quantised(
        join('(', op.global('torch', 'per_channel_affine'), tensor([3], [1]), tensor([3], [1]), op.int(0), 't'),
      ),
    ),
  ],
  [
    'an axis that is not there',
    'BAD_PICKLE',
    held(quantised(join('(', op.global('torch', 'per_channel_affine'), w, w, op.int(7), 't'))),
  ],
  [
    'a complex32 tensor whose offset overflows',
    'BAD_CHECKPOINT',
    held(
      join(
        op.global('torch._utils', '_rebuild_tensor_v3'),
        '(',
        storage('0', 'UntypedStorage', 16),
        op.long(2n ** 52n),
        op.ints([2 ** 40]),
        op.ints([2 ** 40]),
        [0x89],
        op.global('collections', 'OrderedDict'),
        ')R',
        op.global('torch', 'complex32'),
        'tR',
      ),
    ),
  ],
];

refuses('kinds of tensors', tensors, 2000);

describe('kinds of tensors that fit', () => {
  it('are read: sparse and quantised ones', async () => {
    for (const value of [
      sparse('torch.sparse_coo', [longs([2, 1], [1, 1]), one, op.ints([2, 2])]),
      sparse('torch.sparse_csr', [
        longs([2], [1]),
        tensor([1], [1], { of: storage('1', 'LongStorage', 2) }),
        one,
        op.ints([1, 2]),
      ]),
      quantised(join('(', op.global('torch', 'per_tensor_affine'), 'K\x01', op.int(0), 't')),
    ])
      expect((await verifyCheckpoint(memorySource(await held(value)()))).changed).toHaveLength(1);
  });
});
