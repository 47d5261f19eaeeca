"""Judges models sent as JSON on stdin: onnx.checker with full_check, then ONNX Runtime. One answer per model."""

import base64
import json
import sys

import numpy as np
import onnx
import onnxruntime

onnxruntime.set_default_logger_severity(4)


def judge(one):
    data = base64.b64decode(one["model"])
    try:
        onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        feeds = {
            name: np.array(given["data"], dtype=given["dtype"]).reshape(given["shape"])
            for name, given in one["feeds"].items()
        }
        names = [output.name for output in session.get_outputs()]
        values = session.run(None, feeds)
        return {name: {"shape": value.shape, "data": value.ravel().tolist()} for name, value in zip(names, values)}
    except Exception as error:  # every judge has exceptions of its own
        return {"error": str(error)}


print(json.dumps([judge(one) for one in json.load(sys.stdin)]))
