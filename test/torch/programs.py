"""Exports the programs of test/torch/programs and saves what PyTorch makes of them.

    programs.py OUT [--family F,..] [--only NAME,..] [--list] [--every N]

Per program: NAME.pt2 (as traced), NAME-decomposed.pt2 (run_decompositions), NAME-strict.pt2 where the case asks for it, and NAME-K.safetensors
for the example inputs (K = 0) and those of other sizes: `in:I` flattened inputs, `out:I` flattened outputs, `mut:BUFFER` buffers after the call,
`cot:I` random cotangents, `grad:PARAMETER`, and `lost:...`, the largest difference of PyTorch's float32 from its float64 of the same entry.
Complex tensors are saved as pairs of real ones in a last axis. manifest.json says for each program what was saved, and what PyTorch could not do.
"""
import argparse
import collections
import copy
import importlib
import json
import os
import sys
import traceback
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import torch.utils._pytree as pytree  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from programs.registry import FAMILY, PROGRAMS  # noqa: E402

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
FAMILIES = sorted(f[:-3] for f in os.listdir(FOLDER) if f.endswith(".py") and f != "registry.py" and not f.startswith("_"))


def targets(ep):
    """How often each operator is called, with those of subgraphs."""
    counts = collections.Counter()
    for module in ep.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                if node.op == "call_function":
                    target = node.target
                    counts[str(target) if not hasattr(target, "__name__") or "aten" in str(target) else (
                        "hop." + target.__name__ if isinstance(target, torch._ops.HigherOrderOperator) else
                        "sym." + target.__name__)] += 1
    return counts


def plain(tensor):
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj().contiguous())
    return tensor.resolve_neg().contiguous().clone()


def doubled(tree):
    wide = {torch.float32: torch.float64, torch.float16: torch.float64, torch.bfloat16: torch.float64, torch.complex64: torch.complex128}
    return pytree.tree_map_only(torch.Tensor, lambda t: t.detach().clone().to(wide.get(t.dtype, t.dtype)), tree)


def called(module, args, kwargs):
    """Outputs, flattened. Inputs are copied first: a program may write into them."""
    args, kwargs = pytree.tree_map_only(torch.Tensor, lambda t: t.detach().clone(), (args, kwargs))
    return pytree.tree_flatten(module(*args, **kwargs))[0]


def differentiable(value):
    return isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())


def gradients(module, args, kwargs, cotangents):
    """Of every parameter of floating numbers, for given cotangents of the outputs."""
    module = copy.deepcopy(module)
    named = {n: p.requires_grad_(True) for n, p in module.named_parameters(remove_duplicate=False) if differentiable(p)}
    if not named:
        return {}
    total = 0
    for i, output in enumerate(called(module, args, kwargs)):
        if i in cotangents and output.requires_grad:
            c = cotangents[i].to(output.dtype)
            total = total + ((output * c).sum() if not output.is_complex() else (output * c.conj()).real.sum()).double()
    if not isinstance(total, torch.Tensor):
        return {}
    unique = {}
    for n, p in named.items():
        unique.setdefault(id(p), (n, p))
    found = torch.autograd.grad(total, [p for _, p in unique.values()], allow_unused=True)
    return {n: g for (n, _), g in zip(unique.values(), found) if g is not None}


def difference(one, wide):
    if one.shape != wide.shape or one.numel() == 0:
        return 0.0
    one, wide = (torch.view_as_real(t) if t.is_complex() else t for t in (one, wide))
    gap = (one.double() - wide.double()).abs()
    return float(gap[torch.isfinite(gap)].max()) if torch.isfinite(gap).any() else 0.0


def answers(own, args, kwargs, notes):
    """The arrays of one call, by the keys the file's docstring lists."""
    arrays, lost, kinds = {}, {}, []
    module = copy.deepcopy(own.module)
    before = {n: b.clone() for n, b in module.named_buffers()}
    with torch.no_grad():
        outputs = called(module, args, kwargs)
    for i, value in enumerate(outputs):
        kinds.append(kind(value))
        if isinstance(value, (torch.Tensor, int, float)) and not isinstance(value, bool):
            arrays[f"out:{i}"] = plain(torch.as_tensor(value))
    for n, b in module.named_buffers():
        if b is not None and not torch.equal(before[n], b):
            arrays[f"mut:{n}"] = plain(b)
    cotangents = {}
    for i, value in enumerate(outputs):
        if differentiable(value):
            cotangents[i] = torch.randn(value.shape, dtype=torch.float64 if not value.is_complex() else torch.complex128).to(value.dtype)
    wide = None
    if own.double:
        try:
            wide = copy.deepcopy(own.module).double()
            for p in wide.parameters():
                if p.dtype == torch.complex64:
                    p.data = p.data.to(torch.complex128)
            for path, sub in wide.named_modules():
                for n, b in sub._buffers.items():
                    if b is not None and b.dtype == torch.complex64:
                        sub._buffers[n] = b.to(torch.complex128)
            with torch.no_grad():
                exact = called(wide, *doubled((args, kwargs)))
            for i, (one, other) in enumerate(zip(outputs, exact)):
                if differentiable(one):
                    lost[f"out:{i}"] = difference(one, other)
        except Exception as error:  # a module that names its dtypes has no float64 copy
            notes.append(f"no float64: {first(error)}")
            wide = None
    if own.gradients:
        try:
            narrow = gradients(own.module, args, kwargs, cotangents)
            exact = gradients(wide, *doubled((args, kwargs)), doubled(cotangents)) if wide is not None else narrow
            for n, g in narrow.items():
                arrays[f"grad:{n}"] = plain(exact[n] if n in exact else g).float() if not g.is_complex() else plain(exact.get(n, g)).float()
                lost[f"grad:{n}"] = difference(g, exact.get(n, g))
            if narrow:
                arrays.update({f"cot:{i}": plain(c) for i, c in cotangents.items()})
        except Exception as error:
            notes.append(f"no gradients: {first(error)}")
    return arrays, lost, kinds


def kind(value):
    if isinstance(value, torch.Tensor):
        return "complex" if value.is_complex() else "tensor"
    return "none" if value is None else type(value).__name__


def first(error):
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300] if str(error).strip() else ''}"


def made(name, out):
    """Exports one program; what it returns goes into the manifest."""
    torch.manual_seed(0)
    own = PROGRAMS[name]()
    notes, entry = [], {"name": name, "variants": [], "calls": [], "tolerance": own.tolerance, "train": own.train}
    kwargs = own.kwargs
    programs = {}
    ep = torch.export.export(own.module, own.args, kwargs, dynamic_shapes=own.dynamic, strict=False)
    programs["traced"] = (f"{name}.pt2", ep)
    try:
        programs["decomposed"] = (f"{name}-decomposed.pt2", ep.run_decompositions())
    except Exception as error:
        notes.append(f"no decomposition: {first(error)}")
    if own.strict:
        try:
            programs["strict"] = (f"{name}-strict.pt2", torch.export.export(
                own.module, own.args, kwargs, dynamic_shapes=own.dynamic, strict=True))
        except Exception as error:
            notes.append(f"no strict export: {first(error)}")
    entry["targets"] = {}
    for variant, (file, exported) in programs.items():
        try:
            torch.export.save(exported, os.path.join(out, file))
            entry["variants"].append({"variant": variant, "file": file})
            entry["targets"][variant] = dict(targets(exported))
        except Exception as error:
            notes.append(f"{variant} not saved: {first(error)}")
    names = [spec.arg.name for spec in ep.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    calls = [(own.args, kwargs)] + [other if kwargs else (other, {}) for other in own.others]
    for k, (args, named) in enumerate(calls):
        flat = ep._get_flat_args_with_check(args, named)[0] if k == 0 else pytree.tree_flatten(
            (args, {key: named[key] for key in kwargs}))[0]
        if k > 0:
            try:
                called(copy.deepcopy(ep.module()), args, named)
            except Exception as error:
                notes.append(f"call {k} is outside what was exported: {first(error)}")
                continue
        arrays, lost, kinds = answers(own, args, named, notes)
        inputs = [{"name": n, "kind": kind(value)} for n, value in zip(names, flat)]
        for i, value in enumerate(flat):
            if isinstance(value, (torch.Tensor, int, float)) and not isinstance(value, bool):
                arrays[f"in:{i}"] = plain(torch.as_tensor(value))
        file = f"{name}-{k}.safetensors"
        save_file(arrays, os.path.join(out, file))
        entry["calls"].append({"file": file, "inputs": inputs, "outputs": kinds, "lost": lost})
    entry["notes"] = notes
    entry["parameters"] = [n for n, _ in own.module.named_parameters(remove_duplicate=False)]
    return entry


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--family", default=",".join(FAMILIES))
    parser.add_argument("--only")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="of each family, every N-th program")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(options.out, exist_ok=True)
    wanted = options.only.split(",") if options.only else None
    manifest, families = [], options.family.split(",")
    for family in families:
        importlib.import_module(f"programs.{family}")
    owner = {}
    for family in families:
        names = [name for name, own in FAMILY.items() if own == family]
        owner.update({name: family for name in names[::options.every]})
    if options.list:
        print("\n".join(f"{family}\t{name}" for name, family in owner.items()))
        return
    for name, family in owner.items():
        if wanted and name not in wanted:
            continue
        try:
            entry = made(name, options.out)
        except Exception as error:
            entry = {"name": name, "variants": [], "calls": [], "targets": {}, "notes": [f"not exported: {first(error)}"],
                     "trace": traceback.format_exc()[-1500:]}
        entry["family"] = family
        if entry["notes"]:
            print(f"{family}/{name}: {'; '.join(sorted(set(entry['notes'])))}", file=sys.stderr)
        manifest.append(entry)
    with open(os.path.join(options.out, "manifest.json"), "w") as file:
        json.dump(manifest, file, indent=1)


if __name__ == "__main__":
    main()
