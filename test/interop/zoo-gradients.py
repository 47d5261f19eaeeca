"""Runs co-state graphs of the zoo in ONNX Runtime and compares them with PyTorch's gradients: {folder, graphs: [{..}]} as JSON on stdin."""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def compare(got, want, slack):
    """The error as a part of what is allowed: 1e-3 of the largest entry, and PyTorch's own difference between float32 and float64."""
    if got.shape != want.shape:
        return f"shape {list(got.shape)}, expected {list(want.shape)}"
    if want.size == 0:
        return 0.0
    wide = np.asarray(got, np.float64)
    fine = np.isfinite(want)
    if not np.array_equal(fine, np.isfinite(wide)):
        return "not finite where PyTorch is, or the other way round"
    difference = np.abs(wide - want)[fine].max(initial=0)
    allowed = 1e-3 * np.abs(want[fine]).max(initial=0) + slack + 1e-12
    return float(difference / allowed) if np.isfinite(difference / allowed) else "PyTorch itself has no finite error to compare with"


def judge(folder, graph):
    path = folder / graph["file"]
    onnx.checker.check_model(str(path), full_check=True)
    model = session(str(path))
    given = np.load(folder / graph["input"])
    torch, expected = np.load(folder / graph["gradients"]), np.load(folder / graph["expected"])
    feeds = {}
    for one in model.get_inputs():
        name = one.name
        if name in given:
            feeds[name] = given[name]
        elif name in graph["seeds"]:
            seed = graph["seeds"][name]
            # Of an output that does not depend on anything PyTorch differentiates.
            feeds[name] = torch[seed] if seed in torch else np.zeros_like(list(expected.values())[int(seed.split(":")[1])])
        else:
            return {"error": f"nothing to feed {name}"}
    got = dict(zip([o.name for o in model.get_outputs()], model.run(None, feeds)))
    errors = {}
    for name, leaf in graph["compare"].items():
        if leaf not in torch:
            if np.any(got[name]):
                errors[name] = "expected zeros: PyTorch has no gradient there"
            continue
        slack = float(torch[f"error:{leaf}"]) if f"error:{leaf}" in torch else 0.0
        errors[name] = compare(got[name], torch[leaf], slack * graph["slack"])
    return {"errors": errors}


task = json.load(sys.stdin)
answers = []
for graph in task["graphs"]:
    try:
        answers.append(judge(Path(task["folder"]), graph))
    except Exception as error:  # told to the test, which names the graph
        answers.append({"error": f"{type(error).__name__}: {error}"[:1500]})
json.dump(answers, sys.stdout)
