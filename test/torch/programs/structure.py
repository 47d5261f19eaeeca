"""What goes in and out, and what stands in a program besides its parameters."""
import collections
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn

Batch = collections.namedtuple("Batch", ["features", "mask"])
Answer = collections.namedtuple("Answer", "logits hidden")

for tuple_class in (Batch, Answer):
    torch.utils._pytree._register_namedtuple(tuple_class, serialized_type_name=f"hopfcole.{tuple_class.__name__}")


@dataclass
class ModelOutput:
    loss: torch.Tensor
    logits: torch.Tensor


torch.export.register_dataclass(ModelOutput, serialized_type_name="hopfcole.ModelOutput")


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 3)

    def forward(self, batch, extra, *rest, flag=True, options=None):
        y = self.lin(batch.features) * batch.mask.unsqueeze(-1)
        for r in rest:
            y = y + r
        if flag:
            y = y + extra["bias"][0] * extra["deep"]["scale"]
        return {"answer": Answer(y, [y.sum(), (y.mean(0),)]), "extra": extra["bias"], "options": options["w"] + 1}


@program("struct-nested")
def _():
    def made(b):
        return (Batch(randn(b, 4), (torch.rand(b) > 0.5).float()), {"bias": [randn(3), randn(1)], "deep": {"scale": torch.tensor(0.7)}}, randn(b, 3), randn(3)), {"flag": True, "options": {"w": randn(2)}}

    args, kwargs = made(3)
    b = Dim("b")
    return case(Nested(), *args, kwargs=kwargs, others=[], dynamic=None)


class OrderedOut(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 3)

    def forward(self, x, y):
        z = self.lin(x)
        return ModelOutput(F.mse_loss(z, y), z), collections.OrderedDict(a=z.exp(), b=(z, None)), None


@program("struct-dataclass")
def _():
    b = Dim("b")
    return case(OrderedOut(), randn(2, 4), randn(2, 3), dynamic=({0: b}, {0: b}), others=[(randn(5, 4), randn(5, 3))])


class Passing(nn.Module):
    """Outputs that are inputs, parameters, buffers and constants; unused inputs and parameters."""

    def __init__(self):
        super().__init__()
        self.lin, self.unused = nn.Linear(4, 3), nn.Linear(2, 2)
        self.free = nn.Parameter(torch.randn(3))
        self.register_buffer("table", torch.arange(3.0))
        self.register_buffer("dead", torch.ones(2), persistent=False)

    def forward(self, x, unused, flag: bool, name: str, n: int, rate: float):
        y = self.lin(x)
        return x, self.free, self.table, y, y, 3, None, "text", True, 0.5, n + 1, y * n + rate


@program("struct-passing")
def _():
    return case(Passing(), randn(2, 4), randn(3), True, "mode", 2, 0.25)


class Tied(nn.Module):
    """One tensor under three names, one module under two, a parameter that is a view's source."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.again = self.embed.weight
        self.block = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        self.blocks = nn.ModuleList([self.block, nn.LayerNorm(4), self.block])

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x), F.linear(x, self.again)


@program("struct-tied")
def _():
    return case(Tied(), ints(7, 2, 3), dynamic=({0: Dim("b"), 1: Dim("t")},), others=[(ints(7, 4, 5),)], strict=True)


class Mutating(nn.Module):
    """Counters, running means and queues."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 3)
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("queue", torch.randn(5, 3))

    def forward(self, x):
        y = self.lin(x)
        self.count += 1
        self.mean.mul_(0.9).add_(y.detach().mean(0), alpha=0.1)
        self.queue[1:] = self.queue[:-1].clone()
        self.queue[0] = y.detach()[0]
        return y - self.mean, y @ self.queue.t(), y * self.count


@program("struct-mutating")
def _():
    return case(Mutating(), randn(2, 4), dynamic=({0: Dim("b")},), others=[(randn(5, 4),)])


class MutatesInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x, cache):
        y = self.lin(x)
        cache.add_(y)
        x.mul_(2)
        return y + x + cache.sum()


@program("struct-mutates-input")
def _():
    return case(MutatesInput(), randn(2, 4), randn(2, 4), gradients=False)


class Names(nn.Module):
    """Parameters of odd names; lists and dicts of parameters; a module called like a keyword."""

    def __init__(self):
        super().__init__()
        self.list = nn.ParameterList([nn.Parameter(torch.randn(3)) for _ in range(3)])
        self.dict = nn.ParameterDict({"a_b": nn.Parameter(torch.randn(3)), "left": nn.Parameter(torch.randn(1))})
        self.layers = nn.ModuleDict({"first-layer": nn.Linear(3, 3), "into": nn.Linear(3, 3), "10": nn.Linear(3, 3, bias=False)})
        self.Weight, self.weight = nn.Parameter(torch.randn(3)), nn.Parameter(torch.randn(3))
        self.a_b, self.a = nn.Parameter(torch.randn(3)), nn.ParameterDict({"b": nn.Parameter(torch.randn(3))})

    def forward(self, input, output, mask):
        x = input * self.list[0] + output * self.list[2] + self.dict["a_b"] * self.dict["left"] + self.Weight - self.weight + self.a_b * self.a["b"]
        for layer in self.layers.values():
            x = layer(x).tanh()
        return x * mask


@program("struct-names")
def _():
    return case(Names(), randn(2, 3), randn(2, 3), randn(2, 3))


class Frozen(nn.Module):
    """Parameters that take no gradients, and of kinds that cannot."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(4, 4)
        for p in self.backbone.parameters():
            p.requires_grad_(False)
        self.lora_a, self.lora_b = nn.Parameter(torch.randn(2, 4)), nn.Parameter(torch.randn(4, 2))
        self.index = nn.Parameter(torch.tensor([2, 0, 1]), requires_grad=False)

    def forward(self, x):
        return (self.backbone(x) + (x @ self.lora_a.t() @ self.lora_b.t()) * (16 / 8))[:, self.index]


@program("struct-lora")
def _():
    return case(Frozen(), randn(2, 4), dynamic=({0: Dim("b")},), others=[(randn(3, 4),)], strict=True)


class Strided(nn.Module):
    """Weights saved as views: transposed, sliced of a larger storage, expanded."""

    def __init__(self):
        super().__init__()
        big = torch.randn(6, 8)
        self.t = nn.Parameter(big[:4, :3].t())
        self.register_buffer("s", big[1:5:2, ::2])
        self.register_buffer("e", torch.tensor([0.5]).expand(4))
        self.empty = nn.Parameter(torch.zeros(0, 4))
        self.conv = nn.Conv2d(2, 3, 3, padding=1).to(memory_format=torch.channels_last)

    def forward(self, x, image):
        y = F.linear(x, self.t)
        return torch.cat([y, F.linear(x * self.e, torch.cat([self.s.float(), self.empty]))], -1), self.conv(image.contiguous(memory_format=torch.channels_last))


@program("struct-strided")
def _():
    return case(Strided(), randn(2, 4), randn(1, 2, 4, 4))


class Constant(nn.Module):
    """Nothing of the input is left in some outputs."""

    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.randn(3, 2))

    def forward(self, x):
        return self.p.sum(0), torch.ones(2), x.shape[1], self.p @ self.p.t(), torch.zeros(x.shape[0])


@program("struct-constant-outputs")
def _():
    return case(Constant(), randn(2, 3))


class Custom(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).float()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (1 + x.abs()) ** 2


class Spiking(nn.Module):
    """A surrogate gradient: the graph has the forward alone, so gradients are not compared."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 5)

    def forward(self, x):
        v, out = torch.zeros(x.shape[0], 5), []
        for t in range(3):
            v = 0.9 * v + self.lin(x)
            s = Custom.apply(v - 1)
            v = v - s
            out.append(s)
        return torch.stack(out).mean(0), v


@program("struct-autograd-function")
def _():
    return case(Spiking(), randn(2, 4), gradients=False)


class Optional(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, hidden_states, attention_mask=None, encoder_hidden_states=None, output_attentions=False, past=(None, None)):
        other = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        w = self.q(hidden_states) @ self.k(other).mT
        if attention_mask is not None:
            w = w + attention_mask
        w = w.softmax(-1)
        return {"out": w @ other, "attentions": w if output_attentions else None}


@program("struct-optional")
def _():
    return case(Optional(), randn(2, 3, 4), kwargs={"encoder_hidden_states": randn(2, 5, 4), "output_attentions": True, "past": (None, None)})
