"""PyTorch's side of bench/costate.ts: exports the networks into a folder, then times one call per line of stdin (`NAME BATCH ort|eager|compile`; ort: our graph, NAME-BATCH.costate.onnx), milliseconds on stdout."""
import json
import logging
import os
import sys
import time
import warnings

for name, value in {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}.items():
    os.environ.setdefault(name, value)  # waiting threads must not take the cores from the other side
import numpy as np
import torch
from torch import nn

folder, threads, only = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(",") if len(sys.argv) > 3 else None
torch.set_num_threads(threads)
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


class Block(nn.Module):
    """One pre-norm transformer block, written with plain operators as most repositories have it."""

    def __init__(self, dim=128, heads=4):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.n1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) / (d // self.heads) ** 0.5).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(b, t, d))
        return x + self.down(nn.functional.gelu(self.up(self.n2(x))))


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(64, 128, batch_first=False), nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[0])


def mlp():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


NETS = {
    "mlp": (mlp, lambda b: (b, 64)),
    "cnn": (cnn, lambda b: (b, 3, 32, 32)),
    "transformer": (Block, lambda b: (b, 64, 128)),
    "lstm": (Last, lambda b: (64, b, 64)),
}
NETS = {name: net for name, net in NETS.items() if only is None or name in only}
made, calls = {}, {}


def joint_nodes(module, x, target):
    """Operator calls of AOTAutograd's forward and backward graphs: as PyTorch runs them, and decomposed into core ATen."""
    from functorch.compile import aot_function, make_boxed_func

    counts = []

    def count(graph, _):
        counts.append(sum(node.op == "call_function" for node in graph.graph.nodes))
        return make_boxed_func(graph.forward)

    names = [name for name, _ in module.named_parameters()]

    def loss(x, target, *values):
        return nn.functional.mse_loss(torch.func.functional_call(module, dict(zip(names, values)), (x,)), target)

    from torch._decomp import core_aten_decompositions

    plain = aot_function(loss, fw_compiler=count, bw_compiler=count)
    values = [p.detach().clone().requires_grad_() for p in module.parameters()]
    plain(x, target, *values).backward()
    undecomposed = sum(counts)
    counts.clear()
    core = aot_function(loss, fw_compiler=count, bw_compiler=count, decompositions=core_aten_decompositions())
    core(x, target, *values).backward()
    return undecomposed, sum(counts)


for name, (make, shape) in NETS.items():
    torch.manual_seed(1)
    for batch in (1, 32):
        module = make().eval()
        x = torch.randn(shape(batch))
        y = module(x)
        target = torch.randn(y.shape)
        made[name, batch] = (module, x, target)
        path = f"{folder}/{name}-{batch}"
        torch.onnx.export(module, (x,), f"{path}.onnx", dynamo=False, opset_version=17, input_names=["x"], output_names=["y"])
        x.numpy().tofile(f"{path}.x.bin")
        target.numpy().tofile(f"{path}.target.bin")
        nn.functional.mse_loss(y, target).backward()
        grads = {key: p.grad.numpy() for key, p in module.named_parameters()}
        np.savez(f"{path}.gradients.npz", **grads)
        try:
            # Its own LSTM for CPUs cannot be traced.
            with torch.backends.mkldnn.flags(enabled=name != "lstm"):
                nodes = joint_nodes(module, x, target)
        except Exception as error:
            nodes = (0, 0)
            print(f"{name}: AOTAutograd: {error}"[:300], file=sys.stderr)
        (open(f"{path}.json", "w")).write(
            json.dumps({"x": list(x.shape), "target": list(target.shape), "nodes": nodes[0], "coreNodes": nodes[1]})
        )
print("ready", flush=True)


def step(module, x, target):
    loss = nn.functional.mse_loss(module(x), target)
    return torch.autograd.grad(loss, list(module.parameters()))


def ours(name, batch):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(f"{folder}/{name}-{batch}.costate.onnx", options, providers=["CPUExecutionProvider"])
    _, x, target = made[name, batch]
    feeds = {"x": x.numpy(), "target": target.numpy()}
    wanted = [o.name for o in session.get_outputs() if o.name == "loss" or o.name.startswith("costate_")]
    return lambda: session.run(wanted, feeds)


def call(name, batch, how):
    if how == "ort":
        return ours(name, batch)
    module, x, target = made[name, batch]
    if how == "eager":
        return lambda: step(module, x, target)
    compiled = torch.compile(lambda x, target: nn.functional.mse_loss(module(x), target))
    return lambda: torch.autograd.grad(compiled(x, target), list(module.parameters()))


for line in sys.stdin:
    name, batch, how, repeats = line.split()
    key = (name, int(batch), how)
    try:
        if key not in calls:
            calls[key] = call(*key)
            for _ in range(5):
                calls[key]()
        times = []
        for _ in range(int(repeats)):
            start = time.perf_counter()
            calls[key]()
            times.append((time.perf_counter() - start) * 1e3)
        print(sorted(times)[len(times) // 2], flush=True)
    except Exception as error:  # torch.compile wants a C++ compiler
        calls.pop(key, None)
        print(f"{name} {how}: {error}"[:200].replace("\n", " "), file=sys.stderr)
        print("nan", flush=True)
