"""Sizes that are symbols, and what is computed of them."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


class Arithmetic(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin, self.pos = nn.Linear(4, 6), nn.Parameter(torch.randn(1, 40, 6))

    def forward(self, x):
        b, t, _ = x.shape
        y = self.lin(x.reshape(b * t, 4)).view(b, t, 6) + self.pos[:, :t]
        half = t // 2
        a, c = y[:, :half], y[:, half:]
        pooled = F.avg_pool1d(y.transpose(1, 2), 2)
        z = y.reshape(b, -1, 2, 3).flatten(1, 2)
        return torch.cat([c, a], 1), pooled, z, y.sum(1) / t, torch.zeros(b, t + 1), torch.arange(t * 2 + 1), y.new_ones(b, (t + 3) // 4), y * (b * 0.1), torch.tensor([1.0]).expand(max(t, 3)) if False else y.mean()


@program("dyn-arithmetic")
def _():
    return case(Arithmetic(), randn(2, 6, 4), dynamic=({0: Dim.AUTO, 1: Dim.AUTO},), others=[(randn(3, 7, 4),), (randn(4, 12, 4),)])


class Derived(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)

    def forward(self, x, y):
        y = self.lin(y)
        return x + y[::2], y.view(-1, 2, 3).sum(1) * x, torch.cat([x, y])


@program("dyn-derived")
def _():
    d = Dim("d", min=2, max=32)
    return case(Derived(), randn(4, 3), randn(8, 3), dynamic=({0: d}, {0: 2 * d}), others=[(randn(5, 3), randn(10, 3))])


@program("dyn-derived-offset")
def _():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(3, 3)

        def forward(self, x, y):
            return self.lin(x)[:-1] * y

    d = Dim("d", min=2, max=32)
    return case(Net(), randn(5, 3), randn(4, 3), dynamic=({0: d + 1}, {0: d}), others=[(randn(8, 3), randn(7, 3))])


class Patches(nn.Module):
    """Sizes through convolutions: floors of quotients."""

    def __init__(self):
        super().__init__()
        self.c1, self.c2, self.pool = nn.Conv2d(1, 3, 3, stride=2), nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.MaxPool2d(3, 2, ceil_mode=True)

    def forward(self, x):
        y = self.c2(self.c1(x).relu())
        b, c, h, w = y.shape
        flat = y.flatten(2).transpose(1, 2)
        att = (flat @ flat.mT).softmax(-1) @ flat
        back = att.transpose(1, 2).reshape(b, c, h, w)
        up = F.interpolate(back, size=x.shape[2:], mode="bilinear")
        return up * x, self.pool(y), torch.cat([flat, flat.new_zeros(b, 1, c)], 1)


@program("dyn-patches")
def _():
    return case(Patches(), randn(2, 1, 17, 22), dynamic=({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},), others=[(randn(3, 1, 24, 19),)])


class Chunks(nn.Module):
    """Padding to a multiple, then blocks."""

    def __init__(self, size=4):
        super().__init__()
        self.lin, self.size = nn.Linear(5, 5), size

    def forward(self, x):
        b, t, d = x.shape
        y = F.pad(x, (0, 0, 0, (self.size - t % self.size) % self.size))
        y = y.view(b, -1, self.size, d)
        w = torch.softmax(self.lin(y) @ y.mT, -1) @ y
        return w.flatten(1, 2)[:, :t]


@program("dyn-chunks")
def _():
    return case(Chunks(), randn(2, 10, 5), dynamic=({1: Dim.AUTO},), others=[(randn(2, 7, 5),), (randn(2, 17, 5),)])


class SymInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 4)

    def forward(self, x, n):
        y = self.lin(x)
        return y[:, :2].repeat(1, n), torch.arange(n), torch.full((n, 2), n) + 1, y * n, n * 2


@program("dyn-symint")
def _():
    return case(SymInput(), randn(2, 3), 3, dynamic=(None, Dim.DYNAMIC), others=[(randn(2, 3), 5)])


class Nonzero(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 4)

    def forward(self, x, mask):
        i = mask.nonzero().squeeze(1)
        y = self.lin(x.index_select(0, i))
        return torch.zeros(x.size(0), 4).index_copy(0, i, y), y.sum(0), i


@program("dyn-nonzero")
def _():
    return case(Nonzero(), randn(4, 3), torch.tensor([True, False, True, True]), others=[(randn(4, 3), torch.tensor([False, False, True, False]))], double=False)


class Item(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 4)

    def forward(self, x, n):
        k = n.item()
        torch._check(k >= 1)
        torch._check(k <= x.size(0))
        return self.lin(x[:k]).sum(0), x.new_zeros(k, 2)


@program("dyn-item")
def _():
    return case(Item(), randn(5, 3), torch.tensor(2), others=[(randn(5, 3), torch.tensor(4))], double=False)


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 4)

    def forward(self, x, mask):
        y = self.lin(x)
        return y[mask].sum(0), torch.masked_select(y, mask.unsqueeze(1)).mean()


@program("dyn-masked-select")
def _():
    return case(Masked(), randn(4, 3), torch.tensor([True, False, True, True]), others=[(randn(4, 3), torch.tensor([False, True, False, False]))])


class Beam(nn.Module):
    """One step of a beam search: flattened topk, quotients and remainders, reordering."""

    def __init__(self, vocab=7):
        super().__init__()
        self.lin, self.vocab = nn.Linear(5, vocab), vocab

    def forward(self, hidden, scores, tokens):
        b, k, _ = hidden.shape
        logp = F.log_softmax(self.lin(hidden), -1) + scores.unsqueeze(-1)
        best, flat = logp.view(b, -1).topk(k, dim=-1)
        beam, token = flat // self.vocab, flat % self.vocab
        tokens = torch.cat([tokens.gather(1, beam.unsqueeze(-1).expand_as(tokens)), token.unsqueeze(-1)], -1)
        offset = torch.arange(b).unsqueeze(1) * k
        hidden = hidden.view(b * k, -1).index_select(0, (beam + offset).view(-1)).view(b, k, -1)
        return best, tokens, hidden, (token == 2).any(-1)


@program("dyn-beam")
def _():
    b, t = Dim("b", min=2), Dim("t", min=2)
    return case(Beam(), randn(2, 3, 5), randn(2, 3), ints(7, 2, 3, 4), dynamic=({0: b}, {0: b}, {0: b, 2: t}), others=[(randn(3, 3, 5), randn(3, 3), ints(7, 3, 3, 6))])


class Everything(nn.Module):
    """All axes free."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x, y):
        z = torch.einsum("bij,bjk->bik", x, y)
        z = self.conv(z.unsqueeze(1)) + x.mean() - y.amax()
        return z.permute(0, 2, 3, 1).reshape(z.shape[0], -1), z.mean((2, 3)), x.size(0) * y.size(2)


@program("dyn-everything")
def _():
    b, i, j, k = Dim("b", min=2), Dim("i", min=2), Dim("j", min=2), Dim("k", min=2)
    return case(Everything(), randn(2, 3, 4), randn(2, 4, 5), dynamic=({0: b, 1: i, 2: j}, {0: b, 1: j, 2: k}), others=[(randn(3, 5, 2), randn(3, 2, 4))])


class Broadcast(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)

    def forward(self, xs):
        y = [self.lin(x) for x in xs]
        n = torch.nn.utils.rnn.pad_sequence(y, batch_first=True) if False else torch.cat(y)
        return n.sum(0), torch.block_diag(y[0], y[1]) if False else y[0].mean(0, keepdim=True) + y[1]


@program("dyn-list")
def _():
    return case(Broadcast(), [randn(2, 3), randn(4, 3)], dynamic=([{0: Dim("m")}, {0: Dim("n")}],), others=[([randn(5, 3), randn(3, 3)],)])
