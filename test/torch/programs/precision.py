"""Half, double and mixed precision."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn
from .conv import ResNet
from .mlp import Tabular
from .recurrent import Tagger
from .transformer import Encoder, Gpt, Llama, ViT


def net():
    return nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.LayerNorm(12), nn.Linear(12, 3), nn.LogSoftmax(-1))


for name, dtype in [("half", torch.float16), ("bfloat16", torch.bfloat16), ("double", torch.float64)]:
    tolerance = 1e-2 if name != "double" else 1e-5

    @program(f"prec-mlp-{name}")
    def _(dtype=dtype, tolerance=tolerance):
        return case(net().to(dtype), randn(3, 6).to(dtype), dynamic=({0: Dim("b")},), others=[(randn(5, 6).to(dtype),)], tolerance=tolerance)

    @program(f"prec-llama-{name}")
    def _(dtype=dtype, tolerance=tolerance):
        return case(Llama(style="half").to(dtype), ints(21, 2, 5), tolerance=tolerance)

    @program(f"prec-conv-{name}")
    def _(dtype=dtype, tolerance=tolerance):
        return case(ResNet().to(dtype), randn(2, 3, 32, 32).to(dtype), tolerance=tolerance)

    @program(f"prec-gpt-{name}")
    def _(dtype=dtype, tolerance=tolerance):
        return case(Gpt().to(dtype), ints(25, 2, 6), tolerance=tolerance)


@program("prec-vit-bfloat16")
def _():
    return case(ViT().bfloat16(), randn(2, 3, 12, 12).bfloat16(), tolerance=1e-2)


@program("prec-lstm-double")
def _():
    return case(Tagger().double(), ints(20, 2, 6))


@program("prec-lstm-half")
def _():
    return case(Tagger().half(), ints(20, 2, 6), tolerance=1e-2)


class Mixed(nn.Module):
    """A half body with float heads, as one deploys."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 8).half(), nn.Linear(8, 2)
        self.scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def forward(self, x):
        h = F.relu(self.body(x.half())) * 0.5
        y = self.head(h.float())
        return y, y.double() * self.scale, (h + 1).bfloat16(), h.sum(dtype=torch.float32), y.to(torch.float16).argmax(-1)


@program("prec-mixed")
def _():
    return case(Mixed(), randn(3, 4), double=False, tolerance=1e-2)


class Quantising(nn.Module):
    """Int8 weights with scales, dequantised in forward; and fake quantisation by rounding."""

    def __init__(self):
        super().__init__()
        w = torch.randn(5, 4)
        scale = w.abs().amax(1, keepdim=True) / 127
        self.register_buffer("w", (w / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = nn.Parameter(torch.randn(5))

    def forward(self, x):
        y = F.linear(x, self.w.to(x.dtype) * self.scale, self.bias)
        s = x.abs().max() / 127
        q = torch.clamp(torch.round(x / s), -128, 127)
        acc = (q.to(torch.int32).unsqueeze(1) * self.w.to(torch.int32)).sum(-1, dtype=torch.int32)
        return y, acc.float() * s * self.scale.t()


@program("prec-int8-weights")
def _():
    return case(Quantising(), randn(3, 4), double=False)
