"""Softmax, its logarithm, and the logarithm of a sum of exponentials."""
import torch
import torch.nn.functional as F

from judge import T, case, main

f64, f16, bf16, i64 = torch.float64, torch.float16, torch.bfloat16, torch.int64
inf = float("inf")
masked = torch.tensor([[1.0, -inf, 2.0], [-inf, -inf, -inf], [0.0, 1.0, -inf]])

case("softmax", lambda x: (F.softmax(x, -1), F.softmax(x, 0), torch.softmax(x, 1)), T(2, 3, 4), dynamic={0: (0, 1)}, other=[[T(3, 5, 4)]], ops=["Softmax"])
case("softmax dtypes", lambda x: (F.softmax(x, -1, dtype=f64), F.softmax(x, 0)), T(2, 3))
case("softmax int", lambda x: F.softmax(x, -1, dtype=torch.float32), T(2, 3, dtype=i64))
case("softmax half", lambda x: (F.softmax(x, -1), F.softmax(x, -1, dtype=torch.float32), F.log_softmax(x, -1)), T(2, 3, dtype=f16))
case("softmax bfloat16", lambda x: F.softmax(x, -1), T(2, 3, dtype=bf16))
case("softmax float64", lambda x: (F.softmax(x, -1), F.log_softmax(x, -1)), T(2, 3, dtype=f64))
case("softmax 0-d", lambda x: (F.softmax(x, 0), F.log_softmax(x, -1)), T())
case("softmax masked", lambda x: F.softmax(x, -1), masked, grad=False)
case("log_softmax", lambda x: (F.log_softmax(x, -1), F.log_softmax(x, 0), torch.log_softmax(x * 100, 1)), T(2, 3, 4), ops=["LogSoftmax"])
case("softmin", lambda x: F.softmin(x, 1), T(2, 3, 4))
case("safe_softmax", lambda x: torch.ops.aten._safe_softmax(x, -1), masked)
case("logsumexp", lambda x: (torch.logsumexp(x, 1), torch.logsumexp(x, (0, 2), keepdim=True), torch.logsumexp(x * 200, -1)), T(2, 3, 4))
case("logsumexp masked", lambda x: torch.logsumexp(x, 1), masked, grad=False)
case("logsumexp infinite", lambda x: torch.logsumexp(x, 1), torch.tensor([[inf, 1.0], [-inf, inf]]), grad=False)
case("logsumexp others", lambda x, y: (torch.logsumexp(x, 0), torch.logsumexp(y, 0)), T(), T(3, dtype=i64), grad=False)
case("logsumexp float64", lambda x: torch.logsumexp(x, 0), T(3, 4, dtype=f64))
case("gumbel-like", lambda x, g: F.softmax((x + g) / 0.5, -1), T(3, 4), T(3, 4))
case("masked_softmax", lambda x, m: torch.masked_fill(x, m, -inf).softmax(-1), T(2, 3), torch.tensor([[True, False, False], [False, False, True]]))

if __name__ == "__main__":
    main()
