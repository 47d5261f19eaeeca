"""PyTorch's side of bench/generation.ts: `prepare FOLDER` saves state dicts, `time FOLDER THREADS` generates greedily with a cache, as asked on stdin."""
import os
import sys
import time

import safetensors.torch
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../test/layers"))
from transformer_models import Gpt2, Llama  # noqa: E402

mode, folder = sys.argv[1:3]


def network(name):
    torch.manual_seed(1)
    if name == "gpt2":
        return Gpt2(vocabulary=8000, d=384, heads=6, layers=6, positions=512).eval()
    return Llama(vocabulary=8000, d=384, heads=6, kv_heads=2, dim=64, inner=1024, layers=6).eval()


nets = {name: network(name) for name in ("gpt2", "llama")}
if mode == "prepare":
    for name, net in nets.items():
        state = {key: value.clone().contiguous() for key, value in net.state_dict().items()}
        safetensors.torch.save_file(state, os.path.join(folder, f"{name}.safetensors"))
    sys.exit(0)


@torch.inference_mode()
def generated(net, batch, count):
    given, past, tokens = torch.arange(1, 17).repeat(batch, 1), None, []
    for _ in range(count):
        logits, past = net(given, past=past, last=True)
        given = logits[:, -1].argmax(-1, keepdim=True)
        tokens.append(given)
    return torch.cat(tokens, 1)


torch.set_num_threads(int(sys.argv[3]))
print("ready", flush=True)
for line in sys.stdin:
    name, batch, count = line.split()
    start = time.perf_counter()
    tokens = generated(nets[name], int(batch), int(count))
    seconds = time.perf_counter() - start
    print(seconds, ",".join(str(token) for token in tokens[0].tolist()), flush=True)
