"""PyTorch's co-states, in float64, of the functions that the operators stand for: cases as JSON on stdin."""
import base64
import json
import sys

import numpy as np
import torch

NAMES = {"float32": np.float32, "float64": np.float64, "int64": np.int64, "bool": np.bool_}


def decode(t):
    return torch.tensor(np.frombuffer(base64.b64decode(t["data"]), NAMES[t["dtype"]]).reshape(t["shape"]).copy())


def lse(z, e, dim=-1):
    return (e * torch.logsumexp(z / e, dim, keepdim=True)).squeeze(dim)


def entropy(z, e):
    log = torch.log_softmax(z / e, -1)
    pi = log.exp()
    return -(pi * torch.where(pi > 0, log, torch.zeros_like(log))).sum(-1)


def logits(v):
    # -inf would make PyTorch's own derivative by epsilon NaN; -1e4 has weight 0 just so.
    z = v["X"] @ v["W"].transpose(-1, -2)
    z = z + (v["b"] if v["W"].dim() == 2 else v["b"].unsqueeze(1))
    return z + v["mask"].clamp(min=-1e4) if "mask" in v else z


def solution(v):
    z, e = logits(v), v["epsilon"]
    f, p = lse(z, e), torch.softmax(z / e, -1) @ v["W"]
    return (f, p) if z.dim() == 2 else (f.T, p.transpose(0, 1))


def hopf_cole(v):
    x, y, e, t = v["X"], v["Y"], v["epsilon"], v["t"]
    inverse = torch.linalg.inv(torch.tril(v["L"])) if "L" in v else torch.eye(x.shape[1], dtype=x.dtype)
    diff = (x[:, None] - y[None]) @ inverse.T
    z = -(v["g"] + (diff**2).sum(-1) / (4 * t))
    foot = torch.softmax(z / e, -1) @ y
    return -lse(z, e), ((x - foot) @ inverse.T) @ inverse / (2 * t), foot


def hopf_lax(v):
    cost = v["g"] + ((v["X"][:, None] - v["Y"][None]) ** 2).sum(-1) / (4 * v["t"])
    return (cost.min(-1).values,)


def attention(v):
    e = v["epsilon"]
    z = v["Q"] @ v["K"].transpose(-1, -2)
    z = z + v["mask"].clamp(min=-1e4) if "mask" in v else z
    pi = torch.softmax(z / e, -1)
    return pi @ v["V"], pi, entropy(z, e), lse(z, e)


def attribution(v):
    z, e = logits(v), v["epsilon"]
    k = int(v["k"])
    pi = torch.softmax(z / e, -1)
    weights, index = pi.topk(k, -1)
    others = z.scatter(-1, index[:, :1], -1e4)
    return lse(z, e), pi @ v["W"], entropy(z, e), weights, lse(others, e), z.amax(-1)


def merge(v):
    e, f = v["epsilon"], v["F"]
    w = torch.softmax(f / e, 0)
    candidates = (w[..., None] * v["weights"]).transpose(0, 1).flatten(1)
    holder = torch.zeros_like(f, dtype=torch.bool).scatter(0, v["top"].argmax(0, keepdim=True), True)
    rest = torch.where(holder, v["F_rest"], f)
    return (
        lse(f, e, 0),
        (w[..., None] * v["P"]).sum(0),
        entropy(f.T, e) + (w * v["H"]).sum(0),
        candidates.topk(int(v["k"]), -1).values,
        lse(rest, e, 0),
        v["top"].amax(0),
    )


FUNCTIONS = {
    "solution": solution,
    "weights": lambda v: (torch.softmax(v["Z"] / v["epsilon"], -1),),
    "entropy": lambda v: (entropy(v["Z"], v["epsilon"]),),
    "hopf_cole": hopf_cole,
    "hopf_lax": hopf_lax,
    "attention": attention,
    "attribution": attribution,
    "merge": merge,
}

results = []
for case in json.load(sys.stdin):
    values = {k: decode(t) for k, t in case["inputs"].items()}
    values = {k: (v.double().requires_grad_() if v.is_floating_point() else v) for k, v in values.items()}
    bars = {k: decode(t).double() for k, t in case["bars"].items()}
    outputs = FUNCTIONS[case["function"]](values)
    objective = sum((bars[str(i)] * o).sum() for i, o in enumerate(outputs) if str(i) in bars)
    leaves = {k: v for k, v in values.items() if v.requires_grad}
    grads = torch.autograd.grad(objective, list(leaves.values()), allow_unused=True)
    results.append({k: None if g is None else g.flatten().tolist() for k, g in zip(leaves, grads)})
json.dump(results, sys.stdout)
