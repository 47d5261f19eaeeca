import { describe, expect, it } from 'vitest';
import { readPickle } from '../../src/checkpoint/pickle/machine.ts';
import { mayBeMentioned } from '../../src/checkpoint/pickle/strangers.ts';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { memorySource } from '../../src/files/source.ts';
import { join, op, state, storage, tensor, torchZip, zip } from './assemble.ts';
import { type Case, call, four, pickled, refuses } from './refused.ts';

const dict = (members: Record<string, Uint8Array | string>) =>
  join('}(', ...Object.entries(members).flatMap(([name, value]) => [op.string(name), value]), 'u');
const newObject = (module: string, name: string, args: Uint8Array | string = ')') =>
  join(op.global(module, name), args, [0x81]);
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
const beside = (value: Uint8Array | string) => pickled(state({ w, x: value }));

/** Everything that could call: each of these stands in a file whose tensors are sound. */
const calls: Case[] = [
  [
    'a function that is not known',
    'UNSAFE_PICKLE',
    beside(join(op.global('evil', 'run'), op.string('x'), [0x85], 'R')),
  ],
  [
    'one with arguments, and a state after it',
    'UNSAFE_PICKLE',
    beside(join(op.global('evil', 'run'), op.string('x'), [0x85], 'R}b')),
  ],
  ['one without arguments, and no state after it', 'UNSAFE_PICKLE', beside(join(op.global('evil', 'run'), ')R'))],
  ['one whose result is dropped', 'UNSAFE_PICKLE', beside(join(op.global('evil', 'run'), ')R0N'))],
  ['one by INST', 'UNSAFE_PICKLE', beside('(ievil\nrun\n')],
  ['one by INST, and a state', 'UNSAFE_PICKLE', beside('(ievil\nrun\n}b')],
  ['one by OBJ', 'UNSAFE_PICKLE', beside(join('(', op.global('evil', 'run'), 'o'))],
  [
    'one with named arguments',
    'UNSAFE_PICKLE',
    beside(join(op.global('evil', 'run'), ')}', op.string('a'), 'Ns', [0x92])),
  ],
  ['os.system by NEWOBJ_EX', 'UNSAFE_PICKLE', beside(join(op.global('os', 'system'), ')}', [0x92]))],
  ['an object that was made', 'UNSAFE_PICKLE', beside(join(newObject('evil', 'Net'), ')R'))],
  ['an object by NEWOBJ', 'UNSAFE_PICKLE', beside(join(newObject('evil', 'Net'), ')', [0x81]))],
  [
    'a partial function',
    'UNSAFE_PICKLE',
    beside(join(op.global('functools', 'partial'), op.global('evil', 'run'), [0x85], 'R', ')R')),
  ],
  [
    'a partial of os.system',
    'UNSAFE_PICKLE',
    beside(join(op.global('functools', 'partial'), op.global('os', 'system'), [0x85], 'R')),
  ],
  [
    'a partial of a partial',
    'UNSAFE_PICKLE',
    beside(
      join(
        op.global('functools', 'partial'),
        op.global('functools', 'partial'),
        op.global('a', 'b'),
        [0x85],
        'R',
        [0x85],
        'R',
      ),
    ),
  ],
  [
    '_reconstructor of os.system',
    'UNSAFE_PICKLE',
    beside(
      join(
        op.global('copyreg', '_reconstructor'),
        op.global('os', 'system'),
        op.global('builtins', 'object'),
        'N',
        [0x87],
        'R',
      ),
    ),
  ],
  [
    '_reconstructor of a function of PyTorch',
    'UNSAFE_PICKLE',
    beside(
      join(
        op.global('copyreg', '_reconstructor'),
        op.global('torch._utils', '_rebuild_tensor_v2'),
        op.global('builtins', 'object'),
        'N',
        [0x87],
        'R',
      ),
    ),
  ],
  [
    '_reconstructor over a stranger',
    'UNSAFE_PICKLE',
    beside(
      join(
        op.global('copy_reg', '_reconstructor'),
        op.global('evil', 'Net'),
        op.global('evil', 'Base'),
        'N',
        [0x87],
        'R',
      ),
    ),
  ],
  ['EXT1', 'UNSAFE_PICKLE', beside(join([0x82, 1]))],
  ['EXT2', 'UNSAFE_PICKLE', beside(join([0x83, 1, 1]))],
  ['EXT4', 'UNSAFE_PICKLE', beside(join([0x84, 1, 1, 1, 1]))],
  ['PERSID', 'UNSAFE_PICKLE', beside('P0\n')],
  [
    'a module by persistent id',
    'UNSAFE_PICKLE',
    beside(join('(', op.string('module'), op.global('evil', 'Net'), 'NNtQ')),
  ],
  ['BUILD on a function', 'UNSAFE_PICKLE', beside(join(op.global('evil', 'run'), '}b'))],
  [
    'a tensor rebuilt by a stranger',
    'UNSAFE_PICKLE',
    beside(
      join(
        op.global('torch._tensor', '_rebuild_from_type_v2'),
        '(',
        op.global('evil', '_rebuild_tensor'),
        op.global('torch', 'Tensor'),
        ')NtR',
      ),
    ),
  ],
  [
    'a tensor rebuilt by rebuilding',
    'UNSAFE_PICKLE',
    beside(
      join(
        op.global('torch._tensor', '_rebuild_from_type_v2'),
        '(',
        op.global('torch._tensor', '_rebuild_from_type_v2'),
        op.global('torch', 'Tensor'),
        ')NtR',
      ),
    ),
  ],
  ['an array of a class of its own', 'UNSAFE_PICKLE', beside(call('numpy', 'load', op.string('x')).slice(2, -1))],
];

/** Names that are refused wherever they stand, here as a value that nothing calls. */
const names = [
  ['os', 'system'],
  ['posix', 'execv'],
  ['nt', 'startfile'],
  ['subprocess', 'Popen'],
  ['builtins', 'eval'],
  ['builtins', 'type'],
  ['__builtin__', 'apply'],
  ['sys', 'exit'],
  ['shutil', 'rmtree'],
  ['socket', 'socket'],
  ['importlib', 'import_module'],
  ['runpy', 'run_path'],
  ['webbrowser', 'open'],
  ['ctypes', 'CDLL'],
  ['pty', 'spawn'],
  ['code', 'interact'],
  ['commands', 'getoutput'],
  ['pickle', 'loads'],
  ['_pickle', 'loads'],
  ['marshal', 'loads'],
  ['types', 'CodeType'],
  ['operator', 'methodcaller'],
  ['timeit', 'timeit'],
  ['_posixsubprocess', 'fork_exec'],
  ['multiprocessing.util', 'spawnv_passfds'],
  ['pdb', 'run'],
  ['logging.config', 'fileConfig'],
  ['pip._internal', 'main'],
  ['numpy.f2py', 'compile'],
  ['numpy', 'fromfile'],
  ['torch', 'load'],
  ['torch.hub', 'load'],
  ['torch.jit', 'load'],
  ['torch.utils.cpp_extension', 'load_inline'],
  ['torch.package', 'PackageImporter'],
  ['torch.fx.graph_module', 'reduce_graph_module'],
  ['torch._inductor.codecache', 'compile_file'],
  ['torch.storage', '_load_from_bytes'],
  ['dill', 'loads'],
  ['joblib', 'load'],
  ['torch.nn.modules.module', 'torch.hub.load'],
  ['torch.nn.functional', 'os.system'],
  ['evil', 'Net.__init__'],
  ['evil', '__globals__'],
  ['evil.__loader__', 'exec_module'],
  ['__main__', '__builtins__'],
  ['evil', 'Net..system'],
  ['', 'system'],
  ['evil', ''],
  ['evil ', 'x'],
  ['copyreg', 'add_extension'],
  ['functools', 'reduce'],
  ['collections', 'namedtuple'],
] as const;

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
  ['a module without tensors', 'NO_TENSORS', root(module({}))],
  [
    'a storage that is missing',
    'BAD_CHECKPOINT',
    root(module({ parameters: { w: tensor([4], [1], { of: storage('9', 'FloatStorage', 4) }) } })),
  ],
];

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

refuses('calls', calls, 2000);
refuses(
  'names',
  names.map(([from, name]): Case => [`${from}.${name}`, 'UNSAFE_PICKLE', beside(op.global(from, name))]),
  2000,
);
refuses('modules', structures, 2000);
refuses('kinds of tensors', tensors, 2000);
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

  it('is read: sparse and quantised tensors that fit', async () => {
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
