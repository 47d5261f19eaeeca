"""Arithmetic of two numbers and more, with PyTorch's promotion of types."""
import torch

from judge import T, case, main

f32, f64, f16, bf16, i64, i32, i16, i8, u8, b = torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool
inf, nan = float("inf"), float("nan")


def many(*functions):
    return lambda *inputs: tuple(function(*inputs) for function in functions)


four = many(torch.add, torch.sub, torch.mul, torch.div)
numbers = many(lambda x: x + 2, lambda x: 2 - x, lambda x: x * 3, lambda x: x / 4, lambda x: x + 0.5, lambda x: x * 1.5, lambda x: 1 / (x * x + 1))
case("floats", four, T(3, 4), T(3, 4))
case("broadcast", four, T(3, 1, 4), T(5, 1))
case("0-d", four, T(3, 4), T(dtype=f64))
case("dynamic", four, T(3, 4), T(4), dynamic={0: (0,)}, other=[[T(7, 4), T(4)]])
for name, pair in {"float32 int64": (f32, i64), "float16 float32": (f16, f32), "bfloat16 float16": (bf16, f16), "int32 int64": (i32, i64), "uint8 int8": (u8, i8), "int8 int8": (i8, i8),
                   "uint8 uint8": (u8, u8), "int16 int16": (i16, i16), "bool float32": (b, f32), "bool int64": (b, i64), "float64 float32": (f64, f32)}.items():
    case(name, many(torch.add, torch.mul, torch.div, lambda x, y: torch.maximum(x, y)), T(3, 4, dtype=pair[0]), T(3, 4, dtype=pair[1], **({} if pair[1].is_floating_point or pair[1] == b else {"low": 1, "high": 9})), decompose=False)
case("bool bool", many(torch.add, torch.mul), T(3, 4, dtype=b), T(3, 4, dtype=b))
case("sub int", torch.sub, T(3, 4, dtype=u8), T(3, 4, dtype=u8))
for dtype in (f32, f64, f16, bf16, i64, i32, i8, u8):
    case(f"numbers {dtype}", numbers if dtype.is_floating_point else many(lambda x: x + 2, lambda x: 2 - x, lambda x: x * 3, lambda x: x / 4, lambda x: x + 0.5, lambda x: x * 100), T(3, 4, dtype=dtype), decompose=dtype == f32)
case("0-d int with number", lambda x: x + 1.5, T(dtype=i64))
case("alpha", many(lambda x, y: torch.add(x, y, alpha=2), lambda x, y: torch.sub(x, y, alpha=0.5), lambda x, y: torch.rsub(x, y, alpha=3), lambda x, y: torch.rsub(x, 2, alpha=3)), T(3), T(3))
case("alpha int", many(lambda x, y: torch.add(x, y, alpha=2), lambda x, y: torch.sub(x, y, alpha=3)), T(3, dtype=i64), T(3, dtype=i64))
case("aliases", many(torch.multiply, torch.divide, torch.subtract, torch.true_divide, lambda x, y: torch.multiply(x, 2), lambda x, y: torch.divide(x, 2), lambda x, y: torch.subtract(x, 2)), T(3), T(3))
case("fused", many(lambda x, y, z: torch.addcmul(x, y, z, value=0.5), lambda x, y, z: torch.addcdiv(x, y, z, value=2), lambda x, y, z: torch.lerp(x, y, 0.3), torch.lerp), T(3, 4), T(3, 4), T(3, 4, low=0.2, high=2))
case("addcmul int", lambda x, y, z: torch.addcmul(x, y, z, value=2), T(3, dtype=i64), T(3, dtype=i64), T(3, dtype=i64))
case("points", many(torch.hypot, torch.atan2, torch.copysign, torch.fmax, torch.fmin), T(4, 4), T(4, 4))
case("points float64", many(torch.hypot, torch.atan2), T(4, 4, dtype=f64), T(4, 4, dtype=f64))
corners = torch.tensor([0.0, -0.0, 1.0, -1.0, inf, -inf])
case("atan2 corners", lambda x, y: torch.atan2(x, y), corners[:4].repeat(4), corners[:4].repeat_interleave(4), grad=False)
case("atan2 of integers", torch.atan2, T(8, dtype=i64), T(8, dtype=i64))
case("hypot of large and 0", torch.hypot, torch.tensor([1e30, 0.0, 3.0]), torch.tensor([1e30, 0.0, 4.0]), grad=False)
case("copysign", many(lambda x: torch.copysign(x, -2.0), lambda x: torch.copysign(x, torch.tensor(-0.0))), T(4))
case("logarithms of sums", many(torch.logaddexp, torch.logaddexp2), T(3, 4) * 20, T(3, 4))
case("logarithms of sums, infinite", many(torch.logaddexp, torch.logaddexp2), torch.tensor([inf, -inf, -inf, 1.0]), torch.tensor([inf, -inf, 2.0, inf]), grad=False)
case("xlogy", many(torch.xlogy, lambda x, y: torch.xlogy(2.0, y), lambda x, y: torch.xlogy(x, 3), torch.special.xlog1py), torch.tensor([0.3, 1.0, 2.0, 0.7]), torch.tensor([0.5, 2.0, 3.0, 1.5]))
case("xlogy of 0", torch.xlogy, torch.tensor([0.0, 0.0]), torch.tensor([0.5, 3.0]), decompose=False)
case("xlogy at 0", torch.xlogy, torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, nan, 0.0]), grad=False)
case("ldexp heaviside", many(torch.ldexp, torch.heaviside), torch.tensor([1.5, -2.0, 0.0]), torch.tensor([3.0, 2.0, 0.5]), grad=False)
case("div modes", many(*[lambda x, y, m=m: torch.div(x, y, rounding_mode=m) for m in (None, "floor", "trunc")]), T(4, 5), T(4, 5))
case("div modes int", many(*[lambda x, y, m=m: torch.div(x, y, rounding_mode=m) for m in (None, "floor", "trunc")], torch.floor_divide, torch.remainder, torch.fmod), T(40, dtype=i64), torch.tensor([3, -3, 2, -7, 1, -1, 5, 9] * 5))
case("div modes int8", many(*[lambda x, y, m=m: torch.div(x, y, rounding_mode=m) for m in ("floor", "trunc")], torch.remainder, torch.fmod), T(8, dtype=i8), torch.tensor([3, -3, 2, -7, 1, -1, 5, 9], dtype=i8))
case("div modes number", many(lambda x: x // 2, lambda x: x // 0.3, lambda x: torch.div(x, 3, rounding_mode="trunc"), lambda x: x % 3, lambda x: x % -2.5, lambda x: torch.fmod(x, 2), lambda x: 7 % x, lambda x: 7 // x), T(3, 4), grad=False)
case("div modes number int", many(lambda x: x // 2, lambda x: x // -3, lambda x: torch.div(x, 3, rounding_mode="trunc"), lambda x: x % 3, lambda x: x % -4, lambda x: torch.fmod(x, 2), lambda x: x // 2.0), T(3, 4, dtype=i64))
case("floor division near whole numbers", lambda x, y: torch.floor_divide(x, y), torch.tensor([1.0, 0.6, -1.0, 5.0, 1.0, -1.0, 0.3]), torch.tensor([0.1, 0.2, 0.1, 0.0, inf, inf, 0.1]), grad=False)
case("remainder", many(torch.remainder, torch.fmod), T(4, 4) * 5, T(4, 4), gradient_tolerance=1e-3)
case("powers", many(*[lambda x, e=e: x ** e for e in (0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.7, 2.0)]), T(3, 4, low=0.3, high=3))
case("powers of negative numbers", many(*[lambda x, e=e: x ** e for e in (2, 3, -1, -3)]), T(3, 4))
case("powers of integers", many(*[lambda x, e=e: x ** e for e in (0, 1, 2, 3, 5, 0.5, -1.0)]), T(3, 4, dtype=i64, low=1))
case("powers of int8", many(*[lambda x, e=e: x ** e for e in (2, 3)]), T(3, 4, dtype=i8))
case("powers of tensors", many(torch.pow, lambda x, y: torch.pow(2, y), lambda x, y: torch.pow(0.5, x), torch.float_power), T(3, 4, low=0.3, high=3), T(3, 4))
case("powers of tensors of integers", torch.pow, T(8, dtype=i64), T(8, dtype=i64, low=0, high=5))
case("power at 0", lambda x: x ** 2.5, torch.tensor([0.0, 1.0]))
case("shifts", many(lambda x: x << 3, lambda x: x >> 1, lambda x: 1 << (x.abs() % 8), torch.bitwise_not, lambda x: torch.bitwise_right_shift(x, torch.tensor(2))), T(8, dtype=i64))
case("shifts int32", many(lambda x: x << 3, lambda x: x >> 1), T(8, dtype=i32))
case("shifts uint8", many(lambda x: x << 3, lambda x: x >> 1, torch.bitwise_not), T(8, dtype=u8))
case("in place", lambda x, y: x.clone().add_(y).mul_(2).div_(3).sub_(y, alpha=2).pow_(2).clamp_(0, 4), T(3, 4), T(4))
case("in place keeps its type", lambda x, y: x.clone().add_(y), T(4, dtype=f16), T(4))
case("sym size", lambda x: x * x.shape[0] / x.shape[1] + x.shape[0] ** 2, T(3, 4), dynamic={0: (0, 1)}, other=[[T(5, 2)]])

main()
