"""Legal models with everything a message can hold, as records (see ../onnx/corpus.py): odd_models.py OUT"""

import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh


def info(name, shape=("n", 2), dtype=T.FLOAT):
    return h.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs, outputs, opset=21, ir=10, functions=(), imports=(), **graph):
    g = h.make_graph(nodes, "g", inputs, outputs, **graph)
    opsets = [h.make_opsetid("", opset), *[h.make_opsetid(d, v) for d, v in imports]]
    return h.make_model(g, opset_imports=opsets, ir_version=ir, functions=list(functions))


def documented():
    m = model([h.make_node("Relu", ["x"], ["h"], name="r", doc_string="a relu"), h.make_node("Neg", ["h"], ["y"])],
              [info("x")], [info("y")], value_info=[info("h"), info("gone")], doc_string="graph doc")
    m.doc_string, m.producer_name, m.producer_version, m.domain, m.model_version = "doc", "p", "", "a.b", 2**60
    h.set_model_props(m, {"b": "1", "a": "2"})
    m.metadata_props.add(key="b", value="again")
    m.graph.node[0].metadata_props.add(key="k", value="v")
    m.graph.metadata_props.add(key="g", value="")
    m.graph.value_info[0].doc_string = "info doc"
    m.graph.input[0].type.denotation = "IMAGE"
    m.graph.input[0].type.tensor_type.shape.dim[0].denotation = "BATCH"
    q = m.graph.quantization_annotation.add(tensor_name="h")
    q.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="s")
    return m


def initializers():
    w = nh.from_array(np.arange(4, dtype=np.float32).reshape(2, 2), "w")
    typed = h.make_tensor("t", T.FLOAT16, [2], [1.5, -2.0])
    typed.doc_string = "typed"
    dead = nh.from_array(np.array([1], np.int64), "dead")
    nodes = [h.make_node("MatMul", ["x", "w"], ["a"]), h.make_node("Cast", ["t"], ["c"], to=T.FLOAT),
             h.make_node("Add", ["a", "c"], ["y"]), h.make_node("Exp", ["x"], ["unused"])]
    return model(nodes, [info("w", (2, 2)), info("x")], [info("y")], initializer=[dead, w, typed])


def sparse():
    values = h.make_tensor("s", T.FLOAT, [2], [3.0, 4.0])
    indices = h.make_tensor("", T.INT64, [2, 2], [0, 1, 1, 0])
    m = model([h.make_node("Add", ["x", "s"], ["y"])], [info("x", (2, 2))], [info("y", (2, 2))])
    m.graph.sparse_initializer.append(h.make_sparse_tensor(values, indices, [2, 2]))
    return m


def empties():
    nodes = [h.make_node("Clip", ["x", "", "hi"], ["c"]), h.make_node("Dropout", ["c", "", ""], ["y", ""]),
             h.make_node("LSTM", ["s", "w", "r"], ["", "yh", ""], hidden_size=1)]
    return model(nodes, [info("x"), info("hi", ()), info("s", (1, 1, 1)), info("w", (1, 4, 1)), info("r", (1, 4, 1))],
                 [info("y"), info("yh", (1, 1, 1))])


def siblings():
    def branch(op):
        return h.make_graph([h.make_node(op, ["x"], ["t"]), h.make_node("Neg", ["t"], ["o"])], op, [], [info("o")],
                            initializer=[nh.from_array(np.array(1.0, np.float32), "k")])

    nodes = [h.make_node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Exp")),
             h.make_node("If", ["c"], ["z"], then_branch=branch("Sin"), else_branch=branch("Cos"))]
    return model(nodes, [info("c", (), T.BOOL), info("x")], [info("y"), info("z")])


def functions():
    ops = [h.make_opsetid("", 17), h.make_opsetid("d", 1)]
    inner = h.make_function("d", "F", ["a"], ["b"], [h.make_node("Relu", ["a"], ["b"])], ops)
    axis = h.make_node("Softmax", ["a"], ["c"])
    axis.attribute.add(name="axis", ref_attr_name="axis", type=onnx.AttributeProto.INT)
    outer = h.make_function("d", "F", ["a"], ["b"], [axis, h.make_node("F", ["c"], ["b"], domain="d")], ops, ["axis"],
                            [h.make_attribute("alpha", 0.1)], overload="two", doc_string="outer")
    outer.value_info.append(info("c"))
    outer.metadata_props.add(key="k", value="v")
    call = h.make_node("F", ["x"], ["y"], domain="d", overload="two", axis=1)
    return model([call], [info("x")], [info("y")], functions=[outer, inner], imports=[("d", 1)])


def types():
    seq = h.make_tensor_sequence_value_info("q", T.FLOAT, ["n", None])
    opt = h.make_value_info("o", h.make_optional_type_proto(h.make_tensor_type_proto(T.INT64, [2])))
    mapped = h.make_value_info("m", h.make_map_type_proto(T.STRING, h.make_tensor_type_proto(T.FLOAT, [])))
    nodes = [h.make_node("SequenceLength", ["q"], ["l"]), h.make_node("OptionalHasElement", ["o"], ["e"]),
             h.make_node("Whatever", ["m"], ["w"], domain="x.y", ints=[1, 2], s=b"\xff\xfe", ss=[b"a", b"\x80"], e=[0.5])]
    nodes[2].attribute.append(h.make_attribute("empty", [], attr_type=onnx.AttributeProto.INTS))
    nodes[2].attribute.append(h.make_attribute("tp", h.make_tensor_type_proto(T.FLOAT, ["k"])))
    return model(nodes, [seq, opt, mapped], [info("l", (), T.INT64), info("e", (), T.BOOL), onnx.ValueInfoProto(name="w")],
                 imports=[("x.y", 3)])


def training():
    m = documented()
    t = m.training_info.add()
    t.algorithm.CopyFrom(h.make_graph([h.make_node("Neg", ["h"], ["hn"])], "step", [], []))
    t.update_binding.add(key="x", value="hn")
    return m


def spelled():
    m = model([h.make_node("Relu", ["x"], ["y"], domain="ai.onnx")], [info("x")], [info("y")])
    m.opset_import[0].domain = "ai.onnx"
    return m


def old():
    m = model([h.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], is_test=1),
               h.make_node("Upsample", ["y"], ["z"], height_scale=2.0, width_scale=2.0)],
              [info("x", (1, 1, 2, 2)), *[info(n, (1,)) for n in "sbmv"]], [info("z", (1, 1, 4, 4))], opset=1, ir=3,
              initializer=[nh.from_array(np.ones(1, np.float32), n) for n in "sbmv"])
    return m


def typeless():
    m = documented()
    del m.opset_import[:]
    m.ir_version = 1
    n = m.graph.node.add(op_type="Elu", input=["x"], output=["e"])
    n.attribute.add(name="alpha", f=0.5)
    return m


def passed_through():
    return model([h.make_node("Relu", ["x"], ["y"])], [info("x")], [info("x"), info("y"), info("w", (1,))],
                 initializer=[nh.from_array(np.ones(1, np.float32), "w")])


def unknown_fields():
    key = 1000 << 3 | 2
    later = bytes([key & 0x7F | 0x80, key >> 7, 5]) + b"later"
    m = functions()
    m.graph.initializer.append(nh.from_array(np.ones(1, np.float32), "w"))
    node, function = m.graph.node[0], m.functions[0]
    for message in (m, m.graph, node, node.attribute[0], function, function.node[0].attribute[0], m.graph.input[0],
                    m.graph.output[0], m.graph.input[0].type, m.graph.initializer[0], m.opset_import[0]):
        message.MergeFromString(later)
    return m


MAKERS = [documented, initializers, sparse, empties, siblings, functions, types, training, spelled, old, typeless,
          passed_through, unknown_fields]

with open(sys.argv[1], "wb") as out:
    for make in MAKERS:
        made, name = make(), make.__name__.encode()
        data = made if isinstance(made, bytes) else made.SerializeToString()
        out.write(struct.pack("<cII", b"M", len(name), len(data)) + name + data)
