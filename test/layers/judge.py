"""What PyTorch says of modules: writes weights (float32), inputs, and in float64 outputs, cotangents and gradients, one set of files per case.

A family's script calls `judge(sys.argv[1], cases)` with cases = {name: (module, inputs, forward)}: `module` an nn.Module (or None), `inputs` a
dict of tensors by the graph's input names, `forward(module, inputs)` a tensor (named `output`) or a dict of tensors by the graph's output names.
Parameters are moved away from their starting values first, so that zeros and ones hide nothing; give (module, inputs, forward, False) to keep them.
"""
import os

import numpy as np
import safetensors.torch
import torch


def shake(module, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            if value.is_floating_point():
                value.add_(0.1 * torch.randn(value.shape, generator=generator, dtype=value.dtype))
        for name, value in module.named_buffers():
            if name.endswith("running_mean"):
                value.add_(0.2 * torch.randn(value.shape, generator=generator, dtype=value.dtype))
            if name.endswith("running_var"):
                value.mul_(0.5 + torch.rand(value.shape, generator=generator, dtype=value.dtype))


def outputs_of(result):
    return result if isinstance(result, dict) else {"output": result}


def differentiated(module, inputs, forward, dtype, cotangents):
    """Outputs, and gradients of the inputs and parameters for the cotangents (drawn where there are none yet)."""
    if module is not None:
        module.to(dtype)
    own = {
        key: value.detach().to(dtype, copy=True).requires_grad_() if value.is_floating_point() else value for key, value in inputs.items()
    }
    answers = outputs_of(forward(module, own))
    floating = {key: value for key, value in answers.items() if value.requires_grad}
    for key, value in floating.items():
        if key not in cotangents:
            cotangents[key] = torch.randn(value.shape)
    total = sum((value * cotangents[key].to(dtype)).sum() for key, value in floating.items())
    wrt = {key: value for key, value in own.items() if value.requires_grad}
    if module is not None:
        wrt.update(dict(module.named_parameters()))
    grads = torch.autograd.grad(total, list(wrt.values()), allow_unused=True) if floating else []
    saved = {key: value.detach().numpy() for key, value in answers.items()}
    saved.update({f"costate_{key}": value.numpy() for key, value in zip(wrt, grads) if value is not None})
    return saved


def judge(folder, cases):
    for number, (name, case) in enumerate(cases.items()):
        module, inputs, forward = case[:3]
        moved = case[3] if len(case) > 3 else True
        torch.manual_seed(number)
        if module is not None:
            module.eval()
            if moved:
                shake(module, number)
            # Of tied weights one name alone is kept, as safetensors' own save_model does.
            own = {key for key, _ in [*module.named_parameters(), *module.named_buffers()]}
            state = {key: value.clone().contiguous() for key, value in module.state_dict().items() if key in own}
            safetensors.torch.save_file(state, os.path.join(folder, f"{name}.safetensors"))
        np.savez(os.path.join(folder, f"{name}.in.npz"), **{key: value.numpy() for key, value in inputs.items()})
        cotangents = {}
        narrow = differentiated(module, inputs, forward, torch.float32, cotangents)
        saved = differentiated(module, inputs, forward, torch.float64, cotangents)
        saved.update({f"cotangent_{key}": value.numpy() for key, value in cotangents.items()})
        # What PyTorch itself loses in float32, of the largest entry.
        for key, value in narrow.items():
            wide = saved[key]
            if wide.dtype.kind == "f" and wide.size > 0:
                finite = np.isfinite(wide) & np.isfinite(value)
                largest = max(np.abs(wide[finite]).max(initial=0), 1e-30)
                saved[f"lost_{key}"] = np.array(np.abs(wide - value)[finite].max(initial=0) / largest)
        np.savez(os.path.join(folder, f"{name}.out.npz"), **saved)
