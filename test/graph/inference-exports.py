"""Networks exported by both of PyTorch's ONNX exporters with dynamic axes: prints the facts of each, and the shapes of a run."""

import contextlib
import io
import json
import logging
import os
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
facts = __import__("inference-facts")
ort.set_default_logger_severity(4)
torch.manual_seed(0)


class Transformer(nn.Module):
    """Causal self-attention written out, positions cut from a table, a class token in front."""

    def __init__(self):
        super().__init__()
        self.embed, self.positions = nn.Embedding(50, 32), nn.Parameter(torch.randn(1, 64, 32))
        self.token = nn.Parameter(torch.randn(1, 1, 32))
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, ids):
        b, t = ids.shape
        x = self.embed(ids) + self.positions[:, :t]
        x = torch.cat([self.token.expand(b, -1, -1), x], 1)
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        q, k, v = (y.reshape(b, t + 1, 4, 8).transpose(1, 2) for y in (q, k, v))
        scores = q @ k.transpose(-1, -2) / 8**0.5
        mask = torch.ones(t + 1, t + 1, dtype=torch.bool).tril()
        weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
        y = (weights @ v).transpose(1, 2).reshape(b, t + 1, 32)
        return self.head(x + self.out(y)), weights


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)

    def forward(self, x):
        return (self.layer(x).mean(1),)


class Convolutions(nn.Module):
    """Strided convolutions, two kinds of interpolation, adaptive pooling, flatten."""

    def __init__(self):
        super().__init__()
        self.a, self.n = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.b, self.up = nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        y = F.max_pool2d(F.relu(self.n(self.a(x))), 2)
        z = F.interpolate(y, scale_factor=2, mode="nearest")
        w = F.interpolate(self.b(z), size=x.shape[-2:], mode="bilinear", align_corners=False)
        pooled = F.adaptive_avg_pool2d(y, 1).flatten(1)
        return self.head(pooled), w, self.up(y)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 7, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(14, 5, batch_first=True)

    def forward(self, x):
        y, _ = self.lstm(x)
        z, h = self.gru(y)
        return z, h[-1]


def cases():
    b, t, h, w = Dim("batch", min=2, max=64), Dim("time", min=2, max=60), Dim("height", min=16), Dim("width", min=16)
    ids = torch.randint(0, 50, (3, 9))
    yield "transformer", Transformer(), ids, {0: b, 1: t}, 2
    yield "encoder", Encoder(), torch.randn(3, 9, 32), {0: b, 1: t}, 1
    yield "convolutions", Convolutions(), torch.randn(2, 3, 32, 48), {0: b, 2: h, 3: w}, 3
    yield "recurrent", Recurrent(), torch.randn(3, 9, 6), {0: b, 1: t}, 2


def main():
    for name, module, x, dynamic, outputs in cases():
        module.eval()
        for exporter in ("legacy", "dynamo"):
            path = os.path.join(tempfile.mkdtemp(), "m.onnx")
            names = {"input_names": ["x"], "output_names": [f"y{i}" for i in range(outputs)]}
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                try:
                    if exporter == "legacy":
                        axes = {"x": {a: d.__name__ for a, d in dynamic.items()}}
                        torch.onnx.export(module, (x,), path, dynamo=False, opset_version=17, dynamic_axes=axes, **names)
                    else:
                        torch.onnx.export(module, (x,), path, dynamo=True, opset_version=20, dynamic_shapes=({a: d for a, d in dynamic.items()},), external_data=False, **names)
                except Exception as e:
                    failure = f"{type(e).__name__}: {str(e)[:300]}"
                    print(json.dumps({"name": f"{name} {exporter}", "failed": failure}), file=sys.__stdout__)
                    continue
            model = onnx.load(path)
            got = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x.numpy()})
            entry = facts.model_facts(f"{name} {exporter}", model)
            entry["shapes"] = [list(y.shape) for y in got]
            entry["input"] = list(x.shape)
            print(json.dumps(entry))


main()
