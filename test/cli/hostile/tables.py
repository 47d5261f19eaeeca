"""Hostile and odd inputs of `run` (tables, arrays) and specifications of `build`."""

import io
import json

import numpy as np

from case import Case
from checkpoints import npy


def cases(parquet: bytes):
    def given(name, file, content, **rest):
        return Case(f"input-{name}", file, content if isinstance(content, bytes) else content.encode(), command="input", **rest)

    yield given("csv-good", "x.csv", "a,b,c,d\n1,2,3,4\n5,6,7,8\n", expect="accept")
    for name, content in {
        "empty": "", "only-names": "a,b,c,d\n", "ragged": "1,2,3,4\n5,6,7\n", "words": "1,2,three,4\n", "nul": "1,2\0,3,4\n", "binary": bytes(range(256)) * 9, "not-utf8": b"1,2,\xff,4\n", "hex": "0x1,2,3,4\n",
        "blank-cell": "1,,3,4\n", "quote-open": '"1,2,3,4\n', "narrow": "1,2,3\n", "infinity-word": "1,2,infinite,4\n", "formula": "=1+1,2,3,4\n", "one-line-of-a-megabyte": "1," * 500_000 + "1\n", "octal-long": "9" * 100_000 + ",2,3,4\n",
    }.items():  # fmt: skip
        yield given(f"csv-{name}", "x.csv", content, expect="any" if name == "octal-long" else "refuse")
    yield given("parquet-good", "x.parquet", parquet, expect="accept")
    for at in (0, 3, 4, 20, len(parquet) // 2, len(parquet) - 8, len(parquet) - 4, len(parquet) - 1):
        yield given(f"parquet-cut-at-{at}", "x.parquet", parquet[:at])
    for name, length in {"footer-huge": (1 << 31) - 1, "footer-zero": 0, "footer-one": 1}.items():
        yield given(f"parquet-{name}", "x.parquet", parquet[:-8] + length.to_bytes(4, "little") + b"PAR1", nasty=name == "footer-huge")
    for i in range(16):
        at = (len(parquet) - 1) * i // 15
        yield given(f"parquet-flip-{at}", "x.parquet", parquet[:at] + bytes([parquet[at] ^ 1 << i % 8]) + parquet[at + 1 :], expect="any")
    good = npy(shape="(1, 4)")
    yield given("npy-good", "x.npy", good, expect="accept")
    for name, content in {"cut": good[:-3], "cut-header": good[:40], "huge": npy(shape=f"({1 << 50}, 4)"), "object": npy("'|O'"), "narrow": npy(shape="(2, 2)"), "not": b"hello", "strings": npy("'<U1'", "(1, 4)")}.items():
        yield given(f"npy-{name}", "x.npy", content, nasty=name == "huge")
    wrong = io.BytesIO()
    np.savez(wrong, z=np.ones((1, 4), np.float32))
    yield given("npz-wrong-name", "x.npz", wrong.getvalue())
    rank = io.BytesIO()
    np.savez(rank, x=np.ones((1, 1, 4), np.float32))
    yield given("npz-wrong-rank", "x.npz", rank.getvalue())
    kind = io.BytesIO()
    np.savez(kind, x=np.array([["a", "b", "c", "d"]]))
    yield given("npz-wrong-kind", "x.npz", kind.getvalue())

    def spec(name, document, **rest):
        raw = document if isinstance(document, bytes) else (document if isinstance(document, str) else json.dumps(document)).encode()
        return Case(f"spec-{name}", "spec.json", raw, command="spec", **rest)

    layer = {"kind": "lse", "name": "l", "dim": 4, "atoms": 5, "units": 3, "epsilon": 0.5}
    net = lambda **changes: {"name": "n", "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 4]}], "output": "y", "layers": [{**layer, **changes}]}
    yield spec("good", net(), expect="accept")
    for name, document in {
        "epsilon-zero": net(epsilon=0), "epsilon-negative": net(epsilon=-1), "epsilon-nan": json.dumps(net(epsilon=float("nan"))), "epsilon-infinite": json.dumps(net()).replace("0.5", "1e999"), "epsilon-word": net(epsilon="warm"),
        "epsilon-underflows": net(epsilon=1e-60), "epsilon-overflows": net(epsilon=1e300), "epsilon-null": net(epsilon=None), "kind": net(kind="lsee"), "field": net(atom=3), "dims": net(dim=7), "fraction": net(atoms=1.5), "zero-atoms": net(atoms=0), "negative-atoms": net(atoms=-5),
        "huge": net(atoms=1 << 40), "huge-units": net(units=1 << 40), "beyond": net(atoms=1 << 70), "no-layers": {**net(), "layers": []}, "no-inputs": {**net(), "inputs": []}, "dtype": {**net(), "inputs": [{"name": "x", "dtype": "float99", "shape": ["b", 4]}]},
        "rank": {**net(), "inputs": [{"name": "x", "dtype": "float32", "shape": [4]}]}, "two-names": {**net(), "layers": [layer, {**layer, "dim": 3}]}, "input-is-output": {**net(), "output": "x"}, "empty-name": net(name=""),
        "empty": b"", "not-json": b"{", "list": [], "null": "null", "word": '"lse"', "deep": "[" * 200_000, "not-utf8": b"\xff\xfe{}", "deep-layers": json.dumps(net()).replace('"lse"', "[" * 20_000 + "]" * 20_000),
        "repeated": json.dumps(net()).replace('"epsilon": 0.5', '"epsilon": 0.5, "epsilon": 0'), "proto": json.dumps(net()).replace('"name": "l"', '"__proto__": {"a": 1}'),
    }.items():  # fmt: skip
        yield spec(name, document, nasty=name in ("huge", "huge-units", "deep", "deep-layers"))
