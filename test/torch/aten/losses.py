"""Losses."""
import torch
import torch.nn.functional as F

from judge import T, case, main

f64, f16, i64, i32 = torch.float64, torch.float16, torch.int64, torch.int32
ways = ("none", "mean", "sum")


def each(loss, *more):
    return lambda *inputs: tuple(loss(*inputs, reduction=way) for way in ways) + tuple(function(*inputs) for function in more)


case("mse l1", lambda x, y: tuple(loss(x, y, reduction=way) for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss) for way in ways), T(3, 4), T(3, 4))
case("huber smooth_l1", lambda x, y: (F.huber_loss(x, y, delta=0.3), F.smooth_l1_loss(x, y, beta=0.3), F.smooth_l1_loss(x, y, beta=0.0), F.mse_loss(x, y[:1])), T(3, 4), T(3, 4))
case("mse dynamic", lambda x, y: (F.mse_loss(x, y), F.l1_loss(x, y, reduction="none")), T(3, 4), T(3, 4), dynamic={0: (0,), 1: (0,)}, other=[[T(5, 4), T(5, 4)]])
p = T(3, 4, low=0.02, high=0.98)
case("bce", lambda x, t, w: tuple(F.binary_cross_entropy(x, t, w.detach(), reduction=way) for way in ways) + (F.binary_cross_entropy(x, t),), p, T(3, 4, low=0.1, high=0.9), T(4, low=0.5, high=2))
case("bce saturated", lambda x, t: F.binary_cross_entropy(x, t, reduction="none"), torch.tensor([0.0, 1.0, 0.5, 1.0]), torch.tensor([1.0, 0.0, 1.0, 1.0]), grad=False, decompose=False)
case("bce with logits", lambda x, t, w: tuple(F.binary_cross_entropy_with_logits(x, t, reduction=way) for way in ways) + (F.binary_cross_entropy_with_logits(x, t, weight=w.detach()), F.binary_cross_entropy_with_logits(x, t, pos_weight=w.detach()), F.binary_cross_entropy_with_logits(x * 50, t, w.detach(), pos_weight=w.detach())), T(3, 4), T(3, 4, low=0, high=1), T(4, low=0.5, high=2))
target = torch.tensor([0, 4, 2, 1])
case("cross_entropy", each(F.cross_entropy, lambda x, t: F.cross_entropy(x, t, ignore_index=2), lambda x, t: F.cross_entropy(x[0], t[0]), lambda x, t: F.cross_entropy(x[0], t[0], reduction="none")), T(4, 5), target)
case("cross_entropy weights", lambda x, t, w: tuple(F.cross_entropy(x, t, w.detach(), reduction=way, ignore_index=4) for way in ways), T(4, 5), target, T(5, low=0.5, high=2))
case("cross_entropy ignored", lambda x, t: (F.cross_entropy(x, t), F.cross_entropy(x, t, reduction="none"), F.cross_entropy(x, t, label_smoothing=0.1)), T(4, 5), torch.tensor([0, -100, 2, -100]), decompose=False)
case("cross_entropy smoothing", lambda x, t, w: tuple(F.cross_entropy(x, t, v, label_smoothing=0.2, reduction=way, ignore_index=2) for way in ways for v in (None, w.detach())), T(4, 5), target, T(5, low=0.5, high=2), tolerance=2e-5)
spatial = torch.randint(0, 5, (2, 3, 4))
case("cross_entropy spatial", lambda x, t, w: tuple(F.cross_entropy(x, t, reduction=way) for way in ways) + (F.cross_entropy(x, t, w.detach(), label_smoothing=0.1), F.cross_entropy(x[..., 0], t[..., 0])), T(2, 5, 3, 4), spatial, T(5, low=0.5, high=2), tolerance=2e-5)
q = torch.softmax(T(4, 5), 1)
case("cross_entropy probabilities", lambda x, t, w: tuple(F.cross_entropy(x, t, reduction=way) for way in ways) + (F.cross_entropy(x, t, w), F.cross_entropy(x, t, label_smoothing=0.1), F.cross_entropy(x[0], t[0])), T(4, 5), q, T(5, low=0.5, high=2))
case("cross_entropy float64", lambda x, t: (F.cross_entropy(x, t), F.cross_entropy(x, t, label_smoothing=0.1)), T(4, 5, dtype=f64), target, decompose=False)
case("cross_entropy float16", lambda x, t: F.cross_entropy(x, t), T(4, 5, dtype=f16), target, decompose=False)
case("cross_entropy dynamic", lambda x, t: F.cross_entropy(x.reshape(-1, 5), t.reshape(-1)), T(2, 3, 5), torch.randint(0, 5, (2, 3)), dynamic={0: (0, 1), 1: (0, 1)}, other=[[T(3, 4, 5), torch.randint(0, 5, (3, 4))]], decompose=False)
case("nll", lambda x, t, w: tuple(F.nll_loss(x, t, reduction=way) for way in ways) + tuple(F.nll_loss(x, t, w.detach(), reduction=way, ignore_index=2) for way in ways) + (F.nll_loss(x[0], t[0]),), T(4, 5), target, T(5, low=0.5, high=2))
case("nll spatial", each(F.nll_loss), T(2, 5, 3, 4), spatial, decompose=False)
case("nll of log_softmax", lambda x, t: F.nll_loss(F.log_softmax(x, -1), t), T(4, 5), target, decompose=False)
case("kl_div", lambda x, t, l: tuple(F.kl_div(x, t, reduction=way) for way in (*ways, "batchmean")) + (F.kl_div(x, l, log_target=True, reduction="sum"),), T(4, 5), q, torch.log_softmax(T(4, 5), 1))
case("kl_div with 0", lambda x, t: F.kl_div(x, t, reduction="none"), T(3), torch.tensor([0.0, 1.0, 0.5]), grad=False, decompose=False)
case("poisson", lambda x, t: tuple(F.poisson_nll_loss(x, t, log_input=log, full=full) for log in (True, False) for full in (False, True)), T(3, 4, low=0.2, high=2), T(3, 4, low=0, high=6).round(), grad=False)
sign = torch.tensor([1.0, -1.0, 1.0, -1.0])
case("hinge", each(F.hinge_embedding_loss, lambda x, t: F.hinge_embedding_loss(x, t, margin=0.5), lambda x, t: F.soft_margin_loss(x, t.detach()), lambda x, t: F.soft_margin_loss(x, t.detach(), reduction="none")), T(3, 4), sign.expand(3, 4).clone())
case("ranking", lambda a, b, t: tuple(F.margin_ranking_loss(a, b, t, margin=0.3, reduction=way) for way in ways), T(4), T(4), sign, decompose=False)
case("cosine", lambda a, b, t: tuple(F.cosine_embedding_loss(a, b, t, margin=0.1, reduction=way) for way in ways) + (F.cosine_embedding_loss(a[0], b[0], t[0]),), T(4, 5), T(4, 5), sign, decompose=False)
case("triplet", lambda a, b, c: tuple(F.triplet_margin_loss(a, b, c, reduction=way) for way in ways) + (F.triplet_margin_loss(a, b, c, p=1), F.triplet_margin_loss(a, b, c, p=3, swap=True, margin=2)), T(4, 5), T(4, 5), T(4, 5))
case("multi_margin", lambda x, t, w: tuple(F.multi_margin_loss(x, t, reduction=way) for way in ways) + (F.multi_margin_loss(x, t, p=2, margin=0.5, weight=w.detach()), F.multi_margin_loss(x[0], t[0])), T(4, 5), target, T(5, low=0.5, high=2))
# PyTorch 2.13's own decomposition of it gives another number than the operator.
case("multilabel", lambda x, t, y: (F.multilabel_margin_loss(x, t), F.multilabel_margin_loss(x, t, reduction="none"), F.multilabel_margin_loss(x[0], t[0]), F.multilabel_soft_margin_loss(x, y)), T(3, 4), torch.tensor([[3, 0, -1, 1], [2, -1, -1, -1], [0, 1, 2, 3]]), T(3, 4, low=0, high=1).round(), decompose=False)

main()
