"""The node tests of the ONNX backend corpus as a judge of co-state graphs, in two steps.

`write FOLDER`: the models that have a floating-point input and output, each as it is (<number>.open.onnx) and, if it has other inputs,
with those as constants (<number>.known.onnx), and index.json with their names.
`judge FOLDER`: of each co-state graph <number>.open.grad.onnx, <number>.known.grad.onnx its products with random directions against central differences of the model,
both by the reference evaluator on float64 numbers (it does not ask whether numbers are of the declared type); verdicts as JSON on stdout.
"""

import json
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

warnings.filterwarnings("ignore")
np.seterr(all="ignore")
KINDS = ("open", "known")
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)


def elem(value_info):
    kind = value_info.type.WhichOneof("value")
    return value_info.type.tensor_type.elem_type if kind == "tensor_type" else None


def is_float(value):
    return isinstance(value, (np.ndarray, np.generic)) and (value.dtype.kind == "f" or value.dtype.name == "bfloat16")


def plain(value):
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def known(model, values):
    """The same model with the inputs that are not floating-point as constants, as exporters write them."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = []
    for declared in copy.graph.input:
        value = values.get(declared.name)
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "iub" and elem(declared) not in FLOATS:
            tensor = numpy_helper.from_array(np.asarray(value), declared.name)
            if tensor.data_type == elem(declared):
                copy.graph.initializer.append(tensor)
                continue
        kept.append(onnx.ValueInfoProto.FromString(declared.SerializeToString()))
    del copy.graph.input[:]
    copy.graph.input.extend(kept)
    return copy


def write(folder):
    from onnx.backend.test.loader import load_model_tests

    index, data = [], {}
    for case in load_model_tests(kind="node"):
        if case.model is None or not case.data_sets:
            continue
        graph = case.model.graph
        if not any(elem(i) in FLOATS for i in graph.input) or not any(elem(o) in FLOATS for o in graph.output):
            continue
        try:
            values = {i.name: plain(v) for i, v in zip(graph.input, case.data_sets[0][0])}
        except Exception:  # a tensor whose data are not there
            continue
        number = len(index)
        (folder / f"{number}.open.onnx").write_bytes(case.model.SerializeToString())
        constant = known(case.model, values)
        if constant.graph.initializer:
            (folder / f"{number}.known.onnx").write_bytes(constant.SerializeToString())
        data[number] = values
        index.append({"name": case.name, "operators": sorted({n.op_type for n in graph.node})})
    (folder / "data.pickle").write_bytes(pickle.dumps(data))
    (folder / "index.json").write_text(json.dumps(index))


def widened(value):
    return value.astype(np.float64) if is_float(value) else value


def wide_tensor(tensor):
    if tensor.data_type in FLOATS:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def wide_nodes(nodes):
    for node in nodes:
        if node.op_type == "ConstantOfShape" and not node.attribute:
            node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(1))))
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                wide_tensor(a.t)
            elif a.type == onnx.AttributeProto.GRAPH:
                wide_graph(a.g)
            elif a.name in ("to", "dtype") and a.i in FLOATS:
                a.i = TensorProto.DOUBLE
            elif node.op_type == "Constant" and a.name in ("value_float", "value_floats"):
                numbers = np.array(a.f if a.name == "value_float" else list(a.floats), np.float64)
                a.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(numbers)))


def wide_graph(graph):
    for value in (*graph.input, *graph.output):
        if elem(value) in FLOATS:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    del graph.value_info[:]
    for tensor in graph.initializer:
        wide_tensor(tensor)
    wide_nodes(graph.node)


class Pad(OpRun):
    """The evaluator's own does not crop, which negative pads ask for."""

    op_domain = ""

    def _run(self, data, pads, constant_value=None, axes=None, mode=None):
        rank = data.ndim
        axes = range(rank) if axes is None else [int(axis) % rank for axis in axes]
        before, after = [0] * rank, [0] * rank
        for place, axis in enumerate(axes):
            before[axis], after[axis] = int(pads[place]), int(pads[place + len(axes)])
        kept = tuple(slice(max(0, -b), n - max(0, -a)) for n, b, a in zip(data.shape, before, after))
        widths = [(max(0, b), max(0, a)) for b, a in zip(before, after)]
        mode = mode or "constant"
        if mode == "constant":
            value = 0 if constant_value is None else np.asarray(constant_value).item()
            return (np.pad(data[kept], widths, mode="constant", constant_values=value).astype(data.dtype),)
        return (np.pad(data[kept], widths, mode=mode),)


class Engine:
    """One model: `wide` in float64 throughout, by the reference evaluator, or by ONNX Runtime (`wide ort`); `plain`, `plain ort` as it is."""

    def __init__(self, path, kind):
        self.kind = kind
        model = onnx.load(path)
        self.types = {i.name: elem(i) for i in model.graph.input}
        self.declared = set(self.types.values())
        self.outputs = [o.name for o in model.graph.output]
        if kind.startswith("wide"):
            wide_graph(model.graph)
            for function in model.functions:
                wide_nodes(function.node)
        if kind.endswith("ort"):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.log_severity_level = 4
            self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        else:
            self.session = ReferenceEvaluator(model, new_ops=[Pad])

    def __call__(self, feeds):
        given = {name: self.typed(feeds[name], kind) for name, kind in self.types.items() if name in feeds}
        return dict(zip(self.outputs, self.session.run(None, given)))

    def typed(self, value, kind):
        if not is_float(value):
            return value
        return np.asarray(value, np.float64 if self.kind.startswith("wide") else helper.tensor_dtype_to_np_dtype(kind))


# The reference evaluator makes coordinates in float32 (GridSample, DeformConv), loses what loops carry and stack (Loop), and gives other
# indices than the specification says (MaxPool, MaxUnpool).
NOT_BY_REFERENCE = {"DeformConv", "GridSample", "Loop", "MaxPool", "MaxUnpool"}


def first_engine(path, check):
    """The first engine that runs the model, the more exact ones first."""
    elsewhere = any(node.op_type in NOT_BY_REFERENCE for node in onnx.load(path).graph.node)
    kinds = ("wide ort", "plain ort", "wide", "plain") if elsewhere else ("wide", "plain ort", "plain")
    why = []
    for kind in kinds:
        try:
            engine = Engine(path, kind)
            check(engine)
            return engine
        except Exception as problem:
            why.append(f"{kind}: {type(problem).__name__}: {problem}"[:300])
    raise RuntimeError("; ".join(why))


def doubles(made):
    return {k: np.asarray(v, np.float64) for k, v in made.items() if is_float(v)}


def complaint(path):
    """What the full check of onnx has against a model."""
    try:
        onnx.checker.check_model(onnx.load(path), full_check=True)
    except Exception as problem:
        return f"{problem}"[:400]
    return None


def judge_one(folder, number, values, rng):
    base = {name: widened(value) for name, value in values.items()}
    forward = first_engine(folder / f"{number}.open.onnx", lambda engine: engine(base))
    graphs = {kind: path for kind in KINDS if (path := folder / f"{number}.{kind}.grad.onnx").exists()}
    given = {o.name.removeprefix("costate_") for p in graphs.values() for o in onnx.load(p).graph.output if o.name.startswith("costate_")}
    exact = forward.kind.startswith("wide") and not any(t in (TensorProto.FLOAT16, TensorProto.BFLOAT16) for t in forward.declared)
    for name in given:
        # Off the points where round numbers tie or meet a kink.
        base[name] = base[name] + 1e-3 * (0.5 + np.abs(rng.standard_normal(np.shape(base[name]))))
    outputs = doubles(forward(base))
    seeds = {k: np.where(np.isfinite(v), rng.standard_normal(v.shape), 0.0) for k, v in outputs.items()}

    def loss(feeds):
        made, total = doubles(forward(feeds)), 0.0
        for name, seed in seeds.items():
            if made[name].shape != seed.shape:
                raise Discrete("the shape of the output changes")
            total += float((np.where(seed == 0, 0.0, made[name]) * seed).sum())
        return total

    unsound = [f"{kind}: {why}" for kind, path in graphs.items() if (why := complaint(path)) and not complaint(folder / f"{number}.{kind}.onnx")]
    answer = {"unsound": unsound, "engine": forward.kind, "variants": {kind: {} for kind in graphs}, "left": {}}
    bars = {}
    for kind, path in graphs.items():
        try:
            engine = first_engine(path, lambda e: bars.update({kind: e({**base, **{f"cotangent_{k}": v for k, v in seeds.items()}})}))
            exact = exact and engine.kind.startswith("wide")
        except Exception as problem:
            answer["variants"][kind] = {"": f"{problem}"[:900]}
    answer["exact"] = exact
    for name, value in base.items():
        if not is_float(value) or value.size == 0 or forward.types.get(name) not in FLOATS:
            continue
        at = value if name in given else value + 1e-3 * rng.standard_normal(np.shape(value))
        d = rng.standard_normal(np.shape(value))
        # Several steps: how small one may be depends on how much of the evaluator's arithmetic is float32.
        for step in (1e-6, 1e-4, 1e-3, 1e-2) if forward.kind.startswith("wide") else (1e-3, 1e-2, 1e-1):
            try:
                slope = (loss({**base, name: at + step * d}) - loss({**base, name: at - step * d})) / (2 * step)
            except Discrete:
                break
            except Exception as problem:
                answer["left"][name] = f"{type(problem).__name__}: {problem}"[:200]
                break
            worst = 0.0
            if name not in given:
                seen = abs(slope) if np.isfinite(slope) else 1e30
                worst = answer["left"][name] = min(seen, answer["left"].get(name, np.inf))
            for kind, bar in ((kind, made.get(f"costate_{name}")) for kind, made in bars.items()):
                if bar is None:
                    continue
                if np.shape(bar) != np.shape(value):
                    answer["variants"][kind][name] = f"has the shape {np.shape(bar)}, not {np.shape(value)}"
                    continue
                got = float((np.asarray(bar, np.float64) * d).sum())
                error = abs(got - slope) / max(1.0, abs(slope), float(np.abs(bar).max(initial=0)))
                error = error if np.isfinite(error) else 1e30
                answer["variants"][kind][name] = min(error, answer["variants"][kind].get(name, np.inf))
                worst = max(worst, answer["variants"][kind][name])
            if worst < 1e-5:
                break
    return answer


class Discrete(Exception):
    """An input that says how large the output is."""


def judge(folder):
    index = json.loads((folder / "index.json").read_text())
    data = pickle.loads((folder / "data.pickle").read_bytes())
    answers = []
    for number, case in enumerate(index):
        try:
            answers.append(judge_one(folder, number, data[number], np.random.default_rng(number)))
        except Exception as problem:  # told to the test, which names the case
            answers.append({"error": f"{type(problem).__name__}: {problem}"[:600]})
    json.dump(answers, sys.stdout)


{"write": write, "judge": judge}[sys.argv[1]](Path(sys.argv[2]))
