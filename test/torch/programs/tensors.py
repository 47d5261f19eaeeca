"""What tensors do besides layers: views, writes in place, kinds of numbers, indices."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


class Own(nn.Module):
    """A function of tensors, with one linear layer so that there is something to differentiate."""

    def __init__(self, f, i=None, o=None, **buffers):
        super().__init__()
        self.f = f
        if i is not None:
            self.lin = nn.Linear(i, o)
        for k, v in buffers.items():
            self.register_buffer(k, v)

    def forward(self, *args):
        return self.f(self, *args)


def of(i=None, o=None, **buffers):
    return lambda f: Own(f, i, o, **buffers)


@program("tensor-in-place")
def _():
    @of(6, 8)
    def net(self, x):
        y = self.lin(x)
        y.mul_(2.0).add_(1.0).clamp_(min=-1.5)
        y[:, 0] = 3.0
        y[:, 1:3] = x[:, :2]
        y[0] += 1
        y[:, -1].copy_(x[:, 0])
        y[..., 4].sub_(y[..., 5])
        z = torch.zeros_like(y)
        z[:, ::2] = y[:, 1::2].sigmoid()
        z[:, 1] = y.sum(-1)
        w = y.clone()
        w[w > 0.5] = 0.0
        w.masked_fill_(w < -1, -1.0).neg_()
        v = y.view(-1, 2, 4)
        v[:, 0].zero_()
        u = torch.empty(3, 2).fill_(0.5)
        u.t()[0] = 4
        return y, z, w, u, y.relu_() if False else y.abs()

    return case(net, randn(4, 6))


@program("tensor-in-place-dynamic")
def _():
    @of(6, 8)
    def net(self, x):
        y = self.lin(x)
        out = x.new_zeros(x.shape[0] + 1, 8)
        out[1:] = y
        out[:-1, 2:4] += 2 * y[:, :2]
        out[0, 0] = -1
        i = torch.arange(x.shape[0])
        out[i, i % 8] = 7.0
        return out

    return case(net, randn(4, 6), dynamic=(({0: Dim("b", min=2)},),), others=[(randn(6, 6),)])


@program("tensor-views")
def _():
    @of(6, 12)
    def net(self, x):
        y = self.lin(x)
        a = torch.as_strided(y, (2, 3, 3), (6, 1, 2))
        b = y.unfold(1, 5, 3)
        c = y.view(4, 3, 2, 2).permute(0, 3, 1, 2).reshape(8, 6)
        d = y.movedim(0, 1).swapaxes(0, 1).unsqueeze(1).squeeze(1).narrow(1, 2, 4).select(1, -1)
        e = y.reshape(2, 2, -1).flatten(0, 1).rot90(1, [0, 1]).flip((0, 1)).roll(3)
        g = torch.diagonal(y.view(4, 3, 4), dim1=1, dim2=2, offset=1)
        h = y.tile(2, 1).repeat_interleave(2, 0).repeat(1, 2, 1)
        s = torch.stack(y.unbind(1)[:3], -1), torch.cat(y.tensor_split([2, 7], 1)[::2], 1), torch.hstack([y, x]), torch.vstack([y, y]), torch.column_stack([y[:, 0], x])
        return a, b, c, d, e, g, h, *s, y.unflatten(-1, (3, -1)).mT, y[:, None, ::3, None].expand(-1, 2, -1, 3), y[-1:, ..., 1:-2:2], torch.atleast_2d(y[0]), y.ravel()[5:].view(-1)

    return case(net, randn(4, 6))


@program("tensor-promotion")
def _():
    @of(3, 4, count=torch.tensor(3), portion=torch.tensor(0.5))
    def net(self, x, n, b):
        y = self.lin(x)
        m = n * 2.5 + 1
        return (n / 2, n // 4, -n // 4, n % 5, (-n) % 5, torch.remainder(-n, 3), torch.fmod(-n, 3), torch.div(n, 3, rounding_mode="trunc"), torch.div(-n, 3, rounding_mode="floor"),
                m + n, b + n, b & (n > 2), ~b, b.sum(), b.sum(0), b.float().mean(), y * n[0, 0], y + self.count, self.count * self.portion, n.to(torch.int32) + self.count,
                n.int() / n.int(), 2**n.clamp(0, 4), n**2, 1 / (n + 10), 7 - n, y.detach() // 0.3, y % 0.7, torch.floor_divide(y.detach(), -0.4), torch.remainder(y, -0.7), n.bool() ^ b, n.float().long(), (y * 3).int(),
                n.type_as(y), torch.where(b, n, 0.5), torch.where(b, 1, 2), n.true_divide(3), n >> 1, n << 2, n & 3, n | 8, ~n, b.any(), b.all(1), torch.logical_xor(b, n > 0), n.abs(), n.sign(), n.neg())

    return case(net, randn(2, 3), torch.tensor([[5, -7, 9], [2, -3, 11]]), torch.tensor([[True, False, True], [False, False, True]]))


@program("tensor-rounding")
def _():
    @of(6, 8)
    def net(self, x):
        y = self.lin(x) * 3
        return (y.floor(), y.ceil(), y.trunc(), y.round(), torch.round(y, decimals=1), y.frac(), y.sign(), y.clamp(-1, 2), y.clamp(min=y.mean()), torch.clamp(y, max=torch.tensor(0.5)), torch.clip(y, -0.5),
                torch.nan_to_num(torch.log(y), nan=0.3, neginf=-5.0), torch.isnan(y.log()), torch.isinf(1 / (y - y)), torch.isfinite(y), y.signbit(), torch.copysign(y, y.flip(0)), torch.heaviside(y.detach(), y.new_tensor(0.5)),
                torch.maximum(y, y.flip(0)), torch.minimum(y, torch.tensor(0.1)), torch.fmax(y, y * 0.5), torch.hypot(y, y + 1), y.reciprocal(), y.square(), y.abs().sqrt(), torch.pow(y.abs(), 1.7), 2.0**y, torch.pow(y, 3))

    return case(net, randn(4, 6))


@program("tensor-transcendental")
def _():
    @of(6, 8)
    def net(self, x):
        y = self.lin(x)
        p = y.sigmoid() * 0.9 + 0.05
        return (y.tan(), p.asin(), p.acos(), y.atan(), y.sinh(), y.cosh(), y.asinh(), (1 + p).acosh(), p.atanh(), torch.atan2(y, p), y.erf(), y.erfc(), torch.special.erfinv(p) if False else p, p.log(), p.log2(), p.log10(),
                p.log1p(), y.exp2(), y.expm1(), p.logit(), torch.logit(p, eps=0.2), torch.logaddexp(y, p), torch.xlogy(p, p), torch.special.entr(p), p.rsqrt(), y.sinc() if False else y.sin(), torch.lgamma(p + 1) if False else p,
                torch.rad2deg(y), torch.deg2rad(y), torch.addcmul(y, p, p, value=0.3), torch.addcdiv(y, p, p + 1, value=-0.7), torch.lerp(y, p, 0.3), torch.lerp(y, p, p), F.softplus(y, 2.0), torch.special.expit(y))

    return case(net, randn(4, 6))


@program("tensor-reductions")
def _():
    @of(6, 8)
    def net(self, x):
        y = self.lin(x).view(x.shape[0], 2, 4)
        v, m = torch.var_mean(y, dim=(1, 2), correction=0)
        s, m2 = torch.std_mean(y, -1, keepdim=True)
        lo, hi = torch.aminmax(y, dim=1)
        return (y.sum(), y.sum((0, -1)), y.mean(), y.mean(1, keepdim=True), y.prod(1), y.prod(), y.amax((1, 2)), y.amin(-1), y.max(), y.min(), *y.max(-1), *y.min(1, keepdim=True), v, m, s, m2, y.var(), y.std(0), lo, hi,
                y.norm(), y.norm(p=1, dim=1), torch.linalg.vector_norm(y, ord=3, dim=(1, 2)), torch.linalg.vector_norm(y, float("inf"), -1), torch.linalg.norm(y, dim=-1), torch.linalg.matrix_norm(y), y.logsumexp((1, 2)), torch.logsumexp(y, 0, True),
                torch.cumsum(y, 1), y.cumprod(-1), torch.logcumsumexp(y, 2), (y > 0).any(1), (y > 0).all(), torch.count_nonzero(y > 0, dim=1), y.argmax(-1), y.argmin(), torch.any(y > 2), y.nansum(-1), torch.diff(y, dim=1), torch.dist(y, y * 2), y.softmax(1).sum(2),
                torch.mean(y, dim=(0, 1), dtype=torch.float64), torch.sum(y > 0, dtype=torch.int32), y.amax(), F.normalize(y, p=1, dim=1), torch.renorm(y, 2, 0, 1.0), y.median() if False else y[0])

    return case(net, randn(4, 6))


@program("tensor-indexing")
def _():
    @of(6, 8, table=torch.tensor([2, 0, 1]))
    def net(self, x, i):
        y = self.lin(x)
        z = y.view(-1, 2, 4)
        mask = y > 0
        rows = torch.arange(y.size(0))
        w = y.clone()
        w[rows, i] = 0.5
        w[i % y.size(0)] *= 2.0
        u = torch.index_put(y, (rows, i), x[:, 0], accumulate=True)
        return (y[i % y.size(0)], y[:, i], y[rows, i], z[:, [0, 1, 1], [3, 0, -1]], z[rows[:, None], 0, i % 4], z[..., self.table], y[[-1, 0]], y.take(i), torch.take_along_dim(y, i[:, None], 1), y.gather(1, i[:, None].expand(-1, 3)),
                w, u, y.index_select(1, self.table), y.index_fill(1, self.table, -2.0), y.scatter(1, i[:, None], 9.0), y.scatter_add(1, i[:, None].repeat(1, 2), x[:, :2]), y.scatter(1, i[:, None], x[:, :1], reduce="add") if False else y,
                y.masked_fill(mask, 0), torch.where(mask, y, -1.0), y.masked_scatter(mask, torch.arange(200.0).to(y.dtype)), torch.tril(y, 1), torch.triu(y, -1), y.new_full((2,), 3.5), y[y.size(0) - 1], z[:, 1, None, :2], y[:, -3:-1], y[None, ..., :1],
                y.index_add(1, self.table, x[:, :3], alpha=0.5), y.index_copy(1, self.table, x[:, :3]), torch.select_scatter(y, x[:, 0], 1, 2), torch.slice_scatter(y, x[:, :2], 1, 3, 7, 2), torch.diagonal_scatter(y[:, :4], x[:4, 0]) if False else y, y[-1, -1])

    return case(net, randn(4, 6), torch.tensor([3, 1, 7, 0]))


@program("tensor-indexing-dynamic")
def _():
    @of(6, 8)
    def net(self, x, i):
        y = self.lin(x)
        rows = torch.arange(y.size(0))
        return y[rows, i], y[i], y.index_select(0, i.flip(0)), y.gather(0, i[:, None].expand(-1, 8)), y[1:], y[: y.size(0) // 2], y[::2], y[-2:], y.narrow(0, 0, y.size(0) - 1), y[rows[:, None] >= rows[None]] if False else y.t()[:, i]

    b = Dim("b", min=4, max=8)
    return case(net, randn(4, 6), torch.tensor([3, 1, 2, 0]), dynamic=(({0: b}, {0: b}),), others=[(randn(7, 6), torch.tensor([3, 1, 2, 0, 6, 6, 5]))])


@program("tensor-creation")
def _():
    @of(4, 4)
    def net(self, x):
        n = x.shape[0]
        eye = torch.eye(n, 4, dtype=x.dtype)
        r = torch.arange(1, 2 * n, 2)
        return (self.lin(x) + eye, r, torch.arange(0, 1, 0.25), torch.linspace(-1, 1, 5), torch.zeros(n, 2), torch.ones_like(x, dtype=torch.int64), torch.full((n,), 7), torch.full((2, n), 0.3), torch.empty(0, 4), x.new_tensor([1.0, 2.0]),
                torch.tensor([[1, 2], [3, 4]]), torch.tensor(n), torch.full((), True), torch.zeros_like(x).bool(), torch.tril(torch.ones(n, n)), torch.logspace(0, 2, 3) if False else r, torch.meshgrid(r, torch.arange(3), indexing="xy")[0],
                torch.cartesian_prod(torch.arange(2), torch.arange(3)), torch.scalar_tensor(2.5), torch.ones(n).cumsum(0), torch.triu_indices(3, 3, 1), torch.block_diag(x[:2], x[:1]), torch.outer(x[0], x[1]), torch.kron(x[:1], x[:2]), torch.vander(x[0], 3) if False else r)

    return case(net, randn(3, 4), dynamic=(({0: Dim("n", min=3)},),), others=[(randn(5, 4),)])


@program("tensor-scalars")
def _():
    @of(4, 1, gain=torch.tensor(2.0), steps=torch.tensor(4, dtype=torch.int32))
    def net(self, x, s, k):
        y = self.lin(x).squeeze(-1)
        t = (y.sum() * s + k) * self.gain
        return t, t.reshape(1), t.expand(2, 3), y * t, k // 2, self.steps + k, torch.stack([t, s, y.mean()]), t.sigmoid() > 0.5, y.mean() / self.steps, s.unsqueeze(0), torch.max(t, s), y.dot(y), s**2

    return case(net, randn(3, 4), torch.tensor(0.3), torch.tensor(7))


@program("tensor-matmul")
def _():
    @of(4, 5)
    def net(self, x):
        y = self.lin(x)
        b = y.view(2, 3, 5)
        return (x @ x.t(), torch.mv(y, y[0]), torch.dot(y[0], y[1]), torch.bmm(b, b.mT), torch.matmul(b, y[0]), torch.matmul(y[:3, 0], b), torch.tensordot(b, b, dims=([0, 2], [0, 2])), torch.addmm(y[0], x, x[:4, :1] @ y[:1], beta=0.5, alpha=2), torch.addmv(y[:, 0], y, y[0]),
                torch.einsum("bij,bkj->bik", b, b), torch.einsum("ii->i", x[:4]), torch.einsum("ii", x[:4]), torch.einsum("i,j->ij", y[0], y[1]), torch.einsum("bij->b", b), torch.einsum("...ij->...ji", b), torch.inner(y, y), torch.chain_matmul(x, x.t(), y) if False else torch.linalg.multi_dot([x, x.t(), y]),
                torch.addbmm(y[:3, :3], b, b.mT), torch.baddbmm(b[:, :, :1] * 1.0, b, b.mT), torch.linalg.matrix_power(x[:4] * 0.5, 3), y.T @ x, b.transpose(0, 2) @ b.transpose(0, 2).mT, torch.vdot(y[0], y[1]), F.linear(b, self.lin.weight.t()))

    return case(net, randn(6, 4))


@program("tensor-integers")
def _():
    @of(None, None, primes=torch.tensor([1, 31, 961]), w=torch.tensor([[3, -1], [2, 5], [0, 1]]))
    def net(self, n):
        h = (n * self.primes).sum(-1) % 17
        return h, torch.bitwise_xor(n[:, 0], n[:, 1]), n @ self.w, n.cumsum(1), n.max(1)[0], torch.unique_consecutive(n) if False else n.sort(1)[0], F.one_hot(h, 17).sum(0), (n == 3).nonzero() if False else (n == 3), n.float().std(), n.prod(1), n.clamp(1, 4), n.min(), torch.gcd(n, n + 2) if False else n, (n.unsqueeze(1) == n.unsqueeze(0)).all(-1)

    return case(net, ints(9, 4, 3), dynamic=(({0: Dim("b", min=2)},),), others=[(ints(9, 6, 3),)], double=False)


class Lifted(nn.Module):
    """Tensors made in forward of Python lists, closures over tensors, and a plain attribute that is a tensor."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.plain = torch.tensor([0.3, 0.2, 0.1])
        self.lists = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor(4)]

    def forward(self, x):
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        x = (x - mean) / std
        idx = torch.tensor([2, 0])
        return self.lin(x)[:, idx] * self.lists[1], x * self.plain + self.lists[0]


@program("tensor-lifted-constants")
def _():
    return case(Lifted(), randn(2, 3), double=False)


@program("tensor-game-of-life")
def _():
    @of(None, None)
    def net(self, x):
        k = torch.ones(1, 1, 3, 3)
        for _ in range(2):
            n = F.conv2d(F.pad(x.float(), (1, 1, 1, 1), mode="circular"), k) - x
            x = ((n == 3) | ((x == 1) & (n == 2))).to(x.dtype)
        return x

    return case(net, ints(2, 1, 1, 6, 6), double=False)


@program("tensor-images")
def _():
    @of(None, None, kernel=torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None])
    def net(self, x):
        x = x.to(torch.float32) / 255
        g = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
        dx, dy = F.conv2d(g, self.kernel, padding=1), F.conv2d(g, self.kernel.transpose(2, 3), padding=1)
        m = torch.sqrt(dx**2 + dy**2 + 1e-6)
        value, _ = x.max(1)
        chroma = value - x.min(1)[0]
        return m, torch.atan2(dy, dx), (chroma / (value + 1e-8)), (m * 255).round().clamp(0, 255).to(torch.uint8), x.flip(-1)[:, [2, 1, 0]], torch.stack([m.mean(), m.std()])

    return case(net, torch.randint(0, 256, (2, 3, 8, 9), dtype=torch.uint8), dynamic=(({0: Dim("b"), 2: Dim("h", min=3, max=64), 3: Dim("w", min=3, max=64)},),),
                others=[(torch.randint(0, 256, (1, 3, 6, 5), dtype=torch.uint8),)], double=False)


class SpecialFunctions(nn.Module):
    """Those of windows (i0) and of tails (log_ndtr, erfcx), on both sides of where their series meet."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 6)

    def forward(self, x):
        y = self.lin(x)
        tails = torch.special.log_ndtr(1.5 * y), torch.special.erfcx(y), torch.special.ndtr(y)
        return torch.i0(4 * y), torch.special.i0(y), torch.special.i0e(5 * y), *tails, torch.trapz(y, dx=0.5), torch.trapezoid(y, dim=0)


@program("tensor-special-functions")
def _():
    return case(SpecialFunctions(), torch.randn(4, 5), dynamic=({0: torch.export.Dim.AUTO},), others=[(torch.randn(7, 5),)])
