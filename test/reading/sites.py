"""Networks of PyTorch, written by both of its exporters, for the reading of foreign files: python3 sites.py FOLDER."""

import logging
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(8, 8), nn.Tanh())

    def forward(self, x):
        return x + self.inner(x)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.blocks = nn.Sequential(Block(), Block(), Block())
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return torch.softmax(self.head(self.blocks(torch.relu(self.first(x)))), -1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        parts = [p(self.norm(x)).unflatten(-1, (2, 4)).transpose(1, 2) for p in (self.q, self.k, self.v)]
        return nn.functional.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(-2)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 6, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(12, 5, batch_first=True)
        self.rnn = nn.RNN(5, 3, batch_first=True)

    def forward(self, x):
        return self.rnn(self.gru(self.lstm(x)[0])[0])[0]


class Picture(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        return nn.functional.softplus(self.pool(nn.functional.gelu(self.norm(self.conv(x))))).logsumexp(-1)


networks = {
    "residual": (Residual(), torch.randn(2, 4)),
    "attention": (Attention(), torch.randn(2, 5, 8)),
    "recurrent": (Recurrent(), torch.randn(2, 5, 4)),
    "picture": (Picture(), torch.randn(2, 3, 10, 10)),
}

torch.manual_seed(0)
folder = Path(sys.argv[1])
for name, (network, x) in networks.items():
    network = network.eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4)
    torch.onnx.export(network, (x,), folder / f"{name}.traced.onnx", dynamo=False, opset_version=17)
    torch.onnx.export(network, (x,), folder / f"{name}.dynamo.onnx", dynamo=True, external_data=False, verbose=False)
