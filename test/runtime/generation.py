"""Tokens that PyTorch generates, greedily and with its own cache, and what its sampling would draw from: weights, prompts, tokens and times.
"""
import json
import os
import sys
import time

import numpy as np
import safetensors.torch
import torch

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "layers"))
from transformer_models import Gpt2, Llama, Seq2Seq  # noqa: E402


def shaken(model, seed):
    """Weights far from their start, so that greedy tokens do not fall into one word."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.25 * torch.randn(value.shape, generator=generator))
    return model.eval()


@torch.inference_mode()
def greedy(model, prompts, count, mask=None):
    tokens, past, given = prompts, None, prompts
    margin = float("inf")
    for _ in range(count):
        logits, present = model(given, mask=mask, past=past, last=True)
        top = logits[:, -1].topk(2).values
        margin = min(margin, (top[:, 0] - top[:, 1]).min().item())
        new = logits[:, -1].argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, new], 1)
        given, past = new, present
        if mask is not None:
            mask = torch.cat([mask, torch.ones_like(new)], 1)
    return tokens[:, prompts.shape[1] :], margin


@torch.inference_mode()
def translated(model, source, mask, count):
    target = torch.ones(len(source), 1, dtype=torch.long)
    for _ in range(count):
        target = torch.cat([target, model(source, target, mask)[:, -1].argmax(-1, keepdim=True)], 1)
    return target[:, 1:]


def warped(logits, temperature, top_k, top_p):
    """Temperature, then top-k, then top-p, as generation loops in PyTorch have it: the probabilities."""
    z = logits / temperature
    if top_k is not None:
        z = z.masked_fill(z < z.topk(top_k).values[-1], -torch.inf)
    if top_p is not None:
        values, order = z.sort(descending=False)
        z = z.clone()
        z[order[:-1][values.softmax(-1).cumsum(-1)[:-1] <= 1 - top_p]] = -torch.inf
    return z.softmax(-1)


def main(folder):
    torch.set_num_threads(1)
    torch.manual_seed(3)
    saved = {}
    for name, model in {
        "gpt2": Gpt2(vocabulary=97, d=48, layers=3, positions=256),
        "llama": Llama(vocabulary=97, d=48, dim=12, inner=80, layers=3, qkv_bias=True),
    }.items():
        shaken(model, 8)
        state = {key: value.contiguous().clone() for key, value in model.state_dict().items()}
        safetensors.torch.save_file(state, os.path.join(folder, f"{name}.safetensors"))
        prompts = torch.randint(0, 97, (2, 9))
        mask = torch.ones_like(prompts)
        mask[1, :4] = 0
        tokens, margin = greedy(model, prompts, 200)
        padded, _ = greedy(model, prompts, 200, mask=mask)
        saved.update({f"{name}.prompts": prompts, f"{name}.tokens": tokens, f"{name}.padded": padded})
        saved[f"{name}.margin"] = torch.tensor(margin)
        saved[f"{name}.logits"] = model(prompts)[0][:, -1].detach()
    torch.manual_seed(2)
    model = Seq2Seq(positions=64, norm_first=True).eval()
    with torch.no_grad():
        # Far from their start, or every token is the same.
        model.tgt_position.weight.mul_(4)
        for value in model.transformer.parameters():
            if value.dim() > 1:
                value.mul_(1.5)
    state = {key: value.contiguous().clone() for key, value in model.state_dict().items()}
    safetensors.torch.save_file(state, os.path.join(folder, "seq2seq.safetensors"))
    source = torch.randint(1, 40, (2, 7))
    mask = torch.tensor([[1] * 7, [1, 1, 1, 1, 0, 0, 0]])
    saved.update({"seq2seq.source": source, "seq2seq.mask": mask, "seq2seq.tokens": translated(model, source, mask, 40)})
    logits = 3 * torch.randn(200)
    saved["sampling.logits"] = logits
    settings = [(1.0, None, None), (0.7, 20, None), (1.3, None, 0.8), (0.9, 30, 0.6), (1.0, 1, None), (1.0, None, 0.01)]
    for index, (temperature, top_k, top_p) in enumerate(settings):
        saved[f"sampling.{index}"] = warped(logits.double(), temperature, top_k, top_p)
    np.savez(os.path.join(folder, "generated.npz"), **{key: value.numpy() for key, value in saved.items()})


if __name__ == "__main__":
    main(sys.argv[1])
