"""The ONNX backend corpus in one file of records, and the comparison of such files by Python's protobuf.

corpus.py dump OUT            writes models (M) and the tensors of their data sets (T, with their raw bytes as R)
corpus.py compare A B         exits with the names of the messages that are not equal
"""

import struct
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

warnings.simplefilter("ignore")


def record(out, kind, name, data):
    name = name.encode()
    out.write(struct.pack("<cII", kind.encode(), len(name), len(data)) + name + data)


def records(path):
    data = open(path, "rb").read()
    at = 0
    while at < len(data):
        kind, name, size = struct.unpack_from("<cII", data, at)
        at += 9
        yield kind.decode(), data[at : at + name].decode(), data[at + name : at + name + size]
        at += name + size


def arrays(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays(item)


def dump(path):
    from onnx.backend.test.loader import load_model_tests

    with open(path, "wb") as out:
        for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
            for case in load_model_tests(kind=kind):
                if case.model is None:
                    data = open(f"{case.model_dir}/model.onnx", "rb").read()
                else:
                    data = case.model.SerializeToString()
                record(out, "M", f"{kind}/{case.name}", data)
                for number, array in enumerate(arrays(case.data_sets or [])):
                    if array.dtype == object or array.dtype.kind in "US":
                        array = array.astype(object)
                    proto = numpy_helper.from_array(array)
                    if len(proto.raw_data) > 20000:
                        continue
                    name = f"{kind}/{case.name}/{number}"
                    record(out, "T", name, proto.SerializeToString())
                    record(out, "R", name, b"\0".join(proto.string_data) if proto.string_data else proto.raw_data)


def compare(a, b):
    theirs = {(k, n): d for k, n, d in records(a) if k != "R"}
    ours = {(k, n): d for k, n, d in records(b)}
    wrong = sorted(set(theirs) ^ set(ours))
    for key in set(theirs) & set(ours):
        kind = onnx.ModelProto if key[0] == "M" else onnx.TensorProto
        if kind.FromString(theirs[key]) != kind.FromString(ours[key]):
            wrong.append(key)
    print(len(theirs), "compared,", len(wrong), "differ:", wrong[:20])


{"dump": dump, "compare": compare}[sys.argv[1]](*sys.argv[2:])
