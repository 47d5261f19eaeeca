"""PyTorch's side of bench/attention.ts: exports its attention, and times both files in ONNX Runtime and both backward passes."""
import contextlib
import io
import os
import statistics
import sys
import time
import warnings

for name, value in {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}.items():
    os.environ.setdefault(name, value)  # waiting threads must not take the cores from the other side
import logging

import numpy as np
import onnxruntime as ort
import torch
from torch.nn import functional as F

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
folder, threads, rounds, kinds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",")
clock = time.process_time if threads == 1 else time.perf_counter
torch.set_num_threads(threads)
HEADS, DIM = 12, 64


class Attention(torch.nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, q, k, v, mask=None):
        q, k, v = (x.view(*x.shape[:2], -1, DIM).transpose(1, 2) for x in (q, k, v))
        o = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=self.kind == "causal", enable_gqa=self.kind == "grouped"
        )
        return o.transpose(1, 2).flatten(2)


def inputs(kind, batch, length):
    shared = 4 if kind == "grouped" else HEADS
    given = [torch.randn(batch, length, count * DIM) for count in (HEADS, shared, shared)]
    masks = {
        "bool": lambda: torch.ones(length, length, dtype=torch.bool).tril(),
        "keys": lambda: (torch.arange(length) < length * 3 // 4).expand(batch, 1, 1, length).contiguous(),
        "number": lambda: torch.randn(length, length),
    }
    return given + ([masks[kind]()] if kind in masks else [])


def exported(kind):
    batch, length = torch.export.Dim("batch"), torch.export.Dim("time")
    mask = {0: batch, 3: length} if kind == "keys" else {0: length, 1: length}
    given = inputs(kind, 3, 5)
    path = os.path.join(folder, f"torch_{kind}.onnx")
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(
            Attention(kind).eval(),
            tuple(given),
            dynamo=True,
            dynamic_shapes=tuple([{0: batch, 1: length}] * 3 + [mask] * (len(given) - 3)),
            input_names=["q", "k", "v", "mask"][: len(given)],
            verbose=False,
        ).save(path)
    return path


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def timed(run, times):
    run()  # what ran before has left the caches to it
    start = clock()
    for _ in range(times):
        run()
    return (clock() - start) / times * 1e3


print(f"{HEADS} heads of {DIM}, {threads} threads, milliseconds: median (least) of {rounds} rounds; ratios of the least")
for kind in kinds:
    ours, theirs = session(os.path.join(folder, f"ours_{kind}.onnx")), session(exported(kind))
    back = session(os.path.join(folder, f"costate_{kind}.onnx"))
    for batch, length in ((1, 64), (1, 128), (1, 512), (8, 64), (32, 64)):
        given = inputs(kind, batch, length)
        feeds = {name: x.numpy() for name, x in zip(("q", "k", "v", "mask"), given)}
        bar = torch.randn_like(given[0])
        leaves = [x.clone().requires_grad_() for x in given[:3]]
        net = Attention(kind)

        def backward():
            return torch.autograd.grad(net(*leaves, *given[3:]), leaves, bar)

        (a,), (b,) = ours.run(None, feeds), theirs.run(None, feeds)
        assert np.abs(a - b).max() < 1e-4, kind
        runs = {
            "ours": lambda: ours.run(None, feeds),
            "export": lambda: theirs.run(None, feeds),
            "co-state": lambda: back.run(None, {**feeds, "cotangent_output": bar.numpy()}),
            "backward": backward,
        }
        many = max(1, 512 // (batch * length))
        times = {name: [] for name in runs}
        for round_ in range(-1, rounds):
            for name, run in runs.items():
                took = timed(run, many)
                if round_ >= 0:
                    times[name].append(took)
        least = {name: min(own) for name, own in times.items()}
        shown = "  ".join(f"{n} {statistics.median(own):.2f} ({least[n]:.2f})" for n, own in times.items())
        ratios = f"{least['ours'] / least['export']:.2f} of the export, {least['co-state'] / least['backward']:.2f} of backward"
        print(f"{kind:8} {batch:3} x {length:<4} {shown}  {ratios}", flush=True)
