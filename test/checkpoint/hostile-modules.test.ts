import { describe, expect, it } from 'vitest';
import { readPickle } from '../../src/checkpoint/pickle/machine.ts';
import { mayBeMentioned } from '../../src/checkpoint/pickle/strangers.ts';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, op, state, storage, tensor, torchZip, zip } from './assemble.ts';
import { type Case, call, four, newObject, pickled, refuses } from './refused.ts';

const dict = (members: Record<string, Uint8Array | string>) =>
  join('}(', ...Object.entries(members).flatMap(([name, value]) => [op.string(name), value]), 'u');
const parts = (members: {
  parameters?: Record<string, Uint8Array | string>;
  modules?: Record<string, Uint8Array | string>;
}) =>
  dict({
    _parameters: dict(members.parameters ?? {}),
    _buffers: '}',
    _modules: dict(members.modules ?? {}),
  });
const module = (members: Parameters<typeof parts>[0]) => join(newObject('evil', 'Net'), parts(members), 'b');
const w = tensor([4], [1]);
const root = (...pieces: readonly (Uint8Array | readonly number[] | string)[]) =>
  pickled(join(op.proto, ...pieces, '.'));

const structures: Case[] = [
  ['a state given twice', 'BAD_PICKLE', root(newObject('evil', 'Net'), '}b}b')],
  [
    'a module that holds itself',
    'BAD_CHECKPOINT',
    root(
      newObject('evil', 'Net'),
      'q',
      [0],
      '}(',
      op.string('_parameters'),
      dict({ w }),
      op.string('_buffers'),
      '}',
      op.string('_modules'),
      '}',
      op.string('a'),
      'h',
      [0],
      's',
      'ub',
    ),
  ],
  [
    'modules shared 2^40 times',
    'BAD_CHECKPOINT',
    root(
      module({ parameters: { w } }),
      'q',
      [0],
      ...Array.from({ length: 40 }, (_, i) =>
        join('0', newObject('evil', 'Net'), parts({ modules: { a: join('h', [i]), b: join('h', [i]) } }), 'bq', [
          i + 1,
        ]),
      ),
    ),
  ],
  [
    'modules ten thousand deep',
    'BAD_CHECKPOINT',
    () => {
      const head = join(
        newObject('evil', 'Net'),
        '}(',
        op.string('_parameters'),
        dict({ w }),
        op.string('_buffers'),
        '}',
        op.string('_modules'),
        '}',
        op.string('a'),
      );
      const bytes = [...Array(3000).fill(head), newObject('evil', 'Net'), parts({}), 'b', ...Array(3000).fill('sub')];
      return torchZip(join(op.proto, ...bytes, '.'), four);
    },
  ],
  [
    'a parameter of a class of its own',
    'UNSUPPORTED_TENSOR',
    root(module({ parameters: { w, v: newObject('evil', 'Tensor') } })),
  ],
  ['a parameter that is text', 'UNSUPPORTED_TENSOR', root(module({ parameters: { w: op.string('x') } }))],
  [
    'a ShardedTensor',
    'UNSUPPORTED_TENSOR',
    pickled(state({ w, s: newObject('torch.distributed._shard.sharded_tensor.api', 'ShardedTensor') })),
  ],
  [
    'a tensor that wraps another',
    'UNSUPPORTED_TENSOR',
    pickled(
      state({
        w,
        q: call(
          'torch._utils',
          '_rebuild_wrapper_subclass',
          op.global('torchao.dtypes', 'AffineQuantizedTensor'),
        ).slice(2, -1),
      }),
    ),
  ],
  [
    'a parameter dict that a thousand modules share',
    'BAD_CHECKPOINT',
    root(
      dict(
        Object.fromEntries(
          Array.from({ length: 1000 }, (_, i) => [`w${i}`, i === 0 ? join(w, 'q', [0]) : join('h', [0])]),
        ),
      ),
      'q',
      [1],
      '0',
      newObject('evil', 'Net'),
      dict({
        _parameters: '}',
        _buffers: '}',
        _modules: dict(
          Object.fromEntries(
            Array.from({ length: 1000 }, (_, i) => [
              `m${i}`,
              join(newObject('evil', 'Net'), dict({ _parameters: join('h', [1]), _buffers: '}', _modules: '}' }), 'b'),
            ]),
          ),
        ),
      }),
      'b',
    ),
  ],
  [
    'dicts of a thousand that share one another',
    'BAD_CHECKPOINT',
    root(
      dict(
        Object.fromEntries(
          Array.from({ length: 1000 }, (_, i) => [`w${i}`, i === 0 ? join(w, 'q', [0]) : join('h', [0])]),
        ),
      ),
      'q',
      [1],
      '0',
      dict({ w, ...Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`d${i}`, join('h', [1])])) }),
    ),
  ],
  ['a module without tensors', 'NO_TENSORS', root(module({}))],
  [
    'a storage that is missing',
    'BAD_CHECKPOINT',
    root(module({ parameters: { w: tensor([4], [1], { of: storage('9', 'FloatStorage', 4) }) } })),
  ],
];

const script =
  (pickle: Uint8Array, entries: Record<string, Uint8Array | string> = {}) =>
  () =>
    zip({
      'm/data.pkl': join(op.proto, pickle, '.'),
      'm/constants.pkl': join(op.proto, ').'),
      'm/data/0': new Uint8Array(16),
      ...entries,
    });
const net = (members: Record<string, Uint8Array | string>) => join(newObject('__torch__', 'Net'), dict(members), 'b');
const code = 'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = []\n';

const scripts: Case[] = [
  ['no module', 'BAD_CHECKPOINT', script(join(']'))],
  ['os.system', 'UNSAFE_PICKLE', script(join(op.global('os', 'system'), op.string('x'), [0x85], 'R'))],
  [
    'os.system under __torch__',
    'UNSAFE_PICKLE',
    script(join(op.global('__torch__', 'os.system'), op.string('x'), [0x85], 'R')),
  ],
  [
    'a function of the archive',
    'UNSAFE_PICKLE',
    script(join(op.global('__torch__', 'run'), op.string('x'), [0x85], 'R')),
  ],
  [
    'a module that holds itself',
    'BAD_CHECKPOINT',
    script(join(newObject('__torch__', 'Net'), 'q', [0], '}', op.string('a'), 'h', [0], 'sb'), {
      'm/code/__torch__.py': code,
    }),
  ],
  ['no tensors', 'NO_TENSORS', script(net({ w: 'N' }), { 'm/code/__torch__.py': code })],
  [
    'a class that is no module',
    'NO_TENSORS',
    script(net({ w }), { 'm/code/__torch__.py': code.replace('(Module)', '') }),
  ],
  [
    'a storage that is missing',
    'BAD_CHECKPOINT',
    script(net({ w: tensor([4], [1], { of: storage('7', 'FloatStorage', 4) }) }), { 'm/code/__torch__.py': code }),
  ],
  [
    'an object of C++',
    'UNSUPPORTED_TENSOR',
    script(net({ w, p: newObject('__torch__.torch.classes.quantized', 'LinearPackedParamsBase') }), {
      'm/code/__torch__.py': code,
    }),
  ],
  ['code by a path', 'BAD_ZIP', script(net({ w }), { '../code/__torch__.py': code })],
  [
    'an archive of before 1.4',
    'UNSUPPORTED_FORMAT',
    () => zip({ 'm/model.json': '{}', 'm/tensors/0': new Uint8Array(4), 'm/code/net.py': code }),
  ],
  [
    'an archive of torch.package',
    'UNSUPPORTED_FORMAT',
    () => zip({ 'm/.data/extern_modules': 'os', 'm/.data/version': '6', 'm/net.py': 'import os' }),
  ],
  ['two pickles', 'BAD_ZIP', script(net({ w }), { 'n/data.pkl': '' })],
];

refuses('modules', structures, 2000);
refuses('TorchScript archives', scripts, 2000);

describe('what is not hostile', () => {
  it('is read: a module, its functions as values, the objects beside it', async () => {
    const bytes = await torchZip(
      join(
        op.proto,
        dict({
          model: module({ parameters: { w } }),
          act: op.global('torch.nn.functional', 'relu'),
          part: join(op.global('functools', 'partial'), op.global('torch.nn', 'LayerNorm'), [0x85], 'R'),
          args: join(newObject('argparse', 'Namespace'), '}b'),
          made: join(op.global('evil', 'Config'), ')R}b'),
          old: join(
            op.global('copy_reg', '_reconstructor'),
            op.global('evil', 'Old'),
            op.global('__builtin__', 'object'),
            'N',
            [0x87],
            'R}b',
          ),
        }),
        '.',
      ),
      four,
    );
    const { tensors: found, code: named } = await verifyCheckpoint(memorySource(bytes));
    expect([...found.keys()]).toEqual(['w']);
    expect(named).toEqual(['evil.Config', 'evil.Net', 'evil.Old', 'torch.nn.LayerNorm', 'torch.nn.functional.relu']);
  });

  it('is read: the TorchScript archive that the hostile ones are made from', async () => {
    const bytes = await script(net({ w, other: w }), { 'm/code/__torch__.py': code })();
    expect([...(await verifyCheckpoint(memorySource(bytes))).tensors.keys()]).toEqual(['w']);
  });

  it('may be mentioned: the classes of networks, wherever they come from', () => {
    for (const [from, name] of [
      ['models.yolo', 'Model'],
      ['__main__', 'Net'],
      ['ultralytics.nn.tasks', 'DetectionModel'],
      ['torch.nn.modules.linear', 'Linear'],
      ['timm.models.vision_transformer', 'VisionTransformer'],
      ['transformers.models.bert.modeling_bert', 'BertModel'],
      ['torch._C._nn', 'gelu'],
      ['torch', 'relu'],
      ['torch.optim.adam', 'Adam'],
      ['pkg', 'Outer.Inner'],
      ['modèles', 'Réseau'],
    ] as const)
      expect([from, name, mayBeMentioned(from, name)]).toEqual([from, name, true]);
  });

  it('leaves nothing pending: a bare call is forgiven by its state alone', () => {
    const bytes = join(op.proto, op.global('evil', 'Config'), ')R}b.');
    expect(readPickle(bytes, 'x').value).toMatchObject({ kind: 'record', name: 'evil.Config' });
    expect(() => readPickle(join(op.proto, op.global('evil', 'Config'), ')R.'), 'x')).toThrow('evil.Config');
  });
});
