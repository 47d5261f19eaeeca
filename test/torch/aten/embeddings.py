"""Embeddings."""
import torch
import torch.nn.functional as F
from torch import nn

from judge import T, case, main

f16, i64, i32 = torch.float16, torch.int64, torch.int32
ids = torch.tensor([[1, 0, 3], [2, 2, 1]])

case("embedding", nn.Embedding(5, 4), ids, nodes=1)
case("embedding int32", nn.Embedding(5, 4), ids.to(i32))
case("embedding padding", nn.Embedding(5, 4, padding_idx=1), ids)
case("embedding negative padding", nn.Embedding(5, 4, padding_idx=-3), ids)
case("embedding dynamic", nn.Embedding(5, 4), ids, dynamic={0: (0, 1)}, other=[[torch.tensor([[4, 0]])]])
case("embedding float16", nn.Embedding(5, 4).half(), ids)
case("embedding 0-d", nn.Embedding(5, 4), torch.tensor(2))
for mode in ("sum", "mean", "max"):
    case(f"bag {mode}", nn.EmbeddingBag(5, 4, mode=mode), torch.tensor([1, 0, 3, 2, 4]), torch.tensor([0, 2, 2]))
    case(f"bag {mode} rows", nn.EmbeddingBag(5, 4, mode=mode), ids)
    case(f"bag {mode} padding", nn.EmbeddingBag(5, 4, mode=mode, padding_idx=1), torch.tensor([1, 0, 3, 1, 1]), torch.tensor([0, 3]))
    case(f"bag {mode} last offset", nn.EmbeddingBag(5, 4, mode=mode, include_last_offset=True), torch.tensor([1, 0, 3, 2, 4]), torch.tensor([0, 2, 5]))
case("bag weights", nn.EmbeddingBag(5, 4, mode="sum"), torch.tensor([1, 0, 3, 2, 4]), torch.tensor([0, 2]), T(5))
case("bag rows dynamic", nn.EmbeddingBag(5, 4, mode="mean"), ids, dynamic={0: (0,)}, other=[[torch.tensor([[4, 0, 0]])]])
case("one_hot", lambda x: F.one_hot(x, 5), ids)
case("one_hot 0-d", lambda x: F.one_hot(x, 5), torch.tensor(3))
main()
