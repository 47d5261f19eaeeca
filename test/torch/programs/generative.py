"""Autoencoders, flows, diffusion, capsules."""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, program, randn


class Vae(nn.Module):
    """With its noise as an input, as one exports it."""

    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, 4, 4, 2, 1), nn.ReLU(), nn.Flatten())
        self.mu, self.logvar = nn.Linear(64, 3), nn.Linear(64, 3)
        self.dec_in = nn.Linear(3, 64)
        self.dec = nn.Sequential(nn.Unflatten(1, (4, 4, 4)), nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Sigmoid())

    def forward(self, x, eps):
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + eps * torch.exp(0.5 * logvar)
        y = self.dec(self.dec_in(z))
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        return y, mu, logvar, F.binary_cross_entropy(y, x, reduction="sum") + kl


@program("gen-vae")
def _():
    b = Dim("b", min=2)
    return case(Vae(), torch.rand(2, 1, 8, 8), randn(2, 3), dynamic=({0: b}, {0: b}), others=[(torch.rand(4, 1, 8, 8), randn(4, 3))])


class RealNvp(nn.Module):
    def __init__(self, d=6):
        super().__init__()
        self.nets = nn.ModuleList(nn.Sequential(nn.Linear(d, 10), nn.Tanh(), nn.Linear(10, 2 * d)) for _ in range(3))
        self.register_buffer("masks", torch.tensor([[i % 2 == k % 2 for i in range(d)] for k in range(3)]).float())
        self.log_scale, self.shift = nn.Parameter(torch.zeros(d)), nn.Parameter(torch.zeros(d))
        self.w = nn.Parameter(torch.linalg.qr(torch.randn(d, d))[0].contiguous())

    def forward(self, x):
        z = (x + self.shift) * self.log_scale.exp()
        logdet = self.log_scale.sum().expand(x.shape[0])
        z = z @ self.w
        logdet = logdet + torch.slogdet(self.w)[1]
        for net, mask in zip(self.nets, self.masks):
            s, t = net(z * mask).chunk(2, 1)
            s = torch.tanh(s) * (1 - mask)
            z = z * mask + (1 - mask) * (z * s.exp() + t)
            logdet = logdet + s.sum(1)
        prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)
        return z, prior + logdet


class RealNvpPlain(RealNvp):
    """Without the determinant, which ONNX has and most runtimes do not."""

    def forward(self, x):
        z = (x + self.shift) * self.log_scale.exp()
        logdet = self.log_scale.sum().expand(x.shape[0])
        for net, mask in zip(self.nets, self.masks):
            s, t = net(z * mask).chunk(2, 1)
            s = torch.tanh(s) * (1 - mask)
            z = z * mask + (1 - mask) * (z * s.exp() + t)
            logdet = logdet + s.sum(1)
        return z, torch.distributions.Normal(torch.zeros(6), torch.ones(6), validate_args=False).log_prob(z).sum(-1) + logdet


@program("gen-realnvp")
def _():
    return case(RealNvpPlain(), randn(3, 6), dynamic=({0: Dim("b", min=2)},), others=[(randn(5, 6),)], double=False)


@program("gen-glow-logdet")
def _():
    return case(RealNvp(), randn(3, 6))


class Spline(nn.Module):
    """A rational quadratic spline of neural spline flows."""

    def __init__(self, k=5):
        super().__init__()
        self.net, self.k = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2 * (3 * k - 1))), k

    def forward(self, x):
        a, b = x[..., :2], x[..., 2:].clamp(-2.9, 2.9)
        p = self.net(a).view(-1, 2, 3 * self.k - 1)
        w, h, d = torch.split(p, [self.k, self.k, self.k - 1], dim=-1)
        w, h = 0.001 + (1 - 0.001 * self.k) * F.softmax(w, -1), 0.001 + (1 - 0.001 * self.k) * F.softmax(h, -1)
        cw, ch = (F.pad(torch.cumsum(t, -1), (1, 0), value=0.0) * 6 - 3 for t in (w, h))
        w, h = cw[..., 1:] - cw[..., :-1], ch[..., 1:] - ch[..., :-1]
        d = F.pad(0.001 + F.softplus(d), (1, 1), value=1.0)
        i = torch.sum(b[..., None] >= cw[..., :-1], dim=-1, keepdim=True) - 1
        at = lambda t: t.gather(-1, i)[..., 0]  # noqa: E731
        delta = at(h / w)
        theta = (b - at(cw)) / at(w)
        d0, d1 = at(d), at(d[..., 1:])
        num = at(h) * (delta * theta.pow(2) + d0 * theta * (1 - theta))
        den = delta + (d0 + d1 - 2 * delta) * theta * (1 - theta)
        grad = delta.pow(2) * (d1 * theta.pow(2) + 2 * delta * theta * (1 - theta) + d0 * (1 - theta).pow(2))
        return torch.cat([a, at(ch) + num / den], -1), (torch.log(grad) - 2 * torch.log(den)).sum(-1)


@program("gen-spline-flow")
def _():
    return case(Spline(), randn(4, 4), dynamic=({0: Dim("b", min=2)},), others=[(randn(6, 4),)])


class Maf(nn.Module):
    """Masked linear layers (MADE)."""

    def __init__(self, d=4, h=10):
        super().__init__()
        self.l1, self.l2 = nn.Linear(d, h), nn.Linear(h, 2 * d)
        m0, m1 = torch.arange(d), torch.arange(h) % (d - 1)
        self.register_buffer("m1", (m1[:, None] >= m0[None]).float())
        self.register_buffer("m2", (m0.repeat(2)[:, None] > m1[None]).float())

    def forward(self, x):
        h = F.relu(F.linear(x, self.l1.weight * self.m1, self.l1.bias))
        mu, alpha = F.linear(h, self.l2.weight * self.m2, self.l2.bias).chunk(2, -1)
        return (x - mu) * torch.exp(-alpha), -alpha.sum(-1)


@program("gen-maf")
def _():
    return case(Maf(), randn(3, 4), dynamic=({0: Dim("b")},), others=[(randn(5, 4),)], strict=True)


class DiffusionUNet(nn.Module):
    """A denoiser: sinusoidal times, GroupNorm with scale and shift, attention in the middle."""

    def __init__(self, c=8):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 16))
        self.inc, self.down = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, c, 3, 2, 1)
        self.n1, self.n2, self.n3 = nn.GroupNorm(4, c), nn.GroupNorm(4, c), nn.GroupNorm(2, c, eps=1e-6)
        self.c1, self.c2, self.emb = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1), nn.Linear(16, 2 * c)
        self.qkv, self.proj, self.out = nn.Conv1d(c, 3 * c, 1), nn.Conv1d(c, c, 1), nn.Conv2d(2 * c, 1, 3, padding=1)

    def forward(self, x, t):
        half = 4
        freqs = torch.exp(-math.log(10000) * torch.arange(start=0, end=half, dtype=torch.float32) / half)
        args = t[:, None].float() * freqs[None]
        e = self.time(torch.cat([torch.cos(args), torch.sin(args)], dim=-1))
        x = self.inc(x)
        y = self.down(x)
        scale, shift = self.emb(F.silu(e))[..., None, None].chunk(2, dim=1)
        h = self.c1(F.silu(self.n1(y)))
        y = y + self.c2(F.silu(self.n2(h) * (1 + scale) + shift))
        b, c, hh, ww = y.shape
        q, k, v = self.qkv(self.n3(y).reshape(b, c, -1)).reshape(b * 2, -1, hh * ww).split(c // 2, dim=1)
        w = torch.einsum("bct,bcs->bts", q * (c // 2) ** -0.25, k * (c // 2) ** -0.25)
        a = torch.einsum("bts,bcs->bct", torch.softmax(w, -1), v).reshape(b, -1, hh * ww)
        y = y + self.proj(a).reshape(b, c, hh, ww)
        return self.out(torch.cat([F.interpolate(y, scale_factor=2, mode="nearest"), x], 1))


@program("gen-diffusion")
def _():
    b = Dim("b", min=2)
    return case(DiffusionUNet(), randn(2, 1, 8, 8), torch.tensor([3, 250]), dynamic=({0: b}, {0: b}), others=[(randn(3, 1, 8, 8), torch.tensor([1, 20, 999]))], double=False)


class Dit(nn.Module):
    """adaLN-zero blocks, with a label embedding and an unpatchify."""

    def __init__(self, d=8):
        super().__init__()
        self.patch, self.label = nn.Conv2d(2, d, 2, 2), nn.Embedding(4, d)
        self.ada = nn.Sequential(nn.SiLU(), nn.Linear(d, 6 * d))
        self.n1, self.n2 = nn.LayerNorm(d, elementwise_affine=False, eps=1e-6), nn.LayerNorm(d, elementwise_affine=False, eps=1e-6)
        self.attn = nn.MultiheadAttention(d, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, 16), nn.GELU("tanh"), nn.Linear(16, d))
        self.final = nn.Linear(d, 8)

    def forward(self, x, y):
        z = self.patch(x).flatten(2).transpose(1, 2)
        s1, c1, g1, s2, c2, g2 = self.ada(self.label(y)).chunk(6, dim=1)
        mod = lambda u, s, c: u * (1 + c.unsqueeze(1)) + s.unsqueeze(1)  # noqa: E731
        u = mod(self.n1(z), s1, c1)
        z = z + g1.unsqueeze(1) * self.attn(u, u, u, need_weights=False)[0]
        z = self.final(z + g2.unsqueeze(1) * self.mlp(mod(self.n2(z), s2, c2)))
        h = w = int(z.shape[1] ** 0.5)
        return torch.einsum("nhwpqc->nchpwq", z.reshape(z.shape[0], h, w, 2, 2, 2)).reshape(z.shape[0], 2, h * 2, w * 2)


@program("gen-dit")
def _():
    b = Dim("b", min=2)
    return case(Dit(), randn(2, 2, 8, 8), torch.tensor([0, 3]), dynamic=({0: b}, {0: b}), others=[(randn(3, 2, 8, 8), torch.tensor([1, 1, 2]))])


class Capsules(nn.Module):
    """Dynamic routing."""

    def __init__(self):
        super().__init__()
        self.primary, self.w = nn.Conv2d(1, 8, 3, 2), nn.Parameter(0.1 * torch.randn(1, 18, 3, 5, 4))

    def squash(self, x, dim=-1):
        n = (x**2).sum(dim=dim, keepdim=True)
        return n / (1 + n) * x / torch.sqrt(n + 1e-9)

    def forward(self, x):
        u = self.squash(self.primary(x).view(x.size(0), 2, 4, -1).permute(0, 1, 3, 2).reshape(x.size(0), -1, 4))
        hat = torch.matmul(self.w, u[:, :, None, :, None]).squeeze(-1)
        b = torch.zeros(*hat.shape[:3], 1)
        for r in range(3):
            c = F.softmax(b, dim=2)
            v = self.squash((c * hat).sum(dim=1, keepdim=True))
            if r < 2:
                b = b + (hat * v).sum(-1, keepdim=True)
        v = v.squeeze(1)
        lengths = v.norm(dim=-1)
        return lengths, v * F.one_hot(lengths.argmax(1), 3).unsqueeze(-1)


@program("gen-capsules")
def _():
    return case(Capsules(), randn(2, 1, 8, 8), dynamic=({0: Dim("b", min=2)},), others=[(randn(3, 1, 8, 8),)], double=False)


class VqVae(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc, self.dec, self.codes = nn.Conv2d(1, 4, 4, 2, 1), nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Embedding(6, 4)

    def forward(self, x):
        z = self.enc(x).permute(0, 2, 3, 1).contiguous()
        flat = z.view(-1, 4)
        d = flat.pow(2).sum(1, keepdim=True) + self.codes.weight.pow(2).sum(1) - 2 * flat @ self.codes.weight.t()
        i = d.argmin(1)
        one = torch.zeros(i.shape[0], 6, dtype=x.dtype).scatter_(1, i.unsqueeze(1), 1)
        q = (one @ self.codes.weight).view(z.shape)
        loss = F.mse_loss(q.detach(), z) + 0.25 * F.mse_loss(q, z.detach())
        q = z + (q - z).detach()
        mean = one.mean(0)
        return self.dec(q.permute(0, 3, 1, 2).contiguous()), loss, i, torch.exp(-torch.sum(mean * torch.log(mean + 1e-10)))


@program("gen-vqvae")
def _():
    return case(VqVae(), randn(2, 1, 8, 8), dynamic=({0: Dim("b", min=2)},), others=[(randn(3, 1, 8, 8),)])


class StyleGan(nn.Module):
    """Modulated convolutions by groups, minibatch deviation, a blur, noise."""

    def __init__(self):
        super().__init__()
        self.weight, self.style = nn.Parameter(torch.randn(1, 4, 3, 3, 3)), nn.Linear(5, 3)
        self.noise = nn.Parameter(torch.ones(1))
        blur = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (blur[:, None] * blur[None] / 16)[None, None])

    def forward(self, x, w, noise):
        b, c, h, width = x.shape
        weight = self.weight * self.style(w).view(b, 1, c, 1, 1) * (1 / (c * 9) ** 0.5)
        weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + 1e-8).view(b, 4, 1, 1, 1)
        y = F.conv2d(x.reshape(1, b * c, h, width), weight.view(b * 4, c, 3, 3), padding=1, groups=b).view(b, 4, h, width)
        y = F.conv2d(y, self.kernel.expand(4, 1, -1, -1), padding=1, groups=4)
        y = F.leaky_relu(y + self.noise * noise, 0.2) * 2**0.5
        std = y.view(2, -1, 1, 4, h, width).var(0, unbiased=False).add(1e-8).sqrt().mean([2, 3, 4], keepdim=True).squeeze(2)
        return torch.cat([y, std.repeat(2, 1, h, width)], 1)


@program("gen-stylegan")
def _():
    return case(StyleGan(), randn(2, 3, 6, 6), randn(2, 5), randn(2, 1, 6, 6))


class NeuralOde(nn.Module):
    """Runge-Kutta steps of a small field, and its divergence by hand."""

    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))

    def field(self, t, x):
        return self.f(torch.cat([x, torch.full_like(x[:, :1], t)], 1))

    def forward(self, x):
        h = 0.25
        for k in range(4):
            t = k * h
            k1 = self.field(t, x)
            k2 = self.field(t + h / 2, x + h / 2 * k1)
            k3 = self.field(t + h / 2, x + h / 2 * k2)
            k4 = self.field(t + h, x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x


@program("gen-neural-ode")
def _():
    return case(NeuralOde(), randn(3, 3), dynamic=({0: Dim("b")},), others=[(randn(5, 3),)])


class Nerf(nn.Module):
    """Volume rendering: cumulative products along rays."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3 * 5, 16), nn.ReLU(), nn.Linear(16, 4))

    def forward(self, origins, directions):
        t = torch.linspace(0.5, 2.0, 6)
        p = origins[:, None] + directions[:, None] * t[None, :, None]
        enc = torch.cat([p] + [f(2.0**i * p) for i in range(2) for f in (torch.sin, torch.cos)], -1)
        rgb, sigma = self.net(enc).split([3, 1], dim=-1)
        delta = torch.cat([t[1:] - t[:-1], torch.tensor([1e3])]).expand(origins.shape[0], -1)
        alpha = 1 - torch.exp(-F.relu(sigma[..., 0]) * delta)
        trans = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-10], -1), -1)[:, :-1]
        w = alpha * trans
        return (w[..., None] * rgb.sigmoid()).sum(-2), (w * t).sum(-1)


@program("gen-nerf")
def _():
    b = Dim("rays", min=2)
    return case(Nerf(), randn(4, 3), randn(4, 3), dynamic=({0: b}, {0: b}), others=[(randn(7, 3), randn(7, 3))], double=False)
