"""Indexing: what is taken, and what is put."""
import torch

from judge import T, case, main

f64, f16, bf16, i64, i32, i16, i8, u8, b = torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool


def I(*numbers, dtype=i64):
    return torch.tensor(numbers, dtype=dtype)


i, j = I(0, 2, -1), I(1, 0, 3)
grid = torch.tensor([[0, 1], [2, 0]])

case("index first", lambda x, i: x[i], T(3, 4), i, nodes=1)
case("index int32", lambda x, i: x[i], T(3, 4), i.to(i32))
case("index last", lambda x, i: x[..., i], T(2, 3, 4), i, nodes=1)
case("index middle", lambda x, i: x[:, i], T(2, 3, 4), i, nodes=1)
case("index grid", lambda x, i: x[:, i], T(2, 3, 4), grid)
case("index 0-d", lambda x, i: x[i], T(3, 4), torch.tensor(-1))
case("index two", lambda x, i, j: x[i, j], T(3, 4, 2), i, j)
case("index two behind", lambda x, i, j: x[:, i, j], T(2, 3, 4), i, j)
case("index two in the middle", lambda x, i, j: x[:, i, j], T(2, 3, 4, 5), i, j)
case("index apart", lambda x, i, j: x[i, :, j], T(3, 2, 4), i, j)
case("index apart behind", lambda x, i, j: x[:, i, :, j], T(2, 3, 2, 4), i, j)
case("index broadcast", lambda x, i, j: x[i, j], T(3, 4), I(0, 1, 2).view(3, 1), I(0, 3))
case("index three", lambda x, i, j: x[i, j, i], T(3, 4, 3), i, j)
case("index with a number", lambda x, i: x[0, :, i], T(2, 3, 4), i)
case("index with slices", lambda x, i: x[1:, i, ::2], T(3, 3, 4), i)
case("index with None", lambda x, i: x[None, i], T(3, 4), i)
case("index list", lambda x: x[[0, 2]], T(3, 4))
case("index bool list", lambda x: x[:, [True, False, True]], T(2, 3))
case("index mask", lambda x, m: x[m], T(3, 4), T(3, 4, dtype=b), other=[[T(3, 4), torch.zeros(3, 4, dtype=b)]])
case("index row mask", lambda x, m: x[m], T(3, 4), T(3, dtype=b), other=[[T(3, 4), torch.ones(3, dtype=b)]])
case("index column mask", lambda x, m: x[:, m], T(3, 4), T(4, dtype=b))
case("index mask of two", lambda x, m: x[:, m], T(2, 3, 4), T(3, 4, dtype=b))
case("index own mask", lambda x: x[x > 0].sum(), T(3, 4))
case("index int8 data", lambda x, i: x[i], T(3, 4, dtype=i8), i)
case("index bool data", lambda x, i: x[i, i], T(3, 4, dtype=b), i)
case("index dynamic", lambda x, i: x[torch.arange(x.shape[0]), i], T(3, 4), I(1, 0, 3), dynamic={0: (0,), 1: (0,)}, other=[[T(5, 4), I(0, 1, 2, 3, 0)]])
case("index dynamic rows", lambda x, i: x[i], T(3, 4), i, dynamic={0: (0,), 1: (0,)}, other=[[T(5, 4), I(0, 1, -2, 3, 0)]])
case("index 1-d empty", lambda x, i: x[i], T(3, 4), torch.zeros(0, dtype=i64))
case("unsafe_index", lambda x, i, j: torch.ops.aten._unsafe_index(x, [None, i, j]), T(2, 3, 4), i, j)
case("index_select", lambda x, i: x.index_select(-1, i), T(3, 4), I(0, 3, 3))
case("index_select 0-d index", lambda x, i: x.index_select(0, i), T(3, 4), torch.tensor(1))
case("index_select 0-d", lambda x, i: x.index_select(0, i) + 1, T(), I(0))
case("take", torch.take, T(3, 4), torch.tensor([[0, 11], [-1, 5]]))
case("take_along_dim", lambda x, i: torch.take_along_dim(x, i, 1), T(3, 4), torch.tensor([[0], [3], [1]]))
case("take_along_dim flat", torch.take_along_dim, T(3, 4), I(0, 7, 3))
case("take_along_dim broadcast", lambda x, i: torch.take_along_dim(x, i, -1), T(3, 4), torch.tensor([[0, 2]]))
case("masked_select", torch.masked_select, T(3, 4), T(3, 4, dtype=b))
case("masked_select broadcast", torch.masked_select, T(3, 4), T(4, dtype=b))
case("masked_select of broadcast", torch.masked_select, T(4), T(3, 1, dtype=b))
case("masked_scatter", torch.masked_scatter, T(3, 4), T(3, 4, dtype=b), T(12))
case("masked_scatter broadcast", torch.masked_scatter, T(3, 4), T(4, dtype=b), T(3, 5))
case("masked_scatter_", lambda x, m, s: (x * 1).masked_scatter_(m, s), T(3, 4), T(3, 4, dtype=b), T(12))
case("nonzero", torch.nonzero, T(3, 4, low=-1, high=1).round(), grad=False)
case("nonzero int8", torch.nonzero, T(3, 4, dtype=i8, low=0, high=2))
case("nonzero float64", torch.nonzero, T(5, dtype=f64).round(), grad=False)
case("nonzero tuple", lambda x: torch.nonzero(x, as_tuple=True), T(3, 4, dtype=b))
case("argwhere", torch.argwhere, T(3, 4, dtype=i64, low=0, high=2))
case("where condition", lambda x: torch.where(x), T(3, 4, dtype=b))
case("nonzero_static", lambda x: torch.nonzero_static(x, size=5), T(3, dtype=b), other=[[torch.ones(3, dtype=b)]])
case("nonzero_static cut", lambda x: torch.nonzero_static(x, size=2, fill_value=7), torch.ones(2, 3, dtype=b))


def put(key, accumulate=False):
    def function(x, value, *index):
        return torch.ops.aten.index_put(x, [None if k is None else index[k] for k in key], value, accumulate)
    return function


case("put", put([0]), T(3, 4), T(2, 4), I(0, -1))
case("put scalar", put([0]), T(3, 4), T(), I(0, 2))
case("put row", put([0]), T(3, 4), T(4), I(0, 2))
case("put two", put([0, 1]), T(3, 4), T(3), i, j)
case("put two scalar", put([0, 1]), T(3, 4), T(), i, j)
case("put behind", put([None, 0]), T(2, 3), T(2, 2), I(0, 2))
case("put two behind", put([None, 0, 1]), T(2, 3, 4), T(2, 3), i, j)
case("put apart", put([0, None, 1]), T(3, 2, 4), T(3, 2), i, j)
case("put in the middle", put([None, 0, 1]), T(2, 3, 4, 5), T(3, 5), i, j)
case("put accumulate", put([0], True), T(3, 4), T(4, 4), I(0, 2, 0, 0))
case("put accumulate two", put([0, 1], True), T(3, 4), T(3), I(0, 0, 1), I(1, 1, 2))
case("put accumulate int", put([0], True), T(3, dtype=i64), T(4, dtype=i64), I(0, 2, 0, 0))
case("put accumulate int16", put([0], True), T(3, dtype=i16), T(4, dtype=i16), I(0, 2, 0, 0))
case("put accumulate float16", put([0], True), T(3, dtype=f16), T(4, dtype=f16), I(0, 2, 0, 0))
case("put mask", put([0]), T(3, 4), T(), T(3, 4, dtype=b), ops=["Where"])
case("put mask one", put([0]), T(3, 4), T(1), T(3, 4, dtype=b), ops=["Where"])
case("put row mask", put([0]), T(3, 4), T(4), T(3, dtype=b), ops=["Where"])
case("put column mask", put([None, 0]), T(3, 4), T(3, 1), T(4, dtype=b), ops=["Where"])
case("put mask accumulate", put([0], True), T(3, 4), T(), T(3, 4, dtype=b))
case("put mask values", put([0]), T(3, 4), T(2, 4), torch.tensor([True, False, True]))
case("put mask int8", put([0]), T(3, 4, dtype=i8), T(dtype=i8), T(3, 4, dtype=b))
case("put mask bool", put([0]), T(3, 4, dtype=b), T(dtype=b), T(3, 4, dtype=b))
case("put dynamic", put([0]), T(5, 4), T(2, 4), I(0, 2), dynamic={0: (0,), 1: (0,), 2: (0,)}, other=[[T(7, 4), T(3, 4), I(6, 1, 0)]])
case("put dynamic scalar", lambda x, i: x.index_put((i,), torch.tensor(1.0)), T(5, 4), I(0, 2), dynamic={0: (0,), 1: (0,)}, other=[[T(7, 4), I(6, 1, 0)]])
case("unsafe_index_put", lambda x, v, i: torch.ops.aten._unsafe_index_put(x, [i], v, True), T(3, 4), T(2, 4), I(0, 0))


def write(key):
    def function(x, *index):
        x = x * 1
        key(x, *index)
        return x
    return function


def set_rows(x, i):
    x[i] = 2.0


def set_mask(x):
    x[x > 0] = 0


def add_columns(x, i):
    x[:, i] += 3


def set_part(x, i):
    x[1:, i] = 5


case("x[i] = 2", write(set_rows), T(3, 4), I(0, 2))
case("x[x > 0] = 0", write(set_mask), T(3, 4))
case("x[:, i] += 3", write(add_columns), T(3, 4), I(0, 2))
case("x[1:, i] = 5", write(set_part), T(3, 4), I(0, 2))
main()
