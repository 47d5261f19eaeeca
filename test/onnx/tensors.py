"""Tensors of every element type in every field they may stand in: name, message and raw bytes as records on OUT.

What Python's onnx reads from a message is turned into raw data by onnx itself.
"""

import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

out = open(sys.argv[1], "wb")
rng = np.random.default_rng(7)


def record(kind, name, data):
    name = name.encode()
    out.write(struct.pack("<cII", kind.encode(), len(name), len(data)) + name + data)


for name, code in TensorProto.DataType.items():
    if name in ("UNDEFINED", "STRING"):
        continue
    dtype = helper.tensor_dtype_to_np_dtype(code)
    for shape in ((), (0, 3), (1,), (7,), (2, 3, 3), (400, 60)):
        size = int(np.prod(shape))
        if name.startswith("COMPLEX"):
            values = (rng.normal(size=size) + 1j * rng.normal(size=size)).astype(dtype)
        elif name == "BOOL":
            values = rng.integers(0, 2, size).astype(bool)
        elif name.endswith("INT64"):
            info = np.iinfo(dtype)
            values = rng.integers(info.min, info.max, size, dtype=dtype)
            values[:3] = [info.min, info.max, 1][: min(3, size)]
        elif "INT" in name and not name.endswith(("4", "2")) or name in ("INT32", "UINT32"):
            info = np.iinfo(dtype)
            values = rng.integers(info.min, info.max, size, dtype=dtype)
        elif name in ("UINT4", "UINT2"):
            values = rng.integers(0, 4, size).astype(dtype)
        elif name in ("INT4", "INT2"):
            values = rng.integers(-2, 2, size).astype(dtype)
        elif name == "FLOAT8E8M0":
            values = (2.0 ** rng.integers(-5, 5, size)).astype(dtype)
        else:
            values = (rng.normal(size=size) * 2).astype(dtype)
        values = values.reshape(shape)
        raw = numpy_helper.from_array(values, "t")
        typed = helper.make_tensor("t", code, shape, values.flatten())
        again = numpy_helper.from_array(numpy_helper.to_array(typed), "t")
        assert again.raw_data == raw.raw_data, (name, shape)
        for form, proto in (("raw", raw), ("typed", typed)):
            label = f"{name}/{form}/{'x'.join(map(str, shape))}"
            record("T", label, proto.SerializeToString())
            record("R", label, raw.raw_data)
