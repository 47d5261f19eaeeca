"""Convolutions, pools and ResNets as PyTorch computes them."""
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.dirname(__file__))
from convolution_models import BasicBlock, Bottleneck, ResNet, fixture  # noqa: E402
from judge import judge  # noqa: E402


def call(module, inputs):
    return module(*inputs.values())


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

if __name__ == "__main__":
    judge(sys.argv[1], cases)
