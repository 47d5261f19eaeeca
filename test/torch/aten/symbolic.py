"""Sizes and symbolic numbers."""
import math

import torch

from judge import T, case, main

x5 = {0: (0,)}


def sized(name, function, *others, **more):
    case(name, function, T(5, 3), dynamic=x5, other=[[T(n, 3)] for n in others or (8, 2)], grad=False, **more)


sized("size", lambda x: x * x.shape[0])
sized("arithmetic", lambda x: x * ((x.shape[0] + 1) * 2 - 3))
sized("floor division", lambda x: x * (x.shape[0] // 2))
sized("negative floor division", lambda x: x * ((1 - x.shape[0]) // 3))
sized("floor division by negative", lambda x: x * (x.shape[0] // -3))
sized("modulo", lambda x: x * (x.shape[0] % 3))
sized("negative modulo", lambda x: x * ((2 - x.shape[0]) % 3))
sized("true division", lambda x: x * (x.shape[0] / 3))
sized("true division of int", lambda x: x.long() * (x.shape[0] / 4))
sized("power", lambda x: x * x.shape[0] ** 2)
sized("negation", lambda x: x * -x.shape[0])
sized("square root", lambda x: x * x.shape[0] ** 0.5)
sized("sym_sqrt", lambda x: x / torch._sym_sqrt(x.shape[0]))
sized("sym_max", lambda x: x * torch.sym_max(x.shape[0], 6))
sized("sym_min", lambda x: x[: torch.sym_min(x.shape[0], 2)].sum())
sized("sym_float", lambda x: x * torch.sym_float(x.shape[0]))
sized("sym_int", lambda x: x * torch.sym_int(x.shape[0] / 2))
sized("trunc", lambda x: x * math.trunc(x.shape[0] * 0.7))
sized("numel", lambda x: x * x.numel())
sized("numel inside", lambda x: x.view(-1)[: x.numel() - 2].sum())
sized("stride", lambda x: x.view(-1)[: x.stride(0)].sum())
sized("full", lambda x: torch.full((x.shape[0], 2), x.shape[0]))
sized("arange", lambda x: torch.arange(x.shape[0], 2 * x.shape[0]))


def half(x):
    n = x.shape[0]
    return x[: n // 2].sum(), x[n // 2:].sum(), x.new_zeros((n * 2, n + 1)).shape[0]


sized("halves", half)


def item(x, n):
    k = n.item()
    torch._check(k >= 0)
    torch._check(k <= 3)
    return x[:k] * k


case("item", item, T(3, 4), torch.tensor(2), other=[[T(3, 4), torch.tensor(3)], [T(3, 4), torch.tensor(0)]], grad=False)
case("item of float", lambda x, s: x * s.item(), T(3), torch.tensor(2.5), other=[[T(3), torch.tensor(-1.5)]], grad=False)
case("item of bool", lambda x, s: x * s.item(), T(3), torch.tensor(True), grad=False)
case("assert", lambda x: (torch._assert_async(torch.tensor(True)), x + 1)[1], T(3), grad=False)
main()
