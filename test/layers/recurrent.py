"""Recurrent networks and cells as PyTorch computes them."""
import os
import sys

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, os.path.dirname(__file__))
from judge import judge  # noqa: E402

B, T, IN, H = 3, 5, 4, 6


def module(kind, *sizes, **options):
    return nn.ModuleDict({"net": getattr(nn, kind.upper())(*(sizes or (IN, H)), **options)})


def final(hn):
    return dict(zip(("h_n", "c_n"), hn if isinstance(hn, tuple) else (hn,)))


def call(net, inputs):
    own = net["net"]
    states = tuple(inputs[name] for name in ("h0", "c0") if name in inputs)
    args = () if not states else ((states if own.mode == "LSTM" else states[0]),)
    x = inputs["x"]
    if "lengths" in inputs:
        packed = pack_padded_sequence(x, inputs["lengths"], batch_first=own.batch_first, enforce_sorted=False)
        y, hn = own(packed, *args)
        y, _ = pad_packed_sequence(y, batch_first=own.batch_first, total_length=x.shape[1 if own.batch_first else 0])
    else:
        y, hn = own(x, *args)
    return {"output": y, **final(hn)}


def last(net, inputs):
    """The final state of the last layer, directions side by side: what classifiers of sequences read."""
    _, hn = net["net"](inputs["x"])
    h = hn[0] if isinstance(hn, tuple) else hn
    own = net["net"]
    directions = 2 if own.bidirectional else 1
    rows = h[-directions:]
    return net["fc"](torch.cat(list(rows), -1))


def given(own, lengths=False, unbatched=False):
    net = own["net"]
    lead = net.num_layers * (2 if net.bidirectional else 1)
    size = net.proj_size or H
    batch = () if unbatched else (B,)
    inputs = {"x": torch.randn(*batch, T, IN) if net.batch_first or unbatched else torch.randn(T, B, IN)}
    inputs["h0"] = torch.randn(lead, *batch, size)
    if net.mode == "LSTM":
        inputs["c0"] = torch.randn(lead, *batch, H)
    if lengths:
        inputs["lengths"] = torch.tensor([3, 5, 1])
    return inputs


torch.manual_seed(11)
cases = {}
for kind in ("rnn", "gru", "lstm"):
    plain = module(kind, batch_first=True)
    cases[f"{kind}-plain"] = (plain, {"x": torch.randn(B, T, IN)}, call)
    deep = module(kind, num_layers=2, bidirectional=True, batch_first=True)
    cases[f"{kind}-deep"] = (deep, given(deep), call)
    packed = module(kind, num_layers=2, bidirectional=True, batch_first=True)
    cases[f"{kind}-packed"] = (packed, given(packed, True), call)
    bare = module(kind, bias=False, num_layers=3)
    cases[f"{kind}-time-first"] = (bare, given(bare), call)
    alone = module(kind, batch_first=True, bidirectional=True)
    cases[f"{kind}-unbatched"] = (alone, given(alone, unbatched=True), call)
    top = module(kind, batch_first=True, bidirectional=True, num_layers=2)
    top["fc"] = nn.Linear(2 * H, 3)
    cases[f"{kind}-last"] = (top, {"x": torch.randn(B, T, IN)}, last)
relu = module("rnn", nonlinearity="relu", bidirectional=True, batch_first=True)
cases["rnn-relu"] = (relu, given(relu), call)
projected = module("lstm", proj_size=2, num_layers=2, bidirectional=True, batch_first=True)
cases["lstm-projected"] = (projected, given(projected, True), call)


def cell(net, inputs):
    own = net["cell"]
    if isinstance(own, nn.LSTMCell):
        h, c = own(inputs["x"], (inputs["h"], inputs["c"]) if "h" in inputs else None)
        return {"output": h, "c_n": c}
    return own(inputs["x"], inputs.get("h"))


states = {"x": torch.randn(B, IN), "h": torch.randn(B, H), "c": torch.randn(B, H)}
for kind, own in {
    "rnn": nn.RNNCell(IN, H),
    "rnn-relu": nn.RNNCell(IN, H, nonlinearity="relu", bias=False),
    "gru": nn.GRUCell(IN, H),
    "lstm": nn.LSTMCell(IN, H),
}.items():
    inputs = {key: states[key].clone() for key in ("x", "h", "c") if key != "c" or kind == "lstm"}
    cases[f"{kind}-cell"] = (nn.ModuleDict({"cell": own}), inputs, cell)
cases["lstm-cell-from-zero"] = (nn.ModuleDict({"cell": nn.LSTMCell(IN, H)}), {"x": states["x"].clone()}, cell)


class Tagger(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.embedding = nn.Embedding(9, 4, padding_idx=0)
        self.lstm = nn.LSTM(4, H, batch_first=True, bidirectional=True, **options)
        self.fc = nn.Linear(2 * H, 5)

    def forward(self, tokens, lengths=None):
        x = self.embedding(tokens)
        if lengths is None:
            return self.fc(self.lstm(x)[0])
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=tokens.shape[1])
        return self.fc(y)


class Renamed(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.rnn = nn.GRU(4, H, batch_first=True)
        self.classifier = nn.Linear(H, 5)

    def forward(self, tokens):
        return torch.softmax(self.classifier(self.rnn(self.words(tokens))[0]) / 0.5, -1)


class LseTagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        self.lstm = nn.LSTM(4, H, batch_first=True, bidirectional=True)
        self.fc = nn.Module()
        self.fc.weight = nn.Parameter(torch.randn(5, 3, 2 * H))
        self.fc.bias = nn.Parameter(torch.randn(5, 3))

    def forward(self, tokens):
        y = self.lstm(self.embedding(tokens))[0]
        z = torch.einsum("btd,knd->btkn", y, self.fc.weight) + self.fc.bias
        return 0.5 * torch.logsumexp(z / 0.5, -1)


class Crf(Tagger):
    """A tagger whose best path of tags is that of a linear-chain CRF."""

    def __init__(self):
        super().__init__()
        self.crf = nn.Module()
        self.crf.transitions = nn.Parameter(torch.randn(5, 5))
        self.crf.start_transitions = nn.Parameter(torch.randn(5))

    def forward(self, tokens):
        e = super().forward(tokens)
        delta = self.crf.start_transitions + e[:, 0]
        for t in range(1, e.shape[1]):
            delta = (delta[:, :, None] + self.crf.transitions).amax(1) + e[:, t]
        return delta.amax(1)


tokens = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0], [8, 1, 2, 0, 0]])
cases["tagger"] = (Tagger(num_layers=2), {"tokens": tokens}, lambda m, i: m(i["tokens"]))
cases["tagger-lengths"] = (
    Tagger(),
    {"tokens": tokens, "lengths": torch.tensor([5, 2, 3])},
    lambda m, i: m(i["tokens"], i["lengths"]),
)
cases["tagger-renamed"] = (Renamed(), {"tokens": tokens}, lambda m, i: m(i["tokens"]))
cases["tagger-lse"] = (LseTagger(), {"tokens": tokens}, lambda m, i: m(i["tokens"]))
cases["tagger-crf"] = (Crf(), {"tokens": tokens.clamp(min=1)}, lambda m, i: {"score": m(i["tokens"])})

if __name__ == "__main__":
    judge(sys.argv[1], cases)
