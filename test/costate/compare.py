"""Runs graphs in ONNX Runtime and compares their outputs with what PyTorch says. Cases come as JSON on stdin; answers are relative errors by output."""
import base64
import json
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore")
torch.set_num_threads(1)


def decode(t):
    return np.frombuffer(base64.b64decode(t["data"]), np.dtype(t["dtype"])).reshape(t["shape"]).copy()


def error(got, want):
    want = want.detach().to(torch.float64).numpy(force=True)
    if got.shape != want.shape:
        return f"shape {list(got.shape)}, expected {list(want.shape)}"
    wide = np.asarray(got, np.float64)
    if not np.array_equal(np.isfinite(wide), np.isfinite(want)):
        return f"not finite at other places: {wide.ravel()[:8].tolist()}, expected {want.ravel()[:8].tolist()}"
    fine = np.isfinite(want)
    return float(np.abs(wide - want)[fine].max(initial=0) / max(1.0, np.abs(want[fine]).max(initial=0)))


def judge(case):
    data = base64.b64decode(case["model"])
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feeds = {name: decode(tensor) for name, tensor in case["feeds"].items()}
    got = dict(zip([o.name for o in session.get_outputs()], session.run(None, {i.name: feeds[i.name] for i in session.get_inputs()})))
    # Half precision is judged against what PyTorch says of the same numbers in float64.
    values = {k: torch.tensor(v.astype(np.float64) if v.dtype.kind == "f" else v) for k, v in feeds.items()}
    space = {"torch": torch, "F": F, "np": np, **values}
    exec("def f():\n" + "\n".join("  " + line for line in case["torch"].strip("\n").split("\n")), space)
    wanted = space["f"]()
    return {name: error(got[name], value) if name in got else "no such output" for name, value in wanted.items()}


answers = []
for case in json.load(sys.stdin):
    try:
        answers.append({"errors": judge(case)})
    except Exception as problem:  # told to the test, which names the case
        answers.append({"error": f"{type(problem).__name__}: {problem}"[:1500]})
json.dump(answers, sys.stdout)
