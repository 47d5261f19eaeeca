"""Views, and writes through them."""
import torch

from judge import T, case, main

f64, f16, bf16, i64, i32, i8, u8, b = torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int8, torch.uint8, torch.bool

# Shapes
case("view", lambda x: x.view(4, 6), T(2, 3, 4))
case("view -1", lambda x: x.view(-1, 2), T(2, 3, 4))
case("view to 0-d", lambda x: x.view(()), T(1, 1))
case("view of empty", lambda x: x.view(0, 5), T(0, 3))
case("view dynamic", lambda x: x.view(x.shape[0], -1), T(3, 4, 5), dynamic={0: (0,)}, other=[[T(7, 4, 5)]], nodes=1)
case("view dynamic two", lambda x: x.view(x.shape[0], x.shape[1], 2, 3).transpose(1, 2), T(3, 4, 6), dynamic={0: (0, 1)}, other=[[T(2, 7, 6)]], nodes=2)
case("view joins dynamic", lambda x: x.reshape(x.shape[0] * x.shape[1], 6), T(3, 4, 6), dynamic={0: (0, 1)}, other=[[T(2, 7, 6)]], nodes=1)
case("view_as", lambda x, y: x.view_as(y), T(6), T(2, 3))
case("reshape", lambda x: x.reshape(3, 8), T(2, 3, 4))
case("reshape transposed", lambda x: x.t().reshape(-1), T(3, 4))
case("reshape_as", lambda x, y: x.reshape_as(y), T(6), T(3, 2))
case("flatten", lambda x: x.flatten(1, -2), T(2, 3, 4, 5))
case("flatten 0-d", lambda x: x.flatten(), T())
case("flatten dynamic", lambda x: x.flatten(1), T(3, 4, 5), dynamic={0: (0, 1)}, other=[[T(2, 6, 5)]])
case("flatten dynamic all", lambda x: x.flatten(0, 1), T(3, 4, 5), dynamic={0: (0, 1)}, other=[[T(2, 6, 5)]], nodes=1)
case("unflatten", lambda x: x.unflatten(-1, (2, -1)), T(3, 6))
case("unflatten dynamic", lambda x: x.unflatten(1, (2, 3)), T(3, 6, 2), dynamic={0: (0,)}, other=[[T(5, 6, 2)]])
case("ravel", lambda x: x.ravel(), T(2, 3))
case("permute", lambda x: x.permute(2, 0, -2), T(2, 3, 4), nodes=1)
case("permute bool", lambda x: x.permute(1, 0), T(2, 3, dtype=b))
case("transpose", lambda x: x.transpose(-1, 0), T(2, 3, 4))
case("transpose 0-d", lambda x: x.transpose(0, -1), T())
case("t", lambda x: x.t(), T(2, 3))
case("t 1-d", lambda x: x.t() * 1, T(3))
case("T", lambda x: x.T, T(2, 3))
case("mT", lambda x: x.mT, T(2, 3, 4))
case("mH", lambda x: x.mH, T(2, 3, 4))
case("adjoint", lambda x: x.adjoint(), T(2, 3, 4))
case("movedim", lambda x: x.movedim(0, -1), T(2, 3, 4))
case("movedim list", lambda x: x.movedim((0, 2), (1, 0)), T(2, 3, 4))
case("moveaxis", lambda x: torch.moveaxis(x, 1, 0), T(2, 3, 4))
case("swapaxes", lambda x: x.swapaxes(0, 2), T(2, 3, 4))
case("swapdims", lambda x: x.swapdims(0, 1), T(2, 3, 4))
case("squeeze", lambda x: x.squeeze(), T(1, 3, 1, 4))
case("squeeze dim", lambda x: x.squeeze(-2), T(1, 3, 1, 4))
case("squeeze dim not one", lambda x: x.squeeze(1) * 1, T(1, 3, 1, 4))
case("squeeze dims", lambda x: x.squeeze((0, 1)), T(1, 3, 1, 4))
case("squeeze dynamic", lambda x: x.squeeze(1), T(5, 1, 4), dynamic={0: (0,)}, other=[[T(2, 1, 4)]])
case("unsqueeze", lambda x: x.unsqueeze(-1), T(2, 3))
case("unsqueeze 0-d", lambda x: x.unsqueeze(0), T())
case("expand", lambda x: x.expand(5, -1, 3), T(4, 1))
case("expand nothing", lambda x: x.expand(4, 2) * 1, T(4, 2))
case("expand dynamic", lambda x, y: x.expand(y.shape[0], -1), T(1, 4), T(5, 2), dynamic={1: (0,)}, other=[[T(1, 4), T(7, 2)]])
case("expand dynamic kept", lambda x: x.unsqueeze(1).expand(-1, 3, -1), T(5, 4), dynamic={0: (0,)}, other=[[T(2, 4)]], nodes=2)
case("expand_as", lambda x, y: x.expand_as(y), T(1, 3), T(2, 3))
case("broadcast_to", lambda x: x.broadcast_to(2, 3), T(3, dtype=i64))
case("alias", lambda x: torch.ops.aten.alias(x) * 1, T(3))
case("detach", lambda x: x.detach() + 1, T(3), grad=False)
case("contiguous", lambda x: x.t().contiguous() + 1, T(3, 2))

# Parts
case("slice", lambda x: x[1:3], T(5, 4))
case("slice negative", lambda x: x[-3:-1], T(5, 4))
case("slice beyond", lambda x: x[2:100], T(5, 4))
case("slice far below", lambda x: x[-100:2], T(5, 4))
case("slice empty", lambda x: x[3:1], T(5, 4))
case("slice step", lambda x: x[:, 1::3], T(5, 7))
case("slice step ends", lambda x: x[..., :5:2], T(5, 7))
case("slice whole", lambda x: x[:] * 1, T(5, 4), nodes=1)
case("slice dynamic", lambda x: x[1:-1], T(5, 4), dynamic={0: (0,)}, other=[[T(9, 4)]])
case("slice to a size", lambda x, y: x[: y.shape[0]], T(8, 4), T(3), dynamic={1: (0,)}, other=[[T(8, 4), T(5)]])
case("slice from a size", lambda x, y: x[y.shape[0]:], T(8, 4), T(3), dynamic={1: (0,)}, other=[[T(8, 4), T(5)]])
case("slice int8", lambda x: x[1:3], T(5, 4, dtype=i8))
case("slice uint8 bool", lambda x, y: (x[1:], y[1:]), T(5, dtype=u8), T(5, dtype=b))
case("select", lambda x: x[1], T(5, 4))
case("select last", lambda x: x[:, -1], T(5, 4), nodes=1)
case("select dynamic", lambda x: x[-1], T(5, 4), dynamic={0: (0,)}, other=[[T(2, 4)]])
case("select size", lambda x, y: x[y.shape[0] - 1], T(5, 4), T(3), dynamic={1: (0,)}, other=[[T(5, 4), T(5)]])
case("narrow", lambda x: x.narrow(1, 1, 2), T(3, 5))
case("narrow from end", lambda x: x.narrow(1, -3, 2), T(3, 5))
case("split", lambda x: x.split(2), T(5, 4))
case("split sizes", lambda x: x.split([1, 3, 0], dim=-1), T(5, 4))
case("split dynamic axis 1", lambda x: x.split(2, dim=1), T(5, 4), dynamic={0: (0,)}, other=[[T(3, 4)]], nodes=1)
case("split one", lambda x: x.split(9)[0] * 1, T(5, 4))
case("split_with_sizes", lambda x: torch.split_with_sizes(x, [2, 3]), T(5, 4))
case("unsafe_split", lambda x: torch.unsafe_split(x, 2, 1), T(5, 4))
case("unsafe_chunk", lambda x: torch.unsafe_chunk(x, 2, 1), T(5, 4))
case("chunk", lambda x: x.chunk(3, -1), T(2, 7), nodes=1)
case("chunk few", lambda x: x.chunk(4, 0), T(5, 2))
case("tensor_split", lambda x: x.tensor_split(3, 1), T(2, 7))
case("tensor_split indices", lambda x: x.tensor_split((1, 4, 4, -1), 1), T(2, 7))
case("hsplit", lambda x: x.hsplit(2), T(3, 4))
case("vsplit", lambda x: x.vsplit([1, 2]), T(3, 4))
case("dsplit", lambda x: x.dsplit(2), T(3, 4, 2))
case("unbind", lambda x: x.unbind(1), T(3, 4))
case("unbind dynamic", lambda x: x.unbind(-1), T(3, 2), dynamic={0: (0,)}, other=[[T(5, 2)]])
case("unfold", lambda x: x.unfold(1, 3, 2), T(2, 8, 3))
case("unfold last", lambda x: x.unfold(-1, 2, 1), T(2, 8))
case("unfold dynamic", lambda x: x.unfold(0, 3, 2), T(9, 2), dynamic={0: (0,)}, other=[[T(12, 2)]])
case("diagonal", lambda x: x.diagonal(), T(3, 4))
case("diagonal up", lambda x: x.diagonal(2, -1, 0), T(3, 2, 5))
case("diagonal down", lambda x: x.diagonal(-1), T(4, 3))
case("diagonal none", lambda x: x.diagonal(4), T(3, 4))
case("diagonal dynamic", lambda x: x.diagonal(0, 1, 2), T(2, 5, 5), dynamic={0: (0,)}, other=[[T(3, 5, 5)]])
case("diagonal dynamic size", lambda x: x.diagonal(0, 0, 1), T(5, 6), dynamic={0: (0, 1)}, other=[[T(7, 4)]], grad=False)
case("as_strided", lambda x: x.as_strided((2, 3), (1, 2), 1), T(3, 4))
case("as_strided contiguous", lambda x: x.as_strided((2, 3), (3, 1), 2), T(3, 4))
case("as_strided overlapping", lambda x: x.as_strided((3, 4), (1, 1)), T(3, 4))
case("as_strided many", lambda x: x.as_strided((70, 70), (1, 1)), T(200))

# Copies
for name, form in {"permute": lambda x: torch.permute_copy(x, (1, 0)), "view": lambda x: torch.view_copy(x, (12,)), "slice": lambda x: torch.slice_copy(x, 0, 1, 3),
                   "select": lambda x: torch.select_copy(x, 1, -1), "expand": lambda x: torch.expand_copy(x, (2, 3, 4)), "squeeze": lambda x: torch.squeeze_copy(x),
                   "unsqueeze": lambda x: torch.unsqueeze_copy(x, 0), "t": torch.t_copy, "transpose": lambda x: torch.transpose_copy(x, 0, 1), "split": lambda x: torch.split_copy(x, 2),
                   "unbind": torch.unbind_copy, "diagonal": torch.diagonal_copy, "alias": torch.alias_copy, "unfold": lambda x: torch.unfold_copy(x, 0, 2, 1),
                   "as_strided": lambda x: torch.as_strided_copy(x, (2, 2), (1, 4)), "detach": torch.detach_copy}.items():
    case(f"{name}_copy", form, T(3, 4), grad=name != "detach")


# Writes
def writing(name, write, *shape, dtype=torch.float32, **more):
    def function(x, *others):
        x = x * 1
        other = x[..., :1] if x.dim() else x
        given = write(x, *others)
        return (x, other) if given is None else (x, other, given)
    case(f"write {name}", function, T(*shape, dtype=dtype), **more)


def setitem(key, value):
    def write(x, *others):
        x[key] = value
    return write


S = slice
writing("x[:, 0] = 1", setitem((S(None), 0), 1.0), 3, 4)
writing("x[0] = 1", setitem(0, 1.0), 3, 4)
writing("x[-1] = 1", setitem(-1, 1.0), 3, 4)
writing("x[1:3] = 2", setitem(S(1, 3), 2.0), 5, 4)
writing("x[-2:] = 2", setitem(S(-2, None), 2.0), 5, 4)
writing("x[:, ::2] = 3", setitem((S(None), S(None, None, 2)), 3.0), 3, 5)
writing("x[1:, 1:3] = 4", setitem((S(1, None), S(1, 3)), 4.0), 3, 5)
writing("x[:] = 5", setitem(S(None), 5.0), 3, 5)
writing("x[3:1] = 5", setitem(S(3, 1), 5.0), 5, 2)
writing("int x[1] = 2.7", setitem(1, 2.7), 3, 4, dtype=i64)
writing("bool x[1] = True", setitem(1, True), 3, 4, dtype=b)
writing("x.view(-1)[2:4].add_(1)", lambda x: x.view(-1)[2:4].add_(1), 3, 4)
writing("x.t().mul_(2)", lambda x: x.t().mul_(2), 3, 4)
writing("x.permute[1].mul_(2)", lambda x: x.permute(2, 0, 1)[1].mul_(2), 2, 3, 4)
writing("x.diagonal().fill_(0)", lambda x: x.diagonal().fill_(0), 3, 4)
writing("x.diagonal(1, -1, -2).fill_(0)", lambda x: x.diagonal(1, -1, -2).fill_(0), 2, 3, 4)
writing("x[..., ::2] *= 3", lambda x: x[..., ::2].mul_(3), 3, 5)
writing("x.unsqueeze(0).zero_()", lambda x: x.unsqueeze(0).zero_(), 3, 4, grad=False)
writing("x.squeeze().add_(1)", lambda x: x.squeeze().add_(1), 3, 1, 4)
writing("chunk()[1].copy_()", lambda x: x.chunk(2, 1)[1].copy_(torch.ones(3, 2)), 3, 4, grad=False)
writing("split()[1].copy_()", lambda x: x.split([1, 3], 1)[1].mul_(2), 3, 4, grad=False)
writing("unbind()[1].neg_()", lambda x: x.unbind(1)[1].neg_(), 3, 4, grad=False)
writing("expand", lambda x: x.expand(3, 4).add_(1), 3, 4)
# What PyTorch decomposes this into loses the elements between the windows.
writing("unfold without overlap", lambda x: x.unfold(0, 2, 3).mul_(2), 8, 2, decompose=False)
writing("as_strided", lambda x: x.as_strided((2, 2), (1, 4), 1).mul_(2), 3, 4)
writing("reshape that is a view", lambda x: x.reshape(12).add_(1), 3, 4)
writing("reshape that copies", lambda x: x.t().reshape(12).add_(1), 3, 4)
writing("flatten", lambda x: x.flatten(1).add_(1), 2, 3, 4)
writing("narrow", lambda x: x.narrow(1, 1, 2).zero_(), 3, 4)
writing("views of views", lambda x: x[1:].t()[2].view(2, 1)[0].mul_(7), 3, 4)
writing("dynamic slice", lambda x: x[1:-1].mul_(2), 5, 4, dynamic={0: (0,)}, other=[[T(9, 4)]])
writing("dynamic step", lambda x: x[::2].mul_(2), 5, 4, dynamic={0: (0,)}, other=[[T(8, 4)]])
writing("dynamic select", lambda x: x[-1].mul_(2), 5, 4, dynamic={0: (0,)}, other=[[T(8, 4)]])
writing("dynamic axis 1", lambda x: x[:, 1].mul_(2), 5, 4, dynamic={0: (0,)}, other=[[T(8, 4)]])


def two_views(x):
    x = x * 1
    a, b2 = x[:, 1:], x.t()
    a.mul_(2)
    c = b2 + 1
    b2[0] = 3
    return x, a, c, b2 * a.sum()


case("write two views", two_views, T(3, 4))


def in_place_metadata(x):
    y = x * 1
    z = y.view(-1)
    y.unsqueeze_(0)
    y.add_(1)
    y.squeeze_(0)
    y.transpose_(0, 1)
    y[0] = 0
    return y, z


case("in-place views", in_place_metadata, T(3, 4))
case("t_", lambda x: (x * 1).t_() + 1, T(3, 4))
case("detach_", lambda x: (x * 1).detach_() + 1, T(3, 4), grad=False)


def of_input(x):
    x[:, 0] = 1
    x.t().mul_(2)
    return x + 1


case("write to an input", of_input, T(3, 4), grad=False)


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(3, 2))

    def forward(self, x):
        self.seen[1] += x
        return x * self.seen.sum()


case("write to a buffer", Counter(), T(2), grad=False)


def complex_parts(x):
    z = torch.complex(x, x * 2)
    w = torch.zeros(3, 4, dtype=torch.complex64)
    w[:, 1:3] = z[:, :2]
    w.t()[0] = z[:, -1]
    w[0].mul_(2)
    return torch.view_as_real(w), w.abs().sum()


case("write to complex", complex_parts, T(3, 4))
main()
