"""A program with blocks, saved by the helper of the examples; and the same program with one operator replaced in its archive."""

import sys
import zipfile
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "examples"))
from save_program import save_program  # noqa: E402

out = Path(sys.argv[1])
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = nn.Tanh()
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        return x + self.down(torch.relu(self.act(self.up(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block(), Block()])
        self.head = nn.Linear(8, 3)

    def forward(self, x, scale):
        for block in self.blocks:
            x = block(x)
        return {"logits": self.head(x) * scale["by"], "hidden": x}


def broken(path, old, new, count):
    """The archive with the `count`-th use of one operator replaced by another."""
    target = path.with_name(f"{path.stem}-{old}-{count}.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as made:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("models/model.json"):
                parts = data.decode().split(f'"torch.ops.aten.{old}.default"')
                data = f'"torch.ops.aten.{old}.default"'.join(parts[:count]) + f'"torch.ops.aten.{new}.default"' + f'"torch.ops.aten.{old}.default"'.join(parts[count:])
                data = data.encode()
            made.writestr(entry, data)


net = Net()
args = (torch.randn(4, 8), {"by": torch.tensor(2.0)})
shapes = {"x": {0: torch.export.Dim("batch")}, "scale": {"by": None}}
save_program(net, args, str(out / "net.pt2"), dynamic_shapes=shapes, inner=True)
broken(out / "net.pt2", "tanh", "sigmoid", 2)
broken(out / "net.pt2", "relu", "sigmoid", 3)
half = Net().to(torch.bfloat16)
save_program(half, (args[0].bfloat16(), {"by": torch.tensor(2.0, dtype=torch.bfloat16)}), str(out / "half.pt2"))
