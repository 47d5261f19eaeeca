"""Linear layers, units and log-sum-exp layers as PyTorch computes them."""
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.dirname(__file__))
from judge import judge  # noqa: E402


class Lse(nn.Module):
    def __init__(self, units, atoms, dim, eps):
        super().__init__()
        lead = [units] if units else []
        self.weight = nn.Parameter(torch.randn(*lead, atoms, dim))
        self.bias = nn.Parameter(torch.randn(*lead, atoms))
        self.eps = eps

    def logits(self, x):
        if self.weight.dim() == 2:
            return x @ self.weight.T + self.bias
        return torch.einsum("bd,knd->bkn", x, self.weight) + self.bias

    def forward(self, x):
        return self.eps * torch.logsumexp(self.logits(x) / self.eps, -1)


class Tropical(Lse):
    def forward(self, x):
        return self.logits(x).amax(-1)


class HopfCole(nn.Module):
    def __init__(self, atoms, dim, eps, time, metric=False):
        super().__init__()
        self.y = nn.Parameter(torch.randn(atoms, dim))
        self.g = nn.Parameter(torch.randn(atoms))
        if metric:
            self.metric = nn.Parameter(torch.tril(0.2 * torch.randn(dim, dim)) + torch.eye(dim))
        self.eps, self.time = eps, time

    def forward(self, x):
        delta = x[:, None] - self.y
        if hasattr(self, "metric"):
            delta = torch.linalg.solve_triangular(torch.tril(self.metric), delta.mT, upper=False).mT
        cost = self.g + (delta**2).sum(-1) / (4 * self.time)
        if self.eps == 0:
            return cost.amin(-1)
        return -self.eps * torch.logsumexp(-cost / self.eps, -1)


class Convex(nn.Module):
    def __init__(self, dim, hidden, atoms, eps, clamp):
        super().__init__()
        self.layers = nn.ModuleList()
        before = 0
        for units in [*hidden, 1]:
            own = nn.Module()
            own.input = nn.Module()
            own.input.weight = nn.Parameter(torch.randn(units, atoms, dim))
            own.bias = nn.Parameter(torch.randn(units, atoms))
            if before:
                own.convex = nn.Module()
                own.convex.weight = nn.Parameter(torch.randn(units, atoms, before))
            self.layers.append(own)
            before = units
        self.eps, self.clamp = eps, clamp

    def forward(self, x):
        z = None
        for own in self.layers:
            logits = torch.einsum("bd,knd->bkn", x, own.input.weight) + own.bias
            if z is not None:
                raw = own.convex.weight
                positive = raw.clamp(min=0) if self.clamp else nn.functional.softplus(raw)
                logits = logits + torch.einsum("bd,knd->bkn", z, positive)
            z = self.eps * torch.logsumexp(logits / self.eps, -1)
        return z[:, 0]


def sequential(*layers):
    return nn.Sequential(*layers)


def call(module, inputs):
    return module(inputs["x"])


def x(*shape):
    return {"x": torch.randn(*shape)}


torch.manual_seed(7)
cases = {
    "linear": (sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3, bias=False)), x(4, 5), call),
    "linear-3d": (sequential(nn.Linear(5, 7), nn.Softplus(beta=4)), x(2, 3, 5), call),
    "lse": (Lse(None, 6, 5, 0.3), x(4, 5), call),
    "lse-bank": (Lse(3, 6, 5, 0.7), x(4, 5), call),
    "tropical": (Tropical(3, 6, 5, 0), x(4, 5), call),
    "tropical-unit": (Tropical(None, 6, 5, 0), x(4, 5), call),
    "hopf-cole": (HopfCole(6, 3, 0.4, 1.0), x(4, 3), call),
    "hopf-cole-metric": (HopfCole(6, 3, 0.4, 0.5, True), x(4, 3), call),
    "hopf-lax": (HopfCole(6, 3, 0, 1.0), x(4, 3), call),
    "convex": (Convex(4, [5, 3], 4, 0.5, False), x(4, 4), call),
    "convex-clamp": (Convex(4, [5], 4, 0.5, True), x(4, 4), call),
    "mlp": (
        sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 2)),
        x(3, 6),
        call,
    ),
    "lse-network": (
        nn.ModuleDict({"layers": nn.ModuleList([Lse(4, 5, 3, 0.5), Lse(2, 5, 4, 0.5)])}),
        x(3, 3),
        lambda m, i: torch.softmax(m["layers"][1](m["layers"][0](i["x"])) / 0.5, -1),
    ),
}
for name, unit in {
    "relu": nn.ReLU(),
    "gelu": nn.GELU(),
    "gelu-tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "leaky-relu": nn.LeakyReLU(),
    "prelu": nn.PReLU(5),
    "relu6": nn.ReLU6(),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "mish": nn.Mish(),
}.items():
    cases[f"unit-{name}"] = (sequential(nn.Linear(5, 5), unit), {"x": 4 * torch.randn(6, 5)}, call)

if __name__ == "__main__":
    judge(sys.argv[1], cases)
