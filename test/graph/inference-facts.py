"""Prints, as JSON lines, what a test needs of ONNX models: nodes, types, attributes; and what onnx.shape_inference says of each value."""

import json
import sys
import warnings

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper, shape_inference

SMALL = 4096

warnings.filterwarnings("ignore")


def type_facts(t):
    kind = t.WhichOneof("value")
    if kind is None:
        return None
    if kind in ("tensor_type", "sparse_tensor_type"):
        v = getattr(t, kind)
        shape = None
        if v.HasField("shape"):
            shape = [
                d.dim_value if d.HasField("dim_value") else (d.dim_param if d.dim_param else None) for d in v.shape.dim
            ]
        return {"kind": "tensor" if kind == "tensor_type" else "sparse", "code": v.elem_type, "shape": shape}
    if kind in ("sequence_type", "optional_type"):
        return {"kind": kind.split("_")[0], "element": type_facts(getattr(t, kind).elem_type)}
    return {"kind": kind}


def tensor_facts(t):
    a = numpy_helper.to_array(t) if t.data_type != onnx.TensorProto.STRING else None
    facts = {"code": t.data_type, "shape": list(t.dims)}
    if a is None:
        facts["strings"] = [s.decode("utf8", "replace") for s in t.string_data]
    elif t.data_type in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16) and a.size <= SMALL:
        flat = a.reshape(-1)
        if a.dtype.kind in "iub":
            facts["values"] = [str(int(x)) for x in flat]
        else:
            facts["values"] = [repr(float(x)) for x in flat]
    return facts


def attribute_facts(a):
    T = onnx.AttributeProto
    if a.ref_attr_name:
        return {"kind": "reference", "value": a.ref_attr_name, "of": T.AttributeType.Name(a.type).lower()}
    if a.type == T.GRAPH:
        return {"kind": "graph", "value": graph_facts(a.g, attribute_facts.opsets)}
    if a.type == T.TENSOR:
        return {"kind": "tensor", "value": tensor_facts(a.t)}
    if a.type == T.TYPE_PROTO:
        return {"kind": "type", "value": type_facts(a.tp)}
    if a.type == T.INT:
        return {"kind": "int", "value": str(a.i)}
    if a.type == T.INTS:
        return {"kind": "ints", "value": [str(x) for x in a.ints]}
    if a.type == T.FLOAT:
        return {"kind": "float", "value": repr(a.f)}
    if a.type == T.FLOATS:
        return {"kind": "floats", "value": [repr(x) for x in a.floats]}
    if a.type == T.STRING:
        return {"kind": "string", "value": a.s.decode("utf8", "replace")}
    if a.type == T.STRINGS:
        return {"kind": "strings", "value": [s.decode("utf8", "replace") for s in a.strings]}
    return {"kind": "carried", "value": None}


def since(node, opsets):
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        return defs.get_schema(node.op_type, opsets.get(domain, 1), domain).since_version
    except Exception:
        return 0


def graph_facts(g, opsets):
    attribute_facts.opsets = opsets
    return {
        "inputs": [{"name": v.name, "type": type_facts(v.type)} for v in g.input],
        "outputs": [{"name": v.name, "type": type_facts(v.type)} for v in g.output],
        "initializers": [{"name": t.name, "tensor": tensor_facts(t)} for t in g.initializer],
        "nodes": [
            {
                "opType": n.op_type,
                "domain": "" if n.domain == "ai.onnx" else n.domain,
                "version": since(n, opsets),
                "inputs": list(n.input),
                "outputs": list(n.output),
                "attributes": {a.name: attribute_facts(a) for a in n.attribute},
            }
            for n in g.node
        ],
    }


def model_facts(name, model, data_prop=True):
    opsets = {("" if o.domain == "ai.onnx" else o.domain): o.version for o in model.opset_import}
    facts = {"name": name, "opsets": opsets, "graph": graph_facts(model.graph, opsets), "inferred": {}}
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    for v in bare.graph.output:
        kind = v.type.WhichOneof("value")
        if kind == "tensor_type" and v.name not in {i.name for i in bare.graph.input}:
            v.type.tensor_type.ClearField("shape")
    try:
        inferred = shape_inference.infer_shapes(bare, check_type=False, strict_mode=False, data_prop=data_prop)
        for v in list(inferred.graph.value_info) + list(inferred.graph.output):
            facts["inferred"][v.name] = type_facts(v.type)
    except Exception as e:
        facts["inferenceError"] = str(e)[:200]
    return facts


def small_and_numeric(array):
    numeric = array.dtype.kind in "iubf" or array.dtype.name == "bfloat16"
    return numeric and array.ndim <= 1 and array.size <= 64


def with_data(case, model):
    """The same model with its small integer, boolean and float inputs of rank 0 and 1 as constants, as exporters write them."""
    from google.protobuf.message import DecodeError

    known = onnx.ModelProto()
    known.CopyFrom(model)
    inputs, _ = case.data_sets[0]
    kept = []
    for declared, value in zip(known.graph.input, inputs):
        array = value
        if isinstance(array, onnx.TensorProto):
            try:
                array = numpy_helper.to_array(array)
            except (DecodeError, ValueError):
                array = None
        if isinstance(array, (np.ndarray, np.generic)) and small_and_numeric(np.asarray(array)):
            tensor = numpy_helper.from_array(np.asarray(array), declared.name)
            if tensor.data_type == declared.type.tensor_type.elem_type:
                known.graph.initializer.append(tensor)
                continue
        kept.append(declared)
    kept = [onnx.ValueInfoProto.FromString(k.SerializeToString()) for k in kept]
    del known.graph.input[:]
    known.graph.input.extend(kept)
    return known


def main(argv):
    if argv and argv[0] == "corpus":
        from onnx.backend.test.loader import load_model_tests

        for case in load_model_tests(kind="node"):
            model = case.model if case.model is not None else onnx.load(case.model_dir + "/model.onnx")
            print(json.dumps(model_facts(case.name, model)))
            if case.data_sets:
                print(json.dumps(model_facts(case.name + " (known)", with_data(case, model))))
    else:
        for path in argv:
            print(json.dumps(model_facts(path, onnx.load(path, load_external_data=False))))


if __name__ == "__main__":
    main(sys.argv[1:])
