"""State spaces, Fourier layers and complex numbers."""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, program, randn


class S4D(nn.Module):
    """S4D by its kernel: a Vandermonde product of complex exponentials, and an FFT convolution."""

    def __init__(self, h=4, n=6):
        super().__init__()
        self.log_dt = nn.Parameter(torch.rand(h) * 2 - 4)
        self.c = nn.Parameter(torch.view_as_real(torch.randn(h, n // 2, dtype=torch.cfloat)).clone())
        self.log_a_real = nn.Parameter(torch.log(0.5 * torch.ones(h, n // 2)))
        self.a_imag = nn.Parameter(math.pi * torch.arange(n // 2).repeat(h, 1).float())
        self.d = nn.Parameter(torch.randn(h))
        self.out = nn.Sequential(nn.Conv1d(h, 2 * h, 1), nn.GLU(dim=-2))

    def forward(self, u):
        length = u.size(-1)
        dt, c = torch.exp(self.log_dt), torch.view_as_complex(self.c)
        a = -torch.exp(self.log_a_real) + 1j * self.a_imag
        dta = a * dt.unsqueeze(-1)
        k = dta.unsqueeze(-1) * torch.arange(length)
        c = c * (torch.exp(dta) - 1.0) / a
        kernel = 2 * torch.einsum("hn, hnl -> hl", c, torch.exp(k)).real
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * length) * torch.fft.rfft(kernel, n=2 * length), n=2 * length)[..., :length]
        return self.out(F.gelu(y + u * self.d.unsqueeze(-1)))


@program("ssm-s4d")
def _():
    return case(S4D(), randn(2, 4, 16), dynamic=({0: Dim("b")},), others=[(randn(3, 4, 16),)])


class Mamba(nn.Module):
    """mamba-minimal: a selective scan as a loop over time."""

    def __init__(self, d=4, n=3, rank=2):
        super().__init__()
        e = 2 * d
        self.in_proj, self.out_proj = nn.Linear(d, 2 * e, bias=False), nn.Linear(e, d, bias=False)
        self.conv1d = nn.Conv1d(e, e, 4, groups=e, padding=3)
        self.x_proj, self.dt_proj = nn.Linear(e, rank + 2 * n, bias=False), nn.Linear(rank, e)
        self.a_log, self.d = nn.Parameter(torch.log(torch.arange(1.0, n + 1).repeat(e, 1))), nn.Parameter(torch.ones(e))
        self.e, self.n, self.rank = e, n, rank

    def scan(self, u, delta, a, b, c):
        da = torch.exp(torch.einsum("bld,dn->bldn", delta, a))
        dbu = torch.einsum("bld,bln,bld->bldn", delta, b, u)
        x = torch.zeros((u.shape[0], self.e, self.n), dtype=u.dtype)
        ys = []
        for i in range(u.shape[1]):
            x = da[:, i] * x + dbu[:, i]
            ys.append(torch.einsum("bdn,bn->bd", x, c[:, i, :]))
        return torch.stack(ys, dim=1)

    def forward(self, x):
        b, length, _ = x.shape
        x, res = self.in_proj(x).split(split_size=[self.e, self.e], dim=-1)
        x = F.silu(self.conv1d(x.transpose(1, 2))[:, :, :length].transpose(1, 2))
        delta, bb, c = self.x_proj(x).split([self.rank, self.n, self.n], -1)
        delta = F.softplus(self.dt_proj(delta))
        y = self.scan(x, delta, -torch.exp(self.a_log.float()), bb, c) + x * self.d
        return self.out_proj(y * F.silu(res))


class MambaCumsum(Mamba):
    """The scan by cumulative sums of logarithms (mamba2's segsum, one chunk)."""

    def scan(self, u, delta, a, b, c):
        logs = torch.einsum("bld,dn->bdnl", delta, a)
        t = logs.size(-1)
        x = logs.unsqueeze(-1).expand(*logs.shape, t).masked_fill(~torch.tril(torch.ones(t, t, dtype=torch.bool), -1), 0)
        segment = torch.cumsum(x, dim=-2).masked_fill(~torch.tril(torch.ones(t, t, dtype=torch.bool), diagonal=0), -torch.inf)
        return torch.einsum("bln,bdnls,bsn,bsd,bsd->bld", c, segment.exp(), b, delta, u)


@program("ssm-mamba")
def _():
    return case(Mamba(), randn(2, 5, 4), dynamic=({0: Dim("b")},), others=[(randn(3, 5, 4),)])


@program("ssm-mamba-segsum")
def _():
    return case(MambaCumsum(), randn(2, 5, 4), dynamic=({0: Dim("b"), 1: Dim("t", min=2, max=64)},), others=[(randn(3, 8, 4),)])


class Lru(nn.Module):
    """A linear recurrent unit with complex states, looped, all in complex64."""

    def __init__(self, d=4, n=5):
        super().__init__()
        self.nu, self.theta = nn.Parameter(torch.rand(n) - 1), nn.Parameter(torch.rand(n))
        self.b = nn.Parameter(torch.randn(n, d, dtype=torch.cfloat) / 3)
        self.c = nn.Parameter(torch.randn(d, n, dtype=torch.cfloat) / 3)

    def forward(self, x):
        lam = torch.polar(torch.exp(-torch.exp(self.nu)), torch.exp(self.theta))
        gamma = torch.sqrt(1 - lam.abs() ** 2)
        u = (x.to(torch.cfloat) @ self.b.t()) * gamma
        h, out = torch.zeros_like(u[:, 0]), []
        for t in range(x.shape[1]):
            h = lam * h + u[:, t]
            out.append(h)
        h = torch.stack(out, 1)
        return (h @ self.c.mT).real, h.angle(), h.conj().imag


@program("ssm-lru-complex")
def _():
    return case(Lru(), randn(2, 4, 4))


class Spectral2d(nn.Module):
    def __init__(self, i, o, m):
        super().__init__()
        self.w1, self.w2, self.m = nn.Parameter(torch.randn(i, o, m, m, 2) / (i * o)), nn.Parameter(torch.randn(i, o, m, m, 2) / (i * o)), m

    def forward(self, x):
        b, _, h, w = x.shape
        f = torch.fft.rfft2(x)
        out = torch.zeros(b, self.w1.size(1), h, w // 2 + 1, dtype=torch.cfloat, device=x.device)
        m = self.m
        out[:, :, :m, :m] = torch.einsum("bixy,ioxy->boxy", f[:, :, :m, :m], torch.view_as_complex(self.w1))
        out[:, :, -m:, :m] = torch.einsum("bixy,ioxy->boxy", f[:, :, -m:, :m], torch.view_as_complex(self.w2))
        return torch.fft.irfft2(out, s=(h, w))


class Fno(nn.Module):
    def __init__(self):
        super().__init__()
        self.lift, self.project = nn.Linear(3, 6), nn.Linear(6, 1)
        self.spectral, self.skip = nn.ModuleList([Spectral2d(6, 6, 3)] * 1), nn.ModuleList([nn.Conv2d(6, 6, 1)])

    def forward(self, x):
        b, h, w, _ = x.shape
        gx = torch.linspace(0, 1, h).reshape(1, h, 1, 1).repeat(b, 1, w, 1)
        gy = torch.linspace(0, 1, w).reshape(1, 1, w, 1).repeat(b, h, 1, 1)
        x = self.lift(torch.cat((x, gx, gy), dim=-1)).permute(0, 3, 1, 2)
        for s, k in zip(self.spectral, self.skip):
            x = F.gelu(s(x) + k(x))
        return self.project(x.permute(0, 2, 3, 1))


@program("ssm-fno")
def _():
    return case(Fno(), randn(2, 8, 10, 1), double=False)


class FNet(nn.Module):
    def __init__(self, d=8):
        super().__init__()
        self.norm, self.ff = nn.LayerNorm(d), nn.Sequential(nn.Linear(d, 12), nn.GELU(), nn.Linear(12, d))
        self.filter = nn.Parameter(torch.randn(4, d, 2) * 0.3)

    def forward(self, x):
        y = torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real
        y = self.norm(x + y)
        f = torch.fft.rfft(y, dim=1, norm="ortho")
        g = torch.fft.irfft(f * torch.view_as_complex(self.filter), n=y.shape[1], dim=1, norm="ortho")
        return y + self.ff(g), f.abs(), torch.fft.fftshift(f.real, dim=1), torch.fft.ifft(f, dim=-1).imag


@program("ssm-fnet")
def _():
    return case(FNet(), randn(2, 6, 8))


class Stft(nn.Module):
    """A spectrogram front end, in log mel, and back."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))
        self.mel = nn.Parameter(torch.rand(9, 5))

    def forward(self, x):
        s = torch.stft(x, 16, hop_length=8, window=self.window, center=True, return_complex=True)
        power = s.abs() ** 2
        mel = torch.log10(torch.clamp(power.transpose(1, 2) @ self.mel, min=1e-6))
        return mel, torch.view_as_real(s)


@program("ssm-stft")
def _():
    return case(Stft(), randn(2, 64))


class ComplexNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.re, self.im = nn.Linear(4, 5), nn.Linear(4, 5)

    def forward(self, x):
        z = torch.complex(self.re(x), self.im(x))
        w = z * z.conj() + z / (1 + z.abs()) - 2j * z + z.exp() * 0.1
        pair = torch.view_as_real(w)
        m = torch.view_as_real(torch.einsum("bi,bj->bij", z, z.conj()).sum(0))
        return pair, w.real, w.imag, w.abs(), m, torch.view_as_real(z.reciprocal()), (z.real > 0) & (z.imag < 0.5)


@program("ssm-complex")
def _():
    return case(ComplexNet(), randn(3, 4))


class Hippo(nn.Module):
    """LMU/HiPPO: a matrix exponential once, matrix powers, and a bilinear discretisation with a solve."""

    def __init__(self, n=4):
        super().__init__()
        i = torch.arange(n)
        p = torch.sqrt(1 + 2 * i.float())
        self.register_buffer("a", -(torch.tril(p[:, None] * p[None]) - torch.diag(i.float())))
        self.b = nn.Parameter(p[:, None].clone())
        self.c = nn.Parameter(torch.randn(3, n))

    def forward(self, x):
        eye, dt = torch.eye(4), 0.1
        left = torch.linalg.inv(eye - dt / 2 * self.a)
        ab, bb = left @ (eye + dt / 2 * self.a), left @ (dt * self.b)
        h = torch.zeros(x.size(0), 4)
        for t in range(x.size(1)):
            h = h @ ab.T + x[:, t : t + 1] @ bb.T
        return h @ self.c.T


@program("ssm-hippo")
def _():
    return case(Hippo(), randn(2, 5), double=False)


class Rwkv(nn.Module):
    """Time mixing with token shift, and its numerically careful recurrence."""

    def __init__(self, d=6):
        super().__init__()
        self.mix = nn.ParameterDict({k: nn.Parameter(torch.rand(1, 1, d)) for k in "krv"})
        self.key, self.value, self.receptance, self.output = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.decay, self.first = nn.Parameter(torch.randn(d)), nn.Parameter(torch.randn(d))
        self.shift = nn.ZeroPad2d((0, 0, 1, -1))

    def forward(self, x):
        xx = self.shift(x)
        k, r, v = (getattr(self, n)(x * self.mix[n[0]] + xx * (1 - self.mix[n[0]])) for n in ("key", "receptance", "value"))
        w, u = -torch.exp(self.decay), self.first
        aa = bb = torch.zeros_like(x[:, 0])
        pp = torch.full_like(aa, -1e38)
        out = []
        for t in range(x.size(1)):
            ww = u + k[:, t]
            p = torch.maximum(pp, ww)
            e1, e2 = torch.exp(pp - p), torch.exp(ww - p)
            out.append((e1 * aa + e2 * v[:, t]) / (e1 * bb + e2))
            ww = pp + w
            p = torch.maximum(ww, k[:, t])
            e1, e2 = torch.exp(ww - p), torch.exp(k[:, t] - p)
            aa, bb, pp = e1 * aa + e2 * v[:, t], e1 * bb + e2, p
        return self.output(torch.sigmoid(r) * torch.stack(out, 1))


@program("ssm-rwkv")
def _():
    return case(Rwkv(), randn(2, 4, 6), dynamic=({0: Dim("b")},), others=[(randn(3, 4, 6),)])
