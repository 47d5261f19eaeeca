"""Hostile and odd checkpoints: safetensors, sharded, PyTorch's zip archives and pickles, .npz."""

import io
import json
import pickle
import struct
import zipfile
import zlib

import numpy as np
import torch
from safetensors.torch import save

from case import Case, flipped, link, u64, zipped


def header(text, data=b"") -> bytes:
    raw = text if isinstance(text, bytes) else (text if isinstance(text, str) else json.dumps(text)).encode()
    return u64(len(raw)) + raw + data


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def safetensors_cases():
    def file(name, content, **rest):
        return Case(f"safetensors-{name}", "model.safetensors", content, **rest)

    good = save({"a": torch.arange(4.0).reshape(2, 2), "b": torch.ones(3)}, metadata={"format": "pt"})
    end = 8 + struct.unpack("<Q", good[:8])[0]
    yield file("good", good, expect="accept")
    for at in (0, 1, 7, 8, 9, end - 1, end, end + 1, len(good) - 1):
        yield file(f"cut-at-{at}", good[:at])
    yield file("tail", good + b"\0")
    yield file("no-tensors", header({}), expect="accept")
    for length in (0, 1 << 40, (1 << 63) - 1, (1 << 64) - 1, 100_000_001, len(good) - 7):
        yield file(f"header-of-{length}", u64(length) + good[8:], nasty=length > 1 << 30)
    data = bytes(16)
    w = entry()
    for name, text in {
        "not-json": "{]", "list": "[]", "number": "1", "null": "null", "trailing-comma": '{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},}',
        "two-documents": json.dumps({"a": w}) + "{}", "blank-first": " " + json.dumps({"a": w}), "not-utf8": json.dumps({"a": w}).encode().replace(b'"a"', b'"\xff"'),
        "bom": b"\xef\xbb\xbf" + json.dumps({"a": w}).encode(), "twice": '{"a":%s,"a":%s}' % (json.dumps(w), json.dumps(w)),
        "deep": "[" * 100_000, "deep-objects": '{"a":' * 100_000, "deep-metadata": '{"__metadata__":{"a":%s}}' % ("[" * 50_000 + "]" * 50_000),
        "overlap": {"a": entry(), "b": entry(shape=[2], offsets=(8, 16))}, "gap": {"a": entry(shape=[1], offsets=(0, 4)), "b": entry(shape=[2], offsets=(8, 16))},
        "gap-first": {"a": entry(shape=[3], offsets=(4, 16))}, "beyond": {"a": entry(shape=[8], offsets=(0, 32))}, "backwards": {"a": entry(offsets=(16, 0))},
        "negative": {"a": entry(offsets=(-16, 0))}, "fraction": {"a": entry(offsets=(0, 16.5))}, "words": {"a": entry(offsets=("0", "16"))}, "three-offsets": {"a": entry(offsets=(0, 8, 16))},
        "huge-offsets": {"a": entry(offsets=(1 << 60, (1 << 60) + 16))}, "huge-shape": {"a": entry(shape=[1 << 40, 1 << 40])}, "shape-misfit": {"a": entry(shape=[5])},
        "negative-shape": {"a": entry(shape=[-2, -2])}, "shape-word": {"a": entry(shape=["4"])}, "dtype-unknown": {"a": entry(dtype="Q8")}, "dtype-misfit": {"a": entry(dtype="F64")},
        "no-dtype": {"a": {"shape": [2, 2], "data_offsets": [0, 16]}}, "no-shape": {"a": {"dtype": "F32", "data_offsets": [0, 16]}}, "no-offsets": {"a": {"dtype": "F32", "shape": [2, 2]}},
        "entry-list": {"a": [1]}, "entry-null": {"a": None}, "metadata-number": {"__metadata__": {"a": 1}, "a": w}, "metadata-list": {"__metadata__": [], "a": w},
    }.items():
        lenient = {"blank-first": "its parser takes blanks", "twice": "the last of the two wins there"}.get(name, "")
        yield file(name, header(text, data), nasty=name.startswith(("deep", "huge")), lenient=lenient)
    many = {f"t{i}": entry(shape=[0], offsets=(0, 0)) for i in range(50_000)}
    yield file("many-empty", header(many), nasty=True, expect="accept")
    yield file("proto", header('{"__proto__":%s}' % json.dumps(w), data), expect="accept")
    yield file("odd-names", header({"": entry(shape=[1], offsets=(0, 4)), "a\nb": entry(shape=[3], offsets=(4, 16))}, data), expect="accept")
    for at, content in flipped(good, 20):
        yield file(f"flip-{at}", content, expect="any")


def sharded_cases():
    shard = save({"a": torch.ones(2)})

    def index(name, document, **rest):
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        return Case(f"sharded-{name}", "model.safetensors.index.json", raw, **{"beside": {"one.safetensors": shard}, **rest})

    mapped = lambda weights: {"metadata": {"total_size": 8}, "weight_map": weights}
    outside = lambda folder: (folder.parent / "outside.safetensors").write_bytes(shard)
    yield index("good", mapped({"a": "one.safetensors"}), expect="accept")
    yield index("missing", mapped({"a": "two.safetensors"}))
    yield index("parent", mapped({"a": "../outside.safetensors"}), prepare=outside)
    yield index("absolute", mapped({"a": "/etc/hostname"}))
    yield index("windows", mapped({"a": "..\\outside.safetensors"}), prepare=outside)
    yield index("link", mapped({"a": "link.safetensors"}), prepare=lambda folder: (outside(folder), link("link.safetensors", "../outside.safetensors")(folder)))
    yield index("device", mapped({"a": "zero.safetensors"}), prepare=link("zero.safetensors", "/dev/zero"), nasty=True)
    yield index("itself", mapped({"a": "model.safetensors.index.json"}))
    yield index("absent-tensor", mapped({"a": "one.safetensors", "b": "one.safetensors"}))
    yield index("number", mapped({"a": 1}))
    yield index("list", mapped(["one.safetensors"]))
    yield index("no-map", {"metadata": {}})
    yield index("empty-map", mapped({}), expect="any")
    yield index("deep", b'{"weight_map":' * 50_000, nasty=True)
    yield index("twice", b'{"weight_map":{"a":"one.safetensors","a":"one.safetensors"}}')
    yield index("cut", json.dumps(mapped({"a": "one.safetensors"})).encode()[:30])
    yield index("damaged-shard", mapped({"a": "one.safetensors"}), beside={"one.safetensors": shard[:-1]})
    yield index("empty-shard", mapped({"a": "one.safetensors"}), beside={"one.safetensors": b""})


def saved(thing, **options) -> bytes:
    out = io.BytesIO()
    torch.save(thing, out, **options)
    return out.getvalue()


def archive(pickled: bytes, storages=None, extra=()) -> bytes:
    storages = {"0": bytes(16)} if storages is None else storages
    entries = [("archive/data.pkl", pickled), ("archive/byteorder", b"little"), *((f"archive/data/{k}", v) for k, v in storages.items()), ("archive/version", b"3\n")]
    return zipped([*entries, *extra])


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def called(module: str, name: str, arguments: bytes = b"", protocol2=True) -> bytes:
    return (b"\x80\x02" if protocol2 else b"") + f"c{module}\n{name}\n".encode() + b"(" + arguments + b"tR."


def tensor(size=(2, 2), stride=(2, 1), offset=b"K\0", key="0", count=4, storage="FloatStorage") -> bytes:
    ints = lambda values: b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", v) for v in values) + b"t"
    pers = b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu") + b"\x8a\x08" + struct.pack("<q", count) + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + pers + offset + ints(size) + ints(stride) + b"\x89ccollections\nOrderedDict\n(tRtR"


def state(value: bytes) -> bytes:
    return b"\x80\x02}" + text("w") + value + b"s."


CALLS = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("os", "popen"), ("os", "execv"), ("posix", "fork"), ("subprocess", "Popen"), ("subprocess", "check_output"),
    ("builtins", "eval"), ("builtins", "exec"), ("builtins", "compile"), ("builtins", "getattr"), ("builtins", "__import__"), ("builtins", "open"), ("builtins", "print"),
    ("__builtin__", "eval"), ("importlib", "import_module"), ("runpy", "run_path"), ("torch.hub", "load"), ("torch", "load"), ("torch.jit", "load"), ("torch.ops", "load_library"),
    ("torch.utils.cpp_extension", "load"), ("torch._inductor.codecache", "compile_file"), ("functools", "partial"), ("functools", "reduce"), ("operator", "methodcaller"),
    ("operator", "attrgetter"), ("copyreg", "_reconstructor"), ("copyreg", "__newobj__"), ("pickle", "loads"), ("_pickle", "loads"), ("dill", "loads"), ("joblib", "load"),
    ("webbrowser", "open"), ("ctypes", "CDLL"), ("shutil", "rmtree"), ("socket", "create_connection"), ("urllib.request", "urlopen"), ("timeit", "timeit"), ("pty", "spawn"),
    ("asyncio", "run"), ("code", "interact"), ("pip", "main"), ("numpy", "load"), ("numpy.testing._private.utils", "runstring"), ("types", "FunctionType"), ("types", "CodeType"),
    ("__main__", "Net"), ("torch.nn.modules.linear", "Linear.__init__"), ("child_process", "execSync"), ("process", "exit"), ("Object", "constructor"), ("torch", "__proto__"),
]  # fmt: skip


def pickle_cases(canary: str):
    def file(name, content, **rest):
        bare = name.startswith(("deep-", "billion", "dict-laughs", "itself", "memo-", "machine-protocol"))
        return Case(f"torch-{name}", "model.pt", content, **{**rest, **({"lenient": "a pickle of anything but tensors is no state dict"} if bare else {})})

    command = text(f"touch {canary}")
    for module, name in CALLS:
        yield file(f"call-{module}.{name}", archive(called(module, name, command)))
    chain = called("builtins", "getattr", b"cos\nenviron\n" + text("get"))[:-1] + b"(" + command + b"tR."
    yield file("call-getattr-chain", archive(chain))
    yield file("call-of-a-tensor", archive(b"\x80\x02" + tensor() + b"(" + command + b"tR."))
    yield file("inst", archive(b"(" + command + b"ios\nsystem\n."))
    yield file("obj", archive(b"(cos\nsystem\n" + command + b"o."))
    yield file("newobj", archive(b"\x80\x02cos\nsystem\n" + b"(" + command + b"t\x81."))
    yield file("newobj-ex", archive(b"\x80\x04cos\nsystem\n(" + command + b"t}\x92."))
    yield file("stack-global", archive(b"\x80\x04\x8c\x02os\x8c\x06system\x93(" + command + b"tR."))
    yield file("extension", archive(b"\x80\x02\x82\x01."))
    yield file("build-os", archive(b"\x80\x02cos\nsystem\n}" + text("__setstate__") + text("x") + b"sb."))
    yield file("build-proto", archive(b"\x80\x02ccollections\nOrderedDict\n(tR}" + text("__proto__") + b"}" + text("polluted") + b"K\x01ssb."), expect="any")
    yield file("persid", archive(b"Pstorage\n."))
    yield file("legacy-os", pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2) + called("os", "system", command))
    yield file("bare-pickle", called("os", "system", command))
    yield file("text-pickle", b"cos\nsystem\n(S'touch " + canary.encode() + b"'\ntR.")
    # Sizes, depth, bombs.
    yield file("deep-lists", archive(b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b"."), nasty=True)
    yield file("deep-tuples", archive(b"\x80\x02)" + b"\x85" * 1_000_000 + b"."), nasty=True)
    yield file("deep-dicts", archive(b"\x80\x02" + (b"}" + text("w")) * 100_000 + b"N" + b"s" * 100_000 + b"."), nasty=True)
    laughs = b"\x80\x02]" + b"q\0" + b"".join(b"](" + b"h" + bytes([i]) * 1 + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1]) for i in range(30)) + b"."
    yield file("billion-laughs", archive(laughs), nasty=True)
    yield file("dict-laughs", archive(b"\x80\x02" + tensor() + b"q\0" + b"".join(b"}(" + b"".join(text(f"k{j}") + b"h" + bytes([i]) for j in range(10)) + b"uq" + bytes([i + 1]) for i in range(30)) + b"."), nasty=True)
    yield file("itself", archive(b"\x80\x02}q\0" + text("w") + b"h\0s."), nasty=True)
    yield file("memo-2-31", archive(b"\x80\x02Nr\xff\xff\xff\x7f."), expect="refuse", nasty=True)
    yield file("string-of-4-gigabytes", archive(b"\x80\x02X\xff\xff\xff\xffabc."), nasty=True)
    yield file("bytes-of-2-60", archive(b"\x80\x04\x8e" + u64(1 << 60) + b"abc."), nasty=True)
    yield file("bytearray-of-2-60", archive(b"\x80\x05\x96" + u64(1 << 60) + b"abc."), nasty=True)
    yield file("long-of-2-gigabytes", archive(b"\x80\x02\x8b\xff\xff\xff\x7fabc."), nasty=True)
    yield file("frame-of-2-60", archive(b"\x80\x04\x95" + u64(1 << 60) + b"N."), nasty=True)
    yield file("digits-of-a-megabyte", archive(b"I" + b"9" * 1_000_000 + b"\n."), nasty=True)
    yield file("dup-dup", archive(b"\x80\x02N" + b"2" * 1_000_000 + b"."), nasty=True)
    # Broken machines.
    for name, code in {"no-stop": b"\x80\x02N", "underflow": b"\x80\x02t.", "no-mark": b"\x80\x02Nt.", "opcode": b"\x80\x02\xfe.", "protocol-9": b"\x80\x09N.", "memo-missing": b"\x80\x02h\x05.", "empty": b"", "unhashable": b"\x80\x02}]Ns.", "append-to-none": b"\x80\x02NNa.", "reduce-none": b"\x80\x02N)R.", "half-global": b"\x80\x02cos"}.items():
        yield file(f"machine-{name}", archive(code))
    # Tensors.
    yield file("tensor-good", archive(state(tensor())), expect="accept")
    for name, made in {
        "size-misfit": tensor(size=(100, 100), stride=(100, 1)), "stride-beyond": tensor(stride=(1 << 40, 1)), "negative-stride": tensor(stride=(-2, 1)), "negative-size": tensor(size=(-2, 2)),
        "huge-zero-stride": tensor(size=(1 << 40, 2), stride=(0, 1)), "overflow": tensor(size=(1 << 32, 1 << 32), stride=(0, 0)), "offset-beyond": tensor(offset=b"K\x09"), "negative-offset": tensor(offset=b"J\xff\xff\xff\xff"),
        "ranks-differ": tensor(stride=(1,)), "storage-missing": tensor(key="7"), "storage-traversal": tensor(key="../../etc/passwd"), "storage-count": tensor(count=1 << 40), "storage-negative": tensor(count=-4), "storage-kind": tensor(storage="QInt99Storage"),
    }.items():
        yield file(f"tensor-{name}", archive(state(made)), nasty=name.startswith(("huge", "overflow")), expect="any" if name in ("huge-zero-stride",) else "refuse",
                   lenient="an expanded view of any size costs PyTorch nothing" if name in ("huge-zero-stride", "overflow") else "")  # fmt: skip
    # Archives.
    good = saved({"w": torch.arange(4.0).reshape(2, 2), "b": torch.ones(3)})
    yield file("good", good, expect="accept")
    end = good.rindex(b"PK\x05\x06")
    central = good.index(b"PK\x01\x02")
    second = good.index(b"PK\x03\x04", 4)
    for at in (0, 3, 4, 29, 30, 60, second, central - 1, central, central + 20, end - 1, end, end + 4, len(good) - 1):
        yield file(f"cut-at-{at}", good[:at])
    yield file("no-pickle", zipped([("archive/version", b"3")]))
    yield file("two-pickles", zipped([("a/data.pkl", state(tensor())), ("b/data.pkl", state(tensor())), ("a/data/0", bytes(16))]))
    yield file("names-of-traversal", archive(state(tensor()), extra=[("../../../tmp/evil", b"x")]), lenient="nothing is unpacked, neither there nor here; a name that leaves the archive is refused all the same")
    yield file("names-absolute", archive(state(tensor()), extra=[("/etc/evil", b"x")]), lenient="as names-of-traversal")
    yield file("entry-twice", archive(state(tensor()), extra=[("archive/data/0", bytes(16))]), lenient="the last of the two wins there")
    yield file("pickle-twice", archive(state(tensor()), extra=[("archive/data.pkl", called("os", "system", command))]), lenient="two programs, and which is run depends on the reader")
    bomb = zipped([("archive/data.pkl", b"\x80\x02" + text("x") + b"0" * 300_000_000 + b"."), ("archive/version", b"3")], zipfile.ZIP_DEFLATED)
    yield file("bomb-pickle", bomb, nasty=True)
    storage_bomb = zipped([("archive/data.pkl", state(tensor(size=(8192, 8192), stride=(8192, 1), count=1 << 26))), ("archive/data/0", bytes(1 << 28)), ("archive/version", b"3")], zipfile.ZIP_DEFLATED)
    yield file("bomb-storage", storage_bomb, nasty=True, lenient="PyTorch unpacks compressed storages of any size")
    for name, (where, offset, change) in {
        "encrypted": (b"PK\x01\x02", 8, 1), "method-99": (b"PK\x01\x02", 10, 99), "crc": (b"PK\x01\x02", 16, 0x12345678), "size-lie": (b"PK\x01\x02", 24, 5), "packed-size-lie": (b"PK\x01\x02", 20, 1 << 30),
        "offset-lie": (b"PK\x01\x02", 42, 7), "offset-beyond": (b"PK\x01\x02", 42, 1 << 30), "count-lie": (b"PK\x05\x06", 10, 60_000), "directory-beyond": (b"PK\x05\x06", 16, 1 << 30), "directory-size-lie": (b"PK\x05\x06", 12, 1 << 30),
        "disks": (b"PK\x05\x06", 4, 3), "local-name-lie": (b"PK\x03\x04", 30, 0x58585858), "local-method-lie": (b"PK\x03\x04", 8, 8),
    }.items():  # fmt: skip
        plain = archive(state(tensor()))
        at = plain.index(where) + offset
        width = 4 if name in ("crc", "size-lie", "packed-size-lie", "offset-lie", "offset-beyond", "directory-beyond", "directory-size-lie", "local-name-lie") else 2
        lenient = "PyTorch reads past what we hold against the local header or the directory" if name in ("crc", "disks", "local-name-lie", "local-method-lie", "count-lie", "encrypted", "size-lie", "directory-size-lie") else ""
        yield file(f"zip-{name}", plain[:at] + change.to_bytes(width, "little") + plain[at + width :], lenient=lenient)
    plain = archive(state(tensor()))
    first = plain.index(b"PK\x01\x02")
    third = plain.index(b"PK\x01\x02", plain.index(b"PK\x01\x02", first + 1) + 1)
    yield file("zip-overlap", plain[: third + 42] + bytes(4) + plain[third + 46 :], lenient="it does not compare entries with one another")
    yield file("zip-in-front", b"#!/bin/sh\nexit\n" + plain, expect="any")
    yield file("zip-comment", plain[:-2] + b"\x16\0" + plain[plain.rindex(b"PK\x05\x06") :], expect="any")
    for at, content in flipped(good, 30):
        yield file(f"flip-{at}", content, expect="any")


def npy(descr="'<f4'", shape="(2, 2)", order="False", data=bytes(16), version=b"\x01\x00", length=None) -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(head) if length is None else length) + head + data


def npz_cases(canary: str):
    def file(name, content, **rest):
        return Case(f"npz-{name}", "arrays.npz", content, **rest)

    good = io.BytesIO()
    np.savez(good, x=np.arange(4.0, dtype=np.float32).reshape(1, 4), b=np.ones(3))
    yield file("good", good.getvalue(), expect="accept")
    whole = good.getvalue()
    for at in (0, 10, 60, 200, whole.index(b"PK\x01\x02"), whole.rindex(b"PK\x05\x06"), len(whole) - 1):
        yield file(f"cut-at-{at}", whole[:at])
    arrays = {
        "object": npy("'|O'", data=pickle.dumps(np.array([1]))), "evil-object": npy("'|O'", data=called("os", "system", text(f"touch {canary}"))), "expression": npy(f"__import__('os').system('touch {canary}')"),
        "huge": npy(shape=f"({1 << 60},)"), "overflow": npy(shape=f"({1 << 40}, {1 << 40})"), "negative": npy(shape="(-2, -2)"), "misfit": npy(shape="(5,)"), "long": npy(data=bytes(20)), "descr-unknown": npy("'<f3'"), "descr-number": npy("4"),
        "shape-word": npy(shape="'four'"), "version-9": npy(version=b"\x09\0"), "header-length": npy(length=60_000), "header-zero": npy(length=0), "no-magic": b"\x93NUMPX" + npy()[6:], "deep": npy(shape="(" * 20_000), "empty": b"",
        "unclosed": b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"{'descr': '<f4', 'fo", "order-number": npy(order="7"), "missing-key": b"\x93NUMPY\x01\x00" + struct.pack("<H", 17) + b"{'descr': '<f4'}\n",
    }  # fmt: skip
    for name, content in arrays.items():
        lenient = {"no-magic": "numpy gives other entries as bytes", "empty": "as no-magic", "long": "numpy leaves what follows an array unread"}.get(name, "")
        yield file(name, zipped([("x.npy", content)]), nasty=name in ("huge", "overflow", "deep"), lenient=lenient)
    yield file("not-npy", zipped([("x.txt", b"hello")]), lenient="numpy gives entries of other kinds as bytes")
    yield file("twice", zipped([("x.npy", npy()), ("x.npy", npy())]), lenient="the last of the two wins there")
    yield file("traversal", zipped([("../x.npy", npy())]), lenient="nothing is unpacked; a name that leaves the archive is refused all the same")
    yield file("no-arrays", zipped([]), expect="any")
    yield file("bomb", zipped([("x.npy", npy(shape=f"({1 << 26},)", data=bytes(1 << 28)))], zipfile.ZIP_DEFLATED), nasty=True, expect="any")
    lie = zipped([("x.npy", npy())], zipfile.ZIP_DEFLATED)
    at = lie.index(b"PK\x01\x02") + 24
    yield file("size-lie", lie[:at] + (1 << 31).to_bytes(4, "little") + lie[at + 4 :], nasty=True, lenient="Python does not compare the two headers")
    crc = lie.index(b"PK\x01\x02") + 16
    yield file("crc-lie", lie[:crc] + (zlib.crc32(b"x")).to_bytes(4, "little") + lie[crc + 4 :])
    for at, content in flipped(whole, 16):
        yield file(f"flip-{at}", content, expect="any")


def cases(canary: str):
    yield from safetensors_cases()
    yield from sharded_cases()
    yield from pickle_cases(canary)
    yield from npz_cases(canary)
