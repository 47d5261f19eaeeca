"""Attention as PyTorch computes it: nn.MultiheadAttention itself, and the attentions of well-known models written from their definitions."""
import math
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.dirname(__file__))
from judge import judge  # noqa: E402

B, T, S, E, H = 2, 5, 7, 24, 4
D = E // H


def block(**parts):
    """A module `attn` with the given Linears and parameters."""
    own = nn.Module()
    for name, part in parts.items():
        setattr(own, name, part)
    return nn.ModuleDict({"attn": own})


def spread(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def joined(o):
    return o.transpose(1, 2).flatten(2)


def read(q, k, v, eps=None, allowed=None, bias=None, sink=None):
    """softmax(qk'/eps + bias) v of [batch, heads, time, d], 0 in rows that read nothing; keys and values of fewer heads are repeated."""
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    eps = math.sqrt(q.shape[-1]) if eps is None else eps
    z = q @ k.transpose(-1, -2) / eps
    z = z if bias is None else z + bias
    z = z if allowed is None else z.masked_fill(~allowed, -torch.inf)
    if sink is not None:
        z = torch.cat([z, sink.view(1, -1, 1, 1).expand(z.shape[0], -1, z.shape[2], 1)], -1)
    pi = z.softmax(-1).nan_to_num(0.0) if allowed is not None else z.softmax(-1)
    return pi[..., : k.shape[2]] @ v, pi, z


def causal(time, keys, window=None):
    i, j = torch.arange(keys - time, keys)[:, None], torch.arange(keys)[None, :]
    return (j <= i) if window is None else (j <= i) & (j > i - window)


def angles(positions, dims, theta, change=lambda f: f):
    frequencies = change(theta ** (-torch.arange(0, dims, 2, dtype=torch.float64) / dims))
    return positions[..., None].double() * frequencies


def turned(x, angle, interleaved=False):
    """The first features turned; angle [.., time, dims / 2]."""
    dims = 2 * angle.shape[-1]
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    front, rest = x[..., :dims], x[..., dims:]
    a, b = (front[..., 0::2], front[..., 1::2]) if interleaved else front.chunk(2, -1)
    c, d = a * cos - b * sin, b * cos + a * sin
    new = torch.stack([c, d], -1).flatten(-2) if interleaved else torch.cat([c, d], -1)
    return torch.cat([new, rest], -1)


def x(time=T, features=E, batch=B):
    return torch.randn(batch, time, features)


def mha(**options):
    return nn.ModuleDict({"attn": nn.MultiheadAttention(E, H, **{"batch_first": True, **options})})


def called(net, inputs, **more):
    own = net["attn"]
    query = inputs["x"]
    key = inputs.get("memory", query)
    value = inputs.get("value", key)
    masks = {name: inputs[name] for name in ("key_padding_mask", "attn_mask") if name in inputs}
    o, w = own(query, key, value, need_weights=True, average_attn_weights=False, **masks, **more)
    return {"output": o, "weights": w}


def plain(net, inputs, **more):
    return called(net, inputs, **more)["output"]


def llama(heads=H, shared=2, dim=D, bias=False, names=("q_proj", "k_proj", "v_proj", "o_proj"), **parts):
    q, k, v, o = names
    more = {o: nn.Linear(heads * dim, E, bias=bias)} if o else {}
    return block(
        **{
            q: nn.Linear(E, heads * dim, bias=bias),
            k: nn.Linear(E, shared * dim, bias=bias),
            v: nn.Linear(E, shared * dim, bias=bias),
        },
        **more,
        **parts,
    )


def llamas(net, inputs, heads=H, shared=2, names=("q_proj", "k_proj", "v_proj", "o_proj"), turn=None, window=None, eps=None, is_causal=True):
    own = net["attn"]
    q, k, v = (spread(getattr(own, n)(inputs["x"]), h) for n, h in zip(names, (heads, shared, shared)))
    past = inputs["past.0.key"].shape[2] if "past.0.key" in inputs else 0
    if turn is not None:
        positions = inputs.get("positions", torch.arange(past, past + q.shape[2]))
        positions = positions[:, None] if positions.dim() == 2 else positions
        q, k = turn(q, positions), turn(k, positions)
    if past:
        k, v = torch.cat([inputs["past.0.key"], k], 2), torch.cat([inputs["past.0.value"], v], 2)
    allowed = causal(q.shape[2], k.shape[2], window) if is_causal else None
    if "attention_mask" in inputs:
        real = inputs["attention_mask"][:, None, None, :].bool()
        allowed = real if allowed is None else allowed & real
    o, pi, z = read(q, k, v, eps(own) if eps else None, allowed, inputs.get("mask"), getattr(own, "sinks", None))
    out = joined(o)
    answers = {"output": getattr(own, names[3])(out) if names[3] else out}
    if past:
        answers.update({"present.0.key": k, "present.0.value": v})
    return answers


def readings(net, inputs):
    own = net["attn"]
    q, k, v = (spread(f(inputs["x"]), h) for f, h in ((own.q_proj, H), (own.k_proj, 2), (own.v_proj, 2)))
    o, pi, z = read(q, k, v, allowed=causal(T, T))
    h = -(pi * pi.clamp_min(1e-300).log()).sum(-1)
    return {"output": own.o_proj(joined(o)), "weights": pi, "entropy": h, "logSumExp": math.sqrt(D) * z.logsumexp(-1)}


def by_head(net, inputs, shared=2):
    own = net["attn"]
    q, k, v = (spread(f(inputs["x"]), h) for f, h in ((own.q_proj, H), (own.k_proj, shared), (own.v_proj, shared)))
    return own.o_proj(joined(read(q, k, v, allowed=inputs["mask"])[0]))


def half(theta=10_000.0, dims=D, interleaved=False, change=lambda f: f):
    return lambda value, positions: turned(value, angles(positions, dims, theta, change), interleaved)


def stretched(frequencies, factor=8.0, low=1.0, high=4.0, original=64):
    wave = 2 * math.pi / frequencies
    smooth = (original / wave - low) / (high - low)
    middle = (1 - smooth) * frequencies / factor + smooth * frequencies
    new = torch.where(wave > original / low, frequencies / factor, frequencies)
    between = (wave <= original / low) & (wave >= original / high)
    return torch.where(between, middle, new)


class Conv1D(nn.Module):
    def __init__(self, features, out):
        super().__init__()
        self.weight, self.bias = nn.Parameter(0.2 * torch.randn(features, out)), nn.Parameter(torch.zeros(out))

    def forward(self, value):
        return value @ self.weight + self.bias


def fused(net, inputs, all_name, out_name, is_causal=False):
    own = net["attn"]
    q, k, v = (spread(part, H) for part in getattr(own, all_name)(inputs["x"]).chunk(3, -1))
    o, _, _ = read(q, k, v, allowed=causal(T, T) if is_causal else None)
    return getattr(own, out_name)(joined(o))


def bloom(net, inputs):
    own = net["attn"]
    q, k, v = own.query_key_value(inputs["x"]).unflatten(-1, (H, 3, D)).transpose(1, 2).unbind(-2)
    slopes = torch.tensor([2.0 ** (-8 * (i + 1) / H) for i in range(H)]).view(H, 1, 1).to(q.dtype)
    bias = slopes * (torch.arange(T)[None, :] - torch.arange(T)[:, None])
    return own.dense(joined(read(q, k, v, allowed=causal(T, T), bias=bias)[0]))


def falcon(net, inputs):
    own = net["attn"]
    split = own.query_key_value(inputs["x"]).unflatten(-1, (2, 4, D))
    q, k, v = split[..., :-2, :].flatten(2, 3), split[..., -2, :], split[..., -1, :]
    return own.dense(joined(read(*(part.transpose(1, 2) for part in (q, k, v)), allowed=causal(T, T))[0]))


def phi(net, inputs):
    own = net["attn"]
    q, k, v = own.qkv_proj(inputs["x"]).split((E, 2 * D, 2 * D), -1)
    return own.o_proj(joined(read(spread(q, H), spread(k, 2), spread(v, 2), allowed=causal(T, T))[0]))


def symmetric(net, inputs):
    own = net["attn"]
    q, k, v = (spread(getattr(own, n)(inputs["x"]), 6) for n in ("q_proj", "k_proj", "v_proj"))
    slopes = torch.tensor([2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3], dtype=q.dtype).view(6, 1, 1)
    bias = -slopes * (torch.arange(T)[None, :] - torch.arange(T)[:, None]).abs()
    return own.o_proj(joined(read(q, k, v, bias=bias)[0]))


def retrieved(net, inputs, steps=3, patterns=None):
    own = net["net"]
    y = own.patterns if patterns is None else inputs[patterns]
    state, eps = inputs["x"], math.sqrt(inputs["x"].shape[-1])
    for _ in range(steps):
        state = (state @ y.transpose(-1, -2) / eps).softmax(-1) @ y
    z = state @ y.transpose(-1, -2) / eps
    return {"output": state, "weights": z.softmax(-1), "energy": (state**2).sum(-1) / 2 - eps * z.logsumexp(-1)}


def stored(**tensors):
    own = nn.Module()
    for name, tensor in tensors.items():
        setattr(own, name, nn.Parameter(tensor))
    return nn.ModuleDict({"net": own})


def cache():
    return {name: torch.randn(B, 2, 3, D) for name in ("past.0.key", "past.0.value")}


def sinusoid(net, inputs):
    value = inputs["x"]
    rate = 10_000.0 ** (-torch.arange(0, E, 2, dtype=torch.float64) / E)
    angle = torch.arange(value.shape[1])[:, None] * rate
    return 3 * value + torch.stack([angle.sin(), angle.cos()], -1).flatten(1).to(value.dtype)


padding = torch.arange(T)[None, :] >= torch.tensor([5, 3])[:, None]
real = (~padding).long()

# In two heads a row reads nothing.
some = torch.rand(1, H, T, T, generator=torch.Generator().manual_seed(2)) > 0.4
some[0, 1, 2] = some[0, 3, 0] = False

torch.manual_seed(1)
cases = {
    "mha": (mha(), {"x": x()}, called),
    "mha-cross": (mha(), {"x": x(), "memory": x(S)}, called),
    "mha-three": (mha(), {"x": x(), "memory": x(S), "value": x(S)}, called),
    "mha-dims": (mha(kdim=10, vdim=9), {"x": x(), "memory": x(S, 10), "value": x(S, 9)}, called),
    "mha-no-bias": (mha(bias=False), {"x": x()}, plain),
    "mha-padding": (mha(), {"x": x(), "key_padding_mask": padding}, called),
    "mha-causal": (mha(), {"x": x(), "attn_mask": ~causal(T, T)}, called),
    "mha-bias-mask": (mha(), {"x": x(), "attn_mask": torch.randn(T, T)}, called),
    "mha-by-head": (mha(), {"x": x(), "attn_mask": ~causal(T, T).expand(B * H, T, T) | (torch.rand(B * H, T, T) > 0.8).tril(-1)}, called),
    "mha-more": (mha(add_bias_kv=True, add_zero_attn=True), {"x": x(), "attn_mask": ~causal(T, T), "key_padding_mask": padding}, called),
    "mha-time-first": (mha(batch_first=False), {"x": x().transpose(0, 1).contiguous(), "memory": x(S).transpose(0, 1).contiguous()}, plain),
    "mha-unbatched": (mha(), {"x": x()[0]}, plain),
    "bert": (
        llama(shared=H, bias=True, names=("query", "key", "value", None)),
        {"x": x(), "attention_mask": real},
        lambda net, i: llamas(net, i, shared=H, names=("query", "key", "value", None), is_causal=False),
    ),
    "llama": (llama(), {"x": x(), "attention_mask": real}, lambda net, i: llamas(net, i, turn=half(500.0))),
    "llama-cache": (llama(), {"x": x(), **cache()}, lambda net, i: llamas(net, i, turn=half())),
    "llama-one": (llama(), {"x": x(1), **cache()}, lambda net, i: llamas(net, i, turn=half())),
    "llama-left": (
        llama(),
        {"x": x(), **cache(), "attention_mask": torch.tensor([[1] * 8, [0, 0] + [1] * 6]), "positions": torch.tensor([[3, 4, 5, 6, 7], [1, 2, 3, 4, 5]])},
        lambda net, i: llamas(net, i, turn=half()),
    ),
    "llama-three": (llama(), {"x": x()}, lambda net, i: llamas(net, i, turn=half(10_000.0, change=stretched))),
    "llama-linear": (llama(), {"x": x()}, lambda net, i: llamas(net, i, turn=half(change=lambda f: f / 4))),
    "gpt-j": (
        llama(shared=H, names=("q_proj", "k_proj", "v_proj", "out_proj")),
        {"x": x()},
        lambda net, i: llamas(net, i, shared=H, names=("q_proj", "k_proj", "v_proj", "out_proj"), turn=half(dims=4, interleaved=True)),
    ),
    "gpt-j-grouped": (llama(), {"x": x(), "positions": torch.tensor([[3, 4, 5, 6, 7], [0, 1, 2, 3, 4]])}, lambda net, i: llamas(net, i, turn=half(dims=4, interleaved=True))),
    "window": (llama(), {"x": x(), **cache()}, lambda net, i: llamas(net, i, window=3)),
    "multi-query": (llama(shared=1), {"x": x()}, lambda net, i: llamas(net, i, shared=1)),
    "wide-heads": (llama(dim=10), {"x": x()}, lambda net, i: llamas(net, i)),
    "sink": (
        llama(sinks=nn.Parameter(torch.randn(H))),
        {"x": x(), "mask": torch.randn(B, H, T, T)},
        llamas,
    ),
    "grouped-mask": (llama(), {"x": x(), "mask": torch.randn(B, 1, T, T)}, lambda net, i: llamas(net, i, is_causal=False)),
    "by-head": (llama(), {"x": x(), "mask": some}, by_head),
    "by-head-plain": (llama(shared=H), {"x": x(), "mask": some}, lambda net, i: by_head(net, i, H)),
    "epsilon": (
        llama(tau=nn.Parameter(torch.randn(H, 1, 1))),
        {"x": x()},
        lambda net, i: llamas(net, i, eps=lambda own: own.tau.exp()),
    ),
    "epsilon-list": (llama(shared=H), {"x": x()}, lambda net, i: llamas(net, i, shared=H, eps=lambda own: torch.tensor([0.5, 1, 2, 4.0]).view(H, 1, 1))),
    "gpt2": (block(c_attn=Conv1D(E, 3 * E), c_proj=Conv1D(E, E)), {"x": x()}, lambda net, i: fused(net, i, "c_attn", "c_proj", True)),
    "timm": (block(qkv=nn.Linear(E, 3 * E), proj=nn.Linear(E, E)), {"x": x()}, lambda net, i: fused(net, i, "qkv", "proj")),
    "bloom": (block(query_key_value=nn.Linear(E, 3 * E), dense=nn.Linear(E, E)), {"x": x()}, bloom),
    "falcon": (block(query_key_value=nn.Linear(E, 8 * D), dense=nn.Linear(E, E)), {"x": x()}, falcon),
    "phi": (block(qkv_proj=nn.Linear(E, 8 * D, bias=False), o_proj=nn.Linear(E, E, bias=False)), {"x": x()}, phi),
    "alibi-symmetric": (llama(heads=6, shared=6, dim=4), {"x": x()}, symmetric),
    "readings": (llama(), {"x": x()}, readings),
    "nothing-to-read": (llama(), {"x": x(), "attention_mask": torch.tensor([[1] * T, [0] * T])}, lambda net, i: llamas(net, i, is_causal=False)),
    "left-padding": (llama(), {"x": x(), "attention_mask": torch.tensor([[1] * T, [0, 0, 1, 1, 1]])}, llamas),
    "hopfield": (stored(patterns=torch.randn(9, E)), {"x": torch.randn(B, E)}, retrieved),
    "hopfield-of": (None, {"x": x(), "y": x(S)}, lambda net, i: retrieved({"net": None}, i, 2, "y")),
    "learned": (stored(weight=torch.randn(T + 4, E)), {"x": x()}, lambda net, i: i["x"] + net["net"].weight[2 : T + 2]),
    "learned-vit": (stored(pos_embed=torch.randn(1, T, E)), {"x": x()}, lambda net, i: i["x"] + net["net"].pos_embed),
    "sinusoidal": (None, {"x": x()}, sinusoid),
}

if __name__ == "__main__":
    judge(sys.argv[1], cases)
