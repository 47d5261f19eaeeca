"""Sums and other reductions, variances and deviations."""
import torch

from judge import T, case, main

f64, f16, i64, i32, i16, u8, b = torch.float64, torch.float16, torch.int64, torch.int32, torch.int16, torch.uint8, torch.bool
inf, nan = float("inf"), float("nan")

for name in ("sum", "mean", "prod"):
    f = getattr(torch, name)
    case(f"{name} all", lambda x, f=f: f(x), T(2, 3, 4))
    case(f"{name} float16", lambda x, f=f: f(x), T(2, 3, dtype=f16), grad=False)
    case(f"{name} float64", lambda x, f=f: f(x, -1), T(2, 3, dtype=f64))
    case(f"{name} 0-d", lambda x, f=f: f(x, dim=0), T())
    case(f"{name} keepdim", lambda x, f=f: f(x, dim=-2, keepdim=True), T(2, 3, 4), dynamic={0: (0,)}, other=[[T(5, 3, 4)]], nodes=1)
    case(f"{name} dtype", lambda x, f=f: f(x, dim=1, dtype=f64), T(2, 3, dtype=i64))
    if name != "mean":
        case(f"{name} empty", lambda x, f=f: f(x, dim=1), T(2, 0), grad=False)
case("sum dims", lambda x: x.sum((0, -1)), T(2, 3, 4), nodes=1)
case("sum no dims", lambda x: x.sum([]), T(2, 3))
case("mean dims keepdim", lambda x: x.mean((2, 3), keepdim=True), T(2, 3, 4, 5), dynamic={0: (0, 2, 3)}, other=[[T(1, 3, 6, 2)]], nodes=1)
for d in (i64, i32, i16, u8, b):
    case(f"sum {d}", lambda x: (x.sum(), x.sum(1)), T(2, 3, dtype=d))
    case(f"prod {d}", lambda x: (x.prod(), x.prod(1)), T(2, 3, dtype=d))
case("sum int dtype", lambda x: x.sum(1, dtype=i32), T(2, 3, dtype=i64))
case("sum dtype of floats", lambda x: x.sum(1, dtype=i64), T(2, 3) * 3, grad=False)
case("prod zeros", lambda x: x.prod(1), torch.tensor([[1.0, 0.0, 3.0], [0.0, 0.0, 2.0], [1.0, 2.0, 3.0]]))
for name in ("any", "all"):
    f = getattr(torch, name)
    for d in (b, torch.float32, i64, u8):
        case(f"{name} {d}", lambda x, f=f: (f(x), f(x, 0), f(x, -1, keepdim=True), f(x, (0, 1))), (T(3, 4, dtype=i64, low=0, high=2)).to(d), grad=False)
    case(f"{name} 0-d", lambda x, f=f: (f(x), f(x, 0)), T(dtype=b), grad=False)
    case(f"{name} nan", lambda x, f=f: f(x, 1), torch.tensor([[nan, 0.0], [inf, nan], [0.0, 0.0]]), grad=False)
case("count_nonzero", lambda x: (torch.count_nonzero(x), torch.count_nonzero(x, 1), torch.count_nonzero(x, (0, 1))), T(3, 4, dtype=i64, low=0, high=2))
case("nansum", lambda x: (torch.nansum(x), torch.nansum(x, 1)), torch.tensor([[nan, 1.0], [2.0, nan], [nan, nan]]))
case("nanmean", lambda x: (torch.nanmean(x), torch.nanmean(x, 1, keepdim=True)), torch.tensor([[nan, 1.0], [2.0, 3.0]]))
for name in ("var", "std"):
    f = getattr(torch, name)
    case(f"{name} all", lambda x, f=f: f(x), T(3, 4))
    case(f"{name} dim", lambda x, f=f: f(x, 1), T(3, 4))
    case(f"{name} biased", lambda x, f=f: f(x, (0, 1), unbiased=False, keepdim=True), T(3, 4))
    case(f"{name} correction", lambda x, f=f: f(x, dim=-1, correction=2), T(3, 4))
    case(f"{name} correction float", lambda x, f=f: f(x, dim=-1, correction=0.5), T(3, 4))
    case(f"{name} dynamic", lambda x, f=f: f(x, 1, keepdim=True), T(3, 4), dynamic={0: (0, 1)}, other=[[T(2, 7)]])
    case(f"{name} dynamic all", lambda x, f=f: f(x), T(3, 4), dynamic={0: (0, 1)}, other=[[T(2, 7)]])
    case(f"{name} one", lambda x, f=f: (f(x, 1), f(x, 0)), T(3, 1), grad=False)
    case(f"{name} 0-d", lambda x, f=f: (f(x), f(x, correction=0)), T(), grad=False)
    case(f"{name} float16", lambda x, f=f: f(x, 1), T(3, 4, dtype=f16))
    case(f"{name}_mean", lambda x, f=getattr(torch, name + "_mean"): f(x, 1), T(3, 4))
    case(f"{name}_mean all", lambda x, f=getattr(torch, name + "_mean"): f(x, correction=0), T(3, 4), grad=False)
    case(f"{name}_mean keepdim", lambda x, f=getattr(torch, name + "_mean"): f(x, (0, 2), keepdim=True), T(3, 4, 2))
case("std of equals", lambda x: x.std(1), torch.ones(2, 3), decompose=False)

if __name__ == "__main__":
    main()
