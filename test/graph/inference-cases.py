"""Random single-node models, run by onnxruntime: prints the facts of each that runs, with the shapes it really gave."""

import json
import random
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, sys.argv[1])
facts = __import__("inference-facts")
warnings.filterwarnings("ignore")
ort.set_default_logger_severity(4)

F, I = np.float32, np.int64


class Const(np.ndarray):
    """An input that is written as an initializer."""


def const(values, dtype=I):
    return np.asarray(values, dtype).view(Const)


def data(shape, dtype=F):
    return np.full(shape, 0.5, F) if dtype == F else np.zeros(shape, dtype)


def dims(r, least, most, sizes=(1, 2, 3, 4, 5)):
    return [r.choice(sizes) for _ in range(r.randint(least, most))]


def thinned(r, shape):
    kept = [d if r.random() < 0.6 else 1 for d in shape]
    return kept[r.randint(0, len(kept)) :]


def elementwise(r):
    shape = dims(r, 0, 4)
    return r.choice(["Add", "Mul", "Max", "Less"]), [data(thinned(r, shape)), data(shape)], {}


def where(r):
    shape = dims(r, 0, 3)
    return "Where", [data(thinned(r, shape), np.bool_), data(thinned(r, shape)), data(thinned(r, shape))], {}


def matmul(r):
    batch = dims(r, 0, 2)
    m, k, n = (r.randint(1, 5) for _ in range(3))
    a = data(thinned(r, batch) + [m, k]) if r.random() < 0.8 else data([k])
    b = data(thinned(r, batch) + [k, n]) if r.random() < 0.8 else data([k])
    return "MatMul", [a, b], {}


def gemm(r):
    m, k, n = (r.randint(1, 5) for _ in range(3))
    ta, tb = r.randint(0, 1), r.randint(0, 1)
    c = r.choice([[], [1], [n], [m, 1], [1, n], [m, n]])
    return "Gemm", [data([k, m] if ta else [m, k]), data([n, k] if tb else [k, n]), data(c)], {"transA": ta, "transB": tb}


def reduce(r):
    shape = dims(r, 1, 4)
    axes = sorted(r.sample(range(len(shape)), r.randint(0, len(shape))))
    axes = [a - len(shape) if r.random() < 0.3 else a for a in axes]
    op = r.choice(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceLogSumExp", "ReduceL2"])
    return op, [data(shape), const(axes)], {"keepdims": r.randint(0, 1), "noop_with_empty_axes": r.randint(0, 1)}


def argmax(r):
    shape = dims(r, 1, 4)
    return "ArgMax", [data(shape)], {"axis": r.randint(-len(shape), len(shape) - 1), "keepdims": r.randint(0, 1)}


def reshape(r):
    shape = dims(r, 1, 4)
    target, rest = [], int(np.prod(shape))
    for i in range(r.randint(0, 3)):
        if i < len(shape) and r.random() < 0.3 and rest % shape[i] == 0:
            target.append(0)
            rest //= shape[i]
        else:
            d = r.choice([x for x in range(1, rest + 1) if rest % x == 0])
            target.append(d)
            rest //= d
    target.append(-1 if r.random() < 0.6 else rest)
    return "Reshape", [data(shape), const(target)], {}


def flatten(r):
    shape = dims(r, 1, 4)
    return "Flatten", [data(shape)], {"axis": r.randint(-len(shape), len(shape))}


def squeeze(r):
    shape = dims(r, 1, 4, (1, 1, 2))
    axes = [a for a, d in enumerate(shape) if d == 1 and r.random() < 0.7]
    return "Squeeze", [data(shape)] + ([const(axes)] if axes else []), {}


def unsqueeze(r):
    shape = dims(r, 0, 3)
    count = r.randint(1, 3)
    rank = len(shape) + count
    axes = [a - rank if r.random() < 0.4 else a for a in r.sample(range(rank), count)]
    return "Unsqueeze", [data(shape), const(axes)], {}


def transpose(r):
    shape = dims(r, 1, 4)
    perm = list(range(len(shape)))
    r.shuffle(perm)
    return "Transpose", [data(shape)], {"perm": perm} if r.random() < 0.8 else {}


def expand(r):
    shape = dims(r, 1, 4)
    return "Expand", [data(thinned(r, shape)), const(shape)], {}


def tile(r):
    shape = dims(r, 1, 3)
    return "Tile", [data(shape), const([r.randint(0, 3) for _ in shape])], {}


def slice_(r):
    shape = dims(r, 1, 3, (2, 3, 5, 7))
    axes = r.sample(range(len(shape)), r.randint(1, len(shape)))
    huge = 2**63 - 1
    starts, ends, steps = [], [], []
    for a in axes:
        n = shape[a]
        step = r.choice([1, 1, 1, 2, 3, -1, -2])
        steps.append(step)
        if step > 0:
            starts.append(r.randint(-n, n))
            ends.append(r.choice([r.randint(-n, n + 3), huge]))
        else:
            starts.append(r.choice([-1, n - 1, huge, r.randint(-n, n)]))
            ends.append(r.choice([-huge - 1, r.randint(-n, n)]))
    return "Slice", [data(shape), const(starts), const(ends), const(axes), const(steps)], {}


def concat(r):
    shape = dims(r, 1, 3)
    axis = r.randint(-len(shape), len(shape) - 1)
    parts = []
    for _ in range(r.randint(1, 4)):
        part = list(shape)
        part[axis] = r.randint(0, 4)
        parts.append(data(part))
    return "Concat", parts, {"axis": axis}


def split(r):
    shape = dims(r, 1, 3, (2, 4, 6, 7))
    axis = r.randint(-len(shape), len(shape) - 1)
    n = shape[axis]
    if r.random() < 0.5:
        first = r.randint(0, n)
        return "Split", [data(shape), const([first, n - first])], {"axis": axis, "_outputs": 2}
    count = r.randint(1, 2)
    return "Split", [data(shape)], {"axis": axis, "num_outputs": count, "_outputs": count}


def pad(r):
    shape = dims(r, 1, 3, (3, 4, 5))
    return "Pad", [data(shape), const([r.randint(-1, 2) for _ in range(2 * len(shape))])], {}


def gather(r):
    shape = dims(r, 1, 3)
    return "Gather", [data(shape), data(dims(r, 0, 2), I)], {"axis": r.randint(-len(shape), len(shape) - 1)}


def gather_nd(r):
    shape = dims(r, 2, 4)
    batch = r.randint(0, 1)
    length = r.randint(1, len(shape) - batch)
    return "GatherND", [data(shape), data(shape[:batch] + dims(r, 1, 2) + [length], I)], {"batch_dims": batch}


def windows(r, rank, padded=True):
    kernel = [r.randint(1, 3) for _ in range(rank)]
    attributes = {"strides": [r.randint(1, 3) for _ in range(rank)], "dilations": [r.randint(1, 2) for _ in range(rank)]}
    choice = r.choice(["pads", "pads", "VALID", "SAME_UPPER", "SAME_LOWER", "none"])
    if choice == "pads":
        attributes["pads"] = [r.randint(0, k - 1) for k in kernel + kernel]
    elif choice != "none":
        attributes["auto_pad"] = choice
        attributes["dilations"] = [1] * rank
    return kernel, attributes


def conv(r):
    rank = r.randint(1, 2)
    kernel, attributes = windows(r, rank)
    group = r.randint(1, 2)
    shape = [r.randint(1, 2), 2 * group] + [r.randint(5, 9) for _ in range(rank)]
    weight = data([2 * group, 2] + kernel)
    return "Conv", [data(shape), weight, data([2 * group])], {"group": group, **attributes}


def conv_transpose(r):
    rank = r.randint(1, 2)
    kernel, attributes = windows(r, rank)
    attributes.pop("auto_pad", None)
    attributes["output_padding"] = [r.randint(0, s - 1) for s in attributes["strides"]]
    shape = [r.randint(1, 2), 2] + [r.randint(3, 6) for _ in range(rank)]
    return "ConvTranspose", [data(shape), data([2, 3] + kernel)], attributes


def pool(r):
    rank = r.randint(1, 2)
    kernel, attributes = windows(r, rank)
    op = r.choice(["MaxPool", "AveragePool", "LpPool"])
    attributes["kernel_shape"] = kernel
    if "auto_pad" not in attributes:
        attributes["ceil_mode"] = r.randint(0, 1)
    shape = [1, 2] + [r.randint(5, 12) for _ in range(rank)]
    return op, [data(shape)], attributes


def resize(r):
    shape = [1, 2, r.randint(2, 7), r.randint(2, 7)]
    if r.random() < 0.5:
        return "Resize", [data(shape), None, const([1, 1, r.choice([0.5, 2, 1.5, 3]), r.choice([0.6, 1.3, 2])], F)], {}
    sizes = [r.randint(1, 9), r.randint(1, 9)]
    policy = r.choice(["stretch", "not_larger", "not_smaller"])
    return "Resize", [data(shape), None, None, const(sizes)], {"axes": [2, 3], "keep_aspect_ratio_policy": policy}


def depth(r):
    if r.random() < 0.5:
        return "DepthToSpace", [data([2, 4 * r.randint(1, 3), r.randint(1, 3), r.randint(1, 3)])], {"blocksize": 2}
    return "SpaceToDepth", [data([2, r.randint(1, 3), 2 * r.randint(1, 3), 2 * r.randint(1, 3)])], {"blocksize": 2}


def recurrent(r):
    op, gates, outputs = r.choice([("LSTM", 4, 3), ("GRU", 3, 2), ("RNN", 1, 2)])
    t, b, i, h = (r.randint(1, 4) for _ in range(4))
    direction = r.choice(["forward", "reverse", "bidirectional"])
    n = 2 if direction == "bidirectional" else 1
    inputs = [data([t, b, i]), data([n, gates * h, i]), data([n, gates * h, h])]
    return op, inputs, {"hidden_size": h, "direction": direction, "_outputs": outputs}


def einsum(r):
    equation = r.choice(["ij,jk->ik", "bij,bkj->bik", "...ij,...jk->...ik", "ij->ji", "ij,j->", "bhid,bhjd->bhij", "ij,jk"])
    sizes = {}
    inputs = []
    for operand in equation.split("->")[0].split(","):
        shape = [3] if "..." in operand else []
        inputs.append(data(shape + [sizes.setdefault(c, r.randint(1, 4)) for c in operand if c.isalpha()]))
    return "Einsum", inputs, {"equation": equation}


def top_k(r):
    shape = dims(r, 1, 3)
    axis = r.randint(-len(shape), len(shape) - 1)
    return "TopK", [data(shape), const([r.randint(0, shape[axis])])], {"axis": axis, "_outputs": 2}


def one_hot(r):
    shape = dims(r, 0, 2)
    axis = r.randint(-len(shape) - 1, len(shape))
    return "OneHot", [data(shape, I), const(r.randint(1, 5)), data([2])], {"axis": axis}


def layer_norm(r):
    shape = dims(r, 1, 3)
    axis = r.randint(-len(shape), len(shape) - 1)
    return "LayerNormalization", [data(shape), data(shape[axis:])], {"axis": axis, "_outputs": 3}


def range_(r):
    delta = r.choice([-3, -1, 1, 2, 4])
    return "Range", [const(r.randint(-5, 5)), const(r.randint(-5, 12)), const(delta)], {}


def shape_(r):
    attributes = {}
    if r.random() < 0.7:
        attributes["start"] = r.randint(-4, 4)
    if r.random() < 0.7:
        attributes["end"] = r.randint(-4, 4)
    return "Shape", [data(dims(r, 0, 4))], attributes


def stft(r):
    frame = r.randint(2, 6)
    attributes = {"onesided": r.randint(0, 1)}
    return "STFT", [data([r.randint(1, 2), r.randint(8, 20), 1]), const(r.randint(1, 4)), None, const(frame)], attributes


def grid_sample(r):
    n = r.randint(1, 2)
    return "GridSample", [data([n, 3, 4, 5]), data([n, r.randint(1, 4), r.randint(1, 4), 2])], {}


makers = [
    *(elementwise, where, matmul, gemm, reduce, argmax, reshape, flatten, squeeze, unsqueeze, transpose, expand, tile),
    *(slice_, slice_, concat, split, pad, gather, gather_nd, conv, conv, conv_transpose, pool, pool, resize, depth),
    *(recurrent, einsum, top_k, one_hot, layer_norm, range_, shape_, stft, grid_sample),
]


def build(op, inputs, attributes):
    attributes = dict(attributes)
    count = attributes.pop("_outputs", 1)
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    outputs = [f"y{i}" for i in range(count)]
    given = [(n, x) for n, x in zip(names, inputs) if x is not None]
    node = helper.make_node(op, names, outputs, **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in given if not isinstance(x, Const)],
        [helper.make_empty_tensor_value_info(o) for o in outputs],
        [numpy_helper.from_array(np.asarray(x), n) for n, x in given if isinstance(x, Const)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return model, {n: x for n, x in given if not isinstance(x, Const)}


def main():
    r = random.Random(int(sys.argv[2]))
    for index in range(int(sys.argv[3])):
        op, inputs, attributes = makers[index % len(makers)](r)
        model, feeds = build(op, inputs, attributes)
        try:
            got = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)
        except Exception as e:
            print(json.dumps({"failed": op, "why": str(e)[:200]}))
            continue
        opsets = {"": 20}
        print(
            json.dumps(
                {
                    "name": f"{op} {attributes} {[None if x is None else (x.tolist() if isinstance(x, Const) else list(x.shape)) for x in inputs]}",
                    "graph": facts.graph_facts(model.graph, opsets),
                    "shapes": [list(y.shape) for y in got],
                    "codes": [helper.np_dtype_to_tensor_dtype(y.dtype) for y in got],
                }
            )
        )


main()
