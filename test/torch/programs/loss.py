"""Models whose forward is their loss."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


class Classes(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 4)
        self.weighted = nn.CrossEntropyLoss(weight=torch.tensor([0.4, 1.0, 2.0, 0.7]), label_smoothing=0.1)
        self.ignoring = nn.CrossEntropyLoss(ignore_index=2, reduction="sum")

    def forward(self, x, y):
        z = self.lin(x)
        p = F.softmax(self.lin(x.flip(0)), -1)
        return {"weighted": self.weighted(z, y), "ignoring": self.ignoring(z, y), "none": F.cross_entropy(z, y, reduction="none"), "smooth": F.cross_entropy(z, y, label_smoothing=0.2),
                "soft": F.cross_entropy(z, p), "nll": F.nll_loss(F.log_softmax(z, 1), y, weight=z.new_tensor([1.0, 2.0, 3.0, 4.0])), "margin": F.multi_margin_loss(z, y, margin=0.5),
                "accuracy": (z.argmax(1) == y).float().mean()}


@program("loss-classes")
def _():
    return case(Classes(), randn(6, 5), torch.tensor([0, 2, 3, 1, 2, 0]))


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 3)

    def forward(self, x, y):
        z = self.lin(x)
        return (F.mse_loss(z, y), F.l1_loss(z, y, reduction="sum"), F.smooth_l1_loss(z, y, beta=0.6), F.huber_loss(z, y, delta=0.5, reduction="none"),
                0.5 * ((y.abs() + 0.1).log() + (z - y) ** 2 / (y.abs() + 0.1)).mean(), F.poisson_nll_loss(z, y.abs(), full=True), torch.log(torch.cosh(z - y)).mean(), F.mse_loss(z, y, reduction="none").mean(1))


@program("loss-regression")
def _():
    b = Dim("b", min=2)
    return case(Regression(), randn(4, 5), 2 * randn(4, 3), dynamic=({0: b}, {0: b}), others=[(randn(7, 5), 2 * randn(7, 3))])


class Binary(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 3)
        self.bce = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 0.5]))

    def focal(self, z, y, alpha=0.25, gamma=2.0):
        p = torch.sigmoid(z)
        ce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
        pt = p * y + (1 - p) * (1 - y)
        return ((alpha * y + (1 - alpha) * (1 - y)) * ce * (1 - pt) ** gamma).mean()

    def forward(self, x, y):
        z = self.lin(x)
        p = z.sigmoid()
        dice = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
        return (self.bce(z, y), F.binary_cross_entropy(p, y), F.binary_cross_entropy_with_logits(z, y, weight=y + 0.5, reduction="sum"), self.focal(z, y), dice,
                F.multilabel_soft_margin_loss(z, y), F.soft_margin_loss(z, 2 * y - 1), F.hinge_embedding_loss(z, 2 * y - 1), (1 - z * (2 * y - 1)).clamp(min=0).mean())


@program("loss-binary")
def _():
    return case(Binary(), randn(4, 5), (torch.rand(4, 3) > 0.5).float())


class Metric(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(5, 4)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, a, p, n):
        a, p, n = self.embed(a), self.embed(p), self.embed(n)
        sign = torch.tensor([1.0, -1.0, 1.0])
        logits = self.scale.exp() * F.normalize(a, dim=-1) @ F.normalize(p, dim=-1).t()
        target = torch.arange(logits.size(0))
        clip = (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2
        return (F.triplet_margin_loss(a, p, n, margin=1.0), F.cosine_embedding_loss(a, p, sign, margin=0.1), F.margin_ranking_loss(a[:, 0], p[:, 0], sign, margin=0.2),
                clip, F.kl_div(F.log_softmax(a, -1), F.softmax(p, -1), reduction="batchmean"), F.kl_div(F.log_softmax(a, -1), F.log_softmax(p, -1), log_target=True, reduction="sum"))


@program("loss-metric")
def _():
    return case(Metric(), randn(3, 5), randn(3, 5), randn(3, 5))


class Segmentation(nn.Module):
    """Cross entropy over pixels with some ignored."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, x, y):
        z = self.conv(x)
        one_hot = F.one_hot(y.clamp(min=0), 4).permute(0, 3, 1, 2).to(z.dtype)
        p = z.softmax(1)
        return F.cross_entropy(z, y, ignore_index=-100), 1 - ((2 * p * one_hot).sum((0, 2, 3)) / (p + one_hot).sum((0, 2, 3))).mean(), z.argmax(1)


@program("loss-segmentation")
def _():
    y = ints(4, 2, 5, 6)
    y[0, :2] = -100
    return case(Segmentation(), randn(2, 2, 5, 6), y)


class BarlowVicreg(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(5, 4)

    def forward(self, a, b):
        x, y = self.net(a), self.net(b)
        c = ((x - x.mean(0)) / x.std(0)).T @ ((y - y.mean(0)) / y.std(0)) / x.shape[0]
        on = torch.diagonal(c).add_(-1).pow_(2).sum()
        n, m = c.shape
        off = c.flatten()[:-1].view(n - 1, n + 1)[:, 1:].flatten().pow(2).sum()
        xc = x - x.mean(0)
        cov = xc.T @ xc / (x.size(0) - 1)
        return on + 0.01 * off, F.relu(1 - torch.sqrt(x.var(dim=0) + 1e-4)).mean(), cov - torch.diag(cov.diag()), torch.diag_embed(x), torch.trace(c)


@program("loss-barlow")
def _():
    return case(BarlowVicreg(), randn(6, 5), randn(6, 5))
