"""Networks as a newcomer writes them: branches, shared weights, other names, odd sizes, recurrences with every option."""
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.dirname(__file__))
from judge import judge  # noqa: E402


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(5, 1), nn.Linear(5, 4)
        self.join = nn.Linear(6, 3)

    def forward(self, x, y):
        both = torch.cat([torch.relu(self.left(x)), torch.tanh(self.right(x)), y], -1)
        return {"output": self.join(both), "side": self.right(x)}


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)

    def forward(self, x):
        return self.body(torch.relu(self.body(x)))


class Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3, bias=False)

    def forward(self, x):
        return x + self.a(x) + self.b(nn.functional.silu(self.a(x)))


class Sequence(nn.Module):
    def __init__(self, rnn, features, out=2):
        super().__init__()
        self.rnn, self.head = rnn, nn.Linear(features, out)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


class LseClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(7, 5)
        self.W, self.c = nn.Parameter(torch.randn(4, 3, 5)), nn.Parameter(torch.randn(4, 3))
        self.log_eps = nn.Parameter(torch.tensor([-0.4]))

    def forward(self, x):
        z = torch.einsum("bd,knd->bkn", torch.selu(self.fc1(x)), self.W) + self.c
        eps = self.log_eps.exp()
        return torch.softmax(eps * torch.logsumexp(z / eps, -1) / 0.7, -1)


class Wrapped(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.module = inner

    def forward(self, *inputs):
        return self.module(*inputs)


def call(net, inputs):
    return net(*inputs.values())


def x(*shape):
    return {"x": torch.randn(*shape)}


torch.manual_seed(21)
cases = {
    "branches": (Branches(), {**x(3, 5), "y": torch.randn(3, 1)}, call),
    "shared": (Shared(), x(1, 4), call),
    "skip": (Skip(), x(2, 3), call),
    "lse-classifier": (LseClassifier(), x(3, 7), call),
    "wrapped": (Wrapped(Wrapped(nn.Sequential(nn.Linear(3, 1), nn.Softplus(), nn.Linear(1, 2)))), x(3, 3), call),
    "rnn-relu-deep": (Sequence(nn.RNN(3, 1, 3, nonlinearity="relu", batch_first=True), 1), x(2, 4, 3), call),
    "gru-two-ways": (Sequence(nn.GRU(1, 5, 2, bidirectional=True, bias=False, batch_first=True), 10), x(3, 6, 1), call),
    "lstm-projected": (Sequence(nn.LSTM(4, 6, 2, proj_size=3, batch_first=True), 3), x(2, 5, 4), call),
    "lstm-one-step": (Sequence(nn.LSTM(4, 6, bidirectional=True, batch_first=True), 12), x(1, 1, 4), call),
    "lstm-time-first": (Sequence(nn.LSTM(4, 3), 3), x(6, 2, 4), call),
    "prelu-per-channel": (nn.Sequential(nn.Linear(4, 6), nn.PReLU(6), nn.Linear(6, 1)), x(5, 4), call),
    "deep-mlp": (nn.Sequential(*[nn.Linear(8, 8), nn.ELU(0.7)] * 1, *[m for _ in range(6) for m in (nn.Linear(8, 8), nn.Mish())]), x(2, 8), call),
}

if __name__ == "__main__":
    judge(sys.argv[1], cases)
