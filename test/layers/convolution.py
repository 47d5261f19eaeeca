"""Convolutions, pools and ResNets as PyTorch computes them."""
import copy
import os
import sys

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.dirname(__file__))
from convolution_models import BasicBlock, Bottleneck, ResNet, fixture  # noqa: E402
from judge import judge  # noqa: E402


def call(module, inputs):
    return module(*inputs.values())


def again(case):
    """The same case once more: judge changes what it is given."""
    module, inputs, forward = case
    return copy.deepcopy(module), {key: value.clone() for key, value in inputs.items()}, forward


def x(*shape):
    return {"x": torch.randn(*shape)}


torch.manual_seed(11)
cases = {
    "conv2d": (nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)), x(2, 3, 9, 8), call),
    "resnet": (fixture(), {"image": torch.randn(2, 3, 16, 16)}, call),
    "resnet-imagenet": (ResNet(BasicBlock, [1, 2], 4, width=6), {"image": torch.randn(1, 3, 33, 30)}, call),
    "resnext-dilated": (
        ResNet(Bottleneck, [1, 2, 2], 4, width=8, groups=2, width_per_group=32, dilate=(False, True), cifar=True),
        {"image": torch.randn(1, 3, 12, 12)},
        call,
    ),
}

for name, module, shape in [
    ("conv1d", nn.Conv1d(4, 6, 3, 2, 2, 2, 2), (2, 4, 11)),
    ("conv1d-same", nn.Conv1d(3, 4, 4, padding="same", dilation=2, bias=False), (2, 3, 9)),
    ("conv2d-valid", nn.Conv2d(3, 4, (2, 3), (2, 1), "valid"), (2, 3, 6, 7)),
    ("conv2d-depthwise", nn.Conv2d(4, 8, 3, padding=(1, 2), dilation=(1, 2), groups=4), (2, 4, 6, 7)),
    ("conv2d-reflect", nn.Conv2d(2, 3, (3, 4), 2, (2, 1), padding_mode="reflect"), (2, 2, 6, 7)),
    ("conv2d-replicate", nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="replicate"), (2, 2, 6, 7)),
    ("conv2d-circular", nn.Conv2d(2, 3, (3, 2), padding="same", padding_mode="circular"), (2, 2, 6, 7)),
    ("conv3d", nn.Conv3d(2, 4, (2, 3, 1), (1, 2, 1), (1, 0, 1), groups=2), (1, 2, 4, 5, 3)),
    ("conv-transpose1d", nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2), (2, 4, 5)),
    ("conv-transpose2d", nn.ConvTranspose2d(3, 4, (3, 2), (2, 3), (1, 0), (1, 2), dilation=(2, 1)), (2, 3, 4, 3)),
    ("conv-transpose3d", nn.ConvTranspose3d(2, 3, 2, (1, 2, 2), 1, bias=False), (1, 2, 3, 3, 2)),
]:
    cases[name] = (module, x(*shape), call)
    cases[f"{name}-float64"] = again(cases[name])


def windows(x, kernel, stride, padding):
    """Each window as a row, with -inf around the image."""
    y = nn.functional.pad(x, (padding,) * 4, value=float("-inf"))
    return y.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)


def lse(kernel, stride, padding, eps):
    return lambda _, i: eps * torch.logsumexp(windows(i["x"], kernel, stride, padding) / eps, -1)


for name, module, shape in [
    ("max-pool-1d", nn.MaxPool1d(3, 2, 1, 2), (2, 3, 9)),
    ("max-pool-3d", nn.MaxPool3d((2, 1, 2)), (1, 2, 4, 3, 5)),
    ("max-pool-ceil", nn.MaxPool2d((2, 3), (3, 2), (0, 1), ceil_mode=True), (2, 2, 6, 8)),
    ("avg-pool", nn.AvgPool2d(3, 2, 1), (2, 2, 7, 6)),
    ("avg-pool-exclude", nn.AvgPool2d((3, 2), 2, 1, count_include_pad=False), (2, 2, 7, 6)),
    ("avg-pool-ceil", nn.AvgPool2d((2, 3), (3, 2), (0, 1), ceil_mode=True), (2, 2, 6, 8)),
    ("avg-pool-ceil-exclude", nn.AvgPool2d(3, 2, 1, True, False), (2, 2, 6, 8)),
    ("avg-pool-divisor", nn.AvgPool2d(3, 2, 1, True, divisor_override=5), (2, 2, 6, 8)),
    ("avg-pool-1d", nn.AvgPool1d(3), (2, 2, 10)),
    ("adaptive-avg-pool", nn.AdaptiveAvgPool2d((2, 3)), (2, 2, 6, 9)),
    ("adaptive-avg-pool-uneven", nn.AdaptiveAvgPool2d((3, None)), (2, 2, 7, 5)),
    ("adaptive-avg-pool-3d", nn.AdaptiveAvgPool3d((2, 1, 4)), (1, 2, 5, 3, 6)),
    ("adaptive-max-pool", nn.AdaptiveMaxPool2d((3, 4)), (2, 2, 7, 8)),
    ("global-avg-pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 3, 5, 4)),
    ("global-max-pool", nn.AdaptiveMaxPool1d(1), (2, 3, 5)),
    ("flatten", nn.Flatten(), (2, 3, 4, 5)),
    ("flatten-middle", nn.Flatten(1, 2), (2, 3, 4, 5)),
    ("upsample-nearest", nn.Upsample(scale_factor=2), (2, 3, 4, 5)),
    ("upsample-size", nn.Upsample((7, 3), mode="nearest"), (2, 3, 4, 5)),
    ("upsample-linear", nn.Upsample(scale_factor=1.5, mode="linear"), (2, 3, 6)),
    ("upsample-bilinear", nn.Upsample((7, 12), mode="bilinear"), (2, 3, 4, 5)),
    ("upsample-aligned", nn.Upsample(scale_factor=(2, 3), mode="bilinear", align_corners=True), (2, 3, 4, 5)),
    ("upsample-trilinear", nn.Upsample(scale_factor=2, mode="trilinear"), (1, 2, 3, 4, 2)),
    ("upsample-bicubic", nn.Upsample(scale_factor=2, mode="bicubic"), (2, 2, 4, 5)),
]:
    cases[name] = (module, x(*shape), call)
    if "upsample" not in name:
        cases[f"{name}-float64"] = again(cases[name])
cases["lse-pool"] = (None, x(2, 3, 7, 6), lse(3, 2, 1, 0.25))
cases["lse-pool-float64"] = again(cases["lse-pool"])
cases["lse-pool-cold"] = (None, x(2, 3, 7, 6), lambda _, i: nn.functional.max_pool2d(i["x"], 3, 2, 1))
cases["resnet-float64"] = again(cases["resnet"])

if __name__ == "__main__":
    judge(sys.argv[1], cases)
    # What is computed in float64 takes cotangents in float64, and what PyTorch loses in float32 excuses nothing.
    for name in cases:
        if name.endswith("-float64"):
            path = os.path.join(sys.argv[1], f"{name}.out.npz")
            with np.load(path) as saved:
                kept = {key: value.astype("float64") for key, value in saved.items() if not key.startswith("lost_")}
            np.savez(path, **kept)
