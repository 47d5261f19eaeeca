"""Branches, loops and regions: higher-order operators."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, program, randn


class Cond(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        y = torch.cond(x.sum() > 0, lambda x: self.a(x), lambda x: -self.b(x).relu(), (x,))
        pair = torch.cond(y.mean() < 0.1, lambda y, x: (y * 2, x + 1), lambda y, x: (y.sin(), x.clone()), (y, x))
        return y, pair


@program("control-cond")
def _():
    return case(Cond(), randn(3, 4).abs(), others=[(-randn(3, 4).abs(),)])


class CondShape(nn.Module):
    """Nested, over sizes and flags."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x, flag):
        def yes(x):
            return torch.cond(x.max() > 1, lambda x: self.lin(x), lambda x: x.cos(), (x,))

        return torch.cond(flag, yes, lambda x: x.clone() - 1, (x,))


@program("control-cond-nested")
def _():
    return case(CondShape(), randn(3, 4) + 2, torch.tensor(True), dynamic=({0: Dim("b")}, None), others=[(randn(5, 4) - 3, torch.tensor(True)), (randn(2, 4), torch.tensor(False))])


class While(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x, n):
        from torch._higher_order_ops.while_loop import while_loop
        i, y = while_loop(lambda i, y: (i < n) & (y.abs().max() < 100), lambda i, y: (i + 1, torch.tanh(self.lin(y)) + y), (torch.tensor(0), x))
        return i, y


@program("control-while")
def _():
    return case(While(), randn(2, 4), torch.tensor(3), others=[(randn(2, 4), torch.tensor(0)), (randn(2, 4), torch.tensor(7))], gradients=False)


class Scan(nn.Module):
    """A recurrence by scan."""

    def __init__(self):
        super().__init__()
        self.w, self.u = nn.Linear(3, 4), nn.Linear(4, 4, bias=False)

    def forward(self, x, h):
        from torch._higher_order_ops.scan import scan

        def step(h, xt):
            h = torch.tanh(self.w(xt) + self.u(h))
            return h, (h * 2).clone()

        last, ys = scan(step, h, x, dim=0)
        return last, ys


@program("control-scan")
def _():
    return case(Scan(), randn(5, 2, 3), randn(2, 4))


@program("control-scan-dynamic")
def _():
    b = Dim("b")
    return case(Scan(), randn(5, 2, 3), randn(2, 4), dynamic=({0: Dim("t", min=2), 1: b}, {0: b}), others=[(randn(8, 3, 3), randn(3, 4))])


class Map(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 5)

    def forward(self, xs, y):
        from torch._higher_order_ops.map import map as over
        return over(lambda x, y: (self.lin(x).relu() + y, x.sum()), xs, y)


@program("control-map")
def _():
    return case(Map(), randn(4, 2, 3), randn(5))


class Associative(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 6)

    def forward(self, x):
        from torch._higher_order_ops.associative_scan import associative_scan
        a, b = self.lin(x).sigmoid().chunk(2, -1)
        return associative_scan(lambda p, q: (p[0] * q[0], q[0] * p[1] + q[1]), (a, b), dim=1, combine_mode="generic")


@program("control-associative-scan")
def _():
    return case(Associative(), randn(2, 6, 3))


class Regions(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x):
        with torch.no_grad():
            scale = x.abs().mean() + 1
        y = self.a(x / scale)
        with torch.no_grad():
            target = y.argmax(-1)
            frozen = self.b(y)
        return self.b(y), target, frozen, (y * frozen.sum()).detach() + y


@program("control-no-grad")
def _():
    return case(Regions(), randn(3, 4), dynamic=({0: Dim("n")},), others=[(randn(5, 4),)])


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.a(x).relu()
            z = y @ y.t()
        with torch.autocast("cpu", enabled=False):
            w = self.b(y.float())
        return w, z


@program("control-autocast")
def _():
    return case(Autocast(), randn(3, 4), double=False, tolerance=1e-2)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))

    def forward(self, x):
        from torch.utils.checkpoint import checkpoint
        return x + checkpoint(self.block, x, use_reentrant=False)


@program("control-checkpoint")
def _():
    return case(Checkpointed(), randn(3, 4), strict=True)


class Unrolled(nn.Module):
    """Loops and branches of Python, gone in the graph: fixed points, iterations with early shapes."""

    def __init__(self, depth=4):
        super().__init__()
        self.cell = nn.Linear(6, 6)
        self.exits = nn.ModuleList(nn.Linear(6, 2) for _ in range(depth))

    def forward(self, x, z=None, scale: float = 0.5):
        z = torch.zeros_like(x) if z is None else z
        outs = []
        for k, exit in enumerate(self.exits):
            z = torch.tanh(self.cell(z) + x) * scale + z * (1 - scale)
            if k % 2:
                outs.append(exit(z))
        return outs, [z]


@program("control-unrolled")
def _():
    return case(Unrolled(), randn(2, 6), dynamic=({0: Dim("b")},), others=[(randn(3, 6),)])


class Ponder(nn.Module):
    """Adaptive computation by masks."""

    def __init__(self):
        super().__init__()
        self.cell, self.halt = nn.GRUCell(4, 5), nn.Linear(5, 1)

    def forward(self, x):
        h = x.new_zeros(x.size(0), 5)
        total, out = x.new_zeros(x.size(0)), torch.zeros_like(h)
        for k in range(4):
            h = self.cell(x, h)
            p = torch.sigmoid(self.halt(h)).squeeze(-1)
            running = total < 0.99
            p = torch.where(total + p >= 0.99, 1 - total, p) * running.float()
            total = total + p
            out = out + p.unsqueeze(-1) * h
        return out, total


@program("control-ponder")
def _():
    return case(Ponder(), randn(3, 4), dynamic=({0: Dim("b")},), others=[(randn(6, 4),)], double=False)
