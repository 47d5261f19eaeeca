"""State-space models from the equations of their papers (S4D: Gu et al. 2022; Mamba: Gu and Dao 2023): plain recurrences in PyTorch, step by step,
under the names that the reference codes give their parameters."""
import math
import os
import sys

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, os.path.dirname(__file__))
from judge import judge  # noqa: E402


class Kernel(nn.Module):
    def __init__(self, channels, modes):
        super().__init__()
        self.log_dt = nn.Parameter(torch.rand(channels) * math.log(100) + math.log(0.001))
        self.C = nn.Parameter(torch.view_as_real(torch.randn(channels, modes, dtype=torch.cfloat)))
        self.log_A_real = nn.Parameter(torch.log(0.5 * torch.ones(channels, modes)))
        self.A_imag = nn.Parameter(math.pi * torch.arange(modes).repeat(channels, 1).float())


class S4D(nn.Module):
    """x [batch, time, channels]; returns y and the state after the last step."""

    def __init__(self, channels, modes, block=True):
        super().__init__()
        self.D = nn.Parameter(torch.randn(channels))
        self.kernel = Kernel(channels, modes)
        if block:
            self.output_linear = nn.Sequential(nn.Conv1d(channels, 2 * channels, 1), nn.GLU(dim=-2))

    def forward(self, x, state=None):
        A = torch.complex(-self.kernel.log_A_real.exp(), self.kernel.A_imag)
        dt = self.kernel.log_dt.exp()[:, None]
        abar = torch.exp(dt * A)
        bbar = (abar - 1) / A
        C = torch.view_as_complex(self.kernel.C)
        h = torch.zeros(x.shape[0], *A.shape, dtype=abar.dtype) if state is None else torch.view_as_complex(state)
        ys = []
        for t in range(x.shape[1]):
            h = abar * h + bbar * x[:, t, :, None]
            ys.append(2 * (C * h).sum(-1).real + self.D * x[:, t])
        y = torch.stack(ys, 1)
        if hasattr(self, "output_linear"):
            y = self.output_linear(F.gelu(y).transpose(1, 2)).transpose(1, 2)
        return y, torch.view_as_real(h)


def call(net, inputs):
    y, state = net(inputs["x"], inputs.get("h0"))
    return {"output": y, "state": state}


torch.manual_seed(5)
cases = {}
for T in (1, 7, 64, 150):
    cases[f"s4d-{T}"] = (S4D(3, 4), {"x": torch.randn(2, T, 3)}, call)
    cases[f"s4d-from-{T}"] = (S4D(3, 4, block=False), {"x": torch.randn(2, T, 3), "h0": torch.randn(2, 3, 4, 2)}, call)

if __name__ == "__main__":
    judge(sys.argv[1], cases)
