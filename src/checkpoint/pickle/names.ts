import { storageType, torchType } from './dtype.ts';
import type { Refuse } from './refuse.ts';
import { mayBeMentioned } from './strangers.ts';
import type { PyGlobal } from './value.ts';

/** Values of training scripts; made from whatever arguments, they are records here. */
const plain = [
  '_io.BytesIO',
  'argparse.Namespace',
  'builtins.complex',
  'builtins.range',
  'builtins.slice',
  'datetime.date',
  'datetime.datetime',
  'datetime.time',
  'datetime.timedelta',
  'datetime.timezone',
  'decimal.Decimal',
  'fractions.Fraction',
  'numpy.random.__RandomState_ctor',
  'numpy.random._pickle.__bit_generator_ctor',
  'numpy.random._pickle.__generator_ctor',
  'numpy.random._pickle.__randomstate_ctor',
  'pathlib.Path',
  'pathlib.PosixPath',
  'pathlib.PurePath',
  'pathlib.PurePosixPath',
  'pathlib.PureWindowsPath',
  'pathlib.WindowsPath',
  'torch.torch_version.TorchVersion',
  'types.SimpleNamespace',
  'uuid.UUID',
];

/** Names that may be mentioned; those that may be called are the cases of `Calls.call`. */
const allowed = new Set([
  ...plain,
  'collections.OrderedDict',
  'collections.defaultdict',
  'collections.Counter',
  'collections.deque',
  'builtins.Ellipsis',
  'builtins.object',
  'builtins.set',
  'builtins.frozenset',
  'builtins.bytearray',
  'builtins.bytes',
  'builtins.int',
  'builtins.float',
  'builtins.bool',
  'builtins.str',
  'builtins.list',
  'builtins.dict',
  'builtins.tuple',
  'copyreg._reconstructor',
  'functools.partial',
  '_codecs.encode',
  'torch.Size',
  'torch.device',
  'torch.Tensor',
  'torch.nn.backends.thnn._get_thnn_function_backend',
  'torch.nn.parameter.Parameter',
  'torch.nn.parameter.Buffer',
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_tensor_v3',
  'torch._utils._rebuild_parameter',
  'torch._utils._rebuild_parameter_with_state',
  'torch._utils._rebuild_wrapper_subclass',
  'torch._utils._rebuild_device_tensor_from_cpu_tensor',
  'torch._utils._rebuild_device_tensor_from_numpy',
  'torch._utils._rebuild_xla_tensor',
  'torch._tensor._rebuild_from_type',
  'torch._tensor._rebuild_from_type_v2',
  'torch._utils._rebuild_qtensor',
  'torch._utils._rebuild_sparse_tensor',
  'torch._utils._rebuild_sparse_csr_tensor',
  'torch._utils._rebuild_nested_tensor',
  'torch._utils._rebuild_meta_tensor_no_storage',
  'torch.nested._internal.nested_tensor.NestedTensor',
  'torch.nested._internal.nested_tensor._rebuild_njt',
  'torch.nn.parameter.UninitializedParameter',
  'torch.nn.parameter.UninitializedBuffer',
  'torch.serialization._get_layout',
  'torch.per_tensor_affine',
  'torch.per_channel_affine',
  'torch.per_channel_affine_float_qparams',
  'torch.per_tensor_symmetric',
  'torch.per_channel_symmetric',
  'torch.strided',
  'torch.preserve_format',
  'torch.contiguous_format',
  'torch.channels_last',
  'torch.jit._pickle.build_intlist',
  'torch.jit._pickle.build_doublelist',
  'torch.jit._pickle.build_boollist',
  'torch.jit._pickle.build_tensorlist',
  'torch.jit._pickle.restore_type_tag',
  'numpy.dtype',
  'numpy.ndarray',
  'numpy.core.multiarray.scalar',
  'numpy.core.multiarray._reconstruct',
  'numpy.core.numeric._frombuffer',
]);

/** The tensor types of early PyTorch: mentioned in its files, never called. */
const tensorType = /^torch\.(Float|Double|Half|BFloat16|Long|Int|Short|Char|Byte|Bool)Tensor$/;

/** Whether calling it makes a record of whatever it is given. */
export function isPlainValue(name: string): boolean {
  return plain.includes(name);
}

/**
 * What a name of the pickle stands for: one of the allow-list, or a stranger that is only a name.
 * @throws UNSAFE_PICKLE for whatever could be of use to an attacker.
 */
export function globalOf(module: string, name: string, refuse: Refuse): PyGlobal {
  const full = `${module}.${name}`
    .replace(/^__builtin__\./, 'builtins.')
    .replace(/^builtins\.long$/, 'builtins.int')
    .replace(/^builtins\.unicode$/, 'builtins.str')
    .replace(/^builtins\.xrange$/, 'builtins.range')
    .replace(/^copy_reg\./, 'copyreg.')
    .replace(/^numpy\._core\./, 'numpy.core.')
    .replace(/^pathlib\._local\./, 'pathlib.')
    .replace(/^torch\.storage\.UntypedStorage$/, 'torch.UntypedStorage')
    .replace(/^torch\.cuda\.(\w+(Storage|Tensor))$/, 'torch.$1');
  const known =
    allowed.has(full) || storageType(full) !== undefined || torchType(full) !== undefined || tensorType.test(full);
  if (!known && !mayBeMentioned(module, name))
    throw refuse(`the pickle asks for ${printable(`${module}.${name}`)}, which is not on the list of harmless names`);
  return { kind: 'global', name: full, stranger: !known };
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 200)).slice(1, -1);
}
