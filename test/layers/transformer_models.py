"""Whole transformers in plain PyTorch, with the names and layouts of the state dicts people have: Hugging Face's BERT, GPT-2 and Llama, torchvision's
and timm's ViT. Written from the definitions; torch.nn.Transformer* are used as they are."""
import math

import torch
from torch import nn
from torch.nn import functional as F


def spread(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attended(q, k, v, heads, allowed=None):
    """Scaled dot products of [batch, time, heads * dim], `allowed` a bool mask that broadcasts to [batch, heads, time, time]."""
    o = F.scaled_dot_product_attention(spread(q, heads), spread(k, heads), spread(v, heads), attn_mask=allowed)
    return o.transpose(1, 2).flatten(2)


class BertSelf(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)


class Output(nn.Module):
    def __init__(self, inner, d, eps):
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(inner, d), nn.LayerNorm(d, eps=eps)

    def forward(self, y, x):
        return self.LayerNorm(self.dense(y) + x)


class BertLayer(nn.Module):
    def __init__(self, d, heads, inner, eps):
        super().__init__()
        self.heads = heads
        self.attention = nn.Module()
        self.attention.self, self.attention.output = BertSelf(d), Output(d, d, eps)
        self.intermediate = nn.Module()
        self.intermediate.dense = nn.Linear(d, inner)
        self.output = Output(inner, d, eps)

    def forward(self, x, allowed):
        own = self.attention.self
        x = self.attention.output(attended(own.query(x), own.key(x), own.value(x), self.heads, allowed), x)
        return self.output(F.gelu(self.intermediate.dense(x)), x)


class Bert(nn.Module):
    def __init__(self, vocabulary=50, d=32, heads=4, layers=2, inner=64, positions=16, pooler=True, eps=1e-12, offset=0):
        super().__init__()
        self.offset = offset
        self.embeddings = nn.Module()
        self.embeddings.word_embeddings = nn.Embedding(vocabulary, d, padding_idx=0)
        self.embeddings.position_embeddings = nn.Embedding(positions, d)
        self.embeddings.token_type_embeddings = nn.Embedding(2, d)
        self.embeddings.LayerNorm = nn.LayerNorm(d, eps=eps)
        self.embeddings.register_buffer("position_ids", torch.arange(positions).unsqueeze(0))
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(BertLayer(d, heads, inner, eps) for _ in range(layers))
        if pooler:
            self.pooler = nn.Module()
            self.pooler.dense = nn.Linear(d, d)

    def forward(self, tokens, mask=None, types=None):
        e = self.embeddings
        types = torch.zeros_like(tokens) if types is None else types
        positions = torch.arange(tokens.shape[1]) + self.offset
        x = e.LayerNorm(e.word_embeddings(tokens) + e.token_type_embeddings(types) + e.position_embeddings(positions))
        allowed = None if mask is None else mask[:, None, None, :].bool()
        for layer in self.encoder.layer:
            x = layer(x, allowed)
        return x

    def pooled(self, x):
        return torch.tanh(self.pooler.dense(x[:, 0]))


class BertClassifier(nn.Module):
    def __init__(self, classes=3, by_token=False, **options):
        super().__init__()
        self.bert = Bert(pooler=not by_token, **options)
        self.classifier = nn.Linear(32, classes)

    def forward(self, *inputs):
        x = self.bert(*inputs)
        return self.classifier(self.bert.pooled(x) if hasattr(self.bert, "pooler") else x)


class BertMaskedLM(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.bert = Bert(pooler=False, **options)
        self.cls = nn.Module()
        self.cls.predictions = p = nn.Module()
        p.transform = nn.Module()
        p.transform.dense, p.transform.LayerNorm = nn.Linear(32, 32), nn.LayerNorm(32, eps=1e-12)
        p.decoder = nn.Linear(32, 50)
        p.decoder.weight = self.bert.embeddings.word_embeddings.weight
        p.bias = p.decoder.bias

    def forward(self, *inputs):
        p = self.cls.predictions
        return p.decoder(p.transform.LayerNorm(F.gelu(p.transform.dense(self.bert(*inputs)))))


def mean_pooled(x, mask):
    weight = mask[..., None].to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)


def causal(time, past, mask):
    """[batch or 1, 1, time, past + time]"""
    allowed = torch.ones(time, past + time, dtype=torch.bool).tril(past)[None, None]
    return allowed if mask is None else allowed & mask[:, None, None, :].bool()


def places(tokens, past, mask):
    if mask is None:
        return (torch.arange(tokens.shape[1]) + past)[None]
    return (mask.long().cumsum(1) - 1).clamp(min=0)[:, past:]


class Conv1D(nn.Module):
    def __init__(self, inner, out):
        super().__init__()
        self.weight, self.bias = nn.Parameter(0.1 * torch.randn(inner, out)), nn.Parameter(torch.zeros(out))

    def forward(self, x):
        return torch.addmm(self.bias, x.flatten(0, -2), self.weight).unflatten(0, x.shape[:-1])


class Gpt2Block(nn.Module):
    def __init__(self, d, heads, positions):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn, self.mlp = nn.Module(), nn.Module()
        self.attn.c_attn, self.attn.c_proj = Conv1D(d, 3 * d), Conv1D(d, d)
        self.attn.register_buffer("bias", torch.ones(positions, positions, dtype=torch.bool).tril()[None, None])
        self.attn.register_buffer("masked_bias", torch.tensor(-1e4))
        self.mlp.c_fc, self.mlp.c_proj = Conv1D(d, 4 * d), Conv1D(4 * d, d)

    def forward(self, x, past, allowed):
        q, k, v = self.attn.c_attn(self.ln_1(x)).chunk(3, -1)
        k, v = spread(k, self.heads), spread(v, self.heads)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        o = F.scaled_dot_product_attention(spread(q, self.heads), k, v, attn_mask=allowed)
        x = x + self.attn.c_proj(o.transpose(1, 2).flatten(2))
        return x + self.mlp.c_proj(F.gelu(self.mlp.c_fc(self.ln_2(x)), approximate="tanh")), (k, v)


class Gpt2(nn.Module):
    def __init__(self, vocabulary=60, d=32, heads=4, layers=2, positions=24, tied=True):
        super().__init__()
        self.transformer = t = nn.Module()
        t.wte, t.wpe = nn.Embedding(vocabulary, d), nn.Embedding(positions, d)
        t.h = nn.ModuleList(Gpt2Block(d, heads, positions) for _ in range(layers))
        t.ln_f = nn.LayerNorm(d)
        self.lm_head = nn.Linear(d, vocabulary, bias=False)
        if tied:
            self.lm_head.weight = t.wte.weight

    def forward(self, tokens, mask=None, past=None, last=False):
        t = self.transformer
        start = 0 if past is None else past[0][0].shape[2]
        x = t.wte(tokens) + t.wpe(places(tokens, start, mask))
        # One token attends to everything before it: PyTorch is fastest without a mask there.
        allowed = None if tokens.shape[1] == 1 and mask is None else causal(tokens.shape[1], start, mask)
        present = []
        for index, block in enumerate(t.h):
            x, entry = block(x, None if past is None else past[index], allowed)
            present.append(entry)
        x = t.ln_f(x)
        return self.lm_head(x[:, -1:] if last else x), present


class RmsNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotated(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class LlamaBlock(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.o = o
        d, dim = o["d"], o["dim"]
        self.self_attn, self.mlp = nn.Module(), nn.Module()
        a, m = self.self_attn, self.mlp
        a.q_proj = nn.Linear(d, o["heads"] * dim, bias=o["qkv_bias"])
        a.k_proj = nn.Linear(d, o["kv_heads"] * dim, bias=o["qkv_bias"])
        a.v_proj = nn.Linear(d, o["kv_heads"] * dim, bias=o["qkv_bias"])
        a.o_proj = nn.Linear(o["heads"] * dim, d, bias=False)
        if o["qk_norm"]:
            a.q_norm, a.k_norm = RmsNorm(dim, o["eps"]), RmsNorm(dim, o["eps"])
        if o["inv_freq"]:
            a.rotary_emb = nn.Module()
            a.rotary_emb.register_buffer("inv_freq", 1.0 / o["theta"] ** (torch.arange(0, dim, 2) / dim))
        m.gate_proj, m.up_proj = nn.Linear(d, o["inner"], bias=False), nn.Linear(d, o["inner"], bias=False)
        m.down_proj = nn.Linear(o["inner"], d, bias=False)
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(d, o["eps"]), RmsNorm(d, o["eps"])

    def forward(self, x, past, allowed, cos, sin):
        a, m, o = self.self_attn, self.mlp, self.o
        y = self.input_layernorm(x)
        q, k, v = spread(a.q_proj(y), o["heads"]), spread(a.k_proj(y), o["kv_heads"]), spread(a.v_proj(y), o["kv_heads"])
        if o["qk_norm"]:
            q, k = a.q_norm(q), a.k_norm(k)
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, enable_gqa=o["heads"] != o["kv_heads"])
        x = x + a.o_proj(y.transpose(1, 2).flatten(2))
        y = self.post_attention_layernorm(x)
        return x + m.down_proj(F.silu(m.gate_proj(y)) * m.up_proj(y)), (k, v)


class Llama(nn.Module):
    def __init__(self, vocabulary=60, layers=2, tied=False, window=None, **options):
        super().__init__()
        o = dict(d=32, heads=4, kv_heads=2, dim=8, inner=48, theta=10000.0, eps=1e-6, qkv_bias=False, qk_norm=False, inv_freq=False)
        self.o = o = {**o, **options}
        self.window = window
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(vocabulary, o["d"])
        self.model.layers = nn.ModuleList(LlamaBlock(o) for _ in range(layers))
        self.model.norm = RmsNorm(o["d"], o["eps"])
        self.lm_head = nn.Linear(o["d"], vocabulary, bias=False)
        if tied:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, tokens, mask=None, past=None, last=False):
        dim = self.o["dim"]
        start = 0 if past is None else past[0][0].shape[2]
        x = self.model.embed_tokens(tokens)
        angles = places(tokens, start, mask)[:, None, :, None] / self.o["theta"] ** (
            torch.arange(0, dim, 2, dtype=x.dtype) / dim
        )
        angles = torch.cat([angles, angles], -1)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        allowed = None if tokens.shape[1] == 1 and mask is None and self.window is None else causal(tokens.shape[1], start, mask)
        if self.window is not None:
            allowed = allowed & ~torch.ones(allowed.shape[-2:], dtype=torch.bool).tril(start - self.window)
        present = []
        for index, block in enumerate(self.model.layers):
            x, entry = block(x, None if past is None else past[index], allowed, cos, sin)
            present.append(entry)
        x = self.model.norm(x)
        return self.lm_head(x[:, -1:] if last else x), present


class Mlp(nn.Module):
    def __init__(self, d, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, inner), nn.Linear(inner, d)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class TimmBlock(nn.Module):
    def __init__(self, d, heads, inner, scaled):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d, eps=1e-6), nn.LayerNorm(d, eps=1e-6)
        self.attn = nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp = Mlp(d, inner)
        if scaled:
            self.ls1, self.ls2 = nn.Module(), nn.Module()
            self.ls1.gamma, self.ls2.gamma = nn.Parameter(0.5 * torch.ones(d)), nn.Parameter(0.5 * torch.ones(d))

    def forward(self, x):
        y = self.attn.proj(attended(*self.attn.qkv(self.norm1(x)).chunk(3, -1), self.heads))
        x = x + (y * self.ls1.gamma if hasattr(self, "ls1") else y)
        y = self.mlp(self.norm2(x))
        return x + (y * self.ls2.gamma if hasattr(self, "ls2") else y)


class TimmViT(nn.Module):
    def __init__(self, size=8, patch=4, d=32, heads=4, layers=2, inner=64, classes=5, scaled=False, pool="token"):
        super().__init__()
        self.pool = pool
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, d, patch, patch)
        if pool == "token":
            self.cls_token = nn.Parameter(0.1 * torch.randn(1, 1, d))
        self.pos_embed = nn.Parameter(0.1 * torch.randn(1, (size // patch) ** 2 + (pool == "token"), d))
        self.blocks = nn.ModuleList(TimmBlock(d, heads, inner, scaled) for _ in range(layers))
        if pool == "token":
            self.norm = nn.LayerNorm(d, eps=1e-6)
        else:
            self.fc_norm = nn.LayerNorm(d, eps=1e-6)
        self.head = nn.Linear(d, classes)

    def forward(self, image):
        x = self.patch_embed.proj(image).flatten(2).transpose(1, 2)
        if self.pool == "token":
            x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1)
        x = x + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0] if self.pool == "token" else self.fc_norm(x.mean(1)))


class VisionBlock(nn.Module):
    def __init__(self, d, heads, inner):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(d, eps=1e-6), nn.LayerNorm(d, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(d, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(d, inner), nn.GELU(), nn.Dropout(0), nn.Linear(inner, d), nn.Dropout(0))

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class VisionViT(nn.Module):
    """torchvision.models.VisionTransformer."""

    def __init__(self, size=8, patch=4, d=32, heads=4, layers=2, inner=64, classes=5):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, d, patch, patch)
        self.class_token = nn.Parameter(0.1 * torch.randn(1, 1, d))
        self.encoder = nn.Module()
        self.encoder.pos_embedding = nn.Parameter(0.1 * torch.randn(1, (size // patch) ** 2 + 1, d))
        self.encoder.layers = nn.Sequential()
        for index in range(layers):
            self.encoder.layers.add_module(f"encoder_layer_{index}", VisionBlock(d, heads, inner))
        self.encoder.ln = nn.LayerNorm(d, eps=1e-6)
        self.heads = nn.Sequential()
        self.heads.add_module("head", nn.Linear(d, classes))

    def forward(self, image):
        x = self.conv_proj(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.encoder.pos_embedding
        return self.heads(self.encoder.ln(self.encoder.layers(x))[:, 0])


def sinusoids(positions, d):
    """The table of "Attention is all you need", as PyTorch's tutorials keep it in a buffer."""
    angles = torch.arange(positions)[:, None] * torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
    table = torch.zeros(positions, d)
    table[:, 0::2], table[:, 1::2] = angles.sin(), angles.cos()
    return table


class TokenEncoder(nn.Module):
    """Embedding, learned positions, nn.TransformerEncoder, mean over what is not padding, a linear head."""

    def __init__(self, vocabulary=40, d=32, positions=12, classes=3):
        super().__init__()
        self.embedding, self.position = nn.Embedding(vocabulary, d, padding_idx=0), nn.Embedding(positions, d)
        layer = nn.TransformerEncoderLayer(d, 4, 48, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(d), enable_nested_tensor=False)
        self.head = nn.Linear(d, classes)

    def forward(self, tokens, mask):
        x = self.embedding(tokens) + self.position(torch.arange(tokens.shape[1]))
        x = self.encoder(x, src_key_padding_mask=mask == 0)
        return self.head(mean_pooled(x, mask))


class Seq2Seq(nn.Module):
    """nn.Transformer between embeddings: learned positions or sinusoids, as most people write it."""

    def __init__(self, source=40, target=44, d=32, positions=12, norm_first=False, learned=True, scaled=False, layers=2):
        super().__init__()
        self.scaled = scaled
        self.src_embedding, self.tgt_embedding = nn.Embedding(source, d), nn.Embedding(target, d)
        self.learned = learned
        if learned:
            self.src_position, self.tgt_position = nn.Embedding(positions, d), nn.Embedding(positions, d)
        else:
            self.register_buffer("table", sinusoids(positions, d), persistent=False)
        self.transformer = nn.Transformer(
            d, 4, layers, layers, 48, 0.0, "gelu" if norm_first else "relu", batch_first=True, norm_first=norm_first
        )
        self.transformer.encoder.enable_nested_tensor = False
        self.generator = nn.Linear(d, target)

    def embedded(self, tokens, side):
        x = getattr(self, f"{side}_embedding")(tokens)
        if self.scaled:
            x = x * math.sqrt(x.shape[-1])
        time = torch.arange(tokens.shape[1])
        return x + (getattr(self, f"{side}_position")(time) if self.learned else self.table[time].to(x.dtype))

    def forward(self, source, target, mask=None):
        time = target.shape[1]
        hidden = ~torch.ones(time, time, dtype=torch.bool).tril()
        padding = None if mask is None else mask == 0
        y = self.transformer(
            self.embedded(source, "src"),
            self.embedded(target, "tgt"),
            tgt_mask=hidden,
            tgt_is_causal=True,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return self.generator(y)
