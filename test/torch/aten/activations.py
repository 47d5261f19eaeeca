"""Activations."""
import torch
import torch.nn.functional as F
from torch import nn

from judge import T, case, main

f64, f16, bf16 = torch.float64, torch.float16, torch.bfloat16


def many(*functions):
    return lambda *inputs: tuple(function(*inputs) for function in functions)


plain = many(F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, lambda x: F.gelu(x, approximate="tanh"), F.silu, F.mish, F.hardtanh, F.hardswish, F.hardsigmoid, F.hardshrink, F.softshrink, F.tanhshrink, F.softplus, F.softsign, F.logsigmoid, F.rrelu, F.glu)
case("activations", plain, T(4, 6) * 2)
for dtype in (f64, f16, bf16):
    case(f"activations {dtype}", plain, T(4, 6, dtype=dtype) * 2, decompose=False)
case("with numbers", many(lambda x: F.leaky_relu(x, 0.3), lambda x: F.elu(x, 0.5), lambda x: F.celu(x, 2.0), lambda x: F.hardtanh(x, -0.5, 2), lambda x: F.hardshrink(x, 0.2), lambda x: F.softshrink(x, 0.3), lambda x: F.softplus(x, 2, 1), lambda x: F.softplus(x, beta=0.5),
                          lambda x: F.threshold(x, 0.1, 5), lambda x: F.glu(x, 0)), T(4, 6) * 2)
case("prelu", many(lambda x, w, v: F.prelu(x, w), lambda x, w, v: F.prelu(x, v), lambda x, w, v: F.prelu(x[0, :, 0, 0], v), lambda x, w, v: F.prelu(x[:, :, 0, 0], w)), T(2, 3, 4, 5), T(3), T(1))
case("prelu module", nn.PReLU(3), T(2, 3, 4), dynamic={0: (0,)}, other=[[T(5, 3, 4)]])
case("softplus far out", F.softplus, torch.tensor([-100.0, -20.0, 0.0, 19.0, 21.0, 100.0]), decompose=False)
case("logsigmoid far out", F.logsigmoid, torch.tensor([-100.0, -20.0, 0.0, 19.0, 100.0]))
case("gelu nodes", nn.GELU(), T(4, 6), nodes=1)
case("silu nodes", nn.SiLU(), T(4, 6), nodes=2)
case("in place", lambda x: F.silu(F.leaky_relu(x.clone(), 0.1, inplace=True), inplace=True), T(4, 6), grad=False)

main()
