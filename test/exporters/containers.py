"""The same weights in every container, and what PyTorch makes of those written from them.

python containers.py make FOLDER     in.pt, in.bin (legacy), in.safetensors, sharded/, in.npz, in.onnx
python containers.py check FOLDER    out/*.{pt,safetensors,npz} -> JSON: what differs, by file
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import safetensors.torch
import torch
from onnx import TensorProto, helper

torch.manual_seed(3)
state = {
    "embed.weight": torch.randn(7, 4),
    "blocks.0.half": torch.randn(3, 5).half(),
    "blocks.0.brain": torch.randn(3, 5).bfloat16(),
    "blocks.0.double": torch.randn(2, 2, 2).double(),
    "blocks.1.steps": torch.tensor(2**53 + 1),
    "blocks.1.ints": torch.tensor([[-(2**31), 2**31 - 1]], dtype=torch.int32),
    "blocks.1.bytes": torch.arange(256, dtype=torch.uint8),
    "blocks.1.signed": torch.arange(-128, 128, dtype=torch.int8).reshape(2, 128),
    "blocks.1.mask": torch.tensor([True, False, True]),
    "odd Ünï name/é": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
    "empty": torch.zeros(0, 3),
}
codes = {
    torch.float32: TensorProto.FLOAT,
    torch.float16: TensorProto.FLOAT16,
    torch.bfloat16: TensorProto.BFLOAT16,
    torch.float64: TensorProto.DOUBLE,
    torch.int64: TensorProto.INT64,
    torch.int32: TensorProto.INT32,
    torch.uint8: TensorProto.UINT8,
    torch.int8: TensorProto.INT8,
    torch.bool: TensorProto.BOOL,
}


def raw(tensor):
    flat = tensor.contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def make(folder):
    torch.save(state, folder / "in.pt")
    torch.save(state, folder / "in.bin", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(state, folder / "in.safetensors")
    safetensors.torch.save_model(Tied(), folder / "tied.safetensors")
    (folder / "sharded").mkdir()
    names = list(state)
    shards = {"model-00001-of-00002.safetensors": names[:4], "model-00002-of-00002.safetensors": names[4:]}
    for shard, held in shards.items():
        safetensors.torch.save_file({name: state[name] for name in held}, folder / "sharded" / shard)
    index = {"metadata": {}, "weight_map": {name: shard for shard, held in shards.items() for name in held}}
    (folder / "sharded" / "model.safetensors.index.json").write_text(json.dumps(index))
    np.savez(folder / "in.npz", **{name: t.numpy() for name, t in state.items() if t.dtype != torch.bfloat16})
    weights = [helper.make_tensor(name, codes[t.dtype], t.shape, raw(t), raw=True) for name, t in state.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [7])
    node = helper.make_node("MatMul", ["embed.weight", "x"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y], initializer=weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), folder / "in.onnx")


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 4, bias=False)
        self.b.weight = self.a.weight


def tied(path):
    """Both names again, one storage, as load_state_dict takes them."""
    found = torch.load(path, weights_only=True)
    Tied().load_state_dict(found)
    return list(found) == ["a.weight", "b.weight"] and found["a.weight"].data_ptr() == found["b.weight"].data_ptr()


def loaded(path):
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return {name: torch.from_numpy(archive[name].copy()) for name in archive.files}
    return torch.load(path, weights_only=True)


def differences(path):
    expected = dict(state)
    source = path.stem
    if source == "npz":
        del expected["blocks.0.brain"]
    if source == "gguf":
        expected = {name: t for name, t in expected.items() if t.dtype not in (torch.uint8, torch.bool)}
    if path.suffix == ".npz":
        # numpy has no bfloat16, of which every value is a float32.
        expected = {name: t.float() if t.dtype == torch.bfloat16 else t for name, t in expected.items()}
    found = loaded(path)
    # safetensors sorts; the others keep the order, where it was not lost before.
    keeps = path.suffix != ".safetensors" and source not in ("safetensors",)
    wrong = [] if sorted(found) == sorted(expected) else [f"names {sorted(found)}"]
    if keeps and list(found) != list(expected):
        wrong.append(f"order {list(found)}")
    for name, tensor in expected.items():
        other = found.get(name)
        if other is None or other.dtype != tensor.dtype or other.shape != tensor.shape or raw(other) != raw(tensor):
            wrong.append(f"{name}: {other}")
    return wrong


folder = Path(sys.argv[2])
if sys.argv[1] == "make":
    make(folder)
else:
    wrong = {path.name: differences(path) for path in sorted((folder / "out").iterdir())}
    print(json.dumps({"wrong": wrong, "tied": tied(folder / "tied.pt")}))
