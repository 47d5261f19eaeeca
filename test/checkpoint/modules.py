"""Saves modules of torch.nn whole, in three manners, and their state dicts as .safetensors beside them.

    python modules.py FOLDER
"""
import copy
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

folder = Path(sys.argv[1])
torch.manual_seed(0)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight
        self.act = nn.functional.gelu
        self.turned = nn.Parameter(torch.randn(3, 2).t())
        self.part = nn.Parameter(torch.randn(4, 4)[1:, ::2])
        self.register_buffer("mask", torch.ones(2, 2).triu(), persistent=False)
        self.register_buffer("kept", torch.arange(4).expand(3, 4))


class Deep(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.w = nn.Parameter(torch.randn(1))
        self.inner = Deep(depth - 1) if depth else None


modules = {
    "linear": nn.Linear(2, 3), "bilinear": nn.Bilinear(2, 3, 4), "conv": nn.Conv3d(2, 2, 1), "transposed": nn.ConvTranspose2d(2, 2, 3),
    "lstm": nn.LSTM(2, 3, 2, bidirectional=True, proj_size=2), "gru": nn.GRU(2, 3, bias=False), "rnn": nn.RNNCell(2, 2),
    "batch": nn.BatchNorm2d(3), "batch-plain": nn.BatchNorm1d(3, affine=False), "batch-still": nn.BatchNorm1d(3, track_running_stats=False),
    "layer": nn.LayerNorm([2, 3]), "group": nn.GroupNorm(2, 4), "instance": nn.InstanceNorm1d(2, affine=True, track_running_stats=True), "rms": nn.RMSNorm(3),
    "prelu": nn.PReLU(3), "attention": nn.MultiheadAttention(4, 2, kdim=3, vdim=2, add_bias_kv=True), "transformer": nn.Transformer(4, 2, 1, 1, 8),
    "encoder": nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, activation="gelu"), 2), "bag": nn.EmbeddingBag(4, 3),
    "list": nn.ModuleList([nn.Linear(1, 1), nn.ReLU()]), "dict": nn.ModuleDict({"b": nn.Linear(1, 1), "a": nn.PReLU()}),
    "parameters": nn.ParameterList([torch.ones(2), nn.Parameter(torch.zeros(1))]), "named": nn.ParameterDict({"z": torch.ones(1), "a": torch.zeros(2)}),
    "nested": nn.Sequential(nn.Sequential(nn.Linear(1, 2)), nn.Dropout(), nn.Sequential(nn.Sequential(nn.PReLU()))),
    "tied": Tied(), "deep": Deep(60), "half": nn.Linear(2, 2).half(), "brain": nn.Linear(2, 2).bfloat16(), "double": nn.Linear(2, 2).double(),
    "complex": nn.Linear(2, 2, dtype=torch.complex64), "weight-norm": nn.utils.weight_norm(nn.Conv1d(2, 2, 1)), "spectral": nn.utils.spectral_norm(nn.Linear(3, 3)),
    "sync": nn.SyncBatchNorm(2), "softmax": nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2, 4]), "shared": (lambda m: nn.Sequential(m, m))(nn.Linear(2, 2)),
    "frozen": nn.Linear(2, 2).requires_grad_(False), "loss": nn.CrossEntropyLoss(weight=torch.ones(3)), "parallel": nn.DataParallel(nn.Linear(2, 2)),
    
    "fold": nn.Sequential(nn.Unfold(2), nn.Upsample(scale_factor=2), nn.Flatten(), nn.Linear(4, 1)),
}
for name, module in modules.items():
    torch.save(module, folder / f"{name}.zip.pt")
    torch.save(module, folder / f"{name}.five.pt", pickle_protocol=5)
    torch.save(module, folder / f"{name}.early.pt", _use_new_zipfile_serialization=False)
    state = {key: value.detach().clone().contiguous() for key, value in module.state_dict().items()}
    save_file(state, folder / f"{name}.safetensors")
    (folder / f"{name}.order").write_text("\n".join(state))
print("\n".join(modules))
