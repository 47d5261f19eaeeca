"""Where the programs stand: each family file registers functions that build one case each.

A case is what a user would hand to `torch.export.export`, plus inputs of other sizes for the dimensions it calls dynamic.
"""
import zlib
from dataclasses import dataclass, field
from typing import Any, Callable

import torch
from torch import nn

PROGRAMS: dict[str, Callable[[], "Case"]] = {}
FAMILY: dict[str, str] = {}


@dataclass
class Case:
    module: nn.Module
    args: tuple
    kwargs: dict = field(default_factory=dict)
    dynamic: Any = None
    """Further calls (args, or (args, kwargs) where `kwargs` is not empty) at other sizes or values."""
    others: list = field(default_factory=list)
    """Exported in train mode: batch statistics, and buffers changed."""
    train: bool = False
    """Whether parameters' gradients are compared."""
    gradients: bool = True
    """Also exported with strict=True (through Dynamo)."""
    strict: bool = False
    """Whether parameters that are all one number are left so."""
    raw: bool = False
    """Relative to an output's largest entry; by default 1e-5, or 1e-2 where the module computes in half precision."""
    tolerance: float | None = None
    """Whether a float64 copy can be run: False where the module names its dtypes."""
    double: bool = True


def case(module, *args, **options):
    return Case(module, args, **options)


def program(name):
    """Registers what builds a case; it is called under a seed made of its name, so that programs do not depend on each other."""

    def register(build):
        assert name not in PROGRAMS, f"two programs of the name {name}"

        def seeded():
            torch.manual_seed(zlib.crc32(name.encode()))
            made = build()
            if not made.raw:
                scramble(made.module)
            made.module.train(made.train)
            return made

        PROGRAMS[name] = seeded
        FAMILY[name] = build.__module__.rpartition(".")[2]
        return build

    return register


@torch.no_grad()
def scramble(module):
    """As if it had been trained: no parameter is all zeros or ones, and running statistics are not those of a fresh norm."""
    for parameter in module.parameters():
        if parameter.numel() and parameter.is_floating_point() and (parameter == parameter.flatten()[0]).all():
            parameter.add_(0.3 * torch.randn(parameter.shape, dtype=torch.float32).to(parameter.dtype))
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(0.4 * torch.randn(buffer.shape))
        if name.endswith("running_var"):
            buffer.copy_(0.5 + torch.rand(buffer.shape))


def ints(high, *shape):
    return torch.randint(0, high, shape)


def randn(*shape):
    return torch.randn(*shape)
