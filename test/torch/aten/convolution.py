"""Convolutions."""
import torch
import torch.nn.functional as F
from torch import nn

from judge import T, case, main

f16, bf16 = torch.float16, torch.bfloat16


def many(*functions):
    return lambda *inputs: tuple(function(*inputs) for function in functions)


case("conv2d", nn.Conv2d(3, 4, 3, padding=1, stride=2), T(2, 3, 8, 7), dynamic={0: (0, 2)}, other=[[T(3, 3, 9, 7)]], nodes=1, ops=["Conv"])
case("conv2d forms", many(lambda x, w, b: F.conv2d(x, w), lambda x, w, b: F.conv2d(x, w, b, padding=(1, 2)), lambda x, w, b: F.conv2d(x, w, b, dilation=2, padding="same"), lambda x, w, b: F.conv2d(x, w, padding="valid", stride=(2, 1)),
                          lambda x, w, b: F.conv2d(x[0], w, b)), T(2, 3, 8, 7), T(4, 3, 3, 2), T(4))
case("conv2d groups", many(lambda x, w: F.conv2d(x, w, groups=2), lambda x, w: F.conv2d(x, w[:4, :1], groups=4, padding=1)), T(2, 4, 6, 6), T(6, 2, 3, 3))
case("conv1d", many(lambda x, w, b: F.conv1d(x, w, b, padding=2, dilation=2), lambda x, w, b: F.conv1d(x, w, padding="same"), lambda x, w, b: F.conv1d(x[0], w, b, stride=2)), T(2, 3, 10), T(4, 3, 4), T(4))
case("conv3d", many(lambda x, w, b: F.conv3d(x, w, b, padding=1, stride=(1, 2, 1)), lambda x, w, b: F.conv3d(x, w, padding="same")), T(1, 2, 4, 5, 4), T(3, 2, 2, 3, 3), T(3))
case("conv2d float16", nn.Conv2d(3, 4, 3).half(), T(2, 3, 6, 6, dtype=f16), decompose=False)
case("conv2d bfloat16", nn.Conv2d(3, 4, 3).bfloat16(), T(2, 3, 6, 6, dtype=bf16), decompose=False)
case("conv_transpose2d", many(lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1), lambda x, w, b: F.conv_transpose2d(x, w, dilation=2), lambda x, w, b: F.conv_transpose2d(x[0], w, b),
                              lambda x, w, b: F.conv_transpose2d(x, w, stride=(3, 2), padding=(0, 1), output_padding=(2, 0))), T(2, 4, 5, 4), T(4, 3, 3, 3), T(3))
case("conv_transpose2d groups", lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, groups=2), T(2, 4, 5, 4), T(4, 3, 2, 2), T(6), dynamic={0: (0, 2, 3)}, other=[[T(1, 4, 3, 6), T(4, 3, 2, 2), T(6)]])
case("conv_transpose1d", many(lambda x, w, b: F.conv_transpose1d(x, w, b, stride=2, padding=1, output_padding=1), lambda x, w, b: F.conv_transpose1d(x[0], w, dilation=2)), T(2, 4, 6), T(4, 3, 4), T(3))
case("conv_transpose3d", lambda x, w, b: F.conv_transpose3d(x, w, b, stride=2, padding=1, output_padding=1), T(1, 2, 3, 3, 4), T(2, 3, 3, 3, 3), T(3))
case("separable", nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, padding=1, bias=False), nn.Conv2d(4, 6, 1)), T(2, 4, 5, 5), nodes=2)

main()
