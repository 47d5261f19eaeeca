"""Functions of one number."""
import torch
from torch import special

from judge import T, case, main

f64, f16, bf16, i64, i32, i16, i8, u8, b = torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool
inf, nan = float("inf"), float("nan")


def many(*functions):
    """Several functions as one case."""
    return lambda *inputs: tuple(function(*inputs) for function in functions)


def positive(dtype=torch.float32):
    return T(3, 4, dtype=dtype, low=0.1, high=5)


case("roots and logarithms", many(torch.sqrt, torch.rsqrt, torch.log, torch.log2, torch.log10, torch.reciprocal), positive())
case("roots and logarithms float64", many(torch.sqrt, torch.rsqrt, torch.log, torch.log2, torch.log10, torch.reciprocal), positive(f64), decompose=False)
case("roots and logarithms float16", many(torch.sqrt, torch.rsqrt, torch.log, torch.log2, torch.log10, torch.reciprocal), positive(f16), decompose=False)
case("of integers", many(torch.sqrt, torch.rsqrt, torch.log, torch.exp, torch.sin, torch.tanh, torch.sigmoid, torch.reciprocal, torch.erf, torch.expm1), T(3, 4, dtype=i64, low=1, high=9), decompose=False)
case("of truth values", many(torch.exp, torch.sigmoid, torch.sign, torch.log1p), T(3, 4, dtype=b), decompose=False)
case("exponentials", many(torch.exp, torch.exp2, torch.expm1, torch.sigmoid, torch.tanh, torch.square), T(3, 4))
case("exponentials float64", many(torch.exp, torch.exp2, torch.expm1, torch.sigmoid, torch.tanh, torch.square), T(3, 4, dtype=f64), decompose=False)
case("exponentials bfloat16", many(torch.exp, torch.exp2, torch.expm1, torch.sigmoid, torch.tanh, torch.square), T(3, 4, dtype=bf16), decompose=False)
case("expm1 of small numbers", torch.expm1, T(8) * 1e-6, decompose=False)
case("log1p of small numbers", torch.log1p, T(8) * 1e-6, decompose=False)
case("log1p", torch.log1p, T(8, low=-0.9, high=3))
case("log1p large", torch.log1p, torch.tensor([0.0, -1.0, 1e3, 1e20, inf]), grad=False, decompose=False)
case("circular", many(torch.sin, torch.cos, torch.tan, torch.asin, torch.acos, torch.atan), T(3, 4, low=-0.9, high=0.9))
case("circular float64", many(torch.sin, torch.cos, torch.tan, torch.asin, torch.acos, torch.atan), T(3, 4, dtype=f64, low=-0.9, high=0.9), decompose=False)
case("hyperbolic", many(torch.sinh, torch.cosh, torch.asinh, torch.atanh, lambda x: torch.acosh(x + 2)), T(3, 4, low=-0.9, high=0.9))
case("hyperbolic float64", many(torch.sinh, torch.cosh, torch.asinh, torch.atanh, lambda x: torch.acosh(x + 2)), T(3, 4, dtype=f64, low=-0.9, high=0.9), decompose=False)
case("error functions", many(torch.erf, torch.erfc, torch.erfinv), T(3, 4, low=-0.99, high=0.99))
case("erfc far out", torch.erfc, torch.tensor([-4.0, -1.0, 0.0, 0.4, 0.6, 1.0, 2.0, 3.0, 4.5]), decompose=False)
case("erfc of large numbers alone", torch.erfc, torch.tensor([3.0, 4.0, 5.0]), decompose=False)
case("erfinv at its ends", torch.erfinv, torch.tensor([-1.0, 1.0, 0.0, 0.9999, -0.999999, 2.0]), grad=False, decompose=False)
case("gamma", many(torch.lgamma, torch.digamma), T(12, low=0.05, high=6))
case("gamma below 0", many(torch.lgamma, torch.digamma), torch.tensor([-0.5, -1.3, -2.7, 1.0, 2.0, 10.0, 50.0]), decompose=False)
case("angles", many(torch.deg2rad, torch.rad2deg, torch.sinc), torch.tensor([0.0, 0.3, -1.2, 45.0, 2.0]), decompose=False)
case("logit", many(torch.logit, lambda x: torch.logit(x, eps=0.2)), T(3, 4, low=0.05, high=0.95))
case("rounding", many(torch.floor, torch.ceil, torch.round, torch.trunc, torch.frac, lambda x: torch.round(x, decimals=2), lambda x: torch.round(x * 100, decimals=-1)),
     torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 2.345, -2.7, 1e9]))
case("rounding integers", many(torch.floor, torch.ceil, torch.round, torch.trunc), T(5, dtype=i64), decompose=False)
case("signs", many(torch.abs, torch.neg, torch.sign, torch.sgn, torch.positive), T(3, 4))
for dtype in (i64, i32, i16, i8):
    case(f"signs {dtype}", many(torch.abs, torch.neg, torch.sign, torch.square, torch.positive, torch.signbit), T(3, 4, dtype=dtype), decompose=False)
case("signs uint8", many(torch.abs, torch.neg, torch.sign, torch.square), T(3, 4, dtype=u8), decompose=False)
special_numbers = torch.tensor([0.0, -0.0, 1.0, -2.0, inf, -inf, nan])
for dtype in (torch.float32, f64, f16):
    case(f"special numbers {dtype}", many(torch.isnan, torch.isinf, torch.isfinite, torch.isposinf, torch.isneginf, torch.signbit, torch.abs, torch.relu, torch.sigmoid), special_numbers.to(dtype), grad=False)
    case(f"nan_to_num {dtype}", many(torch.nan_to_num, lambda x: torch.nan_to_num(x, nan=1.0, posinf=2.0, neginf=-3.0)), special_numbers.to(dtype))
case("special numbers of integers", many(torch.isnan, torch.isinf, torch.isfinite, torch.nan_to_num), T(4, dtype=i64), decompose=False)
case("aliases", many(torch.absolute, torch.negative, torch.arcsin, torch.arccos, torch.arctan, torch.arcsinh, torch.arctanh, torch.fix), T(3, 4, low=-0.9, high=0.9))
case("special", many(special.expit, special.erf, special.exp2, special.expm1, special.log1p, special.ndtr, special.logit, special.sinc, special.entr, special.digamma, special.gammaln, special.erfc),
     T(3, 4, low=0.05, high=0.95), tolerance=2e-5)
case("0-d and empty", many(torch.exp, torch.abs), T(), decompose=False)
case("empty", many(torch.exp, torch.abs, torch.log1p), T(0, 3), grad=False, decompose=False)
case("dynamic", many(torch.exp, torch.log1p, torch.expm1), T(3, 4), dynamic={0: (0, 1)}, other=[[T(5, 2)]], decompose=False)
case("in place", lambda x: x.clone().exp_().neg_().sqrt_().nan_to_num_(2.0), T(3, 4), grad=False, decompose=False)

main()
