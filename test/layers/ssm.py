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


class S4Model(nn.Module):
    """The classifier of the S4 repository's example."""

    def __init__(self, d_input, d_output, channels, layers, prenorm):
        super().__init__()
        self.prenorm = prenorm
        self.encoder = nn.Linear(d_input, channels)
        self.s4_layers = nn.ModuleList(S4D(channels, 4) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        self.decoder = nn.Linear(channels, d_output)

    def forward(self, x, mask=None, pool=True):
        x = self.encoder(x)
        for s4, norm in zip(self.s4_layers, self.norms):
            x = x + s4(norm(x))[0] if self.prenorm else norm(x + s4(x)[0])
        if not pool:
            return self.decoder(x)
        weight = torch.ones(x.shape[:2], dtype=x.dtype) if mask is None else mask.to(x.dtype)
        return self.decoder((x * weight[..., None]).sum(1) / weight.sum(1, keepdim=True))


class Mixer(nn.Module):
    """Mamba's mixer as a recurrence, one step after the other."""

    def __init__(self, features, inner=None, states=3, width=4, rank=2, bias=False, conv_bias=True):
        super().__init__()
        inner = inner or 2 * features
        self.in_proj = nn.Linear(features, 2 * inner, bias=bias)
        self.conv1d = nn.Conv1d(inner, inner, width, groups=inner, bias=conv_bias)
        self.x_proj = nn.Linear(inner, rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1, states + 1).float()).repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, features, bias=bias)
        self.sizes = (rank, states, states)

    def forward(self, u, past=None):
        x, z = self.in_proj(u).chunk(2, -1)
        batch, time, inner = x.shape
        width = self.conv1d.kernel_size[0]
        conv, h = past or (torch.zeros(batch, inner, width - 1).to(x), torch.zeros(batch, *self.A_log.shape).to(x))
        A = -self.A_log.exp()
        ys = []
        for t in range(time):
            seen = torch.cat([conv, x[:, t, :, None]], -1)
            conv = seen[..., 1:]
            xt = F.silu(self.conv1d(seen)[..., 0])
            low, B, C = self.x_proj(xt).split(self.sizes, -1)
            dt = F.softplus(self.dt_proj(low))
            h = torch.exp(dt[..., None] * A) * h + (dt * xt)[..., None] * B[:, None]
            ys.append((h * C[:, None]).sum(-1) + self.D * xt)
        return self.out_proj(torch.stack(ys, 1) * F.silu(z)), (conv, h)


class Block(nn.Module):
    def __init__(self, features, **options):
        super().__init__()
        self.norm = nn.RMSNorm(features, eps=1e-5)
        self.mixer = Mixer(features, **options)


class Backbone(nn.Module):
    def __init__(self, table, vocabulary, features, layers, **options):
        super().__init__()
        setattr(self, table, nn.Embedding(vocabulary, features))
        self.layers = nn.ModuleList(Block(features, **options) for _ in range(layers))
        self.norm_f = nn.RMSNorm(features, eps=1e-5)
        self.table = table

    def forward(self, tokens, past=None):
        x = getattr(self, self.table)(tokens)
        present = []
        for index, block in enumerate(self.layers):
            y, state = block.mixer(block.norm(x), past and past[index])
            present.append(state)
            x = x + y
        return self.norm_f(x), present


class Mamba(nn.Module):
    """A language model, tied or with a head of its own, or a classifier."""

    def __init__(self, table="embeddings", head=None, vocabulary=11, features=6, layers=2, **options):
        super().__init__()
        self.backbone = Backbone(table, vocabulary, features, layers, **options)
        if head is not None:
            setattr(self, head, nn.Linear(features, vocabulary if head == "lm_head" else 5, bias=head == "head"))

    def forward(self, tokens, past=None, mask=None):
        hidden, present = self.backbone(tokens, past)
        if hasattr(self, "head"):
            weight = mask.to(hidden.dtype)[..., None]
            return self.head((hidden * weight).sum(1) / weight.sum(1)), present
        if hasattr(self, "lm_head"):
            return self.lm_head(hidden), present
        return F.linear(hidden, getattr(self.backbone, self.backbone.table).weight), present


def call(net, inputs):
    y, state = net(inputs["x"], inputs.get("h0"))
    return {"output": y, "state": state}


def mixed(net, inputs):
    past = (inputs["conv"], inputs["ssm"]) if "conv" in inputs else None
    y, (conv, ssm) = net(inputs["x"], past)
    return {"output": y, "conv_n": conv, "ssm_n": ssm}


def cached(net, inputs):
    layers = len(net.backbone.layers)
    past = [(inputs[f"past.{i}.conv"], inputs[f"past.{i}.ssm"]) for i in range(layers)]
    y, present = net(inputs["tokens"], past)
    named = {f"present.{i}.{name}": value for i in range(layers) for name, value in zip(("conv", "ssm"), present[i])}
    return {"output": y, **named}


def tokens(time):
    return {"tokens": torch.randint(0, 11, (2, time))}


def padded(rows, time):
    return (torch.arange(time)[None] < torch.tensor(rows)[:, None]).long()


torch.manual_seed(5)
cases = {}
for T in (1, 64, 150):
    cases[f"s4d-{T}"] = (S4D(3, 4), {"x": torch.randn(2, T, 3)}, call)
    cases[f"s4d-from-{T}"] = (S4D(3, 4, block=False), {"x": torch.randn(2, T, 3), "h0": torch.randn(2, 3, 4, 2)}, call)
for prenorm in (False, True):
    x = torch.randn(3, 70, 2)
    name = "s4-first" if prenorm else "s4-last"
    cases[name] = (S4Model(2, 5, 6, 2, prenorm), {"x": x}, lambda net, own: net(own["x"]))
x = {"x": torch.randn(3, 20, 2), "mask": padded([20, 3, 11], 20)}
cases["s4-masked"] = (S4Model(2, 5, 6, 2, False), x, lambda net, own: net(own["x"], own["mask"]))
cases["s4-steps"] = (S4Model(2, 5, 6, 1, False), {"x": torch.randn(3, 9, 2)}, lambda net, own: net(own["x"], pool=False))
for T in (1, 16, 43):
    cases[f"mixer-{T}"] = (Mixer(6), {"x": torch.randn(2, T, 6)}, mixed)
    past = {"conv": torch.randn(2, 10, 1), "ssm": torch.randn(2, 10, 5)}
    options = {"inner": 10, "states": 5, "width": 2, "rank": 1, "bias": True, "conv_bias": False}
    cases[f"mixer-from-{T}"] = (Mixer(6, **options), {"x": torch.randn(2, T, 6), **past}, mixed)
cases["mamba-tied"] = (Mamba(), tokens(20), lambda net, own: net(own["tokens"])[0])
cases["mamba-head"] = (Mamba("embedding", "lm_head"), tokens(20), lambda net, own: net(own["tokens"])[0])
cases["mamba-classifier"] = (
    Mamba(head="head"),
    {**tokens(20), "mask": padded([20, 6], 20)},
    lambda net, own: net(own["tokens"], mask=own["mask"])[0],
)
past = {f"past.{i}.{name}": torch.randn(2, 12, n) for i in range(2) for name, n in (("conv", 3), ("ssm", 3))}
cases["mamba-cached"] = (Mamba(), {**tokens(4), **past}, cached)

if __name__ == "__main__":
    judge(sys.argv[1], cases)
