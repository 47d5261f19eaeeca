"""Detectors, recommenders, and what else sorts, gathers and counts."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


class Retina(nn.Module):
    """Heads, anchors from arange and meshgrid, boxes decoded, the best kept."""

    def __init__(self, k=2, classes=3):
        super().__init__()
        self.body = nn.Conv2d(3, 6, 3, stride=4, padding=1)
        self.cls, self.box = nn.Conv2d(6, k * classes, 3, padding=1), nn.Conv2d(6, 4 * k, 3, padding=1)
        self.register_buffer("cell", torch.tensor([[-8.0, -8.0, 8.0, 8.0], [-12.0, -6.0, 12.0, 6.0]]))
        self.classes = classes

    def forward(self, image):
        f = self.body(image).relu()
        n, _, h, w = f.shape
        logits = self.cls(f).view(n, -1, self.classes, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, self.classes)
        deltas = self.box(f).view(n, -1, 4, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, 4)
        ys, xs = torch.meshgrid(torch.arange(0, h, dtype=torch.int32) * 4, torch.arange(0, w, dtype=torch.int32) * 4, indexing="ij")
        shifts = torch.stack((xs.reshape(-1), ys.reshape(-1), xs.reshape(-1), ys.reshape(-1)), dim=1)
        anchors = (shifts.view(-1, 1, 4) + self.cell.view(1, -1, 4)).reshape(-1, 4)
        size = anchors[:, 2:] - anchors[:, :2]
        centre = anchors[:, :2] + 0.5 * size
        dx, dy, dw, dh = deltas.unbind(-1)
        dw, dh = torch.clamp(dw, max=4.1), torch.clamp(dh, max=4.1)
        cx, cy = dx * size[:, 0] + centre[:, 0], dy * size[:, 1] + centre[:, 1]
        half = torch.stack([dw.exp() * size[:, 0], dh.exp() * size[:, 1]], -1) * 0.5
        boxes = torch.cat([torch.stack([cx, cy], -1) - half, torch.stack([cx, cy], -1) + half], -1)
        xs, ys = boxes[..., 0::2].clamp(min=0, max=image.shape[-1]), boxes[..., 1::2].clamp(min=0, max=image.shape[-2])
        boxes = torch.stack((xs, ys), dim=boxes.dim()).reshape(boxes.shape)
        scores, labels = logits.sigmoid().max(-1)
        top, index = scores.topk(5, dim=1)
        return torch.gather(boxes, 1, index.unsqueeze(-1).repeat(1, 1, 4)), top, labels.gather(1, index)


@program("det-retina")
def _():
    return case(Retina(), randn(2, 3, 16, 20), dynamic=({0: Dim("n", max=8)},), others=[(randn(3, 3, 16, 20),)])


class Yolo(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(c, 3 * (5 + classes), 1) for c in (4, 6))
        self.down = nn.Conv2d(4, 6, 3, 2, 1)
        self.register_buffer("anchors", torch.tensor([[[1.2, 1.6], [2.0, 3.7], [4.1, 2.8]], [[1.9, 3.8], [3.9, 2.8], [3.7, 7.4]]]))
        self.classes = classes

    def forward(self, x):
        z = []
        for i, (f, stride) in enumerate(zip((x, self.down(x)), (8, 16))):
            y = self.convs[i](f)
            b, _, ny, nx = y.shape
            y = y.view(b, 3, 5 + self.classes, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
            yv, xv = torch.meshgrid([torch.arange(ny), torch.arange(nx)], indexing="ij")
            grid = torch.stack((xv, yv), 2).expand(1, 3, ny, nx, 2) - 0.5
            anchor = (self.anchors[i] * stride).view(1, 3, 1, 1, 2).expand(1, 3, ny, nx, 2)
            xy, wh, conf = y.sigmoid().split((2, 2, self.classes + 1), 4)
            xy, wh = (xy * 2 + grid) * stride, (wh * 2) ** 2 * anchor
            z.append(torch.cat((xy, wh, conf), 4).view(b, 3 * nx * ny, 5 + self.classes))
        return torch.cat(z, 1)


@program("det-yolo")
def _():
    return case(Yolo(), randn(2, 4, 8, 8), dynamic=({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},), others=[(randn(3, 4, 6, 10),)])


class BoxMath(nn.Module):
    """IoU of all pairs, greedy argmax matching, weights by scores."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, a, b):
        a = torch.cat([a[:, :2], a[:, :2] + a[:, 2:].abs() + 0.1], 1) * self.scale.abs()
        b = torch.cat([b[:, :2], b[:, :2] + b[:, 2:].abs() + 0.1], 1)
        area = lambda z: (z[:, 2] - z[:, 0]) * (z[:, 3] - z[:, 1])  # noqa: E731
        lt, rb = torch.max(a[:, None, :2], b[:, :2]), torch.min(a[:, None, 2:], b[:, 2:])
        wh = (rb - lt).clamp(min=0)
        inter = wh[:, :, 0] * wh[:, :, 1]
        iou = inter / (area(a)[:, None] + area(b) - inter)
        best, which = iou.max(dim=1)
        matched = torch.where(best >= 0.1, which, torch.full_like(which, -1))
        return iou, matched, b[which.clamp(min=0)], (matched >= 0).sum(), torch.argsort(best, descending=True, stable=True)


@program("det-boxes")
def _():
    return case(BoxMath(), randn(5, 4), randn(4, 4), dynamic=({0: Dim("m", min=2)}, {0: Dim("n", min=2)}), others=[(randn(3, 4), randn(7, 4))])


class CenterNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.heat, self.size = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 2, 1)

    def forward(self, x, k: int = 4):
        heat = self.heat(x).sigmoid()
        peak = (F.max_pool2d(heat, 3, stride=1, padding=1) == heat).float() * heat
        b, c, h, w = peak.size()
        score, index = torch.topk(peak.view(b, -1), k)
        cls = torch.div(index, h * w, rounding_mode="floor")
        index = index % (h * w)
        ys, xs = (index // w).float(), (index % w).int().float()
        wh = self.size(x).permute(0, 2, 3, 1).reshape(b, -1, 2)
        wh = wh.gather(1, index.unsqueeze(2).expand(b, k, 2))
        return torch.stack([xs - wh[..., 0] / 2, ys - wh[..., 1] / 2, xs + wh[..., 0] / 2, ys + wh[..., 1] / 2, score], dim=2), cls


@program("det-centernet")
def _():
    return case(CenterNet(), randn(2, 2, 7, 9))


class RoiAlign(nn.Module):
    """RoI features by grid_sample."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3 * 9, 4)

    def forward(self, features, boxes):
        n, h, w = boxes.size(0), features.size(2), features.size(3)
        steps = torch.linspace(0, 1, 3)
        x = boxes[:, 0, None] + steps * (boxes[:, 2] - boxes[:, 0])[:, None]
        y = boxes[:, 1, None] + steps * (boxes[:, 3] - boxes[:, 1])[:, None]
        grid = torch.stack([(x / w * 2 - 1)[:, None, :].expand(n, 3, 3), (y / h * 2 - 1)[:, :, None].expand(n, 3, 3)], -1)
        roi = F.grid_sample(features.expand(n, -1, -1, -1), grid, align_corners=False, padding_mode="zeros")
        return self.fc(roi.flatten(1))


@program("det-roi")
def _():
    boxes = lambda n: torch.cat([torch.rand(n, 2) * 3, 4 + torch.rand(n, 2) * 3], 1)  # noqa: E731
    return case(RoiAlign(), randn(1, 3, 8, 8), boxes(3), dynamic=(None, {0: Dim("rois", min=2, max=20)}), others=[(randn(1, 3, 8, 8), boxes(5))])


class Dlrm(nn.Module):
    """Bags of embeddings, and products of all pairs above the diagonal."""

    def __init__(self):
        super().__init__()
        self.bags = nn.ModuleList([nn.EmbeddingBag(9, 4, mode="sum"), nn.EmbeddingBag(7, 4, mode="mean"), nn.EmbeddingBag(5, 4, mode="max")])
        self.bottom, self.top = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Linear(4 + 6, 1)
        row, col = torch.tril_indices(4, 4, offset=-1)
        self.row, self.col = row, col

    def forward(self, dense, a, b, c):
        x = self.bottom(dense)
        parts = torch.stack([x] + [bag(i) for bag, i in zip(self.bags, (a, b, c))], dim=1)
        z = torch.bmm(parts, parts.transpose(1, 2))[:, self.row, self.col]
        return torch.sigmoid(self.top(torch.cat([x, z], dim=1)))


@program("det-dlrm")
def _():
    return case(Dlrm(), randn(3, 3), ints(9, 3, 4), ints(7, 3, 2), ints(5, 3, 3))


class Bags(nn.Module):
    """Offsets, weights of samples, a padding index."""

    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(10, 3, mode="sum")
        self.mean = nn.EmbeddingBag(10, 3, mode="mean", padding_idx=1)

    def forward(self, index, offsets, weights):
        return self.bag(index, offsets, weights), self.mean(index, offsets)


@program("det-bags")
def _():
    return case(Bags(), torch.tensor([1, 2, 4, 5, 4, 3, 2, 9]), torch.tensor([0, 3, 5]), randn(8))


class Factorisation(nn.Module):
    """DeepFM: pairwise terms by the square of sums, with offsets into one table."""

    def __init__(self):
        super().__init__()
        self.embed, self.linear = nn.Embedding(12, 4), nn.Embedding(12, 1)
        self.register_buffer("offsets", torch.tensor([[0, 5, 9]]))
        self.mlp = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x):
        x = x + self.offsets
        e = self.embed(x)
        pair = 0.5 * (e.sum(1).pow(2) - e.pow(2).sum(1)).sum(1, keepdim=True)
        return (self.linear(x).sum(1) + pair + self.mlp(e.flatten(1))).squeeze(1).sigmoid()


@program("det-deepfm")
def _():
    cat = lambda n: torch.stack([ints(5, n), ints(4, n), ints(3, n)], 1)  # noqa: E731
    return case(Factorisation(), cat(3), dynamic=({0: Dim("b", min=2)},), others=[(cat(7),)])


class Sorts(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(6, 8)

    def forward(self, x):
        y = self.lin(x)
        s, i = torch.sort(y, dim=-1, descending=True)
        back = torch.zeros_like(y).scatter(-1, i, s)
        ranks = i.argsort(-1)
        value, at = y.kthvalue(3, dim=1) if False else (s[:, 2], i[:, 2])
        low, where = torch.topk(y, 2, dim=0, largest=False)
        p = torch.cumsum(F.softmax(s, -1), -1)
        nucleus = torch.where(p - F.softmax(s, -1) > 0.7, torch.tensor(float("-inf")), s)
        return back, ranks, value, at, low, where, nucleus, y.argmax(), y.argmin(1, keepdim=True), torch.cummax(y, 1).values, y.msort() if False else y.sort(0)[0]


@program("det-sorts")
def _():
    return case(Sorts(), randn(4, 6), dynamic=({0: Dim("b", min=3)},), others=[(randn(5, 6),)])


class Buckets(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("edges", torch.tensor([-1.0, -0.3, 0.2, 0.9]))
        self.embed = nn.Embedding(5, 3)
        self.values = nn.Parameter(torch.randn(4))

    def forward(self, x):
        i = torch.bucketize(x, self.edges)
        j = torch.searchsorted(self.edges, x, right=True)
        lo, hi = (j - 1).clamp(0, 3), j.clamp(0, 3)
        t = ((x - self.edges[lo]) / (self.edges[hi] - self.edges[lo] + 1e-6)).clamp(0, 1)
        return self.embed(i), torch.lerp(self.values[lo], self.values[hi], t), F.one_hot(i, 5), i


@program("det-buckets")
def _():
    return case(Buckets(), randn(3, 4), dynamic=({0: Dim("b", min=2)},), others=[(randn(5, 4),)])


class Matching(nn.Module):
    """Sinkhorn's iterations, and SuperGlue's dustbin."""

    def __init__(self):
        super().__init__()
        self.bin, self.proj = nn.Parameter(torch.tensor(1.0)), nn.Linear(5, 6)

    def forward(self, a, b):
        s = torch.einsum("bnd,bmd->bnm", self.proj(a), self.proj(b)) / 6**0.5
        n, m = s.shape[1], s.shape[2]
        z = torch.cat([torch.cat([s, self.bin.expand(s.shape[0], n, 1)], -1), self.bin.expand(s.shape[0], 1, m + 1)], 1)
        norm = -torch.tensor(float(1)).log() - (z.new_tensor(n) + z.new_tensor(m)).log() if False else -(s.new_ones(()) * (m + n)).log()
        mu = torch.cat([norm.expand(n), (m * s.new_ones(())).log()[None] + norm])
        nu = torch.cat([norm.expand(m), (n * s.new_ones(())).log()[None] + norm])
        u, v = torch.zeros_like(z[:, :, 0]), torch.zeros_like(z[:, 0])
        for _ in range(3):
            u = mu - torch.logsumexp(z + v.unsqueeze(1), dim=2)
            v = nu - torch.logsumexp(z + u.unsqueeze(2), dim=1)
        return z + u.unsqueeze(2) + v.unsqueeze(1) - norm


@program("det-sinkhorn")
def _():
    b = Dim("b", min=2)
    return case(Matching(), randn(2, 4, 5), randn(2, 3, 5), dynamic=({0: b, 1: Dim("n", min=2)}, {0: b, 1: Dim("m", min=2)}), others=[(randn(3, 5, 5), randn(3, 6, 5))])
