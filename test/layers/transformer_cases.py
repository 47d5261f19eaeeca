"""Whole transformers as PyTorch computes them."""
import os
import sys

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, os.path.dirname(__file__))
from judge import judge  # noqa: E402
from transformer_models import (  # noqa: E402
    Bert,
    BertClassifier,
    BertMaskedLM,
    Gpt2,
    Llama,
    Seq2Seq,
    TimmViT,
    TokenEncoder,
    VisionViT,
    mean_pooled,
)

torch.manual_seed(5)
tokens = torch.randint(1, 40, (3, 7))
right = torch.tensor([[1] * 7, [1, 1, 1, 0, 0, 0, 0], [1] * 6 + [0]])
left = right.flip(1)
types = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 0, 0, 0, 0], [0] * 7])
cases = {}


def bert(model, i):
    x = model(i["tokens"], i.get("mask"), i.get("token_types"))
    return {"output": x, "pooled": model.pooled(x)}


given = {"tokens": tokens, "mask": right, "token_types": types}
cases["bert"] = (Bert(), {"tokens": tokens}, bert)
cases["bert-masked"] = (Bert(), given, bert)
cases["roberta"] = (Bert(offset=2), {"tokens": tokens, "mask": right}, bert)
cases["bert-mean"] = (
    Bert(pooler=False),
    {"tokens": tokens, "mask": right},
    lambda m, i: mean_pooled(m(i["tokens"], i["mask"]), i["mask"]),
)
cases["bert-classifier"] = (BertClassifier(), given, lambda m, i: m(i["tokens"], i["mask"], i["token_types"]))
cases["bert-tagger"] = (BertClassifier(by_token=True), {"tokens": tokens}, lambda m, i: m(i["tokens"]))
cases["bert-masked-lm"] = (BertMaskedLM(), {"tokens": tokens, "mask": right}, lambda m, i: m(i["tokens"], i["mask"]))


def encoder(norm_first=False, final=True, **options):
    layer = nn.TransformerEncoderLayer(32, 4, 48, 0.0, batch_first=True, norm_first=norm_first, **options)
    norm = nn.LayerNorm(32) if final else None
    return nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False)


x = torch.randn(3, 7, 32)
cases["encoder-post"] = (encoder(final=False), {"x": x}, lambda m, i: m(i["x"]))
cases["encoder-pre"] = (
    encoder(norm_first=True, activation="gelu", layer_norm_eps=1e-3),
    {"x": x, "mask": right},
    lambda m, i: m(i["x"], src_key_padding_mask=i["mask"] == 0),
)
cases["encoder-bare"] = (encoder(bias=False), {"x": x}, lambda m, i: m(i["x"]))
cases["encoder-causal"] = (
    encoder(),
    {"x": x},
    lambda m, i: m(i["x"], mask=~torch.ones(7, 7, dtype=torch.bool).tril()),
)
cases["encoder-tokens"] = (TokenEncoder(), {"tokens": tokens, "mask": right}, lambda m, i: m(i["tokens"], i["mask"]))


def decoded(model, i):
    """Logits, and the cache beside them where one is given."""
    past = None
    if "past.0.key" in i:
        count = sum(key.endswith(".key") for key in i)
        past = [(i[f"past.{n}.key"], i[f"past.{n}.value"]) for n in range(count)]
    logits, present = model(i["tokens"], i.get("mask"), past)
    if past is None:
        return logits
    named = {f"present.{n}.{part}": value for n, pair in enumerate(present) for part, value in zip(("key", "value"), pair)}
    return {"output": logits, **named}


def cache(kv_heads, past=5, layers=2, dim=8):
    return {f"past.{n}.{part}": torch.randn(3, kv_heads, past, dim) for n in range(layers) for part in ("key", "value")}


whole = torch.cat([left[:, :5], torch.ones(3, 7, dtype=torch.long)], 1)
cases["gpt2"] = (Gpt2(), {"tokens": tokens}, decoded)
cases["gpt2-untied"] = (Gpt2(tied=False), {"tokens": tokens, "mask": left}, decoded)
cases["gpt2-cache"] = (Gpt2(), {"tokens": tokens, **cache(4)}, decoded)
cases["gpt2-cache-masked"] = (Gpt2(), {"tokens": tokens, "mask": whole, **cache(4)}, decoded)
cases["gpt2-last"] = (Gpt2(), {"tokens": tokens}, lambda m, i: m(i["tokens"], last=True)[0])
cases["llama"] = (Llama(inv_freq=True), {"tokens": tokens}, decoded)
cases["llama-masked"] = (Llama(), {"tokens": tokens, "mask": left}, decoded)
cases["llama-cache"] = (Llama(), {"tokens": tokens, **cache(2)}, decoded)
cases["llama-cache-masked"] = (Llama(), {"tokens": tokens, "mask": whole, **cache(2)}, decoded)
cases["qwen2"] = (Llama(tied=True, qkv_bias=True, kv_heads=1, theta=1e6), {"tokens": tokens}, decoded)
cases["qwen3"] = (Llama(qk_norm=True, dim=12, tied=True), {"tokens": tokens, **cache(2, dim=12)}, decoded)
cases["mistral"] = (Llama(window=3), {"tokens": tokens}, decoded)

image = torch.randn(3, 3, 8, 8)
for name, model in {
    "vit-timm": TimmViT(),
    "vit-timm-scaled": TimmViT(scaled=True, pool="avg"),
    "vit-torchvision": VisionViT(),
}.items():
    cases[name] = (model, {"image": image}, lambda m, i: m(i["image"]))

target = torch.randint(1, 44, (3, 5))
pair = {"source": tokens, "target": target}
cases["seq2seq"] = (Seq2Seq(), {**pair, "mask": right}, lambda m, i: m(i["source"], i["target"], i["mask"]))
cases["seq2seq-sinusoids"] = (
    Seq2Seq(norm_first=True, learned=False, scaled=True),
    pair,
    lambda m, i: m(i["source"], i["target"]),
)


class Ffn(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act = act
        self.linear1, self.linear2 = nn.Linear(32, 20), nn.Linear(20, 32)

    def forward(self, x):
        return self.linear2(self.act(self.linear1(x)))


class Glu(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(32, 20), nn.Linear(32, 20), nn.Linear(20, 32)

    def forward(self, x):
        return self.down_proj(torch.sigmoid(self.gate_proj(x)) * self.up_proj(x))


class LseFfn(nn.Module):
    def __init__(self, epsilon):
        super().__init__()
        self.epsilon = epsilon
        self.linear1, self.linear2 = nn.Module(), nn.Linear(20, 32)
        self.linear1.weight = nn.Parameter(torch.randn(20, 6, 32))
        self.linear1.bias = nn.Parameter(torch.randn(20, 6))

    def forward(self, x):
        z = torch.einsum("...d,knd->...kn", x, self.linear1.weight) + self.linear1.bias
        return self.linear2(self.epsilon * torch.logsumexp(z / self.epsilon, -1))


units = {"relu": F.relu, "gelu": F.gelu, "gelu-tanh": lambda z: F.gelu(z, approximate="tanh"), "silu": F.silu}
for name, act in units.items():
    cases[f"feed-forward-{name}"] = (nn.ModuleDict({"ff": Ffn(act)}), {"x": x}, lambda m, i: m["ff"](i["x"]))
cases["feed-forward-glu"] = (nn.ModuleDict({"ff": Glu()}), {"x": x}, lambda m, i: m["ff"](i["x"]))
cases["feed-forward-lse"] = (nn.ModuleDict({"ff": LseFfn(0.5)}), {"x": x}, lambda m, i: m["ff"](i["x"]))

if __name__ == "__main__":
    own = {name: (m, {key: value.clone() for key, value in i.items()}, f) for name, (m, i, f) in cases.items()}
    judge(sys.argv[1], own)
