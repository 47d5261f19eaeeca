"""Conversions of types, copies, dropout."""
import torch
import torch.nn.functional as F
from torch import nn

from judge import T, case, main

f32, f64, f16, bf16, i64, i32, i16, i8, u8, b = torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool

case("to from float", lambda x: tuple(x.to(d) for d in (f32, f64, f16, i64, i32, i16, i8, b)) + (x.int(), x.bool(), x.half(), x.double(), x.long(), x.float(), x.to(bf16).float() * 0), T(3, 4) * 3)
case("to from int", lambda x: tuple(x.to(d) for d in (f32, f64, f16, i32, i16, i8, u8, b)), torch.tensor([0, 1, -1, 5, 100]))
case("to from bool", lambda x: tuple(x.to(d) for d in (f32, f16, i64, u8)), T(5, dtype=b))
case("to others", lambda x, y: (x.to(y), x.type_as(y), x.to("cpu"), x.to("cpu", f64), x.to(torch.device("cpu"), dtype=i64), x.to(f64, copy=True)), T(3, 4), T(2, dtype=f64))
case("copies", lambda x: (x.clone(), x.contiguous(), x.t().contiguous(), x.detach() * 0 + x, torch.positive(x), x.clone(memory_format=torch.contiguous_format), x.to(f32)), T(3, 4))
case("conversion shares memory", lambda x: (lambda y: (y.to(f32).mul_(2), y)[1])(x.clone()), T(3))
case("conversion copies", lambda x: (lambda y: (y.to(f64).mul_(2), y)[1])(x.clone()), T(3))
case("contiguous copies", lambda x: (lambda y: (y.t().contiguous().mul_(2), y)[1])(x.clone()), T(3, 4))
case("detach shares memory", lambda x: (lambda y: (y.detach().zero_(), y)[1])(x.clone()), T(3), grad=False)
case("dropout", nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.3), nn.AlphaDropout(0.1), nn.FeatureAlphaDropout(0.2)).eval(), T(2, 3, 4, 4), nodes=1)
case("dropout in place", lambda x: F.dropout(x.clone(), 0.5, training=False, inplace=True).add_(1), T(3))
case("dropout in training, nothing dropped", lambda x: (F.dropout(x, 0.0, training=True), F.dropout(x, 1.0, training=True)), T(3), grad=False)
case("copy_", lambda x, y: (lambda z: (z.copy_(y), z)[1])(x.clone()), T(3, 4), T(4, dtype=f64))
case("dropout in training", lambda x: (lambda y: (y * (2 - y), (y.sum() > 0) & (y.sum() < 2000)))(F.dropout(torch.ones(1000) + x, 0.5, training=True)), torch.zeros(()), grad=False)

main()
