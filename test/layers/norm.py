"""Norms as torch.nn has them, and residual steps by Euler, midpoint and Runge-Kutta."""
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.dirname(__file__))
from judge import judge  # noqa: E402


class Residual(nn.Module):
    def __init__(self, method, h):
        super().__init__()
        self.f = nn.Linear(5, 5)
        self.method, self.h = method, h

    def forward(self, x):
        def flow(state):
            return torch.tanh(self.f(state))

        h = self.h
        k1 = flow(x)
        if self.method == "euler":
            return x + h * k1
        k2 = flow(x + h / 2 * k1)
        if self.method == "midpoint":
            return x + h * k2
        k3 = flow(x + h / 2 * k2)
        k4 = flow(x + h * k3)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


modules = {
    "ln": (nn.Sequential(nn.LayerNorm(6)), (3, 4, 6)),
    "ln2": (nn.Sequential(nn.LayerNorm([4, 6])), (3, 4, 6)),
    "ln-nobias": (nn.Sequential(nn.LayerNorm(6, bias=False)), (3, 4, 6)),
    "rms": (nn.Sequential(nn.RMSNorm(6)), (3, 4, 6)),
    "rms2": (nn.Sequential(nn.RMSNorm([4, 6], eps=1e-3)), (3, 4, 6)),
    "gn": (nn.Sequential(nn.GroupNorm(2, 4)), (3, 4, 5, 6)),
    "gn-plain": (nn.Sequential(nn.GroupNorm(2, 4, affine=False)), (3, 4, 5)),
    "bn1": (nn.Sequential(nn.BatchNorm1d(4)), (3, 4)),
    "bn2": (nn.Sequential(nn.BatchNorm2d(4, eps=1e-3)), (3, 4, 5, 6)),
    "bn3": (nn.Sequential(nn.BatchNorm3d(4)), (2, 4, 3, 2, 3)),
    "bn-batch": (nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False)), (3, 4, 5, 6)),
    "in": (nn.Sequential(nn.InstanceNorm2d(4, affine=True)), (3, 4, 5, 6)),
    "in-plain": (nn.Sequential(nn.InstanceNorm1d(4)), (3, 4, 5)),
    "in-track": (nn.Sequential(nn.InstanceNorm2d(4, affine=True, track_running_stats=True)), (3, 4, 5, 6)),
    "euler": (Residual("euler", 0.3), (3, 5)),
    "midpoint": (Residual("midpoint", 0.3), (3, 5)),
    "rk4": (Residual("rk4", 0.3), (3, 5)),
}

class Training(nn.Module):
    """A batch norm in training, and what it makes of its running statistics."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4, momentum=0.3)

    def forward(self, x):
        n = self.norm
        mean, var = n.running_mean.clone(), n.running_var.clone()
        y = nn.functional.batch_norm(x, mean, var, n.weight, n.bias, True, n.momentum, n.eps)
        return {"output": y, "mean": mean, "var": var}


torch.manual_seed(7)
cases = {
    name: (module, {"x": torch.randn(*shape)}, lambda net, inputs: net(inputs["x"]))
    for name, (module, shape) in modules.items()
}

cases["bn-training"] = (Training(), {"x": torch.randn(3, 4, 5, 6)}, lambda net, inputs: net(inputs["x"]))

if __name__ == "__main__":
    judge(sys.argv[1], cases)
