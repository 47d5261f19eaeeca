"""Runs many small models in one process: ONNX Runtime, and where asked the ONNX reference evaluator. Cases come as JSON on stdin."""
import base64
import json
import sys

import numpy as np
import onnx
import onnx.inliner
import onnxruntime as ort
from onnx.reference import ReferenceEvaluator

NAMES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "int64": np.int64, "bool": np.bool_}


def decode(t):
    return np.frombuffer(base64.b64decode(t["data"]), NAMES[t["dtype"]]).reshape(t["shape"])


def encode(a):
    a = np.asarray(a)
    return {"dtype": a.dtype.name, "shape": list(a.shape), "data": base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()}


def options():
    o = ort.SessionOptions()
    o.intra_op_num_threads = 1
    o.log_severity_level = 3
    return o


def run(case):
    model = onnx.load_from_string(base64.b64decode(case["model"]))
    onnx.checker.check_model(model, full_check=True)
    if case.get("inline"):
        model = onnx.inliner.inline_local_functions(model)
        onnx.checker.check_model(model, full_check=True)
    feeds = {k: decode(v) for k, v in case["inputs"].items()}
    if case["engine"] == "reference":
        got = ReferenceEvaluator(model).run(None, feeds)
    else:
        got = ort.InferenceSession(model.SerializeToString(), options(), providers=["CPUExecutionProvider"]).run(None, feeds)
    return {o.name: encode(v) for o, v in zip(model.graph.output, got)}


results = []
for case in json.load(sys.stdin):
    try:
        results.append({"outputs": run(case)})
    except Exception as error:  # told to the test, which names the case
        results.append({"error": f"{type(error).__name__}: {error}"[:2000]})
json.dump(results, sys.stdout)
