"""Networks in plain PyTorch with the names that others' state dicts have: heads of RoBERTa, DistilBERT, vision transformers and residual networks of
Hugging Face. Definitions alone, written from the papers and the names of the checkpoints."""
import torch
from torch import nn
from torch.nn import functional as F

from transformer_models import Bert, TimmViT, attended


def module(**parts):
    own = nn.Module()
    for name, part in parts.items():
        setattr(own, name, part)
    return own


class Roberta(Bert):
    """Bert whose padding, token 1, stands at position 1, the others from 2 on."""

    def __init__(self, **options):
        super().__init__(eps=1e-5, positions=18, **options)
        self.embeddings.token_type_embeddings = nn.Embedding(1, 32)

    def forward(self, tokens, mask):
        e = self.embeddings
        real = (tokens != 1).long()
        places = real.cumsum(1) * real + 1
        x = e.LayerNorm(e.word_embeddings(tokens) + e.token_type_embeddings.weight[0] + e.position_embeddings(places))
        for layer in self.encoder.layer:
            x = layer(x, mask[:, None, None, :].bool())
        return x


class RobertaMaskedLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.roberta = Roberta(pooler=False)
        decoder = nn.Linear(32, 50)
        decoder.weight = self.roberta.embeddings.word_embeddings.weight
        self.lm_head = module(dense=nn.Linear(32, 32), layer_norm=nn.LayerNorm(32, eps=1e-5), decoder=decoder, bias=decoder.bias)

    def forward(self, tokens, mask):
        h = self.lm_head
        return h.decoder(h.layer_norm(F.gelu(h.dense(self.roberta(tokens, mask)))))


class RobertaClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.roberta = Roberta(pooler=False)
        self.classifier = module(dense=nn.Linear(32, 32), out_proj=nn.Linear(32, 3))

    def forward(self, tokens, mask):
        x = self.roberta(tokens, mask)[:, 0]
        return self.classifier.out_proj(torch.tanh(self.classifier.dense(x)))


class DistilBlock(nn.Module):
    def __init__(self, d, heads, inner):
        super().__init__()
        self.heads = heads
        self.attention = module(**{f"{name}_lin": nn.Linear(d, d) for name in ("q", "k", "v", "out")})
        self.sa_layer_norm, self.output_layer_norm = nn.LayerNorm(d, eps=1e-12), nn.LayerNorm(d, eps=1e-12)
        self.ffn = module(lin1=nn.Linear(d, inner), lin2=nn.Linear(inner, d))

    def forward(self, x, allowed):
        a = self.attention
        x = self.sa_layer_norm(a.out_lin(attended(a.q_lin(x), a.k_lin(x), a.v_lin(x), self.heads, allowed)) + x)
        return self.output_layer_norm(self.ffn.lin2(F.gelu(self.ffn.lin1(x))) + x)


class DistilBert(nn.Module):
    def __init__(self, d=32, heads=4):
        super().__init__()
        self.embeddings = module(
            word_embeddings=nn.Embedding(50, d),
            position_embeddings=nn.Embedding(16, d),
            LayerNorm=nn.LayerNorm(d, eps=1e-12),
        )
        self.transformer = module(layer=nn.ModuleList(DistilBlock(d, heads, 48) for _ in range(2)))

    def forward(self, tokens, mask):
        e = self.embeddings
        x = e.LayerNorm(e.word_embeddings(tokens) + e.position_embeddings(torch.arange(tokens.shape[1])))
        for layer in self.transformer.layer:
            x = layer(x, mask[:, None, None, :].bool())
        return x


class DistilMaskedLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.distilbert = DistilBert()
        self.vocab_transform, self.vocab_layer_norm = nn.Linear(32, 32), nn.LayerNorm(32, eps=1e-12)
        self.vocab_projector = nn.Linear(32, 50)
        self.vocab_projector.weight = self.distilbert.embeddings.word_embeddings.weight

    def forward(self, tokens, mask):
        return self.vocab_projector(self.vocab_layer_norm(F.gelu(self.vocab_transform(self.distilbert(tokens, mask)))))


class DistilClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.distilbert = DistilBert()
        self.pre_classifier, self.classifier = nn.Linear(32, 32), nn.Linear(32, 3)

    def forward(self, tokens, mask):
        return self.classifier(torch.relu(self.pre_classifier(self.distilbert(tokens, mask)[:, 0])))


class BertSpans(nn.Module):
    """Where an answer starts and ends."""

    def __init__(self):
        super().__init__()
        self.bert = Bert(pooler=False)
        self.qa_outputs = nn.Linear(32, 2)

    def forward(self, *inputs):
        start, end = self.qa_outputs(self.bert(*inputs)).unbind(-1)
        return {"start_logits": start, "end_logits": end}


class VitLayer(nn.Module):
    def __init__(self, d, heads, inner):
        super().__init__()
        self.heads = heads
        self.attention = module(
            attention=module(**{name: nn.Linear(d, d) for name in ("query", "key", "value")}),
            output=module(dense=nn.Linear(d, d)),
        )
        self.layernorm_before, self.layernorm_after = nn.LayerNorm(d, eps=1e-12), nn.LayerNorm(d, eps=1e-12)
        self.intermediate, self.output = module(dense=nn.Linear(d, inner)), module(dense=nn.Linear(inner, d))

    def forward(self, x):
        y, own = self.layernorm_before(x), self.attention.attention
        x = x + self.attention.output.dense(attended(own.query(y), own.key(y), own.value(y), self.heads))
        return x + self.output.dense(F.gelu(self.intermediate.dense(self.layernorm_after(x))))


class Vit(nn.Module):
    """Vision transformer, names of Hugging Face."""

    def __init__(self, pooled=True, d=32):
        super().__init__()
        self.embeddings = module(
            cls_token=nn.Parameter(0.1 * torch.randn(1, 1, d)),
            position_embeddings=nn.Parameter(0.1 * torch.randn(1, 5, d)),
            patch_embeddings=module(projection=nn.Conv2d(3, d, 4, 4)),
        )
        self.encoder = module(layer=nn.ModuleList(VitLayer(d, 4, 48) for _ in range(2)))
        self.layernorm = nn.LayerNorm(d, eps=1e-12)
        if pooled:
            self.pooler = module(dense=nn.Linear(d, d))

    def forward(self, image):
        e = self.embeddings
        x = e.patch_embeddings.projection(image).flatten(2).transpose(1, 2)
        x = torch.cat([e.cls_token.expand(x.shape[0], -1, -1), x], 1) + e.position_embeddings
        for layer in self.encoder.layer:
            x = layer(x)
        return self.layernorm(x)


class VitClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.vit = Vit(pooled=False)
        self.classifier = nn.Linear(32, 3)

    def forward(self, image):
        return self.classifier(self.vit(image)[:, 0])


class UnplacedViT(TimmViT):
    """timm's, whose class token has no position (DeiT III)."""

    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(0.1 * torch.randn(1, 4, 32))

    def forward(self, image):
        x = self.patch_embed.proj(image).flatten(2).transpose(1, 2) + self.pos_embed
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def convolved(into, out, kernel, stride=1, relu=True):
    own = nn.Sequential()
    own.add_module("convolution", nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False))
    own.add_module("normalization", nn.BatchNorm2d(out))
    own.add_module("activation", nn.ReLU() if relu else nn.Identity())
    return own


class ResnetLayer(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        inner = out // 4
        self.layer = nn.Sequential(
            convolved(into, inner, 1), convolved(inner, inner, 3, stride), convolved(inner, out, 1, relu=False)
        )
        self.shortcut = convolved(into, out, 1, stride, relu=False) if into != out or stride != 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.layer(x) + self.shortcut(x))


class Resnet(nn.Module):
    """Bottlenecks with Hugging Face's names."""

    def __init__(self):
        super().__init__()
        stage = lambda into, out, stride, count: module(  # noqa: E731
            layers=nn.Sequential(ResnetLayer(into, out, stride), *(ResnetLayer(out, out, 1) for _ in range(count - 1)))
        )
        self.resnet = module(
            embedder=module(embedder=convolved(3, 8, 7, 2)),
            encoder=module(stages=nn.ModuleList([stage(8, 32, 1, 1), stage(32, 64, 2, 2)])),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    def forward(self, image):
        x = F.max_pool2d(self.resnet.embedder.embedder(image), 3, 2, 1)
        for stage in self.resnet.encoder.stages:
            x = stage.layers(x)
        return self.classifier(F.adaptive_avg_pool2d(x, 1))


class Tagger(nn.Module):
    def __init__(self, cell=nn.LSTM):
        super().__init__()
        self.word_embeddings = nn.Embedding(20, 6)
        self.recurrence = cell(6, 5, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(10, 4)

    def forward(self, tokens):
        return self.hidden2tag(self.recurrence(self.word_embeddings(tokens))[0])


class NanoBlock(nn.Module):
    def __init__(self, d, heads, bias):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(d, bias=bias), nn.LayerNorm(d, bias=bias)
        self.attn = module(c_attn=nn.Linear(d, 3 * d, bias), c_proj=nn.Linear(d, d, bias))
        self.attn.register_buffer("bias", torch.ones(16, 16).tril()[None, None])
        self.mlp = module(c_fc=nn.Linear(d, 4 * d, bias), c_proj=nn.Linear(4 * d, d, bias))

    def forward(self, x):
        q, k, v = self.attn.c_attn(self.ln_1(x)).chunk(3, -1)
        x = x + self.attn.c_proj(attended(q, k, v, self.heads, self.attn.bias[0, 0, : x.shape[1], : x.shape[1]].bool()))
        return x + self.mlp.c_proj(F.gelu(self.mlp.c_fc(self.ln_2(x))))


class NanoGpt(nn.Module):
    """GPT-2 as nanoGPT stores it: nn.Linear, with biases or without."""

    def __init__(self, bias, d=32):
        super().__init__()
        blocks = nn.ModuleList(NanoBlock(d, 4, bias) for _ in range(2))
        self.transformer = module(wte=nn.Embedding(60, d), wpe=nn.Embedding(16, d), h=blocks, ln_f=nn.LayerNorm(d, bias=bias))
        self.lm_head = nn.Linear(d, 60, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, tokens):
        t = self.transformer
        x = t.wte(tokens) + t.wpe(torch.arange(tokens.shape[1]))
        for block in t.h:
            x = block(x)
        return self.lm_head(t.ln_f(x))
