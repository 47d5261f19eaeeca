"""Judges what was made of the models that packages ship.

    packages.py FOLDER < jobs      jobs: [{kind: outputs | gradient, ...}], prints an answer for each

Outputs: the original's and the changed one's in ONNX Runtime. A gradient: along a random direction of each value, that of a co-state graph against the
central difference in float64, computed by onnx's own evaluator, which shares no code with ONNX Runtime or with hopfcole. It takes the changed file, as it computes
BatchNormalization of opset 9 wrongly, and must give the original's outputs with it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)
FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE


def feeds_of(job):
    rng = np.random.default_rng(3)
    made = {}
    for name, (dtype, shape) in job["inputs"].items():
        if dtype == "float32":
            made[name] = (rng.standard_normal(shape) * job.get("scale", 1)).astype(np.float32)
        elif isinstance(shape, int):
            made[name] = np.array(shape, dtype)
        else:
            made[name] = rng.integers(0, 256, shape).astype(dtype)
    return made


def session_of(path, plain):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if plain:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(path, feeds, plain=True):
    session = session_of(path, plain)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {value.name: feeds[value.name] for value in session.get_inputs()}), strict=True))


def outputs(job, folder):
    feeds = feeds_of(job)
    before, after = run(job["original"], feeds), run(str(folder / job["changed"]), feeds)
    assert list(before) == list(after), (list(before), list(after))
    worst = 0.0
    for name, value in before.items():
        assert value.shape == after[name].shape and value.dtype == after[name].dtype, name
        worst = max(worst, float(np.abs(value - after[name]).max() / np.abs(value).max()))
    np.savez(folder / f"{job['changed']}.npz", **{f"in:{k}": v for k, v in feeds.items()}, **{f"out:{k}": v for k, v in before.items()})
    equal = onnx.load(job["original"]) == onnx.load(folder / job["same"])
    onnx.checker.check_model(folder / job["changed"], full_check=True)
    return {"error": worst, "equal": equal, "moved": float(max(np.abs(v).max() for v in before.values()))}


def doubled(tensor):
    if tensor.data_type == FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def widen(graph):
    """The graph in float64: initializers, constants, casts and declared types."""
    for tensor in graph.initializer:
        doubled(tensor)
    for value in [*graph.input, *graph.output]:
        if value.type.tensor_type.elem_type == FLOAT:
            value.type.tensor_type.elem_type = DOUBLE
    del graph.value_info[:]
    for node in graph.node:
        # Scales of a Resize are float32 whatever is resized.
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                widen(attribute.g)
            elif attribute.type == onnx.AttributeProto.TENSOR:
                doubled(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == FLOAT:
                attribute.i = DOUBLE


def gradient(job, folder):
    feeds = feeds_of(job)
    rng = np.random.default_rng(4)
    of = job["of"]
    model = onnx.load(folder / job["judged"])
    widen(model.graph)
    model = helper.make_model(model.graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    evaluator = ReferenceEvaluator(model)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    wanted = [value.name for value in model.graph.input if value.name not in stored]
    plain = {name: feeds[name].astype(np.float64) if feeds[name].dtype == np.float32 else feeds[name] for name in wanted}
    names = [output.name for output in model.graph.output]
    y = evaluator.run(None, plain)[names.index(of)]
    before = run(job["original"], feeds)[of]
    forward = float(np.abs(y - before).max() / np.abs(before).max())
    cotangent = rng.standard_normal(y.shape)
    found = run(str(folder / job["costate"]), {**feeds, f"cotangent_{of}": cotangent.astype(np.float32)}, plain=False)
    answer = {"forward": {"expected": 0, "got": 1, "error": forward}}
    for name in job["wrt"]:
        costate = found[f"costate_{name}"].astype(np.float64)
        direction = rng.standard_normal(costate.shape)
        value = plain[name] if name in plain else numpy_helper.to_array(stored[name])
        step = 1e-6 * max(float(np.abs(value).max()), 1e-3)
        sides = []
        for sign in (1, -1):
            moved = value + sign * step * direction
            if name in plain:
                result = evaluator.run(None, {**plain, name: moved})
            else:
                tensor = stored[name]
                kept = onnx.TensorProto.FromString(tensor.SerializeToString())
                tensor.CopyFrom(numpy_helper.from_array(moved, name))
                result = ReferenceEvaluator(model).run(None, plain)
                tensor.CopyFrom(kept)
            sides.append(float((result[names.index(of)] * cotangent).sum()))
        expected = (sides[0] - sides[1]) / (2 * step)
        got = float((costate * direction).sum())
        size = float(np.linalg.norm(costate) * np.linalg.norm(direction) / np.sqrt(costate.size))
        answer[name] = {"expected": expected, "got": got, "error": abs(expected - got) / max(abs(expected), size, 1e-30)}
    return answer


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    print(json.dumps([{"outputs": outputs, "gradient": gradient}[job["kind"]](job, FOLDER) for job in json.load(sys.stdin)]))
