"""Resampling, grids, padding, patches."""
import torch
import torch.nn.functional as F
from torch import nn

from judge import T, case, main

f64, f16, i64, i16, u8, b = torch.float64, torch.float16, torch.int64, torch.int16, torch.uint8, torch.bool


def many(*functions):
    return lambda *inputs: tuple(function(*inputs) for function in functions)


def interpolations(mode, **more):
    return many(*[lambda x, o=o: F.interpolate(x, mode=mode, **o, **more) for o in ({"size": (7, 10)}, {"size": (3, 2)}, {"scale_factor": 2}, {"scale_factor": (1.7, 0.6)}, {"scale_factor": 1.5, "recompute_scale_factor": True})])


case("nearest", interpolations("nearest"), T(2, 3, 5, 6))
case("nearest-exact", interpolations("nearest-exact"), T(2, 3, 5, 6))
for corners in (False, True):
    case(f"bilinear {corners}", interpolations("bilinear", align_corners=corners), T(2, 3, 5, 6))
    case(f"bicubic {corners}", interpolations("bicubic", align_corners=corners), T(2, 3, 5, 6), tolerance=2e-5)
case("nearest of many sizes", many(*[lambda x, n=n: F.interpolate(x, n) for n in range(1, 60, 2)], *[lambda x, n=n: F.interpolate(x, n, mode="nearest-exact") for n in range(1, 60, 3)]), T(1, 1, 23), grad=False, decompose=False)
case("nearest by scales that float32 rounds up", lambda x: (F.interpolate(x, scale_factor=0.29), F.interpolate(x, scale_factor=0.29, mode="nearest-exact"), F.interpolate(x, scale_factor=0.57)), T(1, 2, 100), decompose=False)
case("linear by scales that float32 rounds up", lambda x: F.interpolate(x, scale_factor=0.29, mode="linear"), T(1, 2, 100), decompose=False, tolerance=5e-5, gradient_tolerance=1e-3)
case("area", many(lambda x: F.interpolate(x, size=(2, 3), mode="area"), lambda x: F.interpolate(x, scale_factor=0.5, mode="area")), T(2, 3, 5, 6))
case("antialiased", many(lambda x: F.interpolate(x, size=(3, 4), mode="bilinear", antialias=True), lambda x: F.interpolate(x, size=(9, 12), mode="bilinear", antialias=True)), T(2, 3, 8, 10))
case("antialiased cubic", many(lambda x: F.interpolate(x, size=(3, 4), mode="bicubic", antialias=True)), T(2, 3, 8, 10), tolerance=2e-5)
case("1-d and 3-d", many(lambda x: F.interpolate(x[0, 0], size=7, mode="linear"), lambda x: F.interpolate(x[0, 0], scale_factor=2), lambda x: F.interpolate(x[0, 0], size=9, mode="linear", align_corners=True),
                         lambda x: F.interpolate(x, scale_factor=2), lambda x: F.interpolate(x, size=(4, 5, 7), mode="trilinear"), lambda x: F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=True),
                         lambda x: F.interpolate(x, size=(4, 5, 7), mode="nearest-exact")), T(1, 2, 3, 4, 5))
case("float64 and float16", many(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), lambda x: F.interpolate(x, size=(4, 4))), T(1, 2, 3, 3, dtype=f64), decompose=False)
case("uint8", many(lambda x: F.interpolate(x, scale_factor=2), lambda x: F.interpolate(x, size=(4, 4))), T(1, 2, 3, 3, dtype=u8), decompose=False)
case("dynamic", many(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), lambda x: F.interpolate(x, size=(x.shape[2] * 2, x.shape[3] + 3), mode="bilinear"), lambda x: F.interpolate(x, size=(7, 7)), lambda x: F.interpolate(x, scale_factor=2)), T(2, 3, 5, 6), dynamic={0: (0, 2, 3)}, other=[[T(1, 3, 4, 9)]])
case("like another", lambda x, y: F.interpolate(x, size=y.shape[-2:], mode="bilinear", align_corners=False) + y, T(2, 3, 5, 6), T(2, 3, 9, 8), dynamic={0: (0, 2, 3), 1: (0, 2, 3)}, other=[[T(1, 3, 4, 9), T(1, 3, 8, 18)]])
grid = T(2, 4, 5, 2, low=-1.2, high=1.2)
case("grid_sample", many(*[lambda x, g, m=m, p=p, a=a: F.grid_sample(x, g, mode=m, padding_mode=p, align_corners=a) for m in ("bilinear", "nearest") for p in ("zeros", "border", "reflection") for a in (False, True)]), T(2, 3, 5, 6), grid, gradient_tolerance=1e-3)
case("grid_sample cubic", many(*[lambda x, g, p=p: F.grid_sample(x, g, mode="bicubic", padding_mode=p, align_corners=False) for p in ("zeros", "border", "reflection")]), T(2, 3, 5, 6), grid, tolerance=2e-5, gradient_tolerance=1e-3)
case("grid_sample 3-d", many(lambda x, g: F.grid_sample(x, g, align_corners=False)), T(1, 2, 3, 4, 5), T(1, 2, 3, 4, 3, low=-1, high=1))
case("affine_grid", many(lambda t: F.affine_grid(t, (2, 3, 4, 5), align_corners=False), lambda t: F.affine_grid(t, (2, 3, 4, 5), align_corners=True)), T(2, 2, 3))
case("affine_grid 3-d", lambda t: F.affine_grid(t, (2, 1, 2, 3, 4), align_corners=False), T(2, 3, 4))
pads = [lambda x, p=p, v=v: F.pad(x, p, value=v) for p, v in (((1, 2), None), ((1, 2, 0, 1), 3.5), ((-1, 2, 1, -2), 1), ((0, 0, 1, 1, 2, 0), 0))]
case("pad", many(*pads), T(2, 3, 5, 6))
for dtype in (i64, i16, u8, b, f16, f64):
    case(f"pad {dtype}", many(lambda x: F.pad(x, (1, 2), value=1), lambda x: F.pad(x, (0, 1))), T(3, 4, dtype=dtype), decompose=False)
case("pad modes", many(*[lambda x, m=m: F.pad(x, (1, 2, 2, 1), mode=m) for m in ("reflect", "replicate", "circular")]), T(2, 3, 5, 6))
case("pad modes 1-d 3-d", many(*[lambda x, m=m: F.pad(x[0, 0], (1, 2), mode=m) for m in ("reflect", "replicate", "circular")], *[lambda x, m=m: F.pad(x, (1, 2, 1, 1, 0, 1), mode=m) for m in ("reflect", "replicate", "circular")]), T(1, 2, 4, 5, 6))
case("pad dynamic", many(lambda x: F.pad(x, (0, x.shape[1] - x.shape[0] % 2)), lambda x: F.pad(x, (1, 1), mode="reflect"), lambda x: F.pad(x, (0, 8 - x.shape[1]))), T(3, 6), dynamic={0: (0, 1)}, other=[[T(4, 5)]])
case("pad reflect unbatched", many(lambda x: F.pad(x, (1, 2), mode="reflect"), lambda x: F.pad(x, (1, 2, 1, 0), mode="replicate")), T(3, 4, 5))
case("shuffles", many(lambda x: F.pixel_shuffle(x, 2), lambda x: F.pixel_unshuffle(x, 2), lambda x: F.channel_shuffle(x, 4), lambda x: F.pixel_shuffle(x[0], 2), lambda x: F.pixel_unshuffle(x[0], 2), lambda x: F.pixel_shuffle(x[None], 2)), T(2, 8, 4, 6))
case("shuffles dynamic", many(lambda x: F.pixel_shuffle(x, 2), lambda x: F.channel_shuffle(x, 4)), T(2, 8, 4, 6), dynamic={0: (0, 2, 3)}, other=[[T(1, 8, 2, 4)]])
case("unshuffle dynamic", lambda x: F.pixel_unshuffle(x, 2), T(2, 3, 4, 6), dynamic={0: (0,)}, other=[[T(1, 3, 4, 6)]])
case("unfold", many(lambda x: F.unfold(x, 2), lambda x: F.unfold(x, (3, 2), dilation=2, padding=(2, 1), stride=(1, 2)), lambda x: F.unfold(x[0], 2, stride=2)), T(2, 3, 6, 5))
case("unfold dynamic", lambda x: F.unfold(x, 3, padding=1), T(2, 3, 6, 5), dynamic={0: (0, 2, 3)}, other=[[T(1, 3, 4, 7)]])
case("fold", many(lambda x: F.fold(x, (5, 6), 2), lambda x: F.fold(x[0], (5, 6), 2)), T(2, 12, 20))
case("fold strided", lambda x: F.fold(x, (6, 8), (2, 4), stride=(2, 4), padding=0), T(2, 24, 6))
case("unpool", lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), T(2, 3, 4, 6))
case("local_response_norm", nn.LocalResponseNorm(3), T(2, 5, 4, 4))

main()
