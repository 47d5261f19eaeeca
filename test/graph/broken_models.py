"""Writes models, most of them broken in one way, and onnx's own verdict on each: {name: {"verdict": text or null}} on stdout."""
import copy, json, os, sys
import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
f32 = T.FLOAT


def vi(name, shape=(2, 3), dtype=f32):
    return h.make_tensor_value_info(name, dtype, shape)


def graph(nodes, inputs=None, outputs=None, init=(), name='g'):
    return h.make_graph(nodes, name, inputs or [vi('x')], outputs or [vi('y')], list(init))


def model(g, opset=21, ir=10, functions=(), domains=()):
    imports = [h.make_opsetid('', opset)] + [h.make_opsetid(d, 1) for d in domains]
    return h.make_model(g, opset_imports=imports, ir_version=ir, functions=list(functions))


def node(op, i, o, **a):
    return h.make_node(op, i, o, **a)


def arr(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.array(values, dtype), name)


models = {}
base = model(graph([node('Relu', ['x'], ['y'])]))


def variant(name, change):
    m = copy.deepcopy(base)
    change(m)
    models[name] = m


def put(name, nodes, expect=None, **k):
    top = {key: k.pop(key) for key in ('opset', 'ir', 'functions', 'domains') if key in k}
    models[name] = model(graph(nodes, **k), **top)


models['fine'] = base
variant('no-ir', lambda m: m.ClearField('ir_version'))
variant('no-opset', lambda m: m.ClearField('opset_import'))
variant('no-graph', lambda m: m.ClearField('graph'))
variant('opset-zero', lambda m: setattr(m.opset_import[0], 'version', 0))
variant('opset-negative', lambda m: setattr(m.opset_import[0], 'version', -3))
variant('opset-twice', lambda m: m.opset_import.append(h.make_opsetid('', 13)))
variant('old-ir-with-opset', lambda m: setattr(m, 'ir_version', 2))
variant('graph-without-name', lambda m: m.graph.ClearField('name'))
variant('metadata-twice', lambda m: [m.metadata_props.add(key='a', value='1'), m.metadata_props.add(key='a', value='2')])
variant('input-without-name', lambda m: setattr(m.graph.input[0], 'name', ''))
variant('input-without-type', lambda m: m.graph.input[0].ClearField('type'))
variant('input-with-empty-type', lambda m: m.graph.input[0].type.ClearField('tensor_type'))
variant('input-of-undefined-dtype', lambda m: setattr(m.graph.input[0].type.tensor_type, 'elem_type', 0))
variant('input-of-unknown-dtype', lambda m: setattr(m.graph.input[0].type.tensor_type, 'elem_type', 999))
variant('input-twice', lambda m: m.graph.input.append(m.graph.input[0]))
variant('negative-dimension', lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], 'dim_value', -7))
variant('output-without-name', lambda m: setattr(m.graph.output[0], 'name', ''))
variant('output-undefined', lambda m: setattr(m.graph.output[0], 'name', 'z'))
variant('output-of-other-rank', lambda m: m.graph.output[0].type.tensor_type.shape.dim.add())
variant('output-of-other-shape', lambda m: setattr(m.graph.output[0].type.tensor_type.shape.dim[0], 'dim_value', 5))
variant('output-of-other-dtype', lambda m: setattr(m.graph.output[0].type.tensor_type, 'elem_type', T.INT64))
variant('node-without-operator', lambda m: m.graph.node[0].ClearField('op_type'))
variant('node-without-names', lambda m: [m.graph.node[0].ClearField('input'), m.graph.node[0].ClearField('output')])
variant('node-of-unknown-operator', lambda m: setattr(m.graph.node[0], 'op_type', 'Rleu'))
variant('node-of-unimported-domain', lambda m: setattr(m.graph.node[0], 'domain', 'com.example'))
variant('attribute-unknown', lambda m: m.graph.node[0].attribute.append(h.make_attribute('alpha', 1.0)))
variant('attribute-without-name', lambda m: m.graph.node[0].attribute.append(h.make_attribute('', 1.0)))
variant('value-info-of-other-shape', lambda m: [m.graph.node.append(node('Abs', ['y'], ['z'])), m.graph.value_info.append(vi('y', (2, 4))), setattr(m.graph.output[0], 'name', 'z')])
variant('value-info-of-other-dtype', lambda m: [m.graph.node.append(node('Abs', ['y'], ['z'])), m.graph.value_info.append(vi('y', (2, 3), T.DOUBLE)), setattr(m.graph.output[0], 'name', 'z')])
put('undefined-input', [node('Relu', ['w'], ['y'])])
put('unsorted', [node('Relu', ['a'], ['y']), node('Abs', ['x'], ['a'])])
put('cycle', [node('Add', ['x', 'b'], ['a']), node('Abs', ['a'], ['b']), node('Relu', ['b'], ['y'])])
put('self-loop', [node('Add', ['x', 'y'], ['y'])])
put('made-twice', [node('Relu', ['x'], ['y']), node('Abs', ['x'], ['y'])])
put('makes-an-input', [node('Relu', ['x'], ['x']), node('Abs', ['x'], ['y'])])
put('too-few-inputs', [node('Add', ['x'], ['y'])])
put('too-many-inputs', [node('Relu', ['x', 'x'], ['y'])])
put('too-many-outputs', [node('Relu', ['x'], ['y', 'z'])])
put('empty-required-input', [node('Add', ['x', ''], ['y'])])
put('empty-required-output', [node('Relu', ['x'], ['']), node('Abs', ['x'], ['y'])])
put('missing-attribute', [node('Concat', ['x', 'x'], ['y'])])
put('attribute-of-wrong-kind', [node('Softmax', ['x'], ['y'], axis=1.5)])
put('attribute-list-for-int', [node('Softmax', ['x'], ['y'], axis=[1])])
put('deprecated-operator', [node('Scatter', ['x', 'i', 'x'], ['y'])], inputs=[vi('x'), vi('i', (2, 3), T.INT64)])
put('operator-of-the-future', [node('Gelu', ['x'], ['y'])], opset=17)
put('removed-attribute', [node('Clip', ['x'], ['y'], min=0.0)])
put('old-attribute-form', [node('Squeeze', ['x'], ['y'], axes=[0])], inputs=[vi('x', (1, 3))], outputs=[vi('y', (3,))])
put('cast-to-nothing', [node('Cast', ['x'], ['y'], to=99)])
put('axis-out-of-range', [node('Softmax', ['x'], ['y'], axis=5)])
put('perm-of-wrong-length', [node('Transpose', ['x'], ['y'], perm=[0, 1, 2])], outputs=[vi('y', (3, 2))])
put('perm-twice-the-same', [node('Transpose', ['x'], ['y'], perm=[0, 0])], outputs=[vi('y', (2, 2))])
put('matmul-misfit', [node('MatMul', ['x', 'w'], ['y'])], inputs=[vi('x'), vi('w', (4, 5))], outputs=[vi('y', (2, 5))])
put('gemm-misfit', [node('Gemm', ['x', 'w'], ['y'])], inputs=[vi('x'), vi('w', (4, 5))], outputs=[vi('y', (2, 5))])
put('add-misfit', [node('Add', ['x', 'w'], ['y'])], inputs=[vi('x'), vi('w', (2, 4))])
put('add-of-two-dtypes', [node('Add', ['x', 'w'], ['y'])], inputs=[vi('x'), vi('w', (2, 3), T.INT64)])
put('relu-of-bool', [node('Relu', ['x'], ['y'])], inputs=[vi('x', (2, 3), T.BOOL)], outputs=[vi('y', (2, 3), T.BOOL)])
put('concat-misfit', [node('Concat', ['x', 'w'], ['y'], axis=0)], inputs=[vi('x'), vi('w', (2, 4))], outputs=[vi('y', (4, 3))])
put('concat-of-two-ranks', [node('Concat', ['x', 'w'], ['y'], axis=0)], inputs=[vi('x'), vi('w', (2,))], outputs=[vi('y', (4, 3))])
put('reshape-misfit', [node('Reshape', ['x', 's'], ['y'])], init=[arr('s', [7, 7], np.int64)], outputs=[vi('y', (7, 7))])
put('conv-misfit', [node('Conv', ['x', 'w'], ['y'])], inputs=[vi('x', (1, 3, 8, 8)), vi('w', (4, 2, 3, 3))], outputs=[vi('y', (1, 4, 6, 6))])
put('conv-of-rank-two', [node('Conv', ['x', 'w'], ['y'])], inputs=[vi('x'), vi('w', (4, 3))])
put('unsqueeze-twice-the-same', [node('Unsqueeze', ['x', 'a'], ['y'])], init=[arr('a', [0, 0], np.int64)], outputs=[vi('y', (1, 1, 2, 3))])
put('gather-axis', [node('Gather', ['x', 'i'], ['y'], axis=4)], inputs=[vi('x'), vi('i', (2,), T.INT64)])
put('flatten-axis', [node('Flatten', ['x'], ['y'], axis=4)])
put('split-misfit', [node('Split', ['x', 's'], ['y', 'z'], axis=1)], init=[arr('s', [2, 2], np.int64)], outputs=[vi('y', (2, 2)), vi('z', (2, 2))])
put('einsum-nonsense', [node('Einsum', ['x', 'x'], ['y'], equation='ij,jkl->i')])
put('constant-without-value', [node('Constant', [], ['y'])])
put('constant-with-two-values', [node('Constant', [], ['y'], value_int=1, value_float=2.0)])
put('initializer-twice', [node('Add', ['x', 'w'], ['y'])], init=[arr('w', [1, 2, 3]), arr('w', [1, 2, 3])])
put('initializer-without-name', [node('Relu', ['x'], ['y'])], init=[arr('', [1, 2, 3])])
put('initializer-not-an-input-in-ir3', [node('Add', ['x', 'w'], ['y'])], init=[arr('w', [1, 2, 3])], ir=3)
put('initializer-made-again', [node('Relu', ['x'], ['w']), node('Abs', ['w'], ['y'])], init=[arr('w', [[1, 2, 3]] * 2)])


def broken_tensor(name, change):
    t = arr('w', [1, 2, 3])
    change(t)
    put(name, [node('Add', ['x', 'w'], ['y'])], init=[t])


broken_tensor('tensor-too-short', lambda t: setattr(t, 'raw_data', t.raw_data[:-1]))
broken_tensor('tensor-too-long', lambda t: setattr(t, 'raw_data', t.raw_data * 2))
broken_tensor('tensor-of-undefined-dtype', lambda t: setattr(t, 'data_type', 0))
broken_tensor('tensor-of-unknown-dtype', lambda t: setattr(t, 'data_type', 77))
broken_tensor('tensor-with-negative-dimension', lambda t: t.dims.__setitem__(0, -3))
broken_tensor('tensor-with-huge-dimension', lambda t: t.dims.__setitem__(0, 2**62))
broken_tensor('tensor-with-two-kinds-of-data', lambda t: t.float_data.extend([1, 2, 3]))
broken_tensor('tensor-without-data', lambda t: t.ClearField('raw_data'))
broken_tensor('tensor-in-wrong-field', lambda t: [t.ClearField('raw_data'), t.int64_data.extend([1, 2, 3])])
broken_tensor('external-without-location', lambda t: [t.ClearField('raw_data'), setattr(t, 'data_location', 1)])


def external(location):
    def change(t):
        t.ClearField('raw_data')
        t.data_location = 1
        t.external_data.add(key='location', value=location)
    return change


broken_tensor('external-outside', external('../weights.bin'))
broken_tensor('external-absolute', external('/etc/passwd'))


def body(name, inputs, outputs, nodes):
    return h.make_graph(nodes, name, inputs, outputs)


cond = vi('c', (), T.BOOL)
then = body('then', [], [vi('t')], [node('Relu', ['x'], ['t'])])
other = body('else', [], [vi('e')], [node('Abs', ['x'], ['e'])])


def put_if(name, a, b, outputs=('y',)):
    put(name, [node('If', ['c'], list(outputs), then_branch=a, else_branch=b)], inputs=[vi('x'), cond])


put_if('if-fine', then, other)
put_if('if-with-branch-inputs', body('then', [vi('q')], [vi('t')], [node('Relu', ['q'], ['t'])]), other)
put_if('if-branches-of-two-counts', body('then', [], [vi('t'), vi('u')], [node('Relu', ['x'], ['t']), node('Abs', ['x'], ['u'])]), other)
put_if('if-branches-of-two-dtypes', body('then', [], [vi('t', (2, 3), T.INT64)], [node('Cast', ['x'], ['t'], to=T.INT64)]), other)
put_if('if-capturing-nothing', body('then', [], [vi('t')], [node('Relu', ['nowhere'], ['t'])]), other)
put_if('if-making-an-outer-name', body('then', [], [vi('x')], [node('Relu', ['c'], ['x'])]), other)
put_if('if-without-else', then, other)
del models['if-without-else'].graph.node[0].attribute[1]
put_if('if-unknown-operator-inside', body('then', [], [vi('t')], [node('Nope', ['x'], ['t'])]), other)
models['if-on-float'] = model(graph([node('If', ['x'], ['y'], then_branch=then, else_branch=other)]))


def loop(name, inputs, outputs, nodes, given=('n', '', 'x'), outs=('y',)):
    b = body('b', inputs, outputs, nodes)
    put(name, [node('Loop', list(given), list(outs), body=b)], inputs=[vi('x'), vi('n', (), T.INT64)])


loop_in = [vi('i', (), T.INT64), vi('k', (), T.BOOL), vi('s')]
loop_nodes = [node('Identity', ['k'], ['k2']), node('Relu', ['s'], ['s2'])]
loop('loop-fine', loop_in, [vi('k2', (), T.BOOL), vi('s2')], loop_nodes)
loop('loop-with-too-few-body-inputs', loop_in[:2], [vi('k2', (), T.BOOL), vi('s2')], [node('Identity', ['k'], ['k2']), node('Relu', ['x'], ['s2'])])
loop('loop-with-too-few-body-outputs', loop_in, [vi('k2', (), T.BOOL)], loop_nodes)
loop('loop-outputs-before-made', loop_in, [vi('k2', (), T.BOOL), vi('zz')], loop_nodes)


def fn(name='F', inputs=('a',), outputs=('b',), nodes=None, opset=21, attributes=(), domain='d', extra=()):
    nodes = nodes or [node('Relu', ['a'], ['b'])]
    return h.make_function(domain, name, list(inputs), list(outputs), nodes, [h.make_opsetid('', opset), *extra], list(attributes))


call = node('F', ['x'], ['y'], domain='d')
own = h.make_opsetid('d', 1)


def put_fn(name, functions, nodes=(call,), **k):
    put(name, list(nodes), functions=functions, domains=['d'], **k)


put_fn('function-fine', [fn()])
put_fn('function-twice', [fn(), fn()])
put_fn('function-without-name', [fn(), fn(name='')])
put_fn('function-calling-itself', [fn(nodes=[node('F', ['a'], ['b'], domain='d')], extra=[own])])
put_fn('functions-calling-each-other', [fn(nodes=[node('G', ['a'], ['b'], domain='d')], extra=[own]), fn('G', nodes=[node('F', ['a'], ['b'], domain='d')], extra=[own])])
put_fn('function-unsorted', [fn(nodes=[node('Relu', ['q'], ['b']), node('Abs', ['a'], ['q'])])])
put_fn('function-with-undefined-input', [fn(nodes=[node('Relu', ['q'], ['b'])])])
put_fn('function-with-unmade-output', [fn(outputs=['zz'])])
put_fn('function-of-two-inputs-alike', [fn(inputs=['a', 'a'])])
put_fn('function-of-two-outputs-alike', [fn(outputs=['b', 'b'])])
put_fn('function-of-two-attributes-alike', [fn(attributes=['p', 'p'])])
put_fn('function-of-unimported-domain', [fn(nodes=[node('G', ['a'], ['b'], domain='e')])])
put_fn('function-of-unknown-operator', [fn(nodes=[node('Nope', ['a'], ['b'])])])
put_fn('function-of-other-opset', [fn(nodes=[node('ReduceSum', ['a'], ['b'], axes=[0])], opset=11)])
put_fn('function-called-with-too-much', [fn()], nodes=[node('F', ['x', 'x'], ['y'], domain='d')])
put_fn('function-in-old-ir', [fn()], ir=7)
put('reference-outside-function', [node('Relu', ['x'], ['y'])])
a = models['reference-outside-function'].graph.node[0].attribute.add()
a.name, a.type, a.ref_attr_name = 'alpha', onnx.AttributeProto.FLOAT, 'beta'
bomb = [fn('F0')] + [fn(f'F{i}', nodes=[node(f'F{i-1}', ['a'], ['m'], domain='d'), node(f'F{i-1}', ['m'], ['b'], domain='d')], extra=[own]) for i in range(1, 40)]
put_fn('billion-laughs', bomb, nodes=[node('F39', ['x'], ['y'], domain='d')])
put('attribute-kind-undefined', [node('Softmax', ['x'], ['y'], axis=1)])
models['attribute-kind-undefined'].graph.node[0].attribute[0].type = 0
put('attribute-kind-contradicts', [node('Softmax', ['x'], ['y'], axis=1)])
models['attribute-kind-contradicts'].graph.node[0].attribute[0].type = onnx.AttributeProto.FLOAT
put('attribute-twice', [node('Softmax', ['x'], ['y'], axis=1)])
models['attribute-twice'].graph.node[0].attribute.append(h.make_attribute('axis', 0))
put('sparse-out-of-range', [node('Identity', ['w'], ['y'])], inputs=[vi('x')], outputs=[vi('y', (3,))])
models['sparse-out-of-range'].graph.sparse_initializer.append(h.make_sparse_tensor(arr('w', [1.0]), arr('', [9], np.int64), [3]))

verdicts = {}
# Judging these, onnx's own checker does not come back: it expands the calls or the recursion.
untouched = {'billion-laughs', 'function-calling-itself', 'functions-calling-each-other'}
for name, m in models.items():
    onnx.save_model(m, os.path.join(out, name + '.onnx')) if 'external' not in name else open(os.path.join(out, name + '.onnx'), 'wb').write(m.SerializeToString())
    verdict = 'hangs' if name in untouched else None
    if verdict is None:
        try:
            onnx.checker.check_model(m, full_check=True)
        except Exception as error:
            verdict = str(error).strip().split('\n')[0][:200] or type(error).__name__
    verdicts[name] = verdict
print(json.dumps(verdicts))
