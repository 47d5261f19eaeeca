"""Networks over graphs, point clouds and sets."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


def graph(n, e, d=5):
    """Nodes, and edges that leave no node without a neighbour."""
    loops = torch.arange(n)
    return randn(n, d), torch.cat([torch.stack([loops, loops.roll(1)]), ints(n, 2, e)], 1)


def sizes():
    return ({0: Dim("nodes", min=3, max=64)}, {1: Dim("edges", min=3, max=400)})


class Gcn(nn.Module):
    def __init__(self, d=5, o=6):
        super().__init__()
        self.lin, self.bias = nn.Linear(d, o, bias=False), nn.Parameter(torch.zeros(o))

    def forward(self, x, edge_index):
        row, col = edge_index[0], edge_index[1]
        deg = torch.zeros(x.size(0), dtype=x.dtype).scatter_add_(0, col, torch.ones(col.size(0), dtype=x.dtype))
        inv = deg.pow(-0.5)
        inv.masked_fill_(inv == float("inf"), 0)
        norm = inv[row] * inv[col]
        x = self.lin(x)
        out = torch.zeros_like(x)
        out.scatter_add_(0, col.unsqueeze(-1).expand(-1, x.size(1)), norm.unsqueeze(-1) * x[row])
        return out + self.bias


@program("graph-gcn")
def _():
    return case(Gcn(), *graph(6, 9), dynamic=sizes(), others=[graph(4, 20)])


class Sage(nn.Module):
    """Mean and maximum over neighbours, by index_add and scatter_reduce."""

    def __init__(self):
        super().__init__()
        self.own, self.mean, self.most = nn.Linear(5, 4), nn.Linear(5, 4, bias=False), nn.Linear(5, 4, bias=False)

    def forward(self, x, edge_index):
        src, dst = edge_index
        total = x.new_zeros(x.shape).index_add_(0, dst, x.index_select(0, src))
        count = torch.zeros(x.size(0), 1).index_add_(0, dst, torch.ones(dst.size(0), 1)).clamp(min=1)
        index = dst.view(-1, 1).expand(-1, x.size(-1))
        most = torch.full_like(x, -1e9).scatter_reduce(0, index, x[src], reduce="amax", include_self=True)
        mean = torch.zeros_like(x).scatter_reduce_(0, index, x[src], "mean", include_self=False)
        return F.normalize(self.own(x) + self.mean(total / count) + self.most(most), p=2.0, dim=-1), mean


@program("graph-sage")
def _():
    return case(Sage(), *graph(6, 9), dynamic=sizes(), others=[graph(5, 14)], double=False)


class Gat(nn.Module):
    """Attention over edges: a softmax per segment."""

    def __init__(self, d=5, heads=2, o=3):
        super().__init__()
        self.lin, self.heads, self.o = nn.Linear(d, heads * o, bias=False), heads, o
        self.src, self.dst, self.bias = nn.Parameter(torch.randn(1, heads, o)), nn.Parameter(torch.randn(1, heads, o)), nn.Parameter(torch.zeros(heads * o))

    def forward(self, x, edge_index):
        n = x.size(0)
        h = self.lin(x).view(-1, self.heads, self.o)
        a, b = (h * self.src).sum(-1), (h * self.dst).sum(-1)
        alpha = F.leaky_relu(a[edge_index[0]] + b[edge_index[1]], 0.2)
        index = edge_index[1].unsqueeze(-1).expand_as(alpha)
        most = torch.zeros(n, self.heads, dtype=x.dtype).scatter_reduce(0, index, alpha, reduce="amax", include_self=False)
        alpha = (alpha - most.detach()[edge_index[1]]).exp()
        total = torch.zeros_like(most).scatter_add(0, index, alpha) + 1e-16
        alpha = alpha / total[edge_index[1]]
        out = torch.zeros_like(h).index_add(0, edge_index[1], h[edge_index[0]] * alpha.unsqueeze(-1))
        return out.view(-1, self.heads * self.o) + self.bias, alpha


@program("graph-gat")
def _():
    return case(Gat(), *graph(6, 9), dynamic=sizes(), others=[graph(4, 11)])


class Gin(nn.Module):
    """Dense adjacency, sum pooling by graph."""

    def __init__(self):
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.mlp = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5))
        self.out = nn.Linear(5, 2)

    def forward(self, x, adj, batch):
        x = self.mlp((1 + self.eps) * x + torch.mm(adj, x))
        pooled = torch.zeros(3, x.size(1), dtype=x.dtype).index_add(0, batch, x)
        size = torch.bincount(batch, minlength=3) if False else (batch.unsqueeze(0) == torch.arange(3).unsqueeze(1)).sum(1)
        return self.out(pooled / size.unsqueeze(1).clamp(min=1)), size


@program("graph-gin")
def _():
    return case(Gin(), randn(6, 5), (torch.rand(6, 6) > 0.5).float(), torch.tensor([0, 0, 1, 1, 1, 2]), dynamic=({0: Dim("n", min=2)}, {0: Dim("n", min=2), 1: Dim("n", min=2)}, {0: Dim("n", min=2)}),
                others=[(randn(4, 5), (torch.rand(4, 4) > 0.5).float(), torch.tensor([2, 0, 0, 1]))])


class Mpnn(nn.Module):
    """Edge networks with a GRU for updates."""

    def __init__(self, d=4):
        super().__init__()
        self.edge = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, d * d))
        self.gru = nn.GRUCell(d, d)
        self.readout = nn.Linear(2 * d, 1)

    def forward(self, x, edge_index, edge_attr):
        h = x
        w = self.edge(edge_attr).view(-1, 4, 4)
        for _ in range(2):
            m = torch.matmul(h[edge_index[0]].unsqueeze(1), w).squeeze(1)
            agg = torch.zeros_like(h).index_put((edge_index[1],), m, accumulate=True)
            h = self.gru(agg, h)
        gate = torch.softmax(h.sum(-1, keepdim=True), 0)
        return self.readout(torch.cat([(gate * h).sum(0), h.mean(0)]))


@program("graph-mpnn")
def _():
    x, e = graph(5, 4, 4)
    y, f = graph(4, 9, 4)
    edges = Dim("edges", min=3, max=400)
    return case(Mpnn(), x, e, randn(9, 3), dynamic=({0: Dim("nodes", min=3, max=64)}, {1: edges}, {0: edges}), others=[(y, f, randn(13, 3))])


class PointNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(3, 8, 1), nn.Conv1d(8, 12, 1)
        self.bn1, self.bn2 = nn.BatchNorm1d(8), nn.BatchNorm1d(12)
        self.t = nn.Linear(12, 9)
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = torch.max(self.bn2(self.conv2(y)), 2, keepdim=True)[0].view(-1, 12)
        t = self.t(y) + torch.eye(3).view(1, 9).repeat(x.size(0), 1)
        x = torch.bmm(x.transpose(2, 1), t.view(-1, 3, 3)).transpose(2, 1)
        return F.log_softmax(self.head(torch.max(F.relu(self.conv2(F.relu(self.conv1(x)))), dim=2).values), dim=1), t


@program("graph-pointnet")
def _():
    return case(PointNet(), randn(2, 3, 9), dynamic=({0: Dim("b"), 2: Dim("points", min=2)},), others=[(randn(3, 3, 14),)])


class Dgcnn(nn.Module):
    """Nearest neighbours by distances and topk, edges by gathers."""

    def __init__(self, k=3):
        super().__init__()
        self.k, self.conv = k, nn.Conv2d(6, 5, 1)

    def forward(self, x):
        b, d, n = x.shape
        inner = -2 * torch.matmul(x.transpose(2, 1), x)
        xx = torch.sum(x**2, dim=1, keepdim=True)
        distance = -xx - inner - xx.transpose(2, 1)
        idx = distance.topk(k=self.k, dim=-1)[1]
        base = torch.arange(0, b, device=x.device).view(-1, 1, 1) * n
        flat = (idx + base).view(-1)
        xt = x.transpose(2, 1).contiguous()
        feature = xt.view(b * n, -1)[flat, :].view(b, n, self.k, d)
        xt = xt.view(b, n, 1, d).repeat(1, 1, self.k, 1)
        feature = torch.cat((feature - xt, xt), dim=3).permute(0, 3, 1, 2)
        return self.conv(feature).max(dim=-1, keepdim=False)[0]


@program("graph-dgcnn")
def _():
    return case(Dgcnn(), randn(2, 3, 7), dynamic=({0: Dim("b"), 2: Dim("n", min=4, max=50)},), others=[(randn(3, 3, 9),)])


class DeepSets(nn.Module):
    def __init__(self):
        super().__init__()
        self.phi, self.rho = nn.Sequential(nn.Linear(4, 8), nn.ELU()), nn.Linear(32, 3)

    def forward(self, x, mask):
        h = self.phi(x)
        m = mask.unsqueeze(-1)
        mean = (h * m).sum(1) / m.sum(1).clamp_min(1)
        most = h.masked_fill(~m, torch.finfo(h.dtype).min).amax(dim=1)
        std = torch.sqrt(((h - mean.unsqueeze(1)) ** 2 * m).sum(1) / m.sum(1) + 1e-5)
        return self.rho(torch.cat([mean, most, std, h.logsumexp(1)], -1)), h.std(1, correction=0), h.var(dim=(0, 1), unbiased=True)


@program("graph-deepsets")
def _():
    mask = lambda b, n: torch.arange(n)[None] < torch.arange(n, n - b, -1)[:, None]  # noqa: E731
    b, n = Dim("b", min=2), Dim("n", min=2)
    return case(DeepSets(), randn(2, 5, 4), mask(2, 5), dynamic=({0: b, 1: n}, {0: b, 1: n}), others=[(randn(3, 7, 4), mask(3, 7))])


class Egnn(nn.Module):
    """Equivariant layers over all pairs: norms, cross products, masks of the diagonal."""

    def __init__(self, d=4):
        super().__init__()
        self.edge, self.coord, self.node = nn.Sequential(nn.Linear(2 * d + 1, 8), nn.SiLU()), nn.Linear(8, 1, bias=False), nn.Linear(d + 8, d)

    def forward(self, h, pos):
        n = h.size(1)
        diff = pos[:, :, None] - pos[:, None]
        dist = diff.pow(2).sum(-1, keepdim=True)
        pair = torch.cat([h[:, :, None].expand(-1, -1, n, -1), h[:, None].expand(-1, n, -1, -1), dist], -1)
        m = self.edge(pair) * (1 - torch.eye(n)).unsqueeze(-1)
        pos = pos + (diff / (dist + 1e-8).sqrt() * self.coord(m)).sum(2) / (n - 1)
        cross = torch.linalg.cross(pos, pos.roll(1, 1), dim=-1)
        return h + self.node(torch.cat([h, m.sum(2)], -1)), pos, torch.linalg.vector_norm(cross, dim=-1)


@program("graph-egnn")
def _():
    b, n = Dim("b", min=1), Dim("n", min=3)
    return case(Egnn(), randn(2, 4, 4), randn(2, 4, 3), dynamic=({0: b, 1: n}, {0: b, 1: n}), others=[(randn(1, 5, 4), randn(1, 5, 3))])
