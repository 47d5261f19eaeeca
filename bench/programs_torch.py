"""PyTorch's side of bench/programs.ts. `prepare FOLDER NAMES`: programs (NAME.pt2, dynamic batch) in a folder. `export FOLDER NAME`: reads NAME.pt2 and writes NAME.export.onnx by PyTorch's own exporter (timed from outside, start of the process included). `compare FOLDER NAMES`: nodes after ONNX Runtime's optimiser, and latency of both files, interleaved."""

import logging
import os
import sys
import time
import warnings

for name, value in {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}.items():
    os.environ.setdefault(name, value)  # waiting threads must not take the cores from the other side
import torch
from torch import nn

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
mode, folder, names = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
torch.set_num_threads(2)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../test/layers"))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(1000, 64)
        self.lstm = nn.LSTM(64, 128, 2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(256, 17)

    def forward(self, tokens):
        return self.fc(self.lstm(self.embedding(tokens))[0])


class First(nn.Module):
    """The first of a network's outputs."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *inputs):
        result = self.inner(*inputs)
        while not torch.is_tensor(result):
            result = next(iter(result.values())) if isinstance(result, dict) else result[0]
        return result


def network(name):
    import convolution_models
    import transformer_models as transformers

    tokens = torch.randint(0, 1000, (8, 64))
    image = torch.randn(8, 3, 64, 64)
    torch.manual_seed(0)
    if name == "mlp":
        return nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 256), nn.GELU(), nn.Linear(256, 10)), torch.randn(8, 64)
    if name == "resnet":
        return convolution_models.resnet18(classes=100), image
    if name == "vit":
        return transformers.TimmViT(64, 8, 192, 3, 6, 768, 100), image
    if name == "bert":
        return transformers.Bert(1000, 256, 4, 4, 1024, 128), tokens
    if name == "gpt2":
        return transformers.Gpt2(1000, 256, 4, 4, 128), tokens
    if name == "llama":
        return transformers.Llama(1000, 4, d=256, heads=4, kv_heads=2, dim=64, inner=688), tokens
    if name == "encoder":
        layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True, norm_first=True)
        return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), torch.randn(8, 64, 256)
    return Tagger(), tokens


def path(name, ending):
    return os.path.join(folder, f"{name}.{ending}")


if mode == "prepare":
    for name in names:
        net, given = network(name)
        net = First(net).eval()
        try:
            program = torch.export.export(net, (given,), dynamic_shapes=(({0: torch.export.Dim.DYNAMIC},),))
            torch.export.save(program, path(name, "pt2"))
            print(name, flush=True)
        except Exception as error:  # noqa: BLE001
            print(f"# {name}: {type(error).__name__}: {str(error)[:300]}".replace("\n", " "), flush=True)
elif mode == "export":
    program = torch.export.load(path(names[0], "pt2"))
    torch.onnx.export(program, dynamo=True, verbose=False).save(path(names[0], "export.onnx"))
else:
    import numpy as np
    import onnx
    import onnxruntime as ort

    def nodes(graph):
        inner = [a.g for n in graph.node for a in n.attribute if a.type == onnx.AttributeProto.GRAPH]
        return len(graph.node) + sum(nodes(g) for g in inner)

    def session(file, optimised):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if optimised is not None:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
            options.optimized_model_filepath = optimised
        return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    for name in names:
        counts, runs, answers = [], [], []
        _, given = network(name)
        for which in ("ours.onnx", "export.onnx"):
            session(path(name, which), path(name, "optimised.onnx"))
            counts.append(nodes(onnx.load(path(name, "optimised.onnx")).graph))
            own = session(path(name, which), None)
            feeds = {own.get_inputs()[0].name: given.numpy()}
            runs.append(lambda own=own, feeds=feeds: own.run(None, feeds)[0])
            answers.append(runs[-1]())
        error = np.abs(answers[0] - answers[1]).max() / np.abs(answers[1]).max()
        times, ratios = [[], []], []
        for _ in range(9):
            for which in (0, 1):
                begun = time.perf_counter()
                for _ in range(100 if name == "mlp" else 5):
                    runs[which]()
                times[which].append((time.perf_counter() - begun) * 1e3 / (100 if name == "mlp" else 5))
            ratios.append(times[0][-1] / times[1][-1])
        middle = [sorted(t)[4] for t in times]
        print(f"{name} {counts[0]} {counts[1]} {middle[0]:.3f} {middle[1]:.3f} {sorted(ratios)[4]:.3f} {error:.1e}", flush=True)
