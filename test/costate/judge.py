"""Judges co-state graphs against PyTorch's autograd and central differences in float64. Cases come as JSON on stdin.

Of each case and variant (shapes known, shapes symbolic): the gradient graph in float64 by ONNX Runtime, by the reference evaluator where
that has no kernel; in float32 by ONNX Runtime; the forward graph in float64 for differences. Answers are relative errors.
"""
import base64
import json
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from onnx.reference import ReferenceEvaluator

sys.path.insert(0, sys.argv[1])
from kernels import kernels  # noqa: E402

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
NAMES = {n: np.dtype(n) for n in ("float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool")}


def decode(t):
    return np.frombuffer(base64.b64decode(t["data"]), NAMES[t["dtype"]]).reshape(t["shape"]).copy()


def options():
    o = ort.SessionOptions()
    o.intra_op_num_threads = 1
    o.log_severity_level = 4
    return o


class Engine:
    def __init__(self, data, kind):
        self.kind = kind
        self.names = [o.name for o in onnx.load_from_string(data).graph.output]
        if kind == "ort":
            self.session = ort.InferenceSession(data, options(), providers=["CPUExecutionProvider"])
            self.inputs = {i.name for i in self.session.get_inputs()}
        else:
            self.session = ReferenceEvaluator(onnx.load_from_string(data), new_ops=kernels)
            self.inputs = set(self.session.input_names)

    def run(self, feeds):
        # A number of NumPy's is no array to ONNX Runtime.
        got = self.session.run(None, {k: np.asarray(v) for k, v in feeds.items() if k in self.inputs})
        return dict(zip(self.names, got))


def error(got, want):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape:
        return f"shape {list(got.shape)}, expected {list(want.shape)}"
    if want.size == 0:
        return 0.0
    if not np.array_equal(np.isfinite(got), np.isfinite(want)):
        return f"not finite at {np.argwhere(np.isfinite(got) != np.isfinite(want))[:3].tolist()}: got {got.ravel()[:8].tolist()}, expected {want.ravel()[:8].tolist()}"
    fine = np.isfinite(want)
    if not fine.any():
        return 0.0
    return float(np.abs(got - want)[fine].max() / max(1.0, np.abs(want[fine]).max()))


def torch_results(case, feeds):
    """Gradients and Hessian-vector products by autograd in float64, None where it cannot."""
    names = list(case["inputs"])
    source = case["torch"]
    body = source if "return" in source else f"return {source}"
    space = {"torch": torch, "F": F, "np": np}
    exec("def f(" + ", ".join(names) + "):\n" + "\n".join("  " + line for line in body.strip("\n").split("\n")), space)
    values = {k: torch.tensor(feeds[k]) for k in names}
    leaves = [values[k].requires_grad_() for k in case["wrt"]]
    outputs = space["f"](*values.values())
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    seeds = [torch.tensor(feeds[f"cotangent_{o}"]) for o in case["of"]]
    outputs = [o for o in outputs if o is not None and o.is_floating_point()]
    for o, s in zip(outputs, seeds, strict=True):
        if tuple(o.shape) != tuple(s.shape):
            raise ValueError(f"PyTorch's output has the shape {list(o.shape)}, the graph's {list(s.shape)}")
    total = sum((s * o).sum() for o, s in zip(outputs, seeds, strict=True))
    grads = torch.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
    first = {k: np.zeros(feeds[k].shape) if g is None else g.detach().numpy(force=True) for k, g in zip(case["wrt"], grads)}
    second = None
    if case["second"]:
        try:
            along = sum((g * torch.tensor(feeds[f"direction_{k}"])).sum() for k, g in zip(case["wrt"], grads) if g is not None)
            again = (
                torch.autograd.grad(along, leaves, allow_unused=True) if getattr(along, "requires_grad", False) else [None] * len(leaves)
            )
            second = {k: np.zeros(feeds[k].shape) if g is None else g.numpy(force=True) for k, g in zip(case["wrt"], again)}
        except (RuntimeError, NotImplementedError) as problem:
            if "not implemented" not in str(problem):
                raise

    def forward(values):
        with torch.no_grad():
            made = space["f"](*(torch.tensor(values[k]) for k in names))
        made = [o for o in (made if isinstance(made, (tuple, list)) else (made,)) if o is not None and o.is_floating_point()]
        return dict(zip(case["of"], (o.numpy(force=True) for o in made)))

    return first, second, [o.detach().numpy(force=True) for o in outputs], forward


def judge(case):
    rng = np.random.default_rng(case.get("seed", 0))
    base = {k: decode(t) for k, t in case["inputs"].items()}
    wrt, answer = case["wrt"], {}
    results = {}
    for variant in case["variants"]:
        wide, narrow, forward = (base64.b64decode(variant[k]) for k in ("float64", "float32", "forward"))
        for data in (wide, narrow):
            if case["checked"]:
                onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
        here = {"variant": variant["name"]}
        answer.setdefault("variants", []).append(here)
        engine, why = None, []
        for kind in case["engines"]:
            try:
                engine, plain = Engine(wide, kind), Engine(forward, kind)
                outputs = plain.run(base)
                break
            except Exception as problem:
                engine = None
                why.append(f"{kind}: {type(problem).__name__}: {problem}"[:600])
        single = None
        if case["float32"]:
            single = Engine(narrow, "ort")
        if engine is None:
            low = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in base.items()}
            probe = Engine(base64.b64decode(variant["forward32"]), "ort")
            outputs = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in probe.run(low).items()}
        feeds = dict(base)
        draw = np.random.default_rng(7)
        for name in case["of"]:
            feeds[f"cotangent_{name}"] = draw.standard_normal(np.shape(outputs[name]))
        for name in wrt:
            feeds[f"direction_{name}"] = draw.standard_normal(base[name].shape)
        first = second = None
        if case.get("torch"):
            first, second, values, by_torch = torch_results(case, feeds)
            here["forward"] = max((x if isinstance(x, str) else float(x) for x in (error(outputs[o], v) for o, v in zip(case["of"], values))), key=str)
        got = None
        if engine is not None:
            try:
                got = engine.run(feeds)
                here["engine"] = engine.kind
            except Exception as problem:
                why.append(f"{engine.kind}: {type(problem).__name__}: {problem}"[:1500])
                if engine.kind == "ort" and "reference" in case["engines"]:
                    engine, plain = Engine(wide, "reference"), Engine(forward, "reference")
                    got = engine.run(feeds)
                    here["engine"] = engine.kind
        here["why"] = why
        if got is not None:
            if first is not None:
                here["torch"] = {k: error(got[f"costate_{k}"], first[k]) for k in wrt if f"costate_{k}" in got}
            step = case["step"]

            def loss(values):
                # Parts of the reference evaluator compute in float32.
                made = by_torch(values) if engine.kind == "reference" and case.get("torch") else plain.run(values)
                return sum(float((feeds[f"cotangent_{o}"] * made[o]).sum()) for o in case["of"])

            slopes = {}
            for name in wrt:
                if f"costate_{name}" not in got or base[name].size == 0:
                    continue
                d = rng.standard_normal(base[name].shape)
                ahead = loss({**base, name: base[name] + step * d})
                behind = loss({**base, name: base[name] - step * d})
                expected = (ahead - behind) / (2 * step)
                given = float((got[f"costate_{name}"] * d).sum())
                slopes[name] = abs(given - expected) / max(1.0, abs(expected), float(np.abs(got[f"costate_{name}"]).max(initial=0)))
            here["differences"] = slopes
            if case["second"] and any(f"hvp_{k}" in got for k in wrt):
                along = {k: feeds[f"direction_{k}"] for k in wrt if f"costate_{k}" in got}
                # Parts of the reference evaluator compute in float32: PyTorch's own second derivative tells more there.
                if engine.kind == "ort" or second is None:
                    ahead = engine.run({**feeds, **{k: base[k] + step * d for k, d in along.items()}})
                    behind = engine.run({**feeds, **{k: base[k] - step * d for k, d in along.items()}})
                    here["second"] = {
                        k: error(got[f"hvp_{k}"], (ahead[f"costate_{k}"] - behind[f"costate_{k}"]) / (2 * step))
                        for k in along
                        if f"hvp_{k}" in got
                    }
                if second is not None:
                    here["torchSecond"] = {k: error(got[f"hvp_{k}"], second[k]) for k in along if f"hvp_{k}" in got}
        if single is not None:
            low = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in feeds.items()}
            made = single.run(low)
            wanted = got if got is not None else None
            here["float32"] = {}
            for k in wrt:
                if f"costate_{k}" not in made:
                    continue
                want = wanted[f"costate_{k}"] if wanted is not None else (first[k] if first is not None else None)
                if want is not None:
                    here["float32"][k] = error(made[f"costate_{k}"], want)
                if case["second"] and f"hvp_{k}" in made:
                    want = wanted[f"hvp_{k}"] if wanted is not None else (second[k] if second is not None else None)
                    if want is not None:
                        here["float32"][f"hvp_{k}"] = error(made[f"hvp_{k}"], want)
        if got is None and first is None:
            here["problem"] = "nothing to judge by: " + "; ".join(why)
    return answer


answers = []
for case in json.load(sys.stdin):
    try:
        answers.append(judge(case))
    except Exception as problem:  # told to the test, which names the case
        import traceback

        answers.append({"error": f"{type(problem).__name__}: {problem}"[:3000] + "\n" + "".join(traceback.format_tb(problem.__traceback__)[-2:])})


def spoken(value):
    """NaN is no JSON."""
    if isinstance(value, dict):
        return {k: spoken(v) for k, v in value.items()}
    if isinstance(value, list):
        return [spoken(v) for v in value]
    return repr(value) if isinstance(value, float) and not np.isfinite(value) else value


json.dump(spoken(answers), sys.stdout)
