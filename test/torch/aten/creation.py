"""Tensors made of nothing, and random ones."""
import torch

from judge import T, case, main

f64, f16, i64, i32, u8, b = torch.float64, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool

case("constants", lambda x: (torch.zeros(2, 3) + x, torch.ones(3), torch.full((2, 2), 1.5), torch.full((2,), 7), torch.full((), True), torch.zeros(0, 3), torch.eye(3), torch.eye(2, 4, dtype=i64), torch.tensor([1.0, 2.0]) * x, torch.tensor(3)), T())
case("like", lambda x: (torch.zeros_like(x), torch.ones_like(x), torch.full_like(x, 2.5), torch.full_like(x, 3, dtype=i64), x.new_zeros(2, 2), x.new_ones(3), x.new_full((2,), 4.5), torch.ones_like(x, dtype=b), torch.zeros_like(x, dtype=u8)), T(2, 3))
case("like dynamic", lambda x: (torch.zeros_like(x), torch.ones_like(x) * x, torch.full_like(x, 2.5), x.new_zeros(x.shape[0], 2), torch.zeros(x.shape[1], x.shape[0]), torch.eye(x.shape[0]), torch.full((x.shape[0],), 3), torch.ones(x.shape[0], x.shape[0], dtype=b)), T(2, 3), dynamic={0: (0, 1)}, other=[[T(4, 5)]])
case("arange", lambda x: (torch.arange(5), torch.arange(2, 7), torch.arange(1, 10, 3), torch.arange(0.0, 1.0, 0.1), torch.arange(5, 0, -2), torch.arange(5.0), torch.arange(0, 3, dtype=torch.float32), torch.arange(0, 5000), torch.arange(0, 600, 0.1, dtype=f64), torch.arange(3, dtype=i32), torch.arange(0) + x.long()), T())
case("arange dynamic", lambda x: (torch.arange(x.shape[0]), torch.arange(1, x.shape[0] + 1), torch.arange(0, x.shape[1], 2), torch.arange(x.shape[0], dtype=torch.float32) * 0.5, torch.arange(x.shape[0] - 1, -1, -1), torch.arange(x.shape[0])[None, :] <= torch.arange(x.shape[1])[:, None]), T(4, 6), dynamic={0: (0, 1)}, other=[[T(7, 5)]])
case("linspace", lambda x: (torch.linspace(0, 1, 5) + x, torch.linspace(-2, 3, 8), torch.linspace(3, 1, 1), torch.linspace(0, 10, 5, dtype=i64), torch.logspace(0, 2, 5), torch.logspace(-1, 1, 4, base=2.0), torch.linspace(0, 1, 6000)), T())
case("triangles", lambda x: (torch.tril_indices(3, 4) + x.long(), torch.triu_indices(3, 3, offset=1), torch.tril_indices(2, 2, offset=-5)), T())
case("meshgrid", lambda x, y: (torch.meshgrid(x, y, indexing="ij"), torch.meshgrid(x, y, indexing="xy"), torch.meshgrid(torch.arange(3), torch.arange(4), indexing="ij")), T(3), T(4))
case("meshgrid dynamic", lambda x, y: (torch.meshgrid(x, y, indexing="ij"), torch.meshgrid(x, y, indexing="xy")), T(3), T(4), dynamic={0: (0,), 1: (0,)}, other=[[T(5), T(2)]])
case("filled in place", lambda x: (x.clone().zero_(), x.clone().fill_(2), x.clone().fill_(torch.tensor(3.0)), torch.fill(x, 1.5), torch.empty_like(x).copy_(x), torch.zeros(2, 3).copy_(x[0]), torch.empty(3).fill_(1.0)), T(2, 3))
case("random, but for its shape", lambda x: (torch.rand(2, 3) * 0 + x, torch.randn_like(x) * 0, torch.rand_like(x) * 0 + x, torch.randn(x.shape[0], 2) * 0, torch.randint(0, 5, (3,)) * 0, torch.bernoulli(torch.full_like(x, 0.5)) * 0, torch.normal(0.0, 1.0, (2,)) * 0), T(2, 3), grad=False)
case("random dynamic", lambda x: (torch.randn_like(x) * 0 + x, torch.rand(x.shape[0], 2) * 0), T(2, 3), dynamic={0: (0,)}, other=[[T(4, 3)]], grad=False)
case("drawn in place", lambda x: (x.clone().normal_() * 0, x.clone().uniform_(1, 1.0000001), x.clone().bernoulli_(1.0), x.clone().exponential_() * 0), T(2, 3), grad=False, tolerance=1e-4)
case("orders", lambda x: (torch.randperm(5).sort()[0], torch.multinomial(torch.tensor([0.0, 0.0, 1.0]), 1), torch.multinomial(torch.tensor([[1.0, 1.0, 0.0]]), 2).sort()[0]), T(2), grad=False)
case("sure draws", lambda x: (torch.bernoulli(torch.ones_like(x)), torch.bernoulli(torch.zeros_like(x)), torch.randint(3, 4, (2, 2))), T(2, 3), grad=False)
case("windows", lambda x: (torch.hann_window(8) + x, torch.hann_window(5, periodic=False), torch.hamming_window(6), torch.hamming_window(6, True, 0.5, 0.4), torch.blackman_window(7), torch.bartlett_window(8), torch.bartlett_window(5, periodic=False)), T(), decompose=False)
case("broadcast_tensors", lambda x, y: torch.broadcast_tensors(x, y), T(3, 1, 4), T(5, 1), dynamic={0: (0,), 1: (0,)}, other=[[T(2, 1, 4), T(7, 1)]])
case("linspace of tensors", lambda x, y: (torch.linspace(x, y, 5), torch.linspace(x, 3, 4)), T(), T(), grad=False)

main()
