"""Complex numbers as pairs of real ones, and Fourier transforms."""
import torch
import torch.fft as fft

from judge import T, case, main

f64, c64, c128, i64 = torch.float64, torch.complex64, torch.complex128, torch.int64
C = lambda *shape: T(*shape, dtype=c64)  # noqa: E731

case("pairs", lambda x: torch.view_as_real(torch.view_as_complex(x) * (1 + 2j)), T(3, 4, 2), dynamic={0: (0, 1)}, other=[[T(2, 5, 2)]])
case("parts", lambda z: (z.real, z.imag, z.conj(), z.abs(), z.angle(), torch.conj_physical(z)), C(3, 4), gradient_tolerance=1e-3)
case("made", lambda a, b: (torch.complex(a, b), torch.polar(a, b)), T(3, 4, low=0.5, high=2), T(3, 4))
case("arithmetic", lambda z, w: (z + w, z - w, z * w, z / w, -z, torch.add(z, w, alpha=2), z.reciprocal(), z.square()), C(3, 4), C(3, 4), gradient_tolerance=1e-3)
case("broadcast", lambda z, w: (z + w, z * w, z[:1] + w.real), C(3, 4), C(4))
case("with real ones", lambda z, x: (z + x, x + z, z - x, x - z, z * x, x * z, z / x, x / z), C(3, 4), T(3, 4, low=1, high=2), gradient_tolerance=1e-3)
case("with numbers", lambda z: (z + 2, 3 - z, z * 1j, z / 2, (1 + 2j) / z, z * 0.5, z + 1j), C(3, 4), gradient_tolerance=1e-3)
case("functions", lambda z: (z.exp(), z.log(), z.sqrt(), z.sin(), z.cos(), z.tanh(), z.sigmoid(), z.sinh(), z.cosh()), C(3, 4), gradient_tolerance=1e-3)
case("powers", lambda z: (z**2, z**3, z**-1, z**0.5, z**1.5, z**0), C(3, 4), gradient_tolerance=1e-3)
case("comparisons", lambda z, w: (z == w, z != w, z == 1), torch.tensor([1 + 2j, 1 + 0j, 3j]), torch.tensor([1 + 2j, 2 + 0j, 2j]), grad=False)
case("moved", lambda z: (z.reshape(4, 3), z.transpose(0, 1), z[1], z[:, 1:3], z.flip(0), z.unsqueeze(0), z.expand(2, 3, 4), z.flatten(), z.mT), C(3, 4))
case("joined", lambda z, w, x: (torch.cat([z, w]), torch.stack([z, w], 1), torch.cat([z, x.to(c64)])), C(3, 4), C(3, 4), T(3, 4))
case("split", lambda z: (*z.split(2, 1), *z.chunk(3), *z.unbind(0)), C(3, 4))
case("sums", lambda z: (z.sum(), z.sum(1), z.mean(0, keepdim=True), z.cumsum(1)), C(3, 4))
case("norms", lambda z: (torch.linalg.vector_norm(z), z.abs().sum(), torch.linalg.vector_norm(z, dim=1)), C(3, 4))
case("products", lambda a, b: (a @ b, torch.mm(a, b), torch.einsum("ij,jk->ki", a, b), a.mv(b[:, 0]), torch.dot(a[0], b[:, 0]), torch.vdot(a[0], b[:, 0])), C(3, 4), C(4, 2))
case("products of batches", lambda a, b, x: (torch.bmm(a, b), a @ x, torch.einsum("bij,bjk->bik", a, b)), C(2, 3, 4), C(2, 4, 5), C(4, 5))
case("linear", lambda x, w, b: (torch.nn.functional.linear(x, w, b), torch.outer(b, b)), C(3, 4), C(5, 4), C(5))
case("chosen", lambda z, w, m: (torch.where(m, z, w), z.masked_fill(m, 1 + 1j), z.masked_fill(m, 0)), C(3, 4), C(3, 4), T(3, 4, dtype=torch.bool))
case("converted", lambda x, z: (x.to(c64) * z, torch.zeros(3, 4, dtype=c64) + z, torch.full((2,), 1 + 2j), torch.ones(3, 4, dtype=c64), torch.zeros_like(z)), T(3, 4), C(3, 4))
case("double", lambda z: (z * z).real, T(3, 4, dtype=c128))


def written(z, w):
    y = torch.zeros(3, 4, dtype=c64)
    y[:, 1:3] = z[:, :2] * w[:, :2]
    y[0] += 1j
    y.transpose(0, 1)[3].copy_(w[:, 0].real)
    y.view(-1)[4:6].fill_(2 + 1j)
    return y


case("in place through views", written, C(3, 4), C(3, 4))
case("in place", lambda z, w: z.clone().mul_(w).add_(1j), C(3, 4), C(3, 4))


def rope(x, freqs):
    x_ = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(x_ * freqs[None, : x.shape[1], None]).flatten(3).type_as(x)


class Rope(torch.nn.Module):
    def __init__(self):
        super().__init__()
        angles = torch.outer(torch.arange(16).float(), 1.0 / 10000 ** (torch.arange(0, 8, 2).float() / 8))
        self.register_buffer("freqs", torch.polar(torch.ones_like(angles), angles), persistent=False)

    def forward(self, x):
        return rope(x, self.freqs)


case("rope", Rope(), T(2, 5, 3, 8), dynamic={0: (0, 1)}, other=[[T(1, 9, 3, 8)]])

for norm in ("backward", "ortho", "forward"):
    case(f"fft {norm}", lambda x, z, n=norm: (fft.fft(x, norm=n), fft.ifft(z, norm=n), fft.rfft(x, norm=n), fft.irfft(z, norm=n), fft.fft(z, dim=0, norm=n)), T(3, 8), C(3, 5))
    case(f"fft2 {norm}", lambda x, z, n=norm: (fft.fft2(x, norm=n), fft.ifft2(z, norm=n), fft.rfft2(x, norm=n), fft.irfft2(z, norm=n)), T(2, 4, 6), C(2, 4, 4))
case("fft n", lambda x, z: (fft.fft(x, n=5), fft.fft(x, n=11), fft.rfft(x, n=10, dim=0), fft.irfft(z, n=7), fft.irfft(z, n=12), fft.ifft(z, n=3, dim=0)), T(3, 8), C(3, 5))
case("fftn", lambda x, z: (fft.fftn(x), fft.fftn(x, dim=(0, 2)), fft.rfftn(x, s=(3, 5)), fft.ifftn(z), fft.irfftn(z, dim=(0, 1))), T(2, 4, 6), C(2, 4, 4))
case("irfft2 s", lambda z: fft.irfft2(z, s=(4, 7)), C(2, 4, 4))
case("hfft", lambda x, z: (fft.hfft(z), fft.ihfft(x), fft.hfft(z, n=7, norm="ortho")), T(3, 8), C(3, 5))
case("shifts", lambda x, z: (fft.fftshift(x), fft.ifftshift(x, dim=1), fft.fftshift(z, dim=(0,)), fft.fftfreq(7, 0.5) + x[0, :7], fft.rfftfreq(8) + x[0, :5]), T(3, 7), C(3, 5))
case("fft float64", lambda x: fft.rfft(x).abs(), T(3, 8, dtype=f64))
case("fft long", lambda x: (fft.rfft(x), fft.irfft(fft.rfft(x) * 2)), T(2, 1024), gradient_tolerance=1e-3)
case("fft odd and long", lambda x, y: (fft.fft(x), fft.rfft(y), fft.fft(y, dim=0)), T(1, 601), T(600, 2), gradient_tolerance=1e-3)
case("fft dynamic", lambda x: (fft.rfft(x).abs(), fft.fft(x).real), T(2, 16), dynamic={0: (0, 1)}, other=[[T(3, 24)]], gradient_tolerance=1e-3)
case("stft", lambda x: torch.stft(x, 16, 4, window=torch.hann_window(16), return_complex=True).abs(), T(2, 64), dynamic={0: (0, 1)}, other=[[T(3, 80)]], gradient_tolerance=1e-3, decompose=False)
case("stft forms", lambda x: (torch.stft(x, 16, 8, 12, torch.hann_window(12), center=False, normalized=True, return_complex=True), torch.stft(x, 8, center=False, onesided=False, window=torch.ones(8), return_complex=True)), T(48))
case("fourier mixing", lambda x: fft.fft(fft.fft(x, dim=-1), dim=-2).real, T(2, 6, 8), dynamic={0: (0,)}, other=[[T(3, 6, 8)]])

if __name__ == "__main__":
    main()
