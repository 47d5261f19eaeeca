"""Pools."""
import torch
import torch.nn.functional as F
from torch import nn

from judge import T, case, main

f64, f16, i64 = torch.float64, torch.float16, torch.int64


def many(*functions):
    return lambda *inputs: tuple(function(*inputs) for function in functions)


case("max_pool2d", many(lambda x: F.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 3, stride=2, padding=1), lambda x: F.max_pool2d(x, (2, 3), stride=1, dilation=2), lambda x: F.max_pool2d(x[0], 2)), T(2, 3, 9, 8))
case("max_pool2d ceil", many(*[lambda x, k=k, s=s, p=p: F.max_pool2d(x, k, s, p, ceil_mode=True) for k, s, p in ((2, 2, 0), (3, 2, 1), (2, 3, 1), (3, 3, 0), (2, 4, 0))], lambda x: F.max_pool2d(x, 2, 2, 0, 2, ceil_mode=True)), T(2, 2, 9, 10))
case("max_pool2d ceil dynamic", many(lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True)), T(2, 2, 9, 10), dynamic={0: (0, 2, 3)}, other=[[T(1, 2, 8, 7)], [T(1, 2, 11, 6)]])
case("max_pool2d dynamic", many(lambda x: F.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)), T(2, 3, 9, 8), dynamic={0: (0, 2, 3)}, other=[[T(1, 3, 6, 6)]])
case("max_pool2d indices", many(lambda x: F.max_pool2d(x, 2, return_indices=True), lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), lambda x: F.max_pool2d(x[1], 2, return_indices=True, ceil_mode=True)), T(2, 3, 9, 8))
case("max_pool1d", many(lambda x: F.max_pool1d(x, 3, 2, 1), lambda x: F.max_pool1d(x, 2, ceil_mode=True), lambda x: F.max_pool1d(x[0], 2, dilation=2, stride=1), lambda x: F.max_pool1d(x, 2, return_indices=True)), T(2, 3, 9))
case("max_pool3d", many(lambda x: F.max_pool3d(x, 2), lambda x: F.max_pool3d(x, 2, 1, 1, ceil_mode=True), lambda x: F.max_pool3d(x, 2, return_indices=True)), T(2, 2, 5, 4, 6))
case("max_pool2d types", many(lambda x: F.max_pool2d(x, 2)), T(2, 2, 4, 4, dtype=f64), decompose=False, grad=False)
case("max_pool2d int", many(lambda x: F.max_pool2d(x, 2)), T(2, 2, 4, 4, dtype=i64), decompose=False)
case("avg_pool2d", many(lambda x: F.avg_pool2d(x, 2), lambda x: F.avg_pool2d(x, 3, stride=2, padding=1), lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), lambda x: F.avg_pool2d(x, (2, 3), 1, divisor_override=5),
                        lambda x: F.avg_pool2d(x[0], 2)), T(2, 3, 9, 8))
case("avg_pool2d ceil", many(*[lambda x, k=k, s=s, p=p, c=c: F.avg_pool2d(x, k, s, p, ceil_mode=True, count_include_pad=c) for k, s, p in ((2, 2, 0), (3, 2, 1), (3, 3, 1), (2, 4, 1)) for c in (True, False)],
                             lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, divisor_override=4)), T(2, 2, 9, 10))
case("avg_pool2d ceil dynamic", many(lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True), lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)), T(2, 2, 9, 10), dynamic={0: (0, 2, 3)}, other=[[T(1, 2, 8, 7)], [T(1, 2, 11, 6)]])
case("avg_pool1d 3d", many(lambda x: F.avg_pool1d(x[0, 0], 3, 2, 1), lambda x: F.avg_pool1d(x[0, 0], 2, ceil_mode=True), lambda x: F.avg_pool3d(x, 2), lambda x: F.avg_pool3d(x, 3, 2, 1, ceil_mode=True), lambda x: F.avg_pool1d(x[0, 0, 0], 2)), T(2, 2, 5, 4, 6))
case("adaptive_avg_pool2d", many(*[lambda x, s=s: F.adaptive_avg_pool2d(x, s) for s in (1, (3, 4), (4, 3), (9, 8), (None, 2), (5, 10), (1, 3))], lambda x: F.adaptive_avg_pool2d(x[0], (2, 2)), lambda x: F.adaptive_avg_pool2d(x[0], 1)), T(2, 3, 9, 8))
case("adaptive_avg_pool2d dynamic", many(*[lambda x, s=s: F.adaptive_avg_pool2d(x, s) for s in (1, (3, 4), (None, 2))]), T(2, 3, 9, 8), dynamic={0: (0, 2, 3)}, other=[[T(1, 3, 7, 6)], [T(3, 3, 12, 4)]])
case("adaptive_avg_pool1d 3d", many(lambda x: F.adaptive_avg_pool1d(x[0, 0], 3), lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)), lambda x: F.adaptive_avg_pool3d(x, 1), lambda x: F.adaptive_avg_pool1d(x[0, 0, 0], 4)), T(2, 2, 5, 4, 6))
case("adaptive_max_pool", many(*[lambda x, s=s: F.adaptive_max_pool2d(x, s) for s in (1, (3, 4), (4, 3), (5, 10))], lambda x: F.adaptive_max_pool2d(x, (4, 3), return_indices=True), lambda x: F.adaptive_max_pool1d(x[0], 3), lambda x: F.adaptive_max_pool3d(x, (2, 2, 3), return_indices=True)), T(2, 3, 9, 8))
case("adaptive_max_pool dynamic batch", lambda x: F.adaptive_max_pool2d(x, (4, 3), return_indices=True), T(2, 3, 9, 8), dynamic={0: (0,)}, other=[[T(4, 3, 9, 8)]])
case("lp_pool", many(lambda x: F.lp_pool2d(x, 2.0, 2), lambda x: F.lp_pool1d(x[0], 3.0, 2, 1)), T(2, 3, 6, 6, low=0.1, high=2))
case("global", nn.AdaptiveAvgPool2d(1), T(2, 3, 6, 6), nodes=1, ops=["GlobalAveragePool"])

main()
