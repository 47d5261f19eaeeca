"""Transformers as their repositories write them."""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


def tokens(batch=True, low=2, high=64):
    shape = {1: Dim("time", min=low, max=high)}
    return {0: Dim("batch", min=1, max=32), **shape} if batch else shape


class Encoder(nn.Module):
    def __init__(self, **options):
        super().__init__()
        layer = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.1, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(12), enable_nested_tensor=False)
        self.head = nn.Linear(12, 4)

    def forward(self, x, mask=None, padding=None):
        return self.head(self.encoder(x, mask=mask, src_key_padding_mask=padding, is_causal=False))


@program("tf-encoder")
def _():
    return case(Encoder(activation="gelu"), randn(2, 5, 12), dynamic=(tokens(),), others=[(randn(3, 9, 12),)], strict=True)


@program("tf-encoder-masked")
def _():
    pad = lambda b, t: torch.arange(t)[None] >= torch.arange(t - b + 1, t + 1)[:, None]  # noqa: E731
    causal = nn.Transformer.generate_square_subsequent_mask
    return case(Encoder(norm_first=True), randn(3, 6, 12), causal(6), torch.where(pad(3, 6), -torch.inf, 0.0))


@program("tf-encoder-bool-masks")
def _():
    pad = lambda b, t: torch.arange(t)[None] >= torch.arange(t - b + 1, t + 1)[:, None]  # noqa: E731
    causal = lambda t: torch.triu(torch.ones(t, t, dtype=torch.bool), 1)  # noqa: E731
    b, t = Dim("b", min=1, max=16), Dim("t", min=2, max=32)
    return case(Encoder(), randn(3, 6, 12), causal(6), pad(3, 6), dynamic=({0: b, 1: t}, {0: t, 1: t}, {0: b, 1: t}),
                others=[(randn(2, 8, 12), causal(8), pad(2, 8))])


class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.src, self.tgt = nn.Embedding(11, 8, padding_idx=0), nn.Embedding(13, 8)
        self.model = nn.Transformer(8, 2, 2, 2, 16, batch_first=True, dropout=0.0)
        self.out = nn.Linear(8, 13)
        pe = torch.zeros(50, 8)
        position, div = torch.arange(50).unsqueeze(1), torch.exp(torch.arange(0, 8, 2) * (-math.log(10000.0) / 8))
        pe[:, 0::2], pe[:, 1::2] = torch.sin(position * div), torch.cos(position * div)
        self.register_buffer("pe", pe, persistent=False)

    def forward(self, src, tgt):
        s = self.src(src) * math.sqrt(8) + self.pe[: src.size(1)]
        t = self.tgt(tgt) * math.sqrt(8) + self.pe[: tgt.size(1)]
        mask = self.model.generate_square_subsequent_mask(tgt.size(1))
        return self.out(self.model(s, t, tgt_mask=mask, src_key_padding_mask=src == 0, memory_key_padding_mask=src == 0, tgt_is_causal=True))


@program("tf-seq2seq")
def _():
    src = lambda b, t: torch.cat([ints(10, b, t - 1) + 1, torch.zeros(b, 1, dtype=torch.long)], 1)  # noqa: E731
    return case(Seq2Seq(), src(2, 6), ints(13, 2, 4))


@program("tf-seq2seq-dynamic")
def _():
    src = lambda b, t: torch.cat([ints(10, b, t - 1) + 1, torch.zeros(b, 1, dtype=torch.long)], 1)  # noqa: E731
    b = Dim("b", max=8)
    return case(Seq2Seq(), src(2, 6), ints(13, 2, 4), dynamic=({0: b, 1: Dim("s", max=30)}, {0: b, 1: Dim("t", max=30)}), others=[(src(3, 9), ints(13, 3, 7))])


class Mha(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.MultiheadAttention(8, 2)
        self.b = nn.MultiheadAttention(8, 4, kdim=6, vdim=5, batch_first=True, add_bias_kv=True, bias=False)
        self.c = nn.MultiheadAttention(8, 2, batch_first=True, add_zero_attn=True)

    def forward(self, x, k, v):
        y, w = self.a(x, x, x, need_weights=True)
        z, each = self.b(x, k, v, need_weights=True, average_attn_weights=False)
        u, none = self.c(x, x, x, need_weights=False)
        return y, w, z, each, u, none


@program("tf-multihead")
def _():
    return case(Mha(), randn(3, 5, 8), randn(3, 4, 6), randn(3, 4, 5))


class ViT(nn.Module):
    def __init__(self, d=12, heads=3):
        super().__init__()
        self.patch = nn.Conv2d(3, d, 4, 4)
        self.cls, self.pos = nn.Parameter(0.1 * torch.randn(1, 1, d)), nn.Parameter(0.1 * torch.randn(1, 10, d))
        self.blocks = nn.ModuleList(ViTBlock(d, heads) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(d, eps=1e-6), nn.Linear(d, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls.expand(x.shape[0], -1, -1), x), dim=1) + self.pos
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class ViTBlock(nn.Module):
    """timm's, with a fused projection, layer scale, and attention written out or fused."""

    def __init__(self, d, heads, fused=True):
        super().__init__()
        self.norm1, self.norm2, self.heads, self.fused = nn.LayerNorm(d, eps=1e-6), nn.LayerNorm(d, eps=1e-6), heads, fused
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.qnorm, self.knorm = nn.LayerNorm(d // heads), nn.LayerNorm(d // heads)
        self.fc1, self.fc2 = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
        self.ls1, self.ls2 = nn.Parameter(0.1 * torch.ones(d)), nn.Parameter(0.1 * torch.ones(d))

    def attend(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.qnorm(q), self.knorm(k)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.0)
        else:
            attn = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)
            y = attn.softmax(dim=-1) @ v
        return self.proj(y.transpose(1, 2).reshape(b, n, c))

    def forward(self, x):
        x = x + self.ls1 * self.attend(self.norm1(x))
        return x + self.ls2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))


@program("tf-vit")
def _():
    return case(ViT(), randn(2, 3, 12, 12), dynamic=({0: Dim("batch", max=32)},), others=[(randn(3, 3, 12, 12),)], strict=True)


class ViTResized(ViT):
    """Position embeddings interpolated to the image's grid, as DINOv2 does."""

    def forward(self, x):
        b, _, h, w = x.shape
        gh, gw = h // 4, w // 4
        x = self.patch(x).flatten(2).transpose(1, 2)
        pos = self.pos[:, 1:].reshape(1, 3, 3, -1).permute(0, 3, 1, 2)
        pos = F.interpolate(pos, size=(gh, gw), mode="bilinear", align_corners=False).permute(0, 2, 3, 1).view(1, gh * gw, -1)
        x = torch.cat((self.cls.expand(b, -1, -1), x + pos), dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return x[:, 0], x[:, 1:].mean(1)


@program("tf-vit-resized")
def _():
    return case(ViTResized(), randn(2, 3, 16, 12), dynamic=({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},), others=[(randn(3, 3, 12, 20),)])


def partition(x, w):
    b, h, ww, c = x.shape
    return x.view(b, h // w, w, ww // w, w, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, w, w, c)


def merge(windows, w, h, ww):
    b = windows.shape[0] // (h * ww // w // w)
    return windows.view(b, h // w, ww // w, w, w, -1).permute(0, 1, 3, 2, 4, 5).contiguous().view(b, h, ww, -1)


class SwinBlock(nn.Module):
    def __init__(self, d=8, heads=2, window=4, shift=2, size=8):
        super().__init__()
        self.d, self.heads, self.window, self.shift, self.size = d, heads, window, shift, size
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d, bias=True), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * d, d))
        self.table = nn.Parameter(0.3 * torch.randn((2 * window - 1) ** 2, heads))
        coords = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        relative = (coords[:, :, None] - coords[:, None]).permute(1, 2, 0).contiguous()
        relative[:, :, 0] += window - 1
        relative[:, :, 1] += window - 1
        relative[:, :, 0] *= 2 * window - 1
        self.register_buffer("relative_position_index", relative.sum(-1))
        mask = None
        if shift:
            img = torch.zeros(1, size, size, 1)
            spans = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
            for i, a in enumerate(spans):
                for j, b in enumerate(spans):
                    img[:, a, b] = i * 3 + j
            m = partition(img, window).view(-1, window**2)
            m = m.unsqueeze(1) - m.unsqueeze(2)
            mask = m.masked_fill(m != 0, -100.0).masked_fill(m == 0, 0.0)
        self.register_buffer("attn_mask", mask)

    def attend(self, x):
        b_, n, c = x.shape
        qkv = self.qkv(x).reshape(b_, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        attn = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)
        bias = self.table[self.relative_position_index.view(-1)].view(n, n, -1).permute(2, 0, 1).contiguous()
        attn = attn + bias.unsqueeze(0)
        if self.attn_mask is not None:
            nw = self.attn_mask.shape[0]
            attn = attn.view(b_ // nw, nw, self.heads, n, n) + self.attn_mask.unsqueeze(1).unsqueeze(0)
            attn = attn.view(-1, self.heads, n, n)
        return self.proj((torch.softmax(attn, -1) @ v).transpose(1, 2).reshape(b_, n, c))

    def forward(self, x):
        h = w = self.size
        b, length, c = x.shape
        y = self.norm1(x).view(b, h, w, c)
        if self.shift > 0:
            y = torch.roll(y, shifts=(-self.shift, -self.shift), dims=(1, 2))
        y = self.attend(partition(y, self.window).view(-1, self.window**2, c))
        y = merge(y.view(-1, self.window, self.window, c), self.window, h, w)
        if self.shift > 0:
            y = torch.roll(y, shifts=(self.shift, self.shift), dims=(1, 2))
        x = x + y.view(b, h * w, c)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.reduction, self.norm = nn.Linear(4 * d, 2 * d, bias=False), nn.LayerNorm(4 * d)

    def forward(self, x):
        b, length, c = x.shape
        x = x.view(b, 8, 8, c)
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x.view(b, -1, 4 * c)))


@program("tf-swin")
def _():
    net = nn.Sequential(SwinBlock(shift=0), SwinBlock(), PatchMerging(8))
    return case(net, randn(2, 64, 8), dynamic=({0: Dim("batch", max=16)},), others=[(randn(3, 64, 8),)])


class Bert(nn.Module):
    def __init__(self, d=12, heads=3, vocab=30):
        super().__init__()
        self.word, self.position, self.kind = nn.Embedding(vocab, d, padding_idx=0), nn.Embedding(40, d), nn.Embedding(2, d)
        self.register_buffer("position_ids", torch.arange(40).expand((1, -1)), persistent=False)
        self.norm = nn.LayerNorm(d, eps=1e-12)
        self.heads = heads
        self.layers = nn.ModuleList(nn.ModuleDict({"query": nn.Linear(d, d), "key": nn.Linear(d, d), "value": nn.Linear(d, d), "dense": nn.Linear(d, d),
                                                   "norm": nn.LayerNorm(d, eps=1e-12), "up": nn.Linear(d, 2 * d), "down": nn.Linear(2 * d, d),
                                                   "out": nn.LayerNorm(d, eps=1e-12)}) for _ in range(2))
        self.pooler = nn.Linear(d, d)
        self.decoder = nn.Linear(d, vocab)
        self.decoder.weight = self.word.weight

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        b, t = input_ids.size()
        if attention_mask is None:
            attention_mask = torch.ones((b, t), device=input_ids.device)
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(input_ids)
        extended = attention_mask[:, None, None, :].to(dtype=self.word.weight.dtype)
        extended = (1.0 - extended) * torch.finfo(torch.float32).min
        x = self.word(input_ids) + self.kind(token_type_ids) + self.position(self.position_ids[:, :t])
        x = self.norm(x)
        split = lambda y: y.view(y.size()[:-1] + (self.heads, y.size(-1) // self.heads)).permute(0, 2, 1, 3)  # noqa: E731
        for layer in self.layers:
            q, k, v = split(layer["query"](x)), split(layer["key"](x)), split(layer["value"](x))
            scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(q.size(-1)) + extended
            context = torch.matmul(nn.functional.softmax(scores, dim=-1), v).permute(0, 2, 1, 3).contiguous()
            context = context.view(context.size()[:-2] + (-1,))
            x = layer["norm"](layer["dense"](context) + x)
            x = layer["out"](layer["down"](F.gelu(layer["up"](x))) + x)
        return {"last_hidden_state": x, "pooler_output": torch.tanh(self.pooler(x[:, 0])), "logits": self.decoder(x)}


@program("tf-bert")
def _():
    def made(b, t):
        mask = (torch.arange(t)[None] < torch.arange(t, t - b, -1)[:, None]).long()
        return {"input_ids": ints(29, b, t) + 1, "attention_mask": mask, "token_type_ids": ints(2, b, t)}

    b, t = Dim("batch", max=16), Dim("sequence", max=40)
    shape = {0: b, 1: t}
    return case(Bert(), kwargs=made(3, 7), dynamic={"input_ids": shape, "attention_mask": shape, "token_type_ids": shape}, others=[((), made(2, 11))], strict=True)


@program("tf-bert-bare")
def _():
    return case(Bert(), ints(30, 2, 6), dynamic=({0: Dim.AUTO, 1: Dim.AUTO},), others=[(ints(30, 3, 9),)])


class Gpt(nn.Module):
    """nanoGPT."""

    def __init__(self, d=12, heads=2, vocab=25, flash=True):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, d), nn.Embedding(32, d)
        self.h = nn.ModuleList(nn.ModuleDict({"ln_1": nn.LayerNorm(d), "c_attn": nn.Linear(d, 3 * d), "c_proj": nn.Linear(d, d), "ln_2": nn.LayerNorm(d, bias=False),
                                              "c_fc": nn.Linear(d, 4 * d), "c_out": nn.Linear(4 * d, d)}) for _ in range(2))
        self.ln_f = nn.LayerNorm(d)
        self.lm_head = nn.Linear(d, vocab, bias=False)
        self.wte.weight = self.lm_head.weight
        self.heads, self.flash = heads, flash
        self.register_buffer("bias", torch.tril(torch.ones(32, 32)).view(1, 1, 32, 32))

    def forward(self, idx, targets=None):
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        x = self.wte(idx) + self.wpe(pos)
        for block in self.h:
            q, k, v = block["c_attn"](block["ln_1"](x)).split(x.size(-1), dim=2)
            q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in (q, k, v))
            if self.flash:
                y = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0, is_causal=True)
            else:
                att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
                att = att.masked_fill(self.bias[:, :, :t, :t] == 0, float("-inf"))
                y = F.softmax(att, dim=-1) @ v
            x = x + block["c_proj"](y.transpose(1, 2).contiguous().view(b, t, -1))
            x = x + block["c_out"](F.gelu(block["c_fc"](block["ln_2"](x)), approximate="tanh"))
        x = self.ln_f(x)
        if targets is not None:
            logits = self.lm_head(x)
            return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return self.lm_head(x[:, [-1], :]), None


@program("tf-gpt")
def _():
    return case(Gpt(), ints(25, 2, 6), dynamic=(tokens(high=31),), others=[(ints(25, 3, 11),)], strict=True)


@program("tf-gpt-loss")
def _():
    b, t = Dim("b", max=16), Dim("t", min=2, max=31)
    target = lambda b, t: ints(26, b, t) - 1  # noqa: E731
    return case(Gpt(flash=False), ints(25, 2, 6), target(2, 6), dynamic=({0: b, 1: t}, {0: b, 1: t}), others=[(ints(25, 3, 4), target(3, 4))])


class RmsNorm(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        dtype = x.dtype
        x = x.to(torch.float32)
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)).to(dtype)


def rotate_half(x):
    return torch.cat((-x[..., x.shape[-1] // 2:], x[..., : x.shape[-1] // 2]), dim=-1)


def repeat_kv(x, n):
    b, heads, t, d = x.shape
    return x if n == 1 else x[:, :, None, :, :].expand(b, heads, n, t, d).reshape(b, heads * n, t, d)


class Llama(nn.Module):
    def __init__(self, d=16, heads=4, kv=2, vocab=21, style="half"):
        super().__init__()
        self.d, self.heads, self.kv, self.style, hd = d, heads, kv, style, d // heads
        self.embed_tokens = nn.Embedding(vocab, d)
        self.layers = nn.ModuleList(nn.ModuleDict({"q_proj": nn.Linear(d, d, bias=False), "k_proj": nn.Linear(d, kv * hd, bias=False),
                                                   "v_proj": nn.Linear(d, kv * hd, bias=False), "o_proj": nn.Linear(d, d, bias=False), "gate_proj": nn.Linear(d, 24, bias=False),
                                                   "up_proj": nn.Linear(d, 24, bias=False), "down_proj": nn.Linear(24, d, bias=False), "input_layernorm": RmsNorm(d),
                                                   "post_attention_layernorm": RmsNorm(d)}) for _ in range(2))
        self.norm, self.lm_head = RmsNorm(d), nn.Linear(d, vocab, bias=False)
        inv = 1.0 / (10000 ** (torch.arange(0, hd, 2).float() / hd))
        self.register_buffer("inv_freq", inv, persistent=False)
        if style == "complex":
            angle = torch.outer(torch.arange(64).float(), inv)
            self.register_buffer("freqs_cis", torch.polar(torch.ones_like(angle), angle), persistent=False)

    def rope(self, q, k, t):
        if self.style == "complex":
            f = self.freqs_cis[:t].view(1, 1, t, -1)
            turn = lambda x: torch.view_as_real(torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2)) * f).flatten(3).type_as(x)  # noqa: E731
            return turn(q), turn(k)
        pos = torch.arange(t, device=q.device).unsqueeze(0)
        freqs = (self.inv_freq[None, :, None].float().expand(pos.shape[0], -1, 1) @ pos[:, None, :].float()).transpose(1, 2)
        emb = torch.cat((freqs, freqs), dim=-1)
        cos, sin = emb.cos().unsqueeze(1).to(q.dtype), emb.sin().unsqueeze(1).to(q.dtype)
        return q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin

    def forward(self, ids):
        b, t = ids.shape
        x = self.embed_tokens(ids)
        mask = torch.full((t, t), torch.finfo(x.dtype).min, dtype=x.dtype).triu(1)[None, None]
        for layer in self.layers:
            y = layer["input_layernorm"](x)
            q = layer["q_proj"](y).view(b, t, self.heads, -1).transpose(1, 2)
            k, v = (layer[n](y).view(b, t, self.kv, -1).transpose(1, 2) for n in ("k_proj", "v_proj"))
            q, k = self.rope(q, k, t)
            if self.style == "sdpa":
                y = F.scaled_dot_product_attention(q, repeat_kv(k, 2), repeat_kv(v, 2), attn_mask=mask)
            elif self.style == "gqa":
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            else:
                k, v = (torch.repeat_interleave(z, self.heads // self.kv, dim=1) if self.style == "complex" else repeat_kv(z, 2) for z in (k, v))
                w = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(q.shape[-1]) + mask
                y = torch.matmul(F.softmax(w, dim=-1, dtype=torch.float32).to(q.dtype), v)
            x = x + layer["o_proj"](y.transpose(1, 2).reshape(b, t, -1))
            y = layer["post_attention_layernorm"](x)
            x = x + layer["down_proj"](F.silu(layer["gate_proj"](y)) * layer["up_proj"](y))
        return self.lm_head(self.norm(x))


for style in ["half", "complex", "sdpa", "gqa"]:
    @program(f"tf-llama-{style}")
    def _(style=style):
        return case(Llama(style=style), ints(21, 2, 5), dynamic=(tokens(),), others=[(ints(21, 3, 9),)])


class Alibi(nn.Module):
    def __init__(self, d=12, heads=4):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(d, 3 * d), nn.Linear(d, d), heads
        self.register_buffer("slopes", torch.tensor([2 ** (-8 * (i + 1) / heads) for i in range(heads)]))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = torch.tensor_split(self.qkv(x), 3, dim=-1)
        q, k, v = (y.view(b, t, self.heads, d // self.heads).permute(0, 2, 1, 3) for y in (q, k, v))
        distance = torch.arange(t)[None, :] - torch.arange(t)[:, None]
        bias = self.slopes.view(-1, 1, 1) * distance
        bias = bias.masked_fill(distance > 0, -torch.inf)
        return self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=0.4).transpose(1, 2).flatten(-2))


@program("tf-alibi")
def _():
    return case(Alibi(), randn(2, 5, 12), dynamic=(tokens(),), others=[(randn(1, 9, 12),)])


class T5(nn.Module):
    """Relative positions in logarithmic buckets."""

    def __init__(self, d=12, heads=3, buckets=8, far=20):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.bias = nn.Embedding(buckets, heads)
        self.heads, self.buckets, self.far = heads, buckets, far
        self.norm = RmsNorm(d, 1e-6)
        self.wi_0, self.wi_1, self.wo = nn.Linear(d, 20, bias=False), nn.Linear(d, 20, bias=False), nn.Linear(20, d, bias=False)

    def bucket(self, relative):
        n = self.buckets // 2
        out = (relative > 0).to(torch.long) * n
        relative = torch.abs(relative)
        exact = n // 2
        small = relative < exact
        large = exact + (torch.log(relative.float() / exact) / math.log(self.far / exact) * (n - exact)).to(torch.long)
        large = torch.min(large, torch.full_like(large, n - 1))
        return out + torch.where(small, relative, large)

    def forward(self, x):
        b, t, _ = x.shape
        y = self.norm(x)
        shape = lambda z: z.view(b, -1, self.heads, 4).transpose(1, 2)  # noqa: E731
        scores = shape(self.q(y)) @ shape(self.k(y)).transpose(3, 2)
        context, memory = torch.arange(t, dtype=torch.long)[:, None], torch.arange(t, dtype=torch.long)[None, :]
        scores += self.bias(self.bucket(memory - context)).permute([2, 0, 1]).unsqueeze(0)
        attn = F.softmax(scores.float(), dim=-1).type_as(scores)
        x = x + self.o((attn @ shape(self.v(y))).transpose(1, 2).contiguous().view(b, -1, 12))
        return x + self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


@program("tf-t5")
def _():
    return case(T5(), randn(2, 7, 12), dynamic=(tokens(),), others=[(randn(2, 15, 12),)])


class Cached(nn.Module):
    """One step of generation: the keys and values of the past come in and go out."""

    def __init__(self, d=8, heads=2, vocab=15):
        super().__init__()
        self.embed, self.qkv, self.proj, self.head, self.heads = nn.Embedding(vocab, d), nn.Linear(d, 3 * d), nn.Linear(d, d), nn.Linear(d, vocab), heads

    def forward(self, ids, cache):
        b, t = ids.shape
        q, k, v = self.qkv(self.embed(ids)).chunk(3, -1)
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        past_k, past_v = cache["layer"]
        k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], dim=-2)
        p = past_k.size(2)
        rows, cols = torch.arange(t)[:, None] + p, torch.arange(p + t)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=cols <= rows)
        return self.head(self.proj(y.transpose(1, 2).flatten(2))), {"layer": (k, v), "length": cache["length"] + t}


@program("tf-kv-cache")
def _():
    made = lambda b, t, p: (ints(15, b, t), {"layer": (randn(b, 2, p, 4), randn(b, 2, p, 4)), "length": torch.tensor(p)})  # noqa: E731
    b, p = Dim("b", max=8), Dim("past", max=60)
    return case(Cached(), *made(2, 3, 5), dynamic=({0: b, 1: Dim("t", max=8)}, {"layer": ({0: b, 2: p}, {0: b, 2: p}), "length": None}), others=[made(3, 2, 9)])


class StaticCache(nn.Module):
    """A buffer of fixed size, written at a position (index_copy), as in gpt-fast."""

    def __init__(self, d=8, heads=2):
        super().__init__()
        self.qkv, self.proj, self.heads = nn.Linear(d, 3 * d), nn.Linear(d, d), heads
        self.register_buffer("k_cache", torch.zeros(1, heads, 10, 4))
        self.register_buffer("v_cache", torch.zeros(1, heads, 10, 4))

    def forward(self, x, pos):
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in self.qkv(x).chunk(3, -1))
        self.k_cache[:, :, pos] = k
        self.v_cache.index_copy_(2, pos, v)
        mask = torch.arange(10)[None] <= pos[:, None]
        return self.proj(F.scaled_dot_product_attention(q, self.k_cache, self.v_cache, attn_mask=mask).transpose(1, 2).flatten(2))


@program("tf-static-cache")
def _():
    return case(StaticCache(), randn(1, 3, 8), torch.tensor([0, 1, 2]))


class Moe(nn.Module):
    """Mixtral's dense form: every expert sees every token, and a one-hot of the top two routes."""

    def __init__(self, d=8, experts=4, k=2, style="onehot"):
        super().__init__()
        self.gate = nn.Linear(d, experts, bias=False)
        self.w1, self.w2 = nn.Parameter(0.3 * torch.randn(experts, d, 12)), nn.Parameter(0.3 * torch.randn(experts, 12, d))
        self.k, self.experts, self.style = k, experts, style

    def forward(self, x):
        b, t, d = x.shape
        flat = x.view(-1, d)
        logits = self.gate(flat)
        weights = F.softmax(logits, dim=1, dtype=torch.float)
        weights, chosen = torch.topk(weights, self.k, dim=-1)
        weights /= weights.sum(dim=-1, keepdim=True)
        h = F.silu(torch.einsum("td,edh->teh", flat, self.w1))
        y = torch.einsum("teh,ehd->ted", h, self.w2)
        if self.style == "onehot":
            route = (F.one_hot(chosen, num_classes=self.experts).to(x.dtype) * weights.unsqueeze(-1)).sum(1)
        elif self.style == "scatter":
            route = torch.zeros_like(logits).scatter(1, chosen, weights)
        else:
            picked = y.gather(1, chosen.unsqueeze(-1).expand(-1, -1, d)) * weights.unsqueeze(-1)
            out = torch.zeros_like(flat).index_add(0, torch.arange(flat.shape[0]).repeat_interleave(self.k), picked.reshape(-1, d))
            return out.view(b, t, d), logits
        return (y * route.unsqueeze(-1)).sum(1).view(b, t, d), logits


for style in ["onehot", "scatter", "index-add"]:
    @program(f"tf-moe-{style}")
    def _(style=style):
        return case(Moe(style=style), randn(2, 5, 8), dynamic=(tokens(),), others=[(randn(3, 4, 8),)])


class Perceiver(nn.Module):
    def __init__(self, d=8):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(4, d))
        self.q, self.kv, self.out = nn.Linear(d, d), nn.Linear(6, 2 * d), nn.Linear(d, d)
        self.self_attn = nn.MultiheadAttention(d, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)

    def forward(self, x, mask):
        b = x.shape[0]
        z = self.latents.unsqueeze(0).repeat(b, 1, 1)
        k, v = self.kv(self.norm(x)).chunk(2, dim=-1)
        sim = torch.einsum("bid,bjd->bij", self.q(z), k) * 8**-0.5
        sim.masked_fill_(~mask[:, None, :], -torch.finfo(sim.dtype).max)
        z = z + self.out(torch.einsum("bij,bjd->bid", sim.softmax(-1), v))
        return z + self.self_attn(z, z, z, need_weights=False)[0]


@program("tf-perceiver")
def _():
    mask = lambda b, n: torch.arange(n)[None] < torch.arange(n, n - b, -1)[:, None]  # noqa: E731
    b, n = Dim("b", max=8), Dim("n", max=40)
    return case(Perceiver(), randn(3, 6, 6), mask(3, 6), dynamic=({0: b, 1: n}, {0: b, 1: n}), others=[(randn(2, 9, 6), mask(2, 9))])


class Linformer(nn.Module):
    """Linear attentions: projected keys, and kernel features with cumulative sums."""

    def __init__(self, d=8, n=6):
        super().__init__()
        self.qkv, self.e, self.out = nn.Linear(d, 3 * d), nn.Parameter(torch.randn(n, 3)), nn.Linear(d, d)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        low = torch.einsum("bnd,nk->bkd", k, self.e), torch.einsum("bnd,nk->bkd", v, self.e)
        a = torch.softmax(q @ low[0].mT / 8**0.5, -1) @ low[1]
        fq, fk = F.elu(q) + 1, F.elu(k) + 1
        s = torch.einsum("bnd,bne->bnde", fk, v).cumsum(1)
        z = 1 / (torch.einsum("bnd,bnd->bn", fq, fk.cumsum(dim=1)) + 1e-6)
        return self.out(a + torch.einsum("bnd,bnde,bn->bne", fq, s, z))


@program("tf-linear-attention")
def _():
    return case(Linformer(), randn(2, 6, 8), dynamic=({0: Dim("b")},), others=[(randn(5, 6, 8),)])


class Sliding(nn.Module):
    """Local windows with a sink, and relative positions by skewing (Music Transformer)."""

    def __init__(self, d=8, heads=2):
        super().__init__()
        self.qkv, self.rel, self.heads = nn.Linear(d, 3 * d), nn.Parameter(torch.randn(7, 4)), heads

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        rel = q @ self.rel.t()
        rel = F.pad(rel, (1, 0)).view(b, self.heads, -1, t)[:, :, 1:, :]
        i = torch.arange(t)
        keep = (i[:, None] - i[None] >= 0) & ((i[:, None] - i[None] < 3) | (i[None] == 0))
        scores = (q @ k.mT + rel) * k.size(-1) ** -0.5
        scores = scores.where(keep, torch.tensor(float("-inf")))
        return (scores.softmax(-1).nan_to_num(0.0) @ v).transpose(1, 2).reshape(b, t, d)


@program("tf-sliding-skewed")
def _():
    return case(Sliding(), randn(2, 7, 8))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(8, 2, 12, batch_first=True, activation="gelu", norm_first=True)
        self.decoder = nn.TransformerDecoder(self.layer, 2, nn.LayerNorm(8))
        self.query = nn.Embedding(5, 8)

    def forward(self, memory):
        q = self.query.weight.unsqueeze(0).expand(memory.size(0), -1, -1)
        return self.decoder(q, memory)


@program("tf-detr-decoder")
def _():
    return case(Decoder(), randn(2, 6, 8), dynamic=(tokens(),), others=[(randn(3, 4, 8),)])


class Whisper(nn.Module):
    """Audio in by convolutions, sinusoids as a buffer, cross attention, a mask as a buffer cut to size."""

    def __init__(self, d=8, heads=2):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(5, d, 3, padding=1), nn.Conv1d(d, d, 3, stride=2, padding=1)
        t, inv = torch.arange(20.0)[:, None], torch.exp(-math.log(1e4) / 3 * torch.arange(4.0))[None]
        self.register_buffer("sin", torch.cat([(t * inv).sin(), (t * inv).cos()], 1))
        self.register_buffer("mask", torch.empty(12, 12).fill_(-torch.inf).triu_(1), persistent=False)
        self.q, self.k, self.v, self.heads = nn.Linear(d, d), nn.Linear(d, d, bias=False), nn.Linear(d, d), heads
        self.token, self.pos = nn.Embedding(9, d), nn.Parameter(0.2 * torch.randn(12, d))

    def attend(self, x, xa, mask=None):
        split = lambda y: y.view(*y.shape[:2], self.heads, -1).permute(0, 2, 1, 3)  # noqa: E731
        scale = (x.shape[-1] // self.heads) ** -0.25
        qk = (split(self.q(x)) * scale) @ (split(self.k(xa)) * scale).transpose(-1, -2)
        if mask is not None:
            qk = qk + mask[: x.shape[1], : x.shape[1]]
        return (F.softmax(qk.float(), -1) @ split(self.v(xa))).permute(0, 2, 1, 3).flatten(start_dim=2)

    def forward(self, mel, ids):
        xa = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).permute(0, 2, 1)
        xa = (xa + self.sin[: xa.shape[1]]).to(xa.dtype)
        x = self.token(ids) + self.pos[: ids.shape[-1]]
        x = x + self.attend(x, x, self.mask)
        x = x + self.attend(x, xa)
        return (x @ torch.transpose(self.token.weight, 0, 1)).float()


@program("tf-whisper")
def _():
    b = Dim("b", max=8)
    return case(Whisper(), randn(2, 5, 10), ints(9, 2, 4), dynamic=({0: b, 2: Dim("frames", min=4, max=38)}, {0: b, 1: Dim("t", min=2, max=11)}),
                others=[(randn(3, 5, 17), ints(9, 3, 6))])
