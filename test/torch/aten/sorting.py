"""Sorting, searching and counting."""
import torch

from judge import T, case as plain_case, main


def case(name, function, *inputs, **more):
    """Named tuples of PyTorch's own, which torch.export.save cannot write, as plain ones."""
    def bare(*given):
        result = function(*given)
        return tuple(result) if isinstance(result, tuple) else result
    plain_case(name, bare, *inputs, **more)


f64, f16, bf16, i64, i32, i16, i8, u8, b = torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool
nan = float("nan")

case("sort", lambda x: torch.sort(x), T(3, 5), nodes=1)
case("sort descending", lambda x: torch.sort(x, 0, True), T(3, 5))
case("sort stable", lambda x: torch.sort(x, stable=True), T(12, dtype=i64, low=0, high=3))
case("sort stable descending", lambda x: torch.sort(x, stable=True, descending=True), T(12, dtype=i32, low=0, high=3))
case("sort uint8", lambda x: torch.sort(x, stable=True), T(6, dtype=u8))
case("sort bool", lambda x: torch.sort(x, stable=True), T(6, dtype=b))
case("sort float16", lambda x: torch.sort(x, stable=True), T(6, dtype=f16))
case("sort 0-d", lambda x: torch.sort(x)[0] + 1, T())
case("sort dynamic", lambda x: torch.sort(x), T(3, 5), dynamic={0: (0, 1)}, other=[[T(2, 7)]])
case("sort empty", lambda x: torch.sort(x), T(2, 0), grad=False)
case("argsort", lambda x: torch.argsort(x, 0, True), T(4, 3))
case("argsort stable", lambda x: torch.argsort(x, stable=True), T(9, dtype=i64, low=0, high=3))
case("msort", torch.msort, T(4, 3))
case("topk", lambda x: torch.topk(x, 2), T(3, 5), nodes=1)
case("topk smallest", lambda x: torch.topk(x, 2, 0, largest=False), T(3, 5))
case("topk int16", lambda x: torch.topk(x, 1), torch.tensor([3, 9, 1], dtype=i16))
case("topk k dynamic", lambda x: torch.topk(x, x.shape[0] // 2, 0), T(6, 2), dynamic={0: (0,)}, other=[[T(9, 2)]])
case("kthvalue", lambda x: torch.kthvalue(x, 2), T(3, 5))
case("kthvalue keepdim", lambda x: torch.kthvalue(x, 3, 0, True), T(3, 5))
case("median", torch.median, T(3, 4))
case("median dim", lambda x: torch.median(x, 1), T(3, 4))
case("median keepdim", lambda x: torch.median(x, 0, True), T(5, 4))
case("median int", torch.median, T(6, dtype=i64))
case("median nan", torch.median, torch.tensor([1.0, nan, 3.0]), grad=False)
case("median dynamic", lambda x: torch.median(x, 1)[0], T(3, 4), dynamic={0: (0, 1)}, other=[[T(2, 7)]])
case("nanmedian", torch.nanmedian, torch.tensor([1.0, nan, 3.0, 2.0]))
case("nanmedian dim", lambda x: torch.nanmedian(x, 1), torch.tensor([[1.0, nan, 3.0, 2.0], [nan, nan, 5.0, nan], [1, 2, 3, 4]]))
case("mode", lambda x: torch.mode(x)[0], T(3, 9, dtype=i64, low=0, high=4))
case("mode keepdim", lambda x: torch.mode(x, 0, True)[0], T(9, 2, dtype=i32, low=0, high=4))
case("quantile", lambda x: torch.quantile(x, 0.3), T(3, 4))
case("quantile dim", lambda x: torch.quantile(x, 0.3, 1, True), T(3, 4))
case("quantile several", lambda x, q: torch.quantile(x, q, 1), T(3, 4), torch.tensor([0.0, 0.25, 1.0]), grad=False)
case("quantile several keepdim", lambda x: torch.quantile(x, torch.tensor([0.1, 0.5]), 0, True), T(3, 4), grad=False)
for m in ("lower", "higher", "midpoint", "nearest"):
    case(f"quantile {m}", lambda x, m=m: torch.quantile(x, 0.4, 0, interpolation=m), T(4, 3))
case("quantile nan", lambda x: torch.quantile(x, 0.4, 0), torch.tensor([[1.0, 2], [nan, 3]]), grad=False)
case("nanquantile", lambda x: torch.nanquantile(x, 0.4, 1), torch.tensor([[1.0, 2, nan, 3], [nan, 3, 1, 7], [nan, nan, nan, nan]]), grad=False)
case("nanquantile several", lambda x: torch.nanquantile(x, torch.tensor([0.4, 0.6]), 0), torch.tensor([[1.0, 2], [nan, 3]]), grad=False)

seq = torch.tensor([1.0, 3, 3, 5, 9])
case("searchsorted", lambda s, x: torch.searchsorted(s, x), seq, torch.tensor([[3.0, 0, 10], [5, 4, 9]]))
case("searchsorted right", lambda s, x: torch.searchsorted(s, x, right=True), seq, torch.tensor([3.0, 0, 10]))
case("searchsorted side", lambda s, x: torch.searchsorted(s, x, side="right", out_int32=True), seq, torch.tensor([3.0, 0, 10]))
case("searchsorted rows", lambda s, x: torch.searchsorted(s, x), torch.stack([seq, seq * 2]), torch.tensor([[3.0, 0], [5, 4]]))
case("searchsorted scalar", lambda s: torch.searchsorted(s, 4), seq)
case("searchsorted sorter", lambda s, x, o: torch.searchsorted(s, x, sorter=o), seq[[4, 0, 1, 2, 3]], torch.tensor([3.0, 6]), torch.tensor([1, 2, 3, 4, 0]))
case("searchsorted ints", lambda s, x: torch.searchsorted(s, x), torch.tensor([1, 3, 5]), torch.tensor([3, 4]))
case("bucketize", lambda x, s: torch.bucketize(x, s), torch.tensor([[3.0, 0, 10], [5, 4, 9]]), seq)
case("bucketize right", lambda x, s: torch.bucketize(x, s, right=True, out_int32=True), torch.tensor([3.0, 0, 10]), seq)
case("isin", torch.isin, torch.tensor([[1, 2], [3, 4]]), torch.tensor([2, 4, 5]))
case("isin invert", lambda x, y: torch.isin(x, y, invert=True), torch.tensor([1.0, 2]), torch.tensor([2.0]))
case("isin scalar", lambda x: torch.isin(x, 2), torch.tensor([1, 2]))
case("bincount", lambda x: torch.bincount(x, minlength=7).sum(), torch.tensor([0, 2, 2, 5]))
case("bincount weights", lambda x, w: torch.bincount(x, w, 7).sum(), torch.tensor([0, 2, 2, 5]), T(4), grad=False)
case("histc", lambda x: torch.histc(x, 4, -1, 1), T(20), grad=False)
case("histc own range", lambda x: torch.histc(x, 5), T(20), grad=False)
case("unique", lambda x: torch.unique(x), torch.tensor([3, 1, 2, 1, 3]))
case("unique all", lambda x: torch.unique(x, return_inverse=True, return_counts=True), torch.tensor([[3, 1, 2], [1, 3, 3]]))
case("unique floats", lambda x: torch.unique(x, return_inverse=True), torch.tensor([3.0, 1, 2, 1, 3]), grad=False)
case("unique dim", lambda x: torch.unique(x, dim=0, return_inverse=True, return_counts=True), torch.tensor([[3, 1], [1, 2], [3, 1]]))
case("unique_consecutive", lambda x: torch.unique_consecutive(x, return_inverse=True, return_counts=True), torch.tensor([1, 1, 2, 2, 2, 1, 3]))
case("isclose all", lambda x, y: torch.isclose(x, y).all(), T(3), T(3))
main()
