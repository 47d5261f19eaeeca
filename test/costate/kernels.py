"""Convolutions and pools for onnx's reference evaluator, whose own have no float64 or are wrong in corners (ceil_mode, output_padding, dilations).

Convolutions are PyTorch's; pools gather their windows. Attributes are read as ONNX Runtime does.
"""
import numpy as np
import torch
import torch.nn.functional as F
from onnx.reference.op_run import OpRun


def frame(sizes, kernel, strides, dilations, pads, auto_pad):
    """Padding before and behind each axis."""
    rank = len(sizes)
    if auto_pad in ("NOTSET", ""):
        pads = list(pads or [0] * 2 * rank)
        return pads[:rank], pads[rank:]
    if auto_pad == "VALID":
        return [0] * rank, [0] * rank
    totals = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in zip(sizes, kernel, strides, dilations)]
    begins = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in totals]
    return begins, [t - b for t, b in zip(totals, begins)]


def rims(begins, ends):
    """As PyTorch's pad wants them: the last axis first."""
    return [p for b, e in zip(begins[::-1], ends[::-1]) for p in (b, e)]


def tensors(*arrays):
    return [None if a is None else torch.tensor(np.ascontiguousarray(a)) for a in arrays]


class Conv(OpRun):
    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None, strides=None):
        rank = x.ndim - 2
        strides, dilations = strides or [1] * rank, dilations or [1] * rank
        begins, ends = frame(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad)
        tx, tw, tb = tensors(x, w, b)
        conv = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
        return (conv(F.pad(tx, rims(begins, ends)), tw, tb, tuple(strides), 0, tuple(dilations), group or 1).numpy(),)


class ConvTranspose(OpRun):
    op_domain = ""

    def _run(
        self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, output_padding=None, output_shape=None, pads=None, strides=None
    ):
        rank = x.ndim - 2
        strides, dilations, more = strides or [1] * rank, dilations or [1] * rank, output_padding or [0] * rank
        whole = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in zip(x.shape[2:], w.shape[2:], strides, dilations)]
        if output_shape is None and auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            output_shape = [n * s for n, s in zip(x.shape[2:], strides)]
        if output_shape is None:
            pads = list(pads or [0] * 2 * rank) if auto_pad in ("NOTSET", "") else [0] * 2 * rank
            begins, ends = pads[:rank], [e - m for e, m in zip(pads[rank:], more)]
        else:
            output_shape = list(output_shape)[-rank:]
            cuts = [max(n + m - o, 0) for n, m, o in zip(whole, more, output_shape)]
            begins = [c // 2 if auto_pad == "SAME_UPPER" else c - c // 2 for c in cuts]
            ends = [n - o - c for n, o, c in zip(whole, output_shape, begins)]
        tx, tw, tb = tensors(x, w, b)
        conv = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
        made = conv(tx, tw, None, tuple(strides), 0, 0, group or 1, tuple(dilations))
        made = F.pad(made, rims([-c for c in begins], [-c for c in ends]))
        return ((made if tb is None else made + tb.reshape(-1, *[1] * rank)).numpy(),)


def windows(x, attributes):
    """Flat numbers of the elements of each window [outputs.., elements], -1 in the padding and -2 where the image with its padding has ended."""
    sizes, kernel = x.shape[2:], list(attributes["kernel_shape"])
    rank = len(sizes)
    strides, dilations = attributes.get("strides") or [1] * rank, attributes.get("dilations") or [1] * rank
    auto_pad = attributes.get("auto_pad") or "NOTSET"
    begins, ends = frame(sizes, kernel, strides, dilations, attributes.get("pads"), auto_pad)
    counts = []
    for n, k, s, d, b, e in zip(sizes, kernel, strides, dilations, begins, ends):
        room = n + b + e - ((k - 1) * d + 1)
        count = (-(-room // s) if attributes.get("ceil_mode") else room // s) + 1
        counts.append(count - 1 if attributes.get("ceil_mode") and (count - 1) * s >= n + b else count)
    places = [np.arange(o)[:, None] * s + np.arange(k)[None] * d - b for o, k, s, d, b in zip(counts, kernel, strides, dilations, begins)]
    flat = np.zeros((*counts, *kernel), np.int64)
    inside, framed = np.ones(flat.shape, bool), np.ones(flat.shape, bool)
    for axis, place in enumerate(places):
        laid = place.reshape([n if a == axis else 1 for each in (counts, kernel) for a, n in enumerate(each)])
        flat = flat * sizes[axis] + laid
        inside &= (laid >= 0) & (laid < sizes[axis])
        framed &= laid < sizes[axis] + ends[axis]
    flat = np.where(inside, flat, np.where(framed, -1, -2))
    return flat.reshape(*counts, -1)


def gathered(x, flat, otherwise):
    rows = x.reshape(*x.shape[:2], -1)
    return np.where(flat >= 0, rows[:, :, np.maximum(flat, 0)], otherwise)


class MaxPool(OpRun):
    op_domain = ""

    def _run(self, x, **attributes):
        flat = windows(x, attributes)
        values = gathered(x, flat, -np.inf)
        best = values.argmax(-1)
        made = np.take_along_axis(values, best[..., None], -1)[..., 0].astype(x.dtype)
        if len(self.onnx_node.output) < 2:
            return (made,)
        chosen = np.take_along_axis(np.broadcast_to(flat, values.shape), best[..., None], -1)[..., 0]
        sizes = x.shape[2:]
        if attributes.get("storage_order"):
            chosen = np.ravel_multi_index(np.unravel_index(chosen, sizes)[::-1], sizes[::-1])
        images = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * len(sizes))
        return (made, chosen + images * int(np.prod(sizes)))


class AveragePool(OpRun):
    op_domain = ""

    def _run(self, x, **attributes):
        flat = windows(x, attributes)
        counted = flat >= (-1 if attributes.get("count_include_pad") else 0)
        return ((gathered(x, flat, 0).sum(-1) / counted.sum(-1)).astype(x.dtype),)


class GlobalMaxPool(OpRun):
    op_domain = ""

    def _run(self, x):
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


class LpPool(OpRun):
    op_domain = ""

    def _run(self, x, **attributes):
        p = attributes.get("p") or 2
        return (((np.abs(gathered(x, windows(x, attributes), 0)) ** p).sum(-1) ** (1 / p)).astype(x.dtype),)


class MaxUnpool(OpRun):
    op_domain = ""

    def _run(self, x, indices, output_shape=None, kernel_shape=None, pads=None, strides=None):
        rank = x.ndim - 2
        strides, pads = strides or [1] * rank, pads or [0] * 2 * rank
        natural = [(n - 1) * s + k - b - e for n, s, k, b, e in zip(x.shape[2:], strides, kernel_shape, pads[:rank], pads[rank:])]
        shape = [*x.shape[:2], *natural] if output_shape is None else list(output_shape)
        made = np.zeros(int(np.prod(shape)), x.dtype)
        made[indices.ravel()] = x.ravel()
        return (made.reshape(shape),)


kernels = [AveragePool, Conv, ConvTranspose, GlobalMaxPool, LpPool, MaxPool, MaxUnpool]
