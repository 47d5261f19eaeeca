"""Operators with graphs as arguments: branches, loops, scans, wrapped graphs."""
import torch
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as torch_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

from judge import T, case, main

one, two = torch.ones(3, 4), -torch.ones(3, 4)


def branches(x):
    return torch.cond(x.sum() > 0, lambda a: a.sin() + 1, lambda a: a * a, (x,))


case("cond", branches, one, other=[[two]], ops=["If"])
case("cond results", lambda x, y: torch.cond(x.sum() > 0, lambda a, b: (a + b, b * 1), lambda a, b: (a - b, b * 2), (x, y)), T(3), T(3), other=[[-one[0, :3], T(3)], [one[0, :3], T(3)]])
case("cond nested", lambda x: torch.cond(x.sum() > 0, lambda a: torch.cond(a.max() > 2, lambda c: c * 2, lambda c: c * 3, (a,)), lambda a: -a, (x,)),
     one, other=[[two], [one * 3]])
case("cond dynamic", lambda x: torch.cond(x.sum() > 0, lambda a: a.sin(), lambda a: a.cos(), (x,)), T(3, 4), dynamic={0: (0,)}, other=[[T(5, 4)], [-T(7, 4)]])
case("cond on a size", lambda x: torch.cond(x.shape[0] > 4, lambda a: a.sin(), lambda a: a.cos(), (x,)), T(3, 4), dynamic={0: (0,)}, other=[[T(6, 4)]], grad=False)


class Captured(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda y: self.a(y), lambda y: self.b(y).relu(), (x,))


case("cond with weights", Captured(), one, other=[[two]])
case("while_loop", lambda x, n: while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * 1.5), (torch.zeros((), dtype=torch.int64), x)),
     T(3), torch.tensor(5), other=[[T(3), torch.tensor(0)], [T(3), torch.tensor(2)]], ops=["Loop"], grad=False)
case("while_loop of floats", lambda x: while_loop(lambda a: a.sum() < 50, lambda a: (a * 2 + 1,), (x,)), torch.rand(3), other=[[torch.ones(3) * 99]], grad=False)
case("map", lambda x, y: torch_map(lambda a, b: (a * b).sin(), x, y), T(3, 4), T(4), ops=["Scan"])
case("map results", lambda x: torch_map(lambda a: (a.sum(), a * 2), x), T(3, 4), dynamic={0: (0,)}, other=[[T(6, 4)]])
case("scan", lambda x: scan(lambda c, a: (c * 0.5 + a, c * a), torch.zeros(4), x), T(5, 4), ops=["Scan"], grad=False)
case("scan gradient", lambda h, x: scan(lambda c, a: ((c + a).tanh(), (c * a).sin()), h, x), T(4), T(5, 4))
case("scan along another axis", lambda h, x: scan(lambda c, a: (c + a, c * a), h, x, dim=1), T(3), T(3, 5))
case("scan reverse", lambda h, x: scan(lambda c, a: (c + a, c * a), h, x, reverse=True), T(3), T(5, 3))
case("associative_scan", lambda x: associative_scan(lambda a, b: a * b, x, 0, combine_mode="generic"), T(7, 4), grad=False)


def no_grad(x):
    with torch.no_grad():
        scale = x.abs().max()
    return x / scale


def grad_within(x):
    with torch.no_grad():
        y = x * 2
        with torch.enable_grad():
            z = x * 3
    return y * z


def autocast(dtype):
    def function(x, w, b):
        with torch.autocast("cpu", dtype=dtype):
            y = torch.nn.functional.linear(x, w, b)
            z = torch.softmax(y @ y.mT, -1)
            y = torch.nn.functional.relu(y) + x.sum()
            return y.float() + 1, z.float(), torch.cat([y, x], -1).float()
    return function


case("no_grad", no_grad, T(3, 4))
case("autocast bfloat16", autocast(torch.bfloat16), T(3, 4), T(5, 4), T(5), tolerance=1e-2, gradient_tolerance=3e-2)
case("autocast float16", autocast(torch.float16), T(3, 4), T(5, 4), T(5), tolerance=1e-2, gradient_tolerance=3e-2)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.sin() * 2

    @staticmethod
    def backward(ctx, grad):
        return grad


case("autograd function", lambda x: Scaled.apply(x), T(3), grad=False)
case("checkpoint", lambda x: torch.utils.checkpoint.checkpoint(lambda a: a.sin().cos(), x, use_reentrant=False), T(3))
case("vmap", lambda x: torch.vmap(lambda a, b: a * b + 1, in_dims=(0, None))(x, x[0]), T(3, 4))
case("vmap nested", lambda x, y: torch.vmap(lambda a: torch.vmap(lambda c: (a * c).sin() + x.sum())(y))(x), T(3), T(4))
case("vmap dynamic", lambda x, w: torch.vmap(lambda a: (w * a).sum(1))(x), T(3, 4), T(2, 4), dynamic={0: (0,)}, other=[[T(5, 4), T(2, 4)]])
main()
