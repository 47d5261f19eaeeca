"""Distributions of PyTorch's own initialisation: mean, standard deviation and largest entry of every parameter, pooled over seeds."""
import json
import sys

import torch
from torch import nn

factories = {
    "linear": lambda: nn.Sequential(nn.Linear(40, 30)),
    "embedding": lambda: nn.Sequential(nn.Embedding(50, 40, padding_idx=3)),
    "conv2d": lambda: nn.Sequential(nn.Conv2d(6, 8, 3, groups=2)),
    "rnn": lambda: nn.RNN(20, 24, 2),
    "gru": lambda: nn.GRU(20, 24, 1, bidirectional=True),
    "lstm": lambda: nn.LSTM(20, 24, 2),
    "multihead-attention": lambda: nn.MultiheadAttention(32, 4),
    "layer-norm": lambda: nn.Sequential(nn.LayerNorm(40)),
    "batch-norm": lambda: nn.Sequential(nn.BatchNorm2d(40)),
    "group-norm": lambda: nn.Sequential(nn.GroupNorm(4, 40)),
    "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64), 2, enable_nested_tensor=False),
}

statistics = {}
for name, make in factories.items():
    seen = {}
    for seed in range(24):
        torch.manual_seed(seed)
        for key, value in make().state_dict().items():
            if value.is_floating_point():
                seen.setdefault(key, []).append(value.detach().double().flatten())
    pooled = {key: torch.cat(values) for key, values in seen.items()}
    statistics[name] = {
        key: [value.mean().item(), value.std(correction=0).item(), value.abs().max().item(), value.numel()]
        for key, value in pooled.items()
    }
json.dump(statistics, sys.stdout)
