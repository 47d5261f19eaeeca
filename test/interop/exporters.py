"""Exports eight small networks by both exporters of the PyTorch at hand, at every opset each takes; judges what was made of them.

    exporters.py make FOLDER       NAME.EXPORTER.OPSET.onnx, NAME.pt, NAME.npz (inputs, outputs, gradients), index.json
    exporters.py judge FOLDER      reads jobs on stdin: [{original, changed, costate?, network}], prints what differs
"""

import contextlib
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn


class Conv(nn.Module):
    """Convolutions with batch normalisation, which exporters fold."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.down = nn.Conv2d(6, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)
        for norm in (self.stem[1], self.norm):
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.down(self.stem(x)))).mean((2, 3)))


class Attention(nn.Module):
    """Linear layers on three axes, whose weights are stored transposed, and a tied head."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(11, 8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8, bias=False)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, x):
        h = self.tokens(x)
        h = h + self.attend(h, h, h, need_weights=False)[0]
        h = h + self.down(nn.functional.gelu(self.up(self.norm(h))))
        return self.head(h)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell = kind(5, 4, num_layers=2, batch_first=True, bidirectional=kind is nn.GRU)
        self.out = nn.Linear(8 if kind is nn.GRU else 4, 3)

    def forward(self, x):
        return self.out(self.cell(x)[0])


class Shapes(nn.Module):
    """Sizes that are computed while it runs."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)

    def forward(self, x):
        b, t, d = x.shape
        heads = self.inner(x).reshape(b, t, 2, d // 2).transpose(1, 2)
        back = heads.transpose(1, 2).reshape(b, t, d)
        return back.unsqueeze(1).expand(b, 2, t, d).flatten(0, 1) * (d**-0.5)


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 3), nn.LogSoftmax(-1))


def encoder():
    """Layers copied from one: their parameters are equal and not tied."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


NETWORKS = {
    "mlp": (mlp, lambda: torch.randn(5, 4), {0: "batch"}),
    "conv": (Conv, lambda: torch.randn(2, 3, 8, 8), {0: "batch"}),
    "attention": (Attention, lambda: torch.randint(0, 11, (2, 6)), {0: "batch"}),
    "lstm": (lambda: Recurrent(nn.LSTM), lambda: torch.randn(3, 7, 5), None),
    "gru": (lambda: Recurrent(nn.GRU), lambda: torch.randn(3, 7, 5), None),
    "shapes": (Shapes, lambda: torch.randn(2, 5, 6), {0: "batch", 1: "time"}),
    "encoder": (encoder, lambda: torch.randn(2, 5, 8), None),
    "group": (
        lambda: nn.Sequential(nn.Conv1d(4, 8, 3, groups=2), nn.GroupNorm(4, 8), nn.SiLU(), nn.ConvTranspose1d(8, 2, 3)),
        lambda: torch.randn(2, 4, 9),
        {0: "batch"},
    ),
}
OPSETS = {"script": (11, 14, 17, 20), "dynamo": (18, 20, 23, 24)}


@contextlib.contextmanager
def silence():
    kept = [os.dup(1), os.dup(2)]
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)


def export(module, x, path, exporter, opset, dynamic):
    options = {"input_names": ["x"], "output_names": ["y"], "opset_version": opset}
    if exporter == "script":
        options |= {"dynamo": False, "dynamic_axes": {"x": dynamic, "y": {0: "n"}} if dynamic else None}
    else:
        dims = {axis: torch.export.Dim(name, min=2, max=64) for axis, name in (dynamic or {}).items()}
        options |= {"dynamo": True, "external_data": False, "dynamic_shapes": (dims,) if dynamic else None}
    with silence():
        torch.onnx.export(module, (x,), path, **options)


def make(folder):
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    rows = []
    for at, (name, (build, data, dynamic)) in enumerate(NETWORKS.items()):
        torch.manual_seed(len(name))
        module, x = build().train(False), data()
        torch.save(module.state_dict(), folder / f"{name}.pt")
        y = module(x)
        cotangent = torch.randn_like(y)
        named = dict(module.named_parameters(remove_duplicate=False))
        gradients = torch.autograd.grad(y, list({id(p): p for p in named.values()}.values()), cotangent)
        by_id = {id(p): g for p, g in zip({id(p): p for p in named.values()}.values(), gradients, strict=True)}
        arrays = {f"gradient:{key}": by_id[id(p)].numpy() for key, p in named.items()}
        np.savez(folder / f"{name}.npz", x=x.numpy(), y=y.detach().numpy(), cotangent=cotangent.numpy(), **arrays)
        for exporter, opsets in OPSETS.items():
            # An export takes a second: two opsets of each network, all opsets among them.
            for opset in (opsets[at % 4], opsets[(at + 1) % 4]):
                path = folder / f"{name}.{exporter}.{opset}.onnx"
                try:
                    export(module, x, path, exporter, opset, dynamic)
                    rows.append({"network": name, "exporter": exporter, "opset": opset, "model": path.name, "parameters": sorted(named)})
                except Exception as error:
                    rows.append({"network": name, "exporter": exporter, "opset": opset, "failed": f"{type(error).__name__}: {error}"[:200]})
    (folder / "index.json").write_text(json.dumps(rows))


def judge(folder):
    import onnx
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    answers = []
    for job in json.load(sys.stdin):
        given = np.load(folder / f"{job['network']}.npz")
        answer = {}

        def run(file, feeds, plain=True):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            if plain:
                options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            session = onnxruntime.InferenceSession(folder / file, options, providers=["CPUExecutionProvider"])
            names = [output.name for output in session.get_outputs()]
            wanted = {value.name: feeds[value.name] for value in session.get_inputs()}
            return dict(zip(names, session.run(None, wanted), strict=True))

        before = run(job["original"], given)["y"]
        if "lossless" in job:
            answer["equal"] = onnx.load(folder / job["original"]) == onnx.load(folder / job["lossless"])
        if "cleaned" in job:
            onnx.checker.check_model(folder / job["cleaned"], full_check=True)
            after = run(job["cleaned"], given)["y"]
            answer["bits"] = before.tobytes() == after.tobytes() and before.shape == after.shape
            answer["error"] = float(np.abs(before - after).max() / np.abs(before).max())
            state = torch.load(folder / f"{job['network']}.pt", weights_only=True)
            stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(folder / job["cleaned"]).graph.initializer}
            answer["wrong"] = [k for k, v in stored.items() if k in state and not np.array_equal(v, state[k].numpy())]
            answer["held"] = sorted(k for k in stored if k in state)
        if "costate" in job:
            found = run(job["costate"], {**given, "cotangent_y": given["cotangent"]}, plain=False)
            answer["gradients"] = {
                key[len("costate_") :]: float(np.abs(value - given[f"gradient:{key[8:]}"]).max() / (np.abs(given[f"gradient:{key[8:]}"]).max() + 1e-30))
                for key, value in found.items()
                if f"gradient:{key[8:]}" in given
            }
        answers.append(answer)
    print(json.dumps(answers))


if __name__ == "__main__":
    {"make": make, "judge": judge}[sys.argv[1]](Path(sys.argv[2]))
