"""Models for the tests of the passes, with inputs and the outputs they must keep.

models.py legacy DIR     operators in the forms of old opsets, judged by ONNX Runtime, or NumPy where it is too old for that
models.py corpus DIR     the ONNX backend corpus, judged by ONNX Runtime
models.py all DIR        the corpus, without inputs
models.py constants DIR  the corpus with its inputs as initializers
models.py functions DIR  models with functions, judged by NumPy
models.py compare DIR    runs each NAME@VARIANT.onnx on NAME's inputs: JSON {"same": n, "different": [..]} on stdout

Writes NAME.onnx and NAME.npz (in_0 .., out_0 ..).
"""
import glob, json, os, sys, warnings
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T, helper as h, numpy_helper

warnings.simplefilter('ignore')
ort.set_default_logger_severity(4)
options = ort.SessionOptions()
options.log_severity_level = 4
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = 1
command, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)


def run(model, feeds):
    session = ort.InferenceSession(model, options, providers=['CPUExecutionProvider'])
    return session.run(None, feeds)


def keep(name, data, names, inputs, outputs):
    arrays = {f'in_{i}': a for i, a in enumerate(inputs)} | {f'out_{i}': a for i, a in enumerate(outputs)}
    if any(not isinstance(a, np.ndarray) or a.dtype == object for a in arrays.values()):
        return
    with open(f'{folder}/{name}.onnx', 'wb') as file:
        file.write(data)
    np.savez(f'{folder}/{name}.npz', **arrays, names=np.array(names))


def corpus(constant=False):
    from onnx.backend.test.loader import load_model_tests
    for kind in ('node', 'simple', 'pytorch-converted', 'pytorch-operator'):
        for case in load_model_tests(kind=kind):
            model = case.model or onnx.load(os.path.join(case.model_dir, 'model.onnx'))
            if case.data_sets:
                inputs = list(case.data_sets[0][0])
            else:
                inputs = []
                for path in sorted(glob.glob(os.path.join(case.model_dir, 'test_data_set_0', 'input_*.pb'))):
                    inputs.append(numpy_helper.to_array(onnx.load_tensor(path)))
            names = [i.name for i in model.graph.input]
            if len(inputs) < len(names):
                names = [n for n in names if n not in {t.name for t in model.graph.initializer}]
            data = model.SerializeToString()
            try:
                outputs = run(data, dict(zip(names, inputs)))
            except Exception:
                continue  # Not one of ONNX Runtime's CPU kernels.
            if constant:
                if len(inputs) != len(model.graph.input) or any(not isinstance(a, np.ndarray) or a.dtype == object for a in inputs):
                    continue
                fixed = onnx.ModelProto()
                fixed.CopyFrom(model)
                del fixed.graph.input[:]
                fixed.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in zip(names, inputs) if n)
                keep(case.name, fixed.SerializeToString(), [], [], outputs)
            else:
                keep(case.name, data, names, inputs, outputs)


def all():
    """Every model of the corpus, what no runtime runs too."""
    from onnx.backend.test.loader import load_model_tests
    for kind in ('node', 'simple', 'pytorch-converted', 'pytorch-operator'):
        for case in load_model_tests(kind=kind):
            model = case.model or onnx.load(os.path.join(case.model_dir, 'model.onnx'))
            onnx.save_model(model, f'{folder}/{case.name}.onnx')


def constants():
    corpus(constant=True)


random = np.random.default_rng(7)


def f(*shape):
    return random.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def case(name, opset, op, inputs, outputs=1, constants=None, expected=None, **attributes):
    """One node on inputs (arrays; None is left out) with constants as initializers by place."""
    constants = constants or {}
    names, infos, feeds, init = [], [], [], []
    for i, array in enumerate(inputs):
        if array is None:
            names.append('')
            continue
        names.append(f'x{i}')
        infos.append(h.make_tensor_value_info(f'x{i}', h.np_dtype_to_tensor_dtype(array.dtype), array.shape))
        feeds.append(array)
    for place, array in constants.items():
        while len(names) <= place:
            names.append('')
        names[place] = f'c{place}'
        init.append(numpy_helper.from_array(array, f'c{place}'))
        if opset < 9:
            infos.append(h.make_tensor_value_info(f'c{place}', h.np_dtype_to_tensor_dtype(array.dtype), array.shape))
    outs = [f'y{i}' for i in range(outputs)]
    save(name, opset, [h.make_node(op, names, outs, **attributes)], infos, outs, feeds, init, expected)


def save(name, opset, nodes, infos, outs, feeds, init=(), expected=None):
    given = [onnx.ValueInfoProto(name=o) for o in outs]
    graph = h.make_graph(nodes, name, infos, given, list(init))
    model = h.make_model(graph, opset_imports=[h.make_opsetid('', opset)], ir_version=3 if opset < 9 else 7 if opset < 15 else 9)
    if expected is None:
        # Output types are what inference finds.
        inferred = onnx.shape_inference.infer_shapes(model)
        for mine, theirs in zip(model.graph.output, inferred.graph.output):
            mine.CopyFrom(theirs)
        expected = run(model.SerializeToString(), {i.name: a for i, a in zip(infos, feeds)})
    else:
        for out, array in zip(model.graph.output, expected):
            out.CopyFrom(h.make_tensor_value_info(out.name, h.np_dtype_to_tensor_dtype(array.dtype), array.shape))
    keep(name, model.SerializeToString(), [i.name for i in infos][: len(feeds)], feeds, expected)


def legacy():
    for op in ('Sum', 'Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'SumSquare', 'LogSumExp'):
        case(f'reduce-{op}', 11, f'Reduce{op}', [f(2, 3, 4)], axes=[-1, 0], keepdims=0)
        case(f'reduce-{op}-all', 9, f'Reduce{op}', [f(2, 3, 4)])
    case('reduce-logsum', 11, 'ReduceLogSum', [np.abs(f(2, 3))], axes=[1])
    case('squeeze', 11, 'Squeeze', [f(2, 1, 3, 1)], axes=[1, -1])
    case('squeeze-all', 9, 'Squeeze', [f(2, 1, 3, 1)])
    case('unsqueeze', 11, 'Unsqueeze', [f(2, 3)], axes=[0, -1])
    for op in ('Softmax', 'LogSoftmax', 'Hardmax'):
        case(f'{op}-default', 11, op, [f(2, 3, 4)])
        case(f'{op}-0', 9, op, [f(2, 3, 4)], axis=0)
        case(f'{op}-last', 11, op, [f(2, 3, 4)], axis=2)
        case(f'{op}-negative', 11, op, [f(2, 3, 4, 2)], axis=-2)
        case(f'{op}-matrix', 7, op, [f(3, 4)])
    case('clip', 7, 'Clip', [f(3, 4)], min=-0.5, max=0.25)
    case('clip-min', 10, 'Clip', [f(3, 4)], min=0.1)
    case('clip-none', 10, 'Clip', [f(3, 4)])
    case('dropout-7', 7, 'Dropout', [f(3, 4)], ratio=0.3)
    case('dropout-10', 11, 'Dropout', [f(3, 4)])
    for mode in ('constant', 'reflect', 'edge'):
        case(f'pad-{mode}', 10, 'Pad', [f(3, 4)], pads=[1, 0, 2, 1], mode=mode, **({'value': 1.5} if mode == 'constant' else {}))
    case('slice', 9, 'Slice', [f(4, 5)], starts=[1, -3], ends=[9, -1], axes=[0, 1])
    case('slice-no-axes', 9, 'Slice', [f(4, 5)], starts=[1], ends=[3])
    case('topk-1', 9, 'TopK', [f(4, 5)], outputs=2, k=2, axis=0)
    case('topk-10', 10, 'TopK', [f(4, 5)], outputs=2, constants={1: i64(3)})
    case('upsample-7', 7, 'Upsample', [f(1, 2, 3, 4)], scales=[1.0, 1.0, 2.0, 3.0])
    case('upsample-9', 9, 'Upsample', [f(1, 2, 3, 4)], constants={1: np.array([1, 1, 2, 2], np.float32)})
    case('upsample-linear', 9, 'Upsample', [f(1, 2, 3, 4)], constants={1: np.array([1, 1, 2, 2], np.float32)}, mode='linear')
    case('resize-up', 10, 'Resize', [f(1, 1, 3, 4)], constants={1: np.array([1, 1, 2, 2.5], np.float32)})
    case('resize-down', 10, 'Resize', [f(1, 1, 6, 7)], constants={1: np.array([1, 1, 0.5, 0.6], np.float32)})
    case('resize-linear', 10, 'Resize', [f(1, 1, 3, 4)], constants={1: np.array([1, 1, 2, 2], np.float32)}, mode='linear')
    case('resize-11', 11, 'Resize', [f(1, 1, 3, 4)], constants={1: np.zeros(0, np.float32), 2: np.zeros(0, np.float32), 3: i64(1, 1, 6, 8)}, mode='cubic')
    case('split', 11, 'Split', [f(4, 6)], outputs=3, axis=1, split=[1, 2, 3])
    case('split-even', 7, 'Split', [f(4, 6)], outputs=2)
    case('split-13', 13, 'Split', [f(4, 6)], outputs=3, axis=1)
    norm = {1: np.abs(f(3)), 2: f(3), 3: f(3), 4: np.abs(f(3)) + 1}
    case('batchnorm-7', 7, 'BatchNormalization', [f(2, 3, 4)], constants=norm, epsilon=1e-3)
    case('batchnorm-9', 9, 'BatchNormalization', [f(2, 3, 4)], constants=norm)
    case('scatter', 9, 'Scatter', [f(3, 3), np.array([[0, 2, 1]], np.int64), f(1, 3)], axis=0)
    case('roialign', 10, 'RoiAlign', [f(1, 1, 8, 8), np.array([[0, 0, 5, 6]], np.float32), i64(0)], output_height=3, output_width=3, sampling_ratio=2)
    for mode in ('bilinear', 'nearest', 'bicubic'):
        case(f'gridsample-{mode}', 16, 'GridSample', [f(1, 1, 4, 4), np.clip(f(1, 3, 3, 2), -1, 1)], mode=mode)
    case('gridsample', 16, 'GridSample', [f(1, 1, 4, 4), np.clip(f(1, 3, 3, 2), -1, 1)])
    x, scale, bias = f(2, 6, 5), f(3), f(3)
    groups = x.reshape(2, 3, 10)
    normed = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    case('groupnorm', 18, 'GroupNormalization', [x, scale, bias], num_groups=3,
         expected=[(normed.reshape(2, 3, 2, 5) * scale[None, :, None, None] + bias[None, :, None, None]).reshape(2, 6, 5)])
    case('dft', 17, 'DFT', [f(1, 8, 4, 1)])
    case('dft-axis', 17, 'DFT', [f(1, 8, 4, 1)], axis=2, onesided=1)
    case('gemm', 7, 'Gemm', [f(2, 3), f(3, 4), f(4)], alpha=0.5)
    case('averagepool', 7, 'AveragePool', [f(1, 2, 6, 6)], kernel_shape=[2, 2], pads=[1, 1, 0, 0])
    case('maxpool', 7, 'MaxPool', [f(1, 2, 6, 6)], kernel_shape=[2, 2], strides=[2, 2])
    case('quantize', 10, 'QuantizeLinear', [f(3, 4), np.array(0.1, np.float32), np.array(7, np.uint8)])
    case('dequantize', 10, 'DequantizeLinear', [random.integers(0, 255, (3, 4)).astype(np.uint8), np.array(0.1, np.float32), np.array(7, np.uint8)])
    case('argmax', 9, 'ArgMax', [f(3, 4)], axis=1)
    case('prelu', 7, 'PRelu', [f(2, 3, 4), f(3, 1)])
    case('lstm', 7, 'LSTM', [f(5, 2, 3), f(1, 16, 3), f(1, 16, 4)], outputs=3, hidden_size=4)
    case('gru', 7, 'GRU', [f(5, 2, 3), f(1, 12, 3), f(1, 12, 4)], outputs=2, hidden_size=4)
    case('depthtospace', 9, 'DepthToSpace', [f(1, 8, 2, 2)], blocksize=2)
    case('shape', 11, 'Shape', [f(2, 3)])
    case('instancenorm', 7, 'InstanceNormalization', [f(2, 3, 4), f(3), f(3)])
    # Inside subgraphs.
    x, c = h.make_tensor_value_info('x', T.FLOAT, [2, 3, 4]), h.make_tensor_value_info('c', T.BOOL, [])
    inner = lambda n: h.make_tensor_value_info(n, T.FLOAT, None)
    then = h.make_graph([h.make_node('Softmax', ['x'], ['t'], axis=1)], 'then', [], [inner('t')])
    other = h.make_graph([h.make_node('Clip', ['x'], ['e'], min=0.0)], 'else', [], [inner('e')])
    for flag in (True, False):
        save(f'if-{flag}', 10, [h.make_node('If', ['c'], ['y'], then_branch=then, else_branch=other)], [x, c], ['y'], [f(2, 3, 4), np.array(flag)])
    # Before opset 7, NumPy is the judge.
    a, b = f(2, 3, 4, 5), f(3, 4)
    case('add-6', 6, 'Add', [a, b], axis=1, broadcast=1, expected=[a + b[None, :, :, None]])
    case('sub-6', 6, 'Sub', [a, a * 2], expected=[-a])
    b5 = f(5)
    case('mul-6', 6, 'Mul', [a, b5], broadcast=1, expected=[a * b5])
    case('concat-3', 3, 'Concat', [b, b], expected=[np.concatenate([b, b], 1)])
    case('cast-5', 5, 'Cast', [b], to='DOUBLE', expected=[b.astype(np.float64)])
    case('reshape-4', 4, 'Reshape', [b], shape=[2, -1], expected=[b.reshape(2, 6)])
    case('pad-1', 1, 'Pad', [b], paddings=[0, 1, 0, 0], expected=[np.pad(b, ((0, 0), (1, 0)))])
    w, bias2 = f(4, 2), f(2)
    case('gemm-6', 6, 'Gemm', [b, w, bias2], broadcast=1, expected=[b @ w + bias2])
    case('dropout-6', 6, 'Dropout', [b], is_test=1, expected=[b])
    case('relu-1', 1, 'Relu', [b], consumed_inputs=[0], expected=[np.maximum(b, 0)])
    slope = f(3)
    case('prelu-6', 6, 'PRelu', [f(2, 3, 4) * 0 + 1, slope], expected=[np.ones((2, 3, 4), np.float32)])
    neg = -np.abs(f(2, 3, 4))
    case('prelu-6-negative', 6, 'PRelu', [neg, slope], expected=[neg * slope[None, :, None]])
    case('selu-1', 1, 'Selu', [b], expected=[np.where(b > 0, 1.0507 * b, 1.0507 * 1.6732 * (np.exp(b) - 1)).astype(np.float32)])
    case('upsample-1', 1, 'Upsample', [f(1, 1, 2, 2) * 0 + 3], height_scale=2.0, width_scale=2.0, expected=[np.full((1, 1, 4, 4), 3, np.float32)])
    case('tile-1', 1, 'Tile', [b, np.array([2], np.int64), np.array([1], np.int64)], expected=[np.tile(b, (1, 2))])


def functions():
    x, y = f(2, 3), f(2, 3)
    relu = np.maximum(x, 0)
    leaky = lambda a: np.where(x > 0, x, x * np.float32(a))
    head = '<ir_version: 10, opset_import: ["": 21, "d": 1]>'
    scale = '<domain: "d", opset_import: ["": 21]> scale <alpha: float = 2.0> (a) => (b) { k = Constant <value_float: float = @alpha> () b = Mul (a, k) }'
    twice = '<domain: "d", opset_import: ["": 21, "d": 1]> twice (a) => (b) { m = d.scale (a) b = d.scale <alpha = 3.0> (m) }'
    passing = '<domain: "d", opset_import: ["": 21, "d": 1]> passing <beta> (a) => (b) { b = d.scale <alpha: float = @beta> (a) }'
    optional = '<domain: "d", opset_import: ["": 21]> bounded (a, lo, hi) => (b) { b = Clip (a, lo, hi) }'
    outer = '<domain: "d", opset_import: ["": 21, "d": 1]> outer (a, lo, hi) => (b) { b = d.bounded (a, lo, hi) }'
    branch = '<domain: "d", opset_import: ["": 21]> pick (a, c) => (b) { b = If (c) <then_branch = t () => (q) { q = Relu (a) }, else_branch = e () => (q) { q = Neg (a) }> }'
    through = '<domain: "d", opset_import: ["": 21]> through (a) => (a, b) { b = Neg (a) }'
    g = 'g (float[2,3] x) => (float[2,3] z)'
    lo = np.array(-0.25, np.float32)
    cases = {
        'once': (f'{g} {{ z = d.scale (x) }} {scale}', [x], [x * 2]),
        'attribute': (f'{g} {{ z = d.scale <alpha = 5.0> (x) }} {scale}', [x], [x * 5]),
        'nested': (f'{g} {{ z = d.twice (x) }} {scale} {twice}', [x], [x * 6]),
        'many-times': (f'{g} {{ m = d.twice (x) b = d.twice (m) z = d.twice (b) }} {scale} {twice}', [x], [x * 216]),
        'handed-on': (f'{g} {{ z = d.passing <beta = 7.0> (x) }} {scale} {passing}', [x], [x * 7]),
        'empty-last': (f'g (float[2,3] x, float lo) => (float[2,3] z) {{ z = d.bounded (x, lo) }} {optional}', [x, lo], [np.maximum(x, lo)]),
        'empty-middle': (f'g (float[2,3] x, float lo) => (float[2,3] z) {{ z = d.bounded (x, , lo) }} {optional}', [x, lo], [np.minimum(x, lo)]),
        'empty-handed-on': (f'g (float[2,3] x, float lo) => (float[2,3] z) {{ z = d.outer (x, , lo) }} {optional} {outer}', [x, lo], [np.minimum(x, lo)]),
        'branches': (f'g (float[2,3] x, bool c) => (float[2,3] z) {{ m = d.pick (x, c) n = Not (c) z = d.pick (m, n) }} {branch}', [x, np.array(True)], [-relu]),
        'inside-a-branch': (f'g (float[2,3] x, bool c) => (float[2,3] z) {{ z = If (c) <then_branch = t () => (float[2,3] q) {{ q = d.twice (x) }}, else_branch = e () => (float[2,3] q) {{ q = Neg (x) }}> }} {scale} {twice}', [x, np.array(True)], [x * 6]),
        'input-as-output': (f'g (float[2,3] x) => (float[2,3] w, float[2,3] z) {{ w, z = d.through (x) }} {through}', [x], [x, -x]),
    }
    for name, (text, inputs, outputs) in cases.items():
        model = onnx.parser.parse_model(head + text)
        keep(name, model.SerializeToString(), [i.name for i in model.graph.input], inputs, outputs)


def same(a, b):
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in 'fc':
        return np.array_equal(a, b)
    tolerance = 5e-3 if a.dtype == np.float16 else 1e-4 if a.dtype == np.float32 else 1e-6
    return np.allclose(a.astype(np.float64), b.astype(np.float64), rtol=tolerance, atol=tolerance, equal_nan=True)


def compare():
    count, different = 0, []
    for path in sorted(glob.glob(f'{folder}/*@*.onnx')):
        name = os.path.basename(path)[:-5].rsplit('@', 1)[0]
        data = np.load(f'{folder}/{name}.npz')
        feeds = {str(n): data[f'in_{i}'] for i, n in enumerate(data['names'])}
        expected = [data[k] for k in sorted((k for k in data if k.startswith('out_')), key=lambda k: int(k[4:]))]
        try:
            session = ort.InferenceSession(path, options, providers=['CPUExecutionProvider'])
            wanted = {i.name for i in session.get_inputs()} | {i.name for i in session.get_overridable_initializers()}
            got = session.run(None, {k: v for k, v in feeds.items() if k in wanted})
            fine = len(got) == len(expected) and not [a for a, b in zip(expected, got) if not same(a, b)]
            if fine:
                count += 1
            else:
                different.append(f'{os.path.basename(path)}: other values')
        except Exception as error:
            different.append(f'{os.path.basename(path)}: {str(error)[:200]}')
    print(json.dumps({'same': count, 'different': different}))


{'legacy': legacy, 'corpus': corpus, 'all': all, 'constants': constants, 'functions': functions, 'compare': compare}[command]()
