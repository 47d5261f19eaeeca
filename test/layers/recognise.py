"""Networks that are recognised by their names: state dicts, inputs and outputs under the names their graphs have."""
import os
import sys

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, os.path.dirname(__file__))
from convolution_models import BasicBlock, Bottleneck, ResNet  # noqa: E402
from judge import judge  # noqa: E402
from recognise_models import (  # noqa: E402
    BertSpans,
    DistilBert,
    DistilClassifier,
    DistilMaskedLM,
    NanoGpt,
    Resnet,
    Roberta,
    RobertaClassifier,
    RobertaMaskedLM,
    Tagger,
    UnplacedViT,
    Vit,
    VitClassifier,
)
from ssm import Mamba  # noqa: E402
from transformer_models import Bert, BertClassifier, BertMaskedLM, Gpt2, Llama, TimmViT, VisionViT  # noqa: E402

torch.manual_seed(7)
ids = torch.randint(2, 40, (3, 7))
mask = torch.tensor([[1] * 7, [1, 1, 1, 0, 0, 0, 0], [1] * 6 + [0]])
padded = torch.where(mask == 1, ids, 1)
types = torch.randint(0, 2, (3, 7))
full = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
masked = {"input_ids": padded, "attention_mask": mask}


def named(key):
    return lambda m, i: {key: m(*i.values())}


def pooled(m, i):
    x = m(*i.values())
    return {"last_hidden_state": x, "pooler_output": m.pooled(x)}


def sentences(m, i):
    x = m(*i.values())
    weight = i["attention_mask"][..., None].to(x.dtype)
    mean = (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
    return {"sentence_embedding": F.normalize(mean, dim=-1), "token_embeddings": x}


def every_pool(m, i):
    x = m(*i.values())
    weight = i["attention_mask"][..., None].to(x.dtype)
    count = weight.sum(1)
    places = weight * torch.arange(1, x.shape[1] + 1)[None, :, None]
    last = x[torch.arange(x.shape[0]), i["attention_mask"].sum(1) - 1]
    highest = x.masked_fill(weight == 0, -1e9).max(1).values
    weighted = (x * places).sum(1) / places.sum(1)
    parts = [x[:, 0], highest, (x * weight).sum(1) / count, (x * weight).sum(1) / count.sqrt(), weighted, last]
    return {"sentence_embedding": torch.cat(parts, -1)}


def logits(m, i):
    return {"logits": m(i["input_ids"])[0]}


cases = {
    "bert": (Bert(), full, pooled),
    "bert-tokens": (BertClassifier(by_token=True), full, named("logits")),
    "bert-sequences": (BertClassifier(), full, named("logits")),
    "bert-words": (BertMaskedLM(), full, named("logits")),
    "bert-spans": (BertSpans(), full, lambda m, i: m(*i.values())),
    "sentences": (Bert(), full, sentences),
    "sentences-every-pool": (Bert(), full, every_pool),
    "roberta": (Roberta(pooler=False), masked, named("last_hidden_state")),
    "roberta-words": (RobertaMaskedLM(), masked, named("logits")),
    "roberta-sequences": (RobertaClassifier(), masked, named("logits")),
    "distilbert": (DistilBert(), masked, named("last_hidden_state")),
    "distilbert-words": (DistilMaskedLM(), masked, named("logits")),
    "distilbert-sequences": (DistilClassifier(), masked, named("logits")),
    "gpt2": (Gpt2(), {"input_ids": ids}, logits),
    "nanogpt": (NanoGpt(bias=False), {"input_ids": ids}, named("logits")),
    "nanogpt-biases": (NanoGpt(bias=True), {"input_ids": ids}, named("logits")),
    "llama": (Llama(eps=1e-5, theta=5e5, inv_freq=True), {"input_ids": ids}, logits),
    "mistral": (Llama(window=3), {"input_ids": ids}, logits),
    "qwen2": (Llama(tied=True, qkv_bias=True, kv_heads=1, theta=1e6), {"input_ids": ids}, logits),
    "qwen3": (Llama(qk_norm=True, dim=12), {"input_ids": ids}, logits),
    "mamba": (Mamba(), {"input_ids": ids % 11}, logits),
}
image = torch.randn(3, 3, 8, 8)



for name, model in {
    "vit-timm": TimmViT(d=192, heads=3, layers=1),
    "vit-timm-mean": TimmViT(scaled=True, pool="avg"),
    "vit-timm-unplaced": UnplacedViT(),
    "vit-torchvision": VisionViT(),
}.items():
    cases[name] = (model, {"image": image}, named("logits"))
cases["vit-huggingface"] = (VitClassifier(), {"pixel_values": image}, named("logits"))
cases["vit-bare"] = (
    Vit(),
    {"pixel_values": image},
    lambda m, i: {"last_hidden_state": (x := m(i["pixel_values"])), "pooler_output": torch.tanh(m.pooler.dense(x[:, 0]))},
)
picture = torch.randn(2, 3, 17, 17)
for name, model in {
    "resnet": ResNet(BasicBlock, [2, 2, 2, 2], 5, width=8),
    "resnext": ResNet(Bottleneck, [3, 4, 6, 3], 5, width=8, groups=4, width_per_group=16),
    "wide-resnet": ResNet(Bottleneck, [1, 1], 5, width=8, width_per_group=128),
    "cifar": ResNet(BasicBlock, [1, 1, 1], 5, width=8, cifar=True),
}.items():
    cases[name] = (model, {"image": picture}, named("logits"))
cases["resnet-huggingface"] = (Resnet(), {"pixel_values": picture}, named("logits"))

x = torch.randn(2, 5, 32)


def stack(kind, **options):
    if kind == "decoder":
        return nn.TransformerDecoder(nn.TransformerDecoderLayer(32, 4, 48, 0.0, batch_first=True, **options), 2)
    layer = nn.TransformerEncoderLayer(32, 4, 48, 0.0, batch_first=True, **options)
    return layer if kind == "layer" else nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


cases["encoder"] = (stack("encoder", norm_first=True, activation="gelu"), {"x": x}, lambda m, i: m(i["x"]))
cases["encoder-layer"] = (stack("layer"), {"x": x}, lambda m, i: m(i["x"]))
cases["decoder"] = (
    stack("decoder"),
    {"x": x, "memory": torch.randn(2, 6, 32)},
    lambda m, i: m(i["x"], i["memory"], tgt_mask=~torch.ones(5, 5, dtype=torch.bool).tril()),
)
cases["transformer"] = (
    nn.Transformer(32, 4, 2, 2, 48, 0.0, batch_first=True),
    {"source": torch.randn(2, 6, 32), "target": x},
    lambda m, i: m(i["source"], i["target"]),
)


def recurrent(m, i):
    output, state = m(i["x"])
    h, c = state if isinstance(state, tuple) else (state, None)
    return {"output": output, "h_n": h, **({} if c is None else {"c_n": c})}


cases["lstm"] = (nn.LSTM(32, 6, 2, batch_first=True, bidirectional=True), {"x": x}, recurrent)
cases["lstm-projected"] = (nn.LSTM(32, 6, batch_first=True, proj_size=4), {"x": x}, recurrent)
cases["gru"] = (nn.GRU(32, 6, batch_first=True, bias=False), {"x": x}, recurrent)
cases["rnn"] = (nn.RNN(32, 6, 2, batch_first=True), {"x": x}, recurrent)
cells = {"x": x[0], "h": torch.randn(5, 6), "c": torch.randn(5, 6)}
cases["lstm-cell"] = (nn.LSTMCell(32, 6), cells, lambda m, i: dict(zip(("h_1", "c_1"), m(i["x"], (i["h"], i["c"])))))
one = {"x": cells["x"], "h": cells["h"]}
cases["gru-cell"] = (nn.GRUCell(32, 6), one, lambda m, i: {"h_1": m(i["x"], i["h"])})
cases["rnn-cell"] = (nn.RNNCell(32, 6, bias=False, nonlinearity="relu"), one, lambda m, i: {"h_1": m(i["x"], i["h"])})
cases["attention"] = (
    nn.MultiheadAttention(32, 4, batch_first=True),
    {"query": x, "key": x.flip(1), "value": x + 1},
    lambda m, i: m(*i.values())[0],
)
cases["tagger"] = (Tagger(), {"tokens": ids % 20}, named("scores"))
cases["tagger-gru"] = (Tagger(nn.GRU), {"tokens": ids % 20}, named("scores"))
cases["linear"] = (nn.Linear(32, 4), {"x": x[0]}, lambda m, i: m(i["x"]))
layers = [part for _ in range(11) for part in (nn.Linear(32, 32), nn.Tanh())]
cases["mlp"] = (nn.Sequential(*layers, nn.Linear(32, 4)), {"x": x[0]}, lambda m, i: m(i["x"]))

if __name__ == "__main__":
    judge(sys.argv[1], {name: (m, {key: value.clone() for key, value in i.items()}, f) for name, (m, i, f) in cases.items()})
