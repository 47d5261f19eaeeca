"""Extremes, where they stand, and running sums, products and extremes."""
import torch

from judge import T, case, main

f64, f16, i64, i32, i16, u8, b = torch.float64, torch.float16, torch.int64, torch.int32, torch.int16, torch.uint8, torch.bool
inf, nan = float("inf"), float("nan")
ties = torch.tensor([[1.0, 3.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0], [-1.0, -2.0, -1.0, -3.0]])

for side in ("max", "min"):
    f = getattr(torch, side)
    a, arg = getattr(torch, "a" + side), getattr(torch, "arg" + side)
    case(f"{side} all", lambda x, f=f: f(x), T(2, 3, 4))
    case(f"{side} ties", lambda x, f=f: f(x), ties)
    case(f"{side} dim", lambda x, f=f: tuple(f(x, 1)), T(3, 4))
    case(f"{side} dim ties", lambda x, f=f: tuple(f(x, -1, keepdim=True)), ties)
    case(f"{side} values alone", lambda x, f=f: f(x, 0).values, T(3, 4), dynamic={0: (0,)}, other=[[T(6, 4)]])
    case(f"{side} 0-d", lambda x, f=f: (f(x), *f(x, 0)), T())
    case(f"{side} other", lambda x, y, f=f: f(x, y), T(3, 4), T(4))
    case(f"{side} other ints", lambda x, y, f=f: f(x, y), T(3, 4, dtype=i64), T(4, dtype=i32))
    case(f"{side} infinite", lambda x, f=f: tuple(f(x, 1)), torch.tensor([[-inf, -inf], [inf, inf], [-inf, inf]]))
    for d in (f64, f16, i64, i32, i16, u8, b):
        case(f"{side} {d}", lambda x, f=f: (f(x), *f(x, 1)), (torch.randperm(12).reshape(3, 4) % 12).to(d) if d != b else torch.tensor([[True, False], [False, True]]), grad=False)
    case(f"a{side}", lambda x, f=a: (f(x), f(x, 1), f(x, (0, 2), keepdim=True), f(x, [])), T(2, 3, 4))
    case(f"a{side} ties", lambda x, f=a: f(x, 1), ties)
    case(f"a{side} 0-d", lambda x, f=a: f(x, 0), T())
    case(f"arg{side}", lambda x, f=arg: (f(x), f(x, 1), f(x, -2, keepdim=True), f(x, None, keepdim=True)), T(2, 3, 4))
    case(f"arg{side} ties", lambda x, f=arg: (f(x, 1), f(x)), ties)
    case(f"arg{side} int64", lambda x, f=arg: f(x, 1), T(3, 4, dtype=i64))
    case(f"arg{side} uint8", lambda x, f=arg: f(x, 1), T(3, 4, dtype=u8))
    case(f"arg{side} 0-d", lambda x, f=arg: (f(x), f(x, 0)), T())
    c = getattr(torch, "cum" + side)
    case(f"cum{side}", lambda x, f=c: tuple(f(x, 1)), T(3, 7))
    case(f"cum{side} ties", lambda x, f=c: tuple(f(x, 1)), ties)
    case(f"cum{side} int", lambda x, f=c: tuple(f(x, 0)), T(5, 3, dtype=i64))
case("aminmax", lambda x: (*torch.aminmax(x), *torch.aminmax(x, dim=1, keepdim=True)), T(3, 4))
case("cumsum", lambda x: (torch.cumsum(x, 0), torch.cumsum(x, -1)), T(3, 4), dynamic={0: (0, 1)}, other=[[T(2, 6)]])
for d in (i64, i32, u8, b, f16):
    case(f"cumsum {d}", lambda x: torch.cumsum(x, 1), T(3, 4, dtype=d))
case("cumsum dtype", lambda x: torch.cumsum(x, 1, dtype=f64), T(3, 4, dtype=i64))
case("cumsum 0-d", lambda x: torch.cumsum(x, 0), T())
case("cumprod", lambda x: torch.cumprod(x, 1), T(3, 7))
case("cumprod zeros", lambda x: torch.cumprod(x, 1), torch.tensor([[1.0, 0.0, 3.0, 2.0], [0.0, 0.0, 2.0, 1.0]]))
case("cumprod int", lambda x: torch.cumprod(x, 0), T(3, 7, dtype=i32))
case("cumprod one", lambda x: torch.cumprod(x, 0), T(1, 3))
case("logcumsumexp", lambda x: torch.logcumsumexp(x, 1), T(3, 7) * 50)
case("running, dynamic", lambda x: (torch.cumprod(x, 1), torch.logcumsumexp(x, 0), *torch.cummax(x, 1)), T(3, 5), dynamic={0: (0, 1)}, other=[[T(2, 8)], [T(1, 2)]], decompose=False, gradient_tolerance=1e-3)
case("diff", lambda x, y: (torch.diff(x), torch.diff(x, n=2, dim=0), torch.diff(x, prepend=x[:, :1]), torch.diff(y), torch.trapezoid(x, dx=0.5), torch.trapezoid(x, dim=0)), T(4, 5), T(4, dtype=i64))
case("logcumsumexp infinite", lambda x: torch.logcumsumexp(x, 1), torch.tensor([[-inf, -inf, 1.0, 2.0], [-inf, 0.0, -inf, 3.0]]), grad=False)

if __name__ == "__main__":
    main()
