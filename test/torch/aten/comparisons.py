"""Comparisons, logic and choices."""
import torch
import torch.nn.functional as F

from judge import T, case, main

f32, f64, f16, bf16, i64, i32, i16, i8, u8, b = torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool
inf, nan = float("inf"), float("nan")


def many(*functions):
    return lambda *inputs: tuple(function(*inputs) for function in functions)


six = many(torch.eq, torch.ne, torch.lt, torch.le, torch.gt, torch.ge)
for left, right in ((f32, f32), (i64, i64), (i8, u8), (f32, i64), (b, b), (f16, f16), (f64, f32), (i16, i32)):
    case(f"comparisons {left} {right}", six, T(3, 8, dtype=left, **({} if left.is_floating_point or left == b else {"low": 0, "high": 3})),
         T(3, 8, dtype=right, **({} if right.is_floating_point or right == b else {"low": 0, "high": 3})), decompose=left == f32)
case("comparisons with numbers", many(lambda x: x == 1, lambda x: x != 1, lambda x: x < 0.5, lambda x: x <= 0, lambda x: x > -1, lambda x: x >= 2, lambda x: 1 > x), T(3, 8, dtype=i64, low=-2, high=3))
case("comparisons with numbers, bool", many(lambda x: x == 1, lambda x: x != True, lambda x: x == False), T(8, dtype=b))
case("comparison aliases", many(torch.greater, torch.greater_equal, torch.less, torch.less_equal, torch.not_equal), T(8, dtype=i64, low=0, high=3), T(8, dtype=i64, low=0, high=3))
case("comparisons with NaN", six, torch.tensor([nan, 1.0, inf]), torch.tensor([nan, nan, inf]), grad=False)
case("isclose", many(torch.isclose, lambda x, y: torch.isclose(x, y, equal_nan=True), lambda x, y: torch.isclose(x, y, rtol=0.1, atol=0.5)), torch.tensor([1.0, nan, inf, -inf, 1.0]), torch.tensor([1.0 + 1e-6, nan, inf, inf, 1.4]), grad=False)
case("isclose int", torch.isclose, torch.tensor([1, 2, 100000]), torch.tensor([1, 3, 100001]))
case("logic", many(torch.logical_and, torch.logical_or, torch.logical_xor, lambda x, y: torch.logical_not(x), lambda x, y: x.bool() & y.bool(), lambda x, y: x.bool() | y.bool(), lambda x, y: x.bool() ^ y.bool(), lambda x, y: ~x.bool()), T(8), T(8, dtype=i64, low=0, high=2), grad=False)
for dtype in (i64, i32, i8, u8, b):
    case(f"bits {dtype}", many(torch.bitwise_and, torch.bitwise_or, torch.bitwise_xor, lambda x, y: torch.bitwise_not(x), lambda x, y: x & y, lambda x, y: x | y, lambda x, y: x ^ y), T(8, dtype=dtype), T(8, dtype=dtype), decompose=dtype == i64)
def written(x, y):
    x, y = x.clone(), y.clone()
    x &= y
    y |= 3
    x ^= y
    y <<= 2
    y >>= 1
    x += 1
    x *= y
    x //= 2
    x %= 5
    return x, y


case("bits in place", written, T(8, dtype=i64), T(8, dtype=i64))
case("bits with numbers", many(lambda x: x & 3, lambda x: x | 4, lambda x: x ^ 1, lambda x: 6 & x), T(8, dtype=i64))
case("bits of two types", lambda x, y: x & y, T(8, dtype=i32), T(8, dtype=i64))
case("where", many(torch.where, lambda c, x, y: torch.where(c, x, 0.0), lambda c, x, y: torch.where(c, 1.0, y), lambda c, x, y: torch.where(x > 0, x, y)), T(3, 4, dtype=b), T(3, 4), T(4))
case("where of numbers", many(lambda c: torch.where(c, 1, 2), lambda c: torch.where(c, 1.0, 2.0), lambda c: torch.where(c, True, False)), T(3, 4, dtype=b))
case("where of two types", many(torch.where, lambda c, x, y: torch.where(c, x, 1)), T(4, dtype=b), T(4, dtype=i32), T(4))
for dtype in (i64, i32, i16, i8, u8, b, f16, f64):
    case(f"where {dtype}", torch.where, T(4, dtype=b), T(4, dtype=dtype), T(4, dtype=dtype), decompose=False)
    case(f"masked_fill {dtype}", many(lambda x, m: x.masked_fill(m, 1), lambda x, m: x.masked_fill(m, torch.tensor(1, dtype=x.dtype)), lambda x, m: x.clone().masked_fill_(m, 0)), T(4, dtype=dtype), T(4, dtype=b), decompose=False)
case("masked_fill", many(lambda x, m: x.masked_fill(m, -inf), lambda x, m: x.masked_fill(m, 2.5), lambda x, m: x.masked_fill(~m, torch.tensor(3.0))), T(3, 4), T(4, dtype=b))
case("masked_fill value", lambda x, m, v: x.masked_fill(m, v), T(3, 4), T(3, 1, dtype=b), T())
case("where dynamic", many(torch.where, lambda c, x, y: x.masked_fill(c, 0)), T(3, 4, dtype=b), T(3, 4), T(4), dynamic={0: (0,), 1: (0,)}, other=[[T(5, 4, dtype=b), T(5, 4), T(4)]])
case("clamp", many(lambda x: x.clamp(-0.5, 0.5), lambda x: x.clamp(min=0), lambda x: x.clamp(max=0.2), lambda x: torch.clamp_min(x, 0.1), lambda x: torch.clamp_max(x, 0.1), lambda x: torch.clip(x, -1, 1), lambda x: x.clamp(1, -1)), T(3, 4))
case("clamp at its bounds", many(lambda x: x.clamp(0, 1), lambda x: x.clamp(min=0)), torch.tensor([0.0, 1.0, 0.5, -1.0, 2.0]))
case("clamp NaN", many(lambda x: x.clamp(0, 1), torch.relu, lambda x: torch.clamp(x, torch.tensor(0.0), torch.tensor(1.0)), F.relu6), torch.tensor([nan, 0.5, 3.0]), grad=False)
case("clamp tensors", many(torch.clamp, lambda x, l, h: torch.clamp(x, min=l), lambda x, l, h: torch.clamp(x, max=h), lambda x, l, h: torch.clamp_min(x, l), lambda x, l, h: torch.clamp_max(x, h), torch.clip), T(3, 4), T(4) - 1, T(3, 1) + 1)
for dtype in (i64, i32, i16, i8, u8, f16, f64):
    case(f"clamp {dtype}", many(lambda x: x.clamp(1, 5), lambda x: x.clamp(min=2), torch.relu), T(8, dtype=dtype), decompose=False)
case("clamp int by float", many(lambda x: x.clamp(0.5, 2.5), lambda x: x.clamp(min=1.5)), T(8, dtype=i64))
case("extremes", many(torch.maximum, torch.minimum, torch.fmax, torch.fmin, lambda x, y: torch.max(x, y), lambda x, y: torch.min(x, y)), T(3, 4), T(4))
case("extremes tied", many(torch.maximum, torch.minimum), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
case("extremes tied, by choice", many(torch.fmax, torch.fmin), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
case("extremes NaN", many(torch.maximum, torch.minimum, torch.fmax, torch.fmin), torch.tensor([nan, 1.0, nan]), torch.tensor([1.0, nan, nan]), grad=False)
for dtype in (i64, i8, u8, b, f16, f64):
    case(f"extremes {dtype}", many(torch.maximum, torch.minimum, torch.fmax), T(8, dtype=dtype), T(8, dtype=dtype), decompose=False)
case("threshold", many(lambda x: F.threshold(x, 0.1, 20.0), lambda x: torch.threshold(x, -1, -7)), T(8))
case("heaviside", torch.heaviside, torch.tensor([-1, 0, 2]), torch.tensor([5, 6, 7]))

main()
