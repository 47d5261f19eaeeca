"""Recurrent networks."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


class Tagger(nn.Module):
    def __init__(self, kind=nn.LSTM, **options):
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.rnn = kind(6, 5, batch_first=True, **options)
        width = options.get("proj_size", 5) * (2 if options.get("bidirectional") else 1)
        self.out = nn.Linear(width, 4)

    def forward(self, ids):
        y, state = self.rnn(self.embed(ids))
        return F.log_softmax(self.out(y), -1), state


for name, kind, options in [("lstm", nn.LSTM, {}), ("lstm-bidirectional", nn.LSTM, {"bidirectional": True, "num_layers": 2, "dropout": 0.2}),
                            ("lstm-projected", nn.LSTM, {"proj_size": 3, "num_layers": 2}), ("gru", nn.GRU, {"num_layers": 2}),
                            ("gru-bidirectional", nn.GRU, {"bidirectional": True, "bias": False}), ("rnn-tanh", nn.RNN, {}),
                            ("rnn-relu", nn.RNN, {"nonlinearity": "relu", "bidirectional": True})]:
    @program(f"rnn-{name}")
    def _(kind=kind, options=options):
        return case(Tagger(kind, **options), ints(20, 2, 6), dynamic=({0: Dim("b", max=16)},), others=[(ints(20, 3, 6),)])


@program("rnn-lstm-time")
def _():
    return case(Tagger(num_layers=2), ints(20, 2, 6), dynamic=({0: Dim.AUTO, 1: Dim.AUTO},), others=[(ints(20, 3, 6),)])


class Stateful(nn.Module):
    """States in and out, nested."""

    def __init__(self):
        super().__init__()
        self.lstm, self.gru = nn.LSTM(4, 5, 2), nn.GRU(5, 3)

    def forward(self, x, states):
        (h, c), g = states
        y, (h, c) = self.lstm(x, (h, c))
        z, g = self.gru(y, g)
        return z, ((h, c), g)


@program("rnn-states")
def _():
    made = lambda b: (randn(6, b, 4), ((randn(2, b, 5), randn(2, b, 5)), randn(1, b, 3)))  # noqa: E731
    b = Dim("b", max=16)
    return case(Stateful(), *made(2), dynamic=({1: b}, (({1: b}, {1: b}), {1: b})), others=[made(4)])


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(3, 4), nn.GRUCell(4, 5), nn.RNNCell(5, 4, nonlinearity="relu")
        self.h0 = nn.Parameter(torch.randn(4))

    def forward(self, x):
        b = x.size(1)
        h, c = self.h0.expand(b, -1), torch.zeros(b, 4, dtype=x.dtype)
        g, r, out = x.new_zeros(b, 5), None, []
        for t in range(x.size(0)):
            h, c = self.lstm(x[t], (h, c))
            g = self.gru(h, g)
            r = self.rnn(g, r)
            out.append(r)
        return torch.stack(out), (h, c, g)


@program("rnn-cells")
def _():
    return case(Cells(), randn(4, 2, 3), dynamic=({1: Dim("b", max=8)},), others=[(randn(4, 5, 3),)])


class ConvLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2 + 3, 12, 3, padding=1)

    def forward(self, x):
        b, t, _, hh, ww = x.shape
        h = c = torch.zeros(b, 3, hh, ww, device=x.device, dtype=x.dtype)
        for k in range(t):
            i, f, o, g = torch.split(self.conv(torch.cat([x[:, k], h], dim=1)), 3, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h, c


@program("rnn-convlstm")
def _():
    return case(ConvLstm(), randn(2, 3, 2, 5, 5), dynamic=({0: Dim("b"), 3: Dim("h", min=3), 4: Dim("w", min=3)},), others=[(randn(1, 3, 2, 4, 7),)])


class Seq2SeqAttention(nn.Module):
    """Bahdanau's attention over a bidirectional encoder, unrolled."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(5, 4, bidirectional=True, batch_first=True)
        self.init, self.wa, self.ua, self.va = nn.Linear(8, 6), nn.Linear(6, 5), nn.Linear(8, 5, bias=False), nn.Linear(5, 1, bias=False)
        self.cell, self.out = nn.GRUCell(8 + 3, 6), nn.Linear(6, 7)
        self.embed = nn.Embedding(7, 3)

    def forward(self, x, y):
        memory, h = self.encoder(x)
        s = torch.tanh(self.init(torch.cat([h[0], h[1]], -1)))
        outs = []
        for t in range(y.size(1)):
            e = self.va(torch.tanh(self.wa(s).unsqueeze(1) + self.ua(memory))).squeeze(-1)
            context = torch.bmm(torch.softmax(e, 1).unsqueeze(1), memory).squeeze(1)
            s = self.cell(torch.cat([context, self.embed(y[:, t])], 1), s)
            outs.append(self.out(s))
        return torch.stack(outs, dim=1)


@program("rnn-bahdanau")
def _():
    b = Dim("b", min=2, max=16)
    return case(Seq2SeqAttention(), randn(2, 5, 5), ints(7, 2, 3), dynamic=({0: b}, {0: b}), others=[(randn(4, 5, 5), ints(7, 4, 3))])


class Packed(nn.Module):
    """Lengths without packing: the last step of each is gathered, the rest masked."""

    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x, lengths):
        y, _ = self.lstm(x)
        last = y.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, y.size(2))).squeeze(1)
        mask = torch.arange(x.size(1), device=x.device)[None, :] < lengths[:, None]
        mean = (y * mask.unsqueeze(-1)).sum(1) / lengths.unsqueeze(-1)
        return self.out(last), mean, (y.masked_fill(~mask.unsqueeze(2), float("-inf"))).max(1)[0]


@program("rnn-lengths")
def _():
    b = Dim("b", min=2, max=16)
    return case(Packed(), randn(3, 5, 4), torch.tensor([5, 2, 3]), dynamic=({0: b}, {0: b}), others=[(randn(2, 5, 4), torch.tensor([1, 4]))])


class MinGru(nn.Module):
    """minGRU in log space, by logcumsumexp, and a QRNN pool by a loop."""

    def __init__(self, d=5):
        super().__init__()
        self.z, self.h = nn.Linear(4, d), nn.Linear(4, d)

    def forward(self, x):
        k, hid = self.z(x), self.h(x)
        log_z, log_c = -F.softplus(-k), -F.softplus(k)
        log_g = torch.where(hid >= 0, (F.relu(hid) + 0.5).log(), -F.softplus(-hid))
        a = F.pad(torch.cumsum(log_c, dim=1), (0, 0, 1, 0))
        values = torch.cat([torch.zeros(x.shape[0], 1, 5), log_z + log_g], dim=1)
        return torch.exp(a + torch.logcumsumexp(values - a, dim=1))[:, 1:]


@program("rnn-mingru")
def _():
    return case(MinGru(), randn(2, 6, 4), dynamic=({0: Dim("b"), 1: Dim("t", min=2)},), others=[(randn(3, 9, 4),)])


class CharCrnn(nn.Module):
    """Convolutions into a bidirectional LSTM into CTC's logits."""

    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Conv2d(4, 6, 3, 1, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d((2, 1), (2, 1)))
        self.rnn = nn.LSTM(12, 5, bidirectional=True)
        self.embedding = nn.Linear(10, 8)

    def forward(self, x):
        y = self.cnn(x)
        b, c, h, w = y.size()
        y = y.reshape(b, c * h, w).permute(2, 0, 1)
        y, _ = self.rnn(y)
        t, b, h = y.size()
        return F.log_softmax(self.embedding(y.view(t * b, h)).view(t, b, -1), 2)


@program("rnn-crnn")
def _():
    return case(CharCrnn(), randn(2, 1, 8, 12), dynamic=({0: Dim("b", max=16)},), others=[(randn(3, 1, 8, 12),)])
