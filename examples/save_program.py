"""Saves a PyTorch model for hopfcole: the program (.pt2), and what it gives (.npz) to check the import against.

Nothing to install beside PyTorch and NumPy: copy the function. `hopfcole check model.pt2 model.npz` then imports the program, runs it on the
same inputs and compares; with inner=True it says in which module a difference begins.
"""

import numpy
import torch


def save_program(model, args, path, kwargs=None, dynamic_shapes=None, inner=False):
    model.eval()
    program = torch.export.export(model, args, kwargs, dynamic_shapes=dynamic_shapes)
    torch.export.save(program, path)
    found = {}

    def note(names, tree):
        for name, leaf in zip(names, torch.utils._pytree.tree_leaves(tree)):
            if isinstance(leaf, torch.Tensor):
                leaf = torch.view_as_real(leaf) if leaf.is_complex() else leaf
                leaf = leaf.float() if leaf.dtype == torch.bfloat16 else leaf
                found[name] = leaf.detach().cpu().numpy().copy()

    hooks = [
        module.register_forward_hook(lambda _module, _args, out, name=name: note([f"module:{name}"], out))
        for name, module in (model.named_modules() if inner else [])
        if name
    ]
    note(program.graph_signature.user_inputs, (args, kwargs or {}))
    with torch.no_grad():
        note(program.graph_signature.user_outputs, model(*args, **(kwargs or {})))
    for hook in hooks:
        hook.remove()
    numpy.savez(path.removesuffix(".pt2") + ".npz", **found)
