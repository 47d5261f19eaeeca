"""Perceptrons: every activation, and the ways they are called."""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


def batch(high=64):
    return {0: Dim("batch", min=1, max=high)}


@program("mlp-relu")
def _():
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))
    return case(net, randn(4, 6), dynamic=({0: Dim("batch")},), others=[(randn(9, 6),), (randn(1, 6),)], strict=True)


class Activations(nn.Module):
    """One layer of each activation, as modules."""

    def __init__(self, *acts):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in acts)
        self.acts = nn.ModuleList(acts)

    def forward(self, x):
        outs = []
        for layer, act in zip(self.layers, self.acts):
            x = x + act(layer(x))
            outs.append(x)
        return torch.stack(outs, 1)


@program("mlp-smooth-activations")
def _():
    return case(Activations(nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.Tanh(), nn.Sigmoid(), nn.Softplus(),
                            nn.Softplus(beta=2.0, threshold=1.0), nn.ELU(), nn.ELU(0.7), nn.CELU(1.3), nn.SELU(), nn.LogSigmoid(), nn.Softsign(),
                            nn.Tanhshrink()), randn(5, 8), dynamic=(batch(),), others=[(3 * randn(2, 8),)])


@program("mlp-kinked-activations")
def _():
    return case(Activations(nn.ReLU6(), nn.LeakyReLU(0.2), nn.PReLU(), nn.PReLU(8), nn.Hardtanh(-0.5, 0.8), nn.Hardsigmoid(), nn.Hardswish(),
                            nn.Hardshrink(0.3), nn.Softshrink(0.2), nn.Threshold(0.1, -0.4), nn.RReLU()), randn(5, 8), dynamic=(batch(),),
                others=[(3 * randn(2, 8),)])


class FunctionalActivations(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(10, 24)
        self.b = nn.Linear(12, 10)
        self.slope = nn.Parameter(torch.tensor(0.15))

    def forward(self, x):
        x = F.glu(self.a(x), dim=-1)
        x = F.leaky_relu(x) + F.relu(x).square() + x.clamp(min=-1.0).exp().log1p()
        x = self.b(F.softmin(x, dim=1)) + torch.where(x[:, :10] > 0, x[:, :10], self.slope * x[:, :10])
        x = F.softmax(x, dim=0) + F.log_softmax(x, -1) + F.normalize(x, dim=-1)
        return torch.rsqrt(x * x + 1.0) * torch.expm1(0.1 * x) + torch.erf(x) + x.sin() * torch.cos(x) + torch.atan(x)


@program("mlp-functional-activations")
def _():
    return case(FunctionalActivations(), randn(4, 10))


class Maxout(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = nn.Linear(6, 12), nn.Linear(4, 6)
        self.drop = nn.Dropout(0.4)

    def forward(self, x):
        y = self.l1(x).view(x.shape[0], 4, 3).max(dim=2).values
        y = self.drop(y)
        z = self.l2(y).unflatten(1, (2, 3)).amax(1)
        return z, torch.max(z, dim=1)[1]


@program("mlp-maxout")
def _():
    return case(Maxout(), randn(5, 6), dynamic=(batch(),), others=[(randn(3, 6),)])


class Highway(nn.Module):
    def __init__(self, d=9, depth=3):
        super().__init__()
        self.h = nn.ModuleList([nn.Linear(d, d) for _ in range(depth)])
        self.t = nn.ModuleList([nn.Linear(d, d) for _ in range(depth)])
        self.norm = nn.LayerNorm(d, elementwise_affine=False)

    def forward(self, x):
        for h, t in zip(self.h, self.t):
            gate = torch.sigmoid(t(x) - 1)
            x = gate * torch.tanh(h(x)) + (1 - gate) * x
        return self.norm(x)


@program("mlp-highway")
def _():
    return case(Highway(), randn(2, 3, 9), dynamic=({0: Dim("b"), 1: Dim("t")},), others=[(randn(4, 7, 9),)], strict=True)


class Mixer(nn.Module):
    def __init__(self, tokens=9, d=12):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d, eps=1e-6)
        self.mix = nn.Sequential(nn.Linear(tokens, 14), nn.GELU(), nn.Linear(14, tokens))
        self.channel = nn.Sequential(nn.Linear(d, 20), nn.GELU(), nn.Linear(20, d))
        self.patch = nn.Conv2d(3, d, 4, 4)
        self.head = nn.Linear(d, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).mT
        x = x + self.mix(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channel(self.norm2(x))
        return self.head(x.mean(dim=1))


@program("mlp-mixer")
def _():
    return case(Mixer(), randn(2, 3, 12, 12), dynamic=(batch(),), others=[(randn(3, 3, 12, 12),)])


class Gmlp(nn.Module):
    def __init__(self, n=6, d=8):
        super().__init__()
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(2 * d, d)
        self.norm = nn.LayerNorm(2 * d)
        self.spatial = nn.Conv1d(n, n, 1)

    def forward(self, x):
        u, v = F.gelu(self.up(x)).chunk(2, dim=-1)
        return x + self.down(u * self.spatial(self.norm(v)))


@program("mlp-gmlp")
def _():
    return case(Gmlp(), randn(3, 6, 8), dynamic={"x": {0: Dim.AUTO}}, others=[(randn(2, 6, 8),)])


class Siren(nn.Module):
    """A neural field with Fourier features."""

    def __init__(self):
        super().__init__()
        self.register_buffer("frequencies", torch.randn(2, 8))
        self.net = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3))

    def forward(self, xy):
        p = 2 * math.pi * xy @ self.frequencies
        x = torch.cat([p.sin(), p.cos()], -1)
        for layer in self.net[:-1]:
            x = torch.sin(3.0 * layer(x))
        return self.net[-1](x).sigmoid()


@program("mlp-siren")
def _():
    return case(Siren(), torch.rand(7, 2), dynamic=({0: Dim.DYNAMIC},), others=[(torch.rand(20, 2),)])


class Tabular(nn.Module):
    """Categories and numbers side by side."""

    def __init__(self):
        super().__init__()
        self.embeds = nn.ModuleList([nn.Embedding(n, d) for n, d in [(5, 3), (7, 4), (3, 2)]])
        self.bn = nn.BatchNorm1d(4)
        self.layers = nn.Sequential(nn.Linear(13, 16), nn.ReLU(inplace=True), nn.BatchNorm1d(16), nn.Dropout(0.1), nn.Linear(16, 2))

    def forward(self, cat, cont):
        x = torch.cat([e(cat[:, i]) for i, e in enumerate(self.embeds)], 1)
        return self.layers(torch.cat([x, self.bn(cont)], 1))


@program("mlp-tabular")
def _():
    b = Dim("rows", max=100)
    cat = lambda n: torch.stack([ints(5, n), ints(7, n), ints(3, n)], 1)  # noqa: E731
    return case(Tabular(), cat(4), randn(4, 4), dynamic=({0: b}, {0: b}), others=[(cat(6), randn(6, 4))], strict=True)


class Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.bi = nn.Bilinear(4, 5, 6)
        self.core = nn.Parameter(torch.randn(6, 3, 3))

    def forward(self, a, b):
        h = torch.tanh(self.bi(a, b))
        out = torch.einsum("bi,ijk,bl->bjkl", h, self.core, b)
        return out, torch.einsum("bi,bi->b", h, h), torch.einsum("...i,ijj->...j", h, self.core), F.bilinear(a, b, self.bi.weight)


@program("mlp-bilinear-einsum")
def _():
    return case(Bilinear(), randn(3, 4), randn(3, 5))


class Hyper(nn.Module):
    """The weights of one network are another's answer."""

    def __init__(self):
        super().__init__()
        self.hyper = nn.Sequential(nn.Linear(3, 10), nn.Tanh(), nn.Linear(10, 4 * 6 + 4))
        self.conv = nn.Linear(3, 2 * 2 * 3 * 3)
        self.shared = nn.Linear(2, 6 * 5)

    def forward(self, z, x, image):
        theta = self.hyper(z)
        w, b = theta[:, :24].reshape(-1, 4, 6), theta[:, 24:]
        y = torch.bmm(w, x.unsqueeze(-1)).squeeze(-1) + b
        y2 = torch.baddbmm(b.unsqueeze(1), x.unsqueeze(1), w.mT, beta=0.5, alpha=2.0)
        kernel = self.conv(z[0]).view(2, 2, 3, 3)
        image = F.conv2d(image, kernel, padding=1)
        lin = F.linear(x, self.shared(z[0, :2]).view(5, 6), bias=None)
        return y, y2, image, lin, torch.addmm(lin, x, lin.t() @ x.new_ones(3, 5), beta=0.3) if False else lin.relu()


@program("mlp-hypernetwork")
def _():
    return case(Hyper(), randn(3, 3), randn(3, 6), randn(1, 2, 5, 5))


class Film(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 3, padding=1)
        self.film = nn.Linear(5, 12)

    def forward(self, x, c):
        gamma, beta = self.film(c)[:, :, None, None].chunk(2, 1)
        x = F.relu((1 + gamma) * self.conv1(x) + beta)
        return self.conv2(x).mean((2, 3))


@program("mlp-film")
def _():
    return case(Film(), randn(2, 3, 8, 8), randn(2, 5), dynamic={"x": {0: Dim("n"), 2: Dim("h", min=4), 3: Dim("w", min=4)}, "c": {0: Dim("n")}},
                others=[(randn(3, 3, 5, 11), randn(3, 5))])


class Kan(nn.Module):
    """Splines on edges: B-splines by recursion, as in efficient-kan."""

    def __init__(self, i=4, o=3, grid=5, order=3):
        super().__init__()
        self.order = order
        h = 2 / grid
        self.register_buffer("grid", (torch.arange(-order, grid + order + 1) * h - 1).expand(i, -1).contiguous())
        self.base = nn.Parameter(torch.randn(o, i) * 0.4)
        self.spline = nn.Parameter(torch.randn(o, i, grid + order) * 0.2)
        self.scale = nn.Parameter(torch.randn(o, i))

    def forward(self, x):
        grid, y = self.grid, x.unsqueeze(-1)
        bases = ((y >= grid[:, :-1]) & (y < grid[:, 1:])).to(x.dtype)
        for k in range(1, self.order + 1):
            bases = ((y - grid[:, : -(k + 1)]) / (grid[:, k:-1] - grid[:, : -(k + 1)]) * bases[:, :, :-1]) + (
                (grid[:, k + 1:] - y) / (grid[:, k + 1:] - grid[:, 1:(-k)]) * bases[:, :, 1:])
        weight = self.spline * self.scale.unsqueeze(-1)
        return F.linear(F.silu(x), self.base) + F.linear(bases.view(x.size(0), -1), weight.view(weight.size(0), -1))


@program("mlp-kan")
def _():
    return case(Kan(), torch.rand(6, 4) * 1.8 - 0.9, dynamic=(batch(),), others=[(torch.rand(3, 4) * 1.8 - 0.9,)])


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(7, 9), nn.GELU(), nn.Linear(9, 5))
        self.temperature = nn.Parameter(torch.tensor(0.7))

    def forward(self, a, b):
        u, v = self.trunk(a), self.trunk(b)
        return (F.cosine_similarity(u, v, dim=1), F.pairwise_distance(u, v), torch.cdist(u, v), torch.cdist(u, v, p=1.0),
                F.normalize(u) @ F.normalize(v).T * self.temperature.exp())


@program("mlp-siamese")
def _():
    b = Dim("b", min=2, max=25)
    return case(Siamese(), randn(4, 7), randn(4, 7), dynamic=({0: b}, {0: b}), others=[(randn(6, 7), randn(6, 7))])


class WeightNormed(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.utils.parametrizations.weight_norm(nn.Linear(5, 8))
        self.b = torch.nn.utils.parametrizations.spectral_norm(nn.Linear(8, 4))
        self.c = torch.nn.utils.parametrizations.orthogonal(nn.Linear(4, 4, bias=False), orthogonal_map="cayley")

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


@program("mlp-weight-norm")
def _():
    return case(WeightNormed(), randn(3, 5))


class Evidential(nn.Module):
    """Heads of a mixture density network."""

    def __init__(self, k=4, d=2):
        super().__init__()
        self.k, self.d = k, d
        self.body = nn.Sequential(nn.Linear(3, 16), nn.Tanh())
        self.pi, self.mu, self.sigma = nn.Linear(16, k), nn.Linear(16, k * d), nn.Linear(16, k * d)

    def forward(self, x, y):
        h = self.body(x)
        logpi = F.log_softmax(self.pi(h), -1)
        mu, sigma = self.mu(h).view(-1, self.k, self.d), F.softplus(self.sigma(h)).view(-1, self.k, self.d) + 1e-3
        dist = torch.distributions.Normal(mu, sigma, validate_args=False)
        nll = -torch.logsumexp(logpi + dist.log_prob(y.unsqueeze(1)).sum(-1), -1)
        return nll, (logpi.exp().unsqueeze(-1) * mu).sum(1)


@program("mlp-mdn")
def _():
    b = Dim("b", max=50)
    return case(Evidential(), randn(5, 3), randn(5, 2), dynamic=({0: b}, {0: b}), others=[(randn(8, 3), randn(8, 2))])
