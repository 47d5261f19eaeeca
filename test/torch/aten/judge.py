"""Exports many small programs in one process and saves what PyTorch makes of them.

    FAMILY.py OUT        all cases of a family; ATEN_ONLY=part,of,names for some of them

A family is a Python file: `from judge import T, case, main`, calls of `case`, and `main()`. Per case: K.pt2 (as traced), K-decomposed.pt2 where
run_decompositions() gives other operators, and K-J.safetensors for each set of inputs: `in:I`, `out:I`, `cot:I`, `grad:I` of inputs, `param:NAME` of parameters.
Complex tensors are pairs of real ones in a new last axis. cases.json says what there is.
"""
import copy
import json
import os
import sys
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import torch.utils._pytree as pytree  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.manual_seed(0)
CASES = []


def T(*shape, dtype=torch.float32, low=None, high=None):
    """A random tensor: normal floats, small integers (of [low, high)), random truth values."""
    if dtype == torch.bool:
        return torch.rand(shape) < 0.5
    if dtype.is_floating_point or dtype.is_complex:
        x = torch.randn(shape, dtype=torch.float64 if dtype.is_floating_point else torch.complex128)
        return (x if low is None else torch.rand(shape, dtype=torch.float64) * (high - low) + low).to(dtype)
    unsigned = dtype == torch.uint8
    return torch.randint((0 if unsigned else -9) if low is None else low, 10 if high is None else high, shape).to(dtype)


def case(name, function, *inputs, dynamic=None, other=(), grad=True, tolerance=None, gradient_tolerance=None, decompose=True,
         nodes=None, ops=None, no=None, strict=False):
    """`dynamic`: {input: axes} that are exported with sizes left open, then judged at `other` inputs too. `ops`: operators the graph must have, `no`: must not;
    `nodes`: at most so many. `grad=False`: gradients are not compared."""
    CASES.append({"name": name, "function": function, "inputs": inputs, "dynamic": dynamic or {}, "other": other, "grad": grad, "decompose": decompose,
                  "said": {"tolerance": tolerance, "gradientTolerance": gradient_tolerance, "nodes": nodes, "ops": ops or [], "no": no or []}, "strict": strict})


class Calling(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function if isinstance(function, torch.nn.Module) else None
        self.plain = None if isinstance(function, torch.nn.Module) else function

    def forward(self, *inputs):
        return (self.plain or self.function)(*inputs)


def plain(tensor):
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj().contiguous())
    return tensor.resolve_neg().contiguous().clone()


def copies(inputs):
    return [x.detach().clone() if isinstance(x, torch.Tensor) else x for x in inputs]


def floating(x):
    return isinstance(x, torch.Tensor) and (x.is_floating_point() or x.is_complex())


def flat(result):
    return pytree.tree_flatten(result)[0]


def gradients(module, inputs, cotangents):
    given = [x.requires_grad_(True) if floating(x) else x for x in copies(inputs)]
    wanted = {f"grad:{i}": x for i, x in enumerate(given) if floating(x)}
    wanted.update({f"param:{n}": p for n, p in module.named_parameters() if p.requires_grad})
    outputs = flat(module(*given))
    pairs = [(o, c.to(o.dtype)) for o, c in zip(outputs, cotangents) if c is not None and isinstance(o, torch.Tensor) and o.requires_grad]
    if not pairs or not wanted:
        return {}
    found = torch.autograd.grad([o for o, _ in pairs], list(wanted.values()), [c for _, c in pairs], allow_unused=True)
    return {n: g for n, g in zip(wanted, found) if g is not None}


def wide(tree):
    return pytree.tree_map_only(torch.Tensor, lambda t: t.double() if t.dtype == torch.float32 else t.to(torch.complex128) if t.dtype == torch.complex64 else t, tree)


def save(out, key, module, inputs, with_gradients):
    arrays = {f"in:{i}": plain(x) for i, x in enumerate(inputs) if isinstance(x, torch.Tensor)}
    with torch.no_grad():
        outputs = flat(copy.deepcopy(module)(*copies(inputs)))
    kinds = []
    for i, o in enumerate(outputs):
        kinds.append("complex" if isinstance(o, torch.Tensor) and o.is_complex() else "tensor" if isinstance(o, torch.Tensor) else type(o).__name__)
        if isinstance(o, torch.Tensor):
            arrays[f"out:{i}"] = plain(o)
    lost = {}
    if with_gradients:
        cotangents = [torch.randn_like(o) if floating(o) else None for o in outputs]
        found = gradients(copy.deepcopy(module), inputs, cotangents)
        if found:
            arrays.update({f"cot:{i}": plain(c) for i, c in enumerate(cotangents) if c is not None})
            arrays.update({n: plain(g) for n, g in found.items()})
            try:
                exact = gradients(copy.deepcopy(module).double(), wide(copies(inputs)), wide(cotangents))
                lost = {n: float((plain(g).double() - plain(exact[n]).double()).abs().max()) for n, g in found.items() if n in exact and g.numel()}
            except Exception:
                pass
    save_file(arrays, os.path.join(out, f"{key}.safetensors"))
    return {"file": f"{key}.safetensors", "outputs": kinds, "lost": {n: v for n, v in lost.items() if v == v and v < 1e30}}


def targets(program):
    return [str(n.target) for n in program.graph.nodes if n.op == "call_function"]


def main():
    out = sys.argv[1]
    only = [part for part in os.environ.get("ATEN_ONLY", "").split(",") if part]
    listed = []
    for k, own in enumerate(CASES):
        if only and not any(part in own["name"] for part in only):
            continue
        module = own["function"] if isinstance(own["function"], torch.nn.Module) else None
        module = Calling(module if module is not None else own["function"])
        if own["function"] is not None and not isinstance(own["function"], torch.nn.Module):
            module.eval()
        module.train(own["function"].training if isinstance(own["function"], torch.nn.Module) else False)
        inputs = list(own["inputs"])
        shapes = None
        if own["dynamic"]:
            auto = torch.export.Dim.AUTO
            shapes = (tuple({axis: auto for axis in own["dynamic"].get(i, ())} or None for i in range(len(inputs))),)
        entry = {"name": own["name"], "forms": [], "calls": [], **own["said"]}
        try:
            exported = torch.export.export(copy.deepcopy(module), tuple(copies(inputs)), dynamic_shapes=shapes, strict=own["strict"])
            torch.export.save(exported, os.path.join(out, f"{k}.pt2"))
            entry["forms"].append({"form": "traced", "file": f"{k}.pt2", "targets": targets(exported)})
            if own["decompose"]:
                decomposed = exported.run_decompositions()
                if targets(decomposed) != targets(exported):
                    torch.export.save(decomposed, os.path.join(out, f"{k}-decomposed.pt2"))
                    entry["forms"].append({"form": "decomposed", "file": f"{k}-decomposed.pt2", "targets": targets(decomposed)})
            for j, given in enumerate([inputs, *own["other"]]):
                entry["calls"].append(save(out, f"{k}-{j}", module, list(given), own["grad"]))
        except Exception as error:
            entry["error"] = f"{type(error).__name__}: {error}"[:2000]
        listed.append(entry)
    with open(os.path.join(out, "cases.json"), "w") as file:
        json.dump(listed, file)
