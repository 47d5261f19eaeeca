import { join, op, state, tensor } from './assemble.ts';
import { type Case, call, newObject, pickled, refuses } from './refused.ts';

const beside = (value: Uint8Array | string) => pickled(state({ w: tensor([4], [1]), x: value }));

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

refuses('calls', calls, 2000);
refuses(
  'names',
  names.map(([from, name]): Case => [`${from}.${name}`, 'UNSAFE_PICKLE', beside(op.global(from, name))]),
  2000,
);
