"""Networks a newcomer brings: torch.nn's own attention and transformers with unusual options and sizes, and small relatives of known models."""
import json
import os
import sys

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, os.path.dirname(__file__))
from convolution_models import BasicBlock, Bottleneck, ResNet  # noqa: E402
from judge import judge  # noqa: E402
from ssm import Mamba, S4Model  # noqa: E402
from transformer_models import Bert, Gpt2, Llama, Seq2Seq, TimmViT, VisionViT  # noqa: E402

torch.manual_seed(11)
cases = {}


def attention(name, query, others=(), masks=None, **options):
    """nn.MultiheadAttention of `query` [batch, time, features] (or PyTorch's time first), and of key and value where they are given."""
    masks = masks or {}
    given = {"query": query, **dict(zip(("key", "value"), others))}
    module = nn.MultiheadAttention(query.shape[-1], **options)

    def forward(m, i):
        key = i.get("key", i["query"])
        read = {k: i[k] for k in masks}
        return m(i["query"], key, i.get("value", key), need_weights=False, **read)[0]

    cases[name] = (module, {**given, **masks}, forward)


x = torch.randn(3, 5, 6)
attention("mha-no-bias", x, num_heads=1, bias=False, batch_first=True)
attention("mha-one-feature", torch.randn(3, 4, 1), num_heads=1, batch_first=True)
attention("mha-one-step", torch.randn(1, 1, 6), num_heads=3, batch_first=True)
attention("mha-kv-sizes", x, (torch.randn(3, 7, 5), torch.randn(3, 7, 3)), num_heads=2, kdim=5, vdim=3, batch_first=True)
attention(
    "mha-kv-sizes-no-bias", x, (torch.randn(3, 7, 5), torch.randn(3, 7, 3)), num_heads=2, kdim=5, vdim=3, bias=False, batch_first=True
)
hidden = torch.zeros(3, 5, dtype=torch.bool)
hidden[1, 3:] = True
hidden[2, 0] = True
attention(
    "mha-everything",
    torch.randn(5, 3, 6),
    masks={"key_padding_mask": hidden, "attn_mask": torch.ones(5, 5, dtype=torch.bool).triu(2)},
    num_heads=3,
    add_bias_kv=True,
    add_zero_attn=True,
)
attention(
    "mha-time-first-kv", torch.randn(5, 1, 6), (torch.randn(7, 1, 4), torch.randn(7, 1, 4)), num_heads=2, kdim=4, vdim=4, add_bias_kv=True
)


def encoder(d, heads, layers=1, final=False, feed=5, **options):
    layer = nn.TransformerEncoderLayer(d, heads, feed, 0.0, batch_first=True, **options)
    return nn.TransformerEncoder(layer, layers, nn.LayerNorm(d, eps=1e-2) if final else None, enable_nested_tensor=False)


class Wrapped(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


plain = lambda m, i: m(i["x"])  # noqa: E731
cases["encoder-no-bias"] = (encoder(6, 2, 3, bias=False, norm_first=True), {"x": x}, plain)
cases["encoder-odd"] = (encoder(5, 1, 1, final=True, activation="gelu", layer_norm_eps=0.1), {"x": torch.randn(1, 1, 5)}, plain)
cases["encoder-no-bias-final"] = (encoder(6, 3, 2, final=True, feed=1, bias=False), {"x": x}, plain)
cases["encoder-silu"] = (encoder(6, 3, 2, feed=7, activation=F.silu), {"x": x}, plain)
cases["encoder-causal-nested"] = (
    Wrapped(net=Wrapped(body=encoder(6, 2, 2), head=nn.Linear(6, 2, bias=False))),
    {"x": x},
    lambda m, i: m.net.head(m.net.body(i["x"], torch.ones(5, 5, dtype=torch.bool).triu(1))),
)


def seq2seq(d=6, heads=2, enc=1, dec=2, **options):
    options = {"batch_first": True, **options}
    t = nn.Transformer(d, heads, enc, dec, 5, 0.0, **options)
    t.encoder.enable_nested_tensor = False
    return t


def bare(m, i):
    return m(i["source"], i["target"])


pair = {"source": torch.randn(3, 5, 6), "target": torch.randn(3, 4, 6)}
cases["transformer-bare"] = (seq2seq(), pair, bare)
cases["transformer-no-bias"] = (seq2seq(bias=False, norm_first=True, activation="gelu", layer_norm_eps=1e-2, enc=2, dec=1), pair, bare)
cases["transformer-one"] = (seq2seq(d=3, heads=1), {"source": torch.randn(1, 1, 3), "target": torch.randn(1, 1, 3)}, bare)

tokens = torch.randint(1, 40, (3, 6))
cases["seq2seq-odd"] = (
    Seq2Seq(source=41, target=43, d=8, positions=7, layers=1),
    {"source": tokens, "target": tokens[:, :1]},
    lambda m, i: m(i["source"], i["target"]),
)
first = lambda m, i: m(i["tokens"])[0]  # noqa: E731
cases["bert-small"] = (Bert(41, 10, 5, 3, 7, 6, pooler=False, eps=1e-3), {"tokens": tokens}, lambda m, i: m(i["tokens"]))
cases["bert-one"] = (Bert(41, 4, 1, 1, 1, 9), {"tokens": tokens[:1, :1]}, lambda m, i: {"output": m.pooled(m(i["tokens"]))})
cases["gpt2-one"] = (Gpt2(41, 6, 1, 1, 6), {"tokens": tokens[:1, :1]}, first)
cases["gpt2-bare"] = (Gpt2(41, 10, 5, 3, 6, tied=False), {"tokens": tokens}, first)
cases["llama-multi-query"] = (
    Llama(41, 3, True, d=10, heads=5, kv_heads=1, dim=6, inner=7, theta=500.0, eps=1e-2, qkv_bias=True),
    {"tokens": tokens},
    first,
)
cases["llama-one"] = (Llama(41, 1, d=4, heads=1, kv_heads=1, dim=4, inner=1), {"tokens": tokens[:1, :1]}, first)
image = torch.randn(3, 3, 6, 6)
cases["vit-timm-odd"] = (TimmViT(6, 3, 10, 5, 1, 7, 1), {"image": image}, lambda m, i: m(i["image"]))
cases["vit-one-patch"] = (VisionViT(6, 6, 6, 1, 1, 5, 2), {"image": image[:1]}, lambda m, i: m(i["image"]))
cases["resnet-odd"] = (ResNet(Bottleneck, [1, 2], 3, width=4, groups=2, width_per_group=32), {"image": torch.randn(1, 3, 19, 33)}, lambda m, i: m(i["image"]))
cases["resnet-three"] = (ResNet(BasicBlock, [2, 1, 1], 1, width=3, cifar=True), {"image": torch.randn(3, 3, 7, 9)}, lambda m, i: m(i["image"]))

cases["cnn-1d"] = (
    nn.Sequential(
        nn.Conv1d(3, 6, 4, 2, 3, 2, 3, False, "reflect"),
        nn.BatchNorm1d(6, eps=1e-2),
        nn.GELU(),
        nn.MaxPool1d(3, 2, 1, ceil_mode=True),
        nn.ConvTranspose1d(6, 4, 3, 2, 1, 1, 2, False, 2),
        nn.AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.Flatten(),
    ),
    {"x": torch.randn(3, 3, 17)},
    plain,
)
cases["cnn-2d"] = (
    nn.Sequential(
        nn.Conv2d(2, 4, (1, 3), padding="same", padding_mode="circular"),
        nn.AdaptiveMaxPool2d((3, None)),
        nn.ConvTranspose2d(4, 3, (3, 2), (2, 1), (1, 0), (1, 0), bias=False),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        nn.Flatten(1),
        nn.Linear(72, 1),
    ),
    {"x": torch.randn(1, 2, 7, 5)},
    plain,
)



class Block(nn.Module):
    """A block of one's own: attention and a feed-forward network before norms, with LayerScale."""

    def __init__(self, d):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d, bias=False), nn.RMSNorm(d, eps=1e-3)
        self.attn = nn.MultiheadAttention(d, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, 7), nn.GELU(), nn.Dropout(0.3), nn.Linear(7, d))
        self.gamma = nn.Parameter(torch.full((d,), 0.1))

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.gamma * self.mlp(self.norm2(x))


class OwnDecoder(nn.Module):
    """Tied embedding and head around blocks of one's own."""

    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(41, 6, padding_idx=0)
        self.blocks = nn.ModuleList(Block(6) for _ in range(2))
        self.norm = nn.LayerNorm(6, elementwise_affine=False)
        self.head = nn.Linear(6, 41, bias=False)
        self.head.weight = self.tok.weight

    def forward(self, tokens):
        x = self.tok(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class OwnResidual(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.GroupNorm(2, 4, eps=1e-3), nn.SiLU(), nn.Conv2d(4, 4, 1))
        self.down = nn.Sequential(nn.Conv2d(3, 4, 1, 2), nn.InstanceNorm2d(4, affine=True))

    def forward(self, x):
        return self.down(x) + self.body(x)


class Flow(nn.Module):
    """dx/dt = F(x) by Runge-Kutta and by the midpoint rule."""

    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3))
        self.g = nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 3))

    def forward(self, x, h=0.5):
        k1 = self.f(x)
        k2 = self.f(x + h / 2 * k1)
        k3 = self.f(x + h / 2 * k2)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + self.f(x + h * k3))
        return x + self.g(x + self.g(x) / 2)


class Leapfrog(nn.Module):
    def __init__(self):
        super().__init__()
        self.v, self.t = nn.Sequential(nn.Linear(3, 3), nn.Tanh()), nn.Linear(3, 3)

    def forward(self, q, p):
        half = p - 0.1 * self.v(q)
        q = q + 0.2 * self.t(half)
        return {"output": q, "momentum": half - 0.1 * self.v(q)}


cases["own-decoder"] = (OwnDecoder(), {"tokens": tokens - 1}, lambda m, i: m(i["tokens"]))
cases["own-residual"] = (OwnResidual(), {"x": torch.randn(3, 3, 7, 5)}, plain)
cases["own-flow"] = (Flow(), {"x": torch.randn(3, 3)}, plain)
cases["own-leapfrog"] = (Wrapped(step=Leapfrog()), {"q": torch.randn(3, 3), "p": torch.randn(3, 3)}, lambda m, i: m.step(i["q"], i["p"]))

decoder = nn.TransformerDecoderLayer(6, 3, 5, 0.0, batch_first=True, norm_first=True, bias=False)
memory_mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 1, 1, 0]])
cases["decoder-alone"] = (
    nn.TransformerDecoder(decoder, 2, nn.LayerNorm(6, eps=1e-2)),
    {**pair, "memory_mask": memory_mask},
    lambda m, i: m(
        i["target"],
        i["source"],
        tgt_mask=torch.ones(4, 4, dtype=torch.bool).triu(1),
        memory_key_padding_mask=i["memory_mask"] == 0,
    ),
)
cases["s4-one-step"] = (S4Model(1, 2, 3, 1, False), {"x": torch.randn(1, 1, 1)}, plain)
cases["s4-pre"] = (S4Model(2, 1, 1, 3, True), {"x": torch.randn(3, 17, 2)}, plain)
cases["mamba-one-step"] = (
    Mamba(vocabulary=41, features=5, layers=1, inner=3, states=1, width=2, rank=1, bias=True, conv_bias=False),
    {"tokens": tokens[:1, :1]},
    lambda m, i: m(i["tokens"])[0],
)


def greedy(model, prompts, count):
    """What PyTorch goes on with, without a cache."""
    given = prompts
    with torch.no_grad():
        for _ in range(count):
            given = torch.cat([given, model(given)[0][:, -1].argmax(-1, keepdim=True)], 1)
    return given[:, prompts.shape[1] :].tolist()


if __name__ == "__main__":
    decoders = {"llama-multi-query": tokens[:, :1], "llama-one": tokens[:1], "mamba-one-step": tokens[:, :2]}
    if sys.argv[2:] == ["generate"]:
        judge(sys.argv[1], {key: cases[key] for key in decoders})
        goes = {key: {"prompts": start.tolist(), "tokens": greedy(cases[key][0], start, 30)} for key, start in decoders.items()}
        with open(os.path.join(sys.argv[1], "generated.json"), "w") as file:
            json.dump(goes, file)
    else:
        judge(sys.argv[1], cases)
