"""Hostile and odd ONNX files."""

import gzip
import os

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

from case import Case, flipped, integer, link, message, nested, varint

W = nh.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
DOMAIN = "own"


def value(name, shape=("B", 4), code=T.FLOAT):
    return h.make_tensor_value_info(name, code, shape)


def model(nodes=None, inputs=None, outputs=None, weights=None, opset=21, functions=(), **rest):
    graph = h.make_graph(
        nodes if nodes is not None else base_nodes(),
        "g",
        inputs if inputs is not None else [value("x")],
        outputs if outputs is not None else [value("y", ("B", 3))],
        weights if weights is not None else [W],
        **rest,
    )
    imports = [h.make_opsetid("", opset)] + ([h.make_opsetid(DOMAIN, 1)] if functions else [])
    made = h.make_model(graph, opset_imports=imports, ir_version=10, producer_name="", functions=list(functions))
    return made


def base_nodes():
    return [h.make_node("MatMul", ["x", "w"], ["a"], name="m"), h.make_node("Relu", ["a"], ["y"], name="r")]


def one(op, inputs=("x",), outputs=("y",), **attributes):
    return [h.make_node(op, list(inputs), list(outputs), name="n", **attributes)]


def function(name, nodes, inputs=("x",), outputs=("y",), attributes=()):
    imports = [h.make_opsetid("", 21), h.make_opsetid(DOMAIN, 1)]
    return h.make_function(DOMAIN, name, list(inputs), list(outputs), nodes, imports, list(attributes))


def call(name, inputs=("x",), outputs=("y",), **attributes):
    return h.make_node(name, list(inputs), list(outputs), domain=DOMAIN, **attributes)


def changed(change, **rest):
    made = model(**rest)
    change(made)
    return made


def external(location, offset=None, length=None, dims=(4, 3), extra=()):
    tensor = T(name="w", data_type=T.FLOAT, dims=dims, data_location=T.EXTERNAL)
    entries = [("location", location), ("offset", offset), ("length", length), *extra]
    for key, given in entries:
        if given is not None:
            tensor.external_data.add(key=key, value=str(given))
    return model(weights=[tensor])


def borders(content: bytes):
    """Where the fields of the message begin and end, and those of the graph in it."""

    def fields(start, end):
        at = start
        while at < end:
            begin, key, shift = at, 0, 0
            while True:
                key |= (content[at] & 127) << shift
                at, shift = at + 1, shift + 7
                if content[at - 1] < 128:
                    break
            if key & 7 == 0:
                while content[at] > 127:
                    at += 1
                at += 1
                yield begin, at, key >> 3, at
            else:
                size, shift = 0, 0
                while True:
                    size |= (content[at] & 127) << shift
                    at, shift = at + 1, shift + 7
                    if content[at - 1] < 128:
                        break
                yield begin, at + size, key >> 3, at
                at += size

    found = []
    for begin, end, number, body in fields(0, len(content)):
        found += [begin, end]
        if number == 7:
            found += [at for inner in fields(body, end) for at in inner[:2]]
    return sorted({at for at in found if 0 < at < len(content)})


def laughs(levels, width):
    """Functions that each call the one below `width` times: width ** levels nodes once inlined."""
    chain = lambda name: [call(name, [f"v{i}" if i else "x"], [f"v{i + 1}" if i + 1 < width else "y"]) for i in range(width)]
    functions = [function("f0", one("Relu"))] + [function(f"f{i}", chain(f"f{i - 1}")) for i in range(1, levels + 1)]
    return model([call(f"f{levels}")], outputs=[value("y")], weights=[], functions=functions)


def branch(nodes, output="z"):
    return h.make_graph(nodes, "branch", [], [value(output, None)])


def nested_ifs(depth):
    """If within If: a node (graph field 1) whose attribute (5) holds a graph (6)."""
    leaf = message(1, message(2, b"z") + message(4, b"Identity") + message(1, b"x")) + message(2, b"b") + message(12, message(1, b"z"))
    text = lambda name: message(1, name) + integer(20, 5)
    inner = leaf
    for _ in range(depth):
        parts = [message(5, text(name) + message(6, inner if name == b"then_branch" else leaf)) for name in (b"then_branch", b"else_branch")]
        inner = message(1, message(1, b"c") + message(2, b"z") + message(4, b"If") + b"".join(parts)) + message(2, b"b") + message(12, message(1, b"z"))
    return inner


def deep_model(graph: bytes) -> bytes:
    declared = message(11, value("x").SerializeToString()) + message(11, value("c", (), T.BOOL).SerializeToString())
    return integer(1, 10) + message(8, integer(2, 21)) + message(7, graph + declared)


def typed(type_bytes: bytes) -> bytes:
    """The base model with one more input of a type given as bytes."""
    content = model().SerializeToString()
    graph = model().graph.SerializeToString() + message(11, message(1, b"odd") + message(2, type_bytes))
    return content + message(7, graph)


def fifo(name):
    return lambda folder: os.mkfifo(folder / name)


def cases(lse: bytes, empty_call: bytes):
    def onnx_file(name, content, **rest):
        content = content if isinstance(content, bytes) else content.SerializeToString()
        return Case(f"onnx-{name}", "model.onnx", content, **rest)

    good = model().SerializeToString()
    yield onnx_file("good", good, expect="accept")
    for at in borders(good):
        yield onnx_file(f"cut-at-{at}", good[:at])
    for name, content in {
        "empty": b"", "one-byte": b"\x08", "zeros": bytes(4096), "ones": b"\xff" * 4096, "text": b"hello\nworld\n" * 99,
        "gzip": gzip.compress(good), "shell": b"#!/bin/sh\ntouch canary\n", "html": b"<html>404</html>", "twice": good + good,
        "tail": good + b"\0" * 7, "json": b'{"graph": {}}', "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    }.items():
        yield onnx_file(name, content, lenient={"twice": "protobuf merges two messages into one of twice the nodes", "tail": "its reader stops at a tag of 0"}.get(name, ""))
    # Depth.
    yield onnx_file("ifs-10", deep_model(nested_ifs(10)), expect="any")
    for depth in (200, 2000):
        yield onnx_file(f"ifs-{depth}", deep_model(nested_ifs(depth)), nasty=True)
    yield onnx_file("types-100000", typed(nested(200_000, (1, 9), message(1, integer(1, 1)))), nasty=True)
    yield onnx_file("sequences-5000", typed(deep_type(4, 5000)), nasty=True)
    yield onnx_file("optionals-5000", typed(deep_type(9, 5000)), nasty=True)
    yield onnx_file("maps-5000", typed(deep_map(5000)), nasty=True)
    yield onnx_file("groups-100000", good + varint(99 * 8 + 3) * 100_000 + varint(99 * 8 + 4) * 100_000, nasty=True, expect="any")
    yield onnx_file("open-groups", good + varint(99 * 8 + 3) * 100_000, nasty=True)
    yield onnx_file("billion-laughs", laughs(9, 10), nasty=True, lenient="the checker does not count what inlining would make")
    yield onnx_file("laughs-2-to-60", laughs(60, 2), nasty=True, lenient="as billion-laughs")
    chain = [function(f"f{i}", [call(f"f{i + 1}")] if i < 3000 else one("Relu")) for i in range(3001)]
    yield onnx_file("functions-3000-deep", model([call("f0")], outputs=[value("y")], weights=[], functions=chain), nasty=True)
    long = [h.make_node("Relu", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(20_000)]
    yield onnx_file("chain-20000", model(long, outputs=[value("v20000")], weights=[]), nasty=True, expect="accept")
    # Declared sizes.
    for name, dims in {"2-40": [1 << 40], "2-62": [1 << 62], "overflow": [1 << 32, 1 << 32], "negative": [-4, 3], "min": [-(1 << 63)], "many": [2] * 64}.items():
        yield onnx_file(f"dims-{name}", changed(lambda m, d=dims: (m.graph.initializer[0].ClearField("dims"), m.graph.initializer[0].dims.extend(d))), nasty=True)
    yield onnx_file("raw-short", changed(lambda m: setattr(m.graph.initializer[0], "raw_data", bytes(44))))
    yield onnx_file("raw-long", changed(lambda m: setattr(m.graph.initializer[0], "raw_data", bytes(52))), lenient="it does not mind bytes that nothing reads")
    yield onnx_file("raw-ragged", changed(lambda m: setattr(m.graph.initializer[0], "raw_data", bytes(47))))
    yield onnx_file("both-fields", changed(lambda m: m.graph.initializer[0].float_data.extend([1.0] * 12)))
    yield onnx_file("float-data-short", model(weights=[T(name="w", data_type=T.FLOAT, dims=[4, 3], float_data=[1.0] * 11)]))
    yield onnx_file("wrong-field", model(weights=[T(name="w", data_type=T.FLOAT, dims=[4, 3], int32_data=[1] * 12)]))
    yield onnx_file("no-data", model(weights=[T(name="w", data_type=T.FLOAT, dims=[4, 3])]))
    yield onnx_file("dtype-0", model(weights=[T(name="w", data_type=0, dims=[4, 3], raw_data=bytes(48))]))
    yield onnx_file("dtype-999", model(weights=[T(name="w", data_type=999, dims=[4, 3], raw_data=bytes(48))]))
    yield onnx_file("nameless-weight", changed(lambda m: setattr(m.graph.initializer[0], "name", "")))
    yield onnx_file("length-2-62", integer(1, 10) + varint(7 * 8 + 2) + varint(1 << 62), nasty=True)
    yield onnx_file("length-minus-1", integer(1, 10) + varint(7 * 8 + 2) + varint(-1), nasty=True)
    shape = nh.from_array(np.array([1 << 40], np.int64), "s")
    yield onnx_file("constant-of-2-40", model(one("ConstantOfShape", ["s"]), [], [value("y", ("N",))], [shape]), nasty=True, expect="any")
    yield onnx_file("expand-2-40", model(one("Expand", ["e", "s"]), [], [value("y", ("N",))], [nh.from_array(np.ones(1, np.float32), "e"), shape]), nasty=True, expect="any")
    limits = [nh.from_array(np.array(v, np.int64), n) for n, v in (("a", 0), ("b", 1 << 60), ("c", 1))]
    yield onnx_file("range-2-60", model(one("Range", ["a", "b", "c"]), [], [value("y", ("N",), T.INT64)], limits), nasty=True, expect="any")
    small = b"".join(message(5, b"") for _ in range(500_000))
    yield onnx_file("half-a-million-fields", good + message(7, small), nasty=True)
    # Names and order.
    copy = lambda m: m.graph.initializer.append(m.graph.initializer[0])
    yield onnx_file("two-weights-one-name", changed(copy))
    yield onnx_file("two-nodes-one-output", model(base_nodes() + one("Relu", ["a"])))
    yield onnx_file("two-inputs-one-name", model(inputs=[value("x"), value("x")]))
    yield onnx_file("two-outputs-one-name", model(outputs=[value("y", ("B", 3))] * 2), lenient="the checker lets it pass; run would give one of them")
    yield onnx_file("output-is-input-name", model(one("Relu", ["x"], ["x"]), outputs=[value("x")], weights=[]))
    yield onnx_file("cycle", model([h.make_node("Add", ["x", "b"], ["a"]), h.make_node("Relu", ["a"], ["b"])], outputs=[value("b")], weights=[]))
    yield onnx_file("self-loop", model(one("Add", ["x", "y"]), outputs=[value("y")], weights=[]))
    yield onnx_file("unsorted", model(base_nodes()[::-1]))
    yield onnx_file("unknown-input", model(one("Relu", ["ghost"])))
    yield onnx_file("unknown-output", model(outputs=[value("ghost")]))
    yield onnx_file("inner-name-outside", model([h.make_node("If", ["c"], ["y"], then_branch=branch(one("Relu", ["x"], ["z"])), else_branch=branch(one("Abs", ["x"], ["z"]))), h.make_node("Relu", ["z"], ["q"])], [value("x"), value("c", (), T.BOOL)], [value("q", None)], []))
    yield onnx_file("branch-cycle", model([h.make_node("If", ["c"], ["y"], then_branch=branch(one("Relu", ["y"], ["z"])), else_branch=branch(one("Abs", ["x"], ["z"])))], [value("x"), value("c", (), T.BOOL)], [value("y", None)], []))
    yield onnx_file("branches-of-two-lengths", model([h.make_node("If", ["c"], ["y"], then_branch=branch(one("Relu", ["x"], ["z"])), else_branch=h.make_graph(one("Abs", ["x"], ["z"]), "b", [], []))], [value("x"), value("c", (), T.BOOL)], [value("y", None)], []))
    yield onnx_file("no-graph", integer(1, 10) + message(8, integer(2, 21)))
    yield onnx_file("no-opset", changed(lambda m: m.ClearField("opset_import")))
    for version in (0, -5, 999, 1 << 40):
        yield onnx_file(f"opset-{version}", changed(lambda m, v=version: setattr(m.opset_import[0], "version", v)), expect="accept" if version == 999 else "refuse")
    yield onnx_file("two-opsets", changed(lambda m: m.opset_import.append(h.make_opsetid("", 13))), lenient="the checker takes the last of the two; which one is meant is anyone's guess")
    for version in (0, -1, 99):
        yield onnx_file(f"ir-{version}", changed(lambda m, v=version: setattr(m, "ir_version", v)), expect="accept" if version == 99 else "refuse", lenient="what is newer is carried, and said in a remark" if version == 99 else "")
    yield onnx_file("graph-nameless", changed(lambda m: m.graph.ClearField("name")), expect="any")
    yield onnx_file("names-of-newlines", changed(lambda m: setattr(m.graph.node[0], "op_type", "Ma\ntMul\r\n\x1b[2J")))
    yield onnx_file("name-of-a-megabyte", changed(lambda m: setattr(m.graph.node[0], "op_type", "x" * 1_000_000)))
    # Operators.
    yield onnx_file("operator-unknown", model(one("Relux")))
    yield onnx_file("operator-too-new", model(one("Attention", ["x", "x", "x"]), opset=21))
    yield onnx_file("operator-retired", model(one("Upsample", ["x"], mode="nearest"), weights=[]))
    yield onnx_file("domain-unknown", model([h.make_node("Relu", ["x"], ["y"], domain="nobody")], weights=[]))
    yield onnx_file("arity", model(one("Relu", ["x", "x"])))
    yield onnx_file("arity-none", model(one("MatMul", ["x"])))
    yield onnx_file("attribute-unknown", model(one("Relu", ["x"], alpha=1.0)))
    yield onnx_file("attribute-missing", model(one("Cast", ["x"]), outputs=[value("y")]))
    yield onnx_file("attribute-kind", model(one("Softmax", ["x"], axis="last")))
    yield onnx_file("attribute-twice", changed(lambda m: m.graph.node[0].attribute.extend([h.make_attribute("axis", 1), h.make_attribute("axis", 0)]), nodes=one("Softmax"), outputs=[value("y")]))
    yield onnx_file("axis-out-of-range", model(one("Softmax", axis=7), outputs=[value("y")], weights=[]))
    yield onnx_file("dtypes-mixed", model(one("Add", ["x", "k"]), [value("x"), value("k", (4,), T.INT64)], [value("y")], []))
    yield onnx_file("dtype-refused", model(one("Relu"), [value("x", ("B",), T.BOOL)], [value("y", ("B",), T.BOOL)], []))
    yield onnx_file("shapes-misfit", model(one("MatMul", ["x", "w"]), [value("x", ("B", 5))], [value("y", ("B", 3))]))
    yield onnx_file("shapes-no-broadcast", model(one("Add", ["x", "v"]), weights=[nh.from_array(np.ones(3, np.float32), "v")], outputs=[value("y")]))
    yield onnx_file("declared-shape", model(outputs=[value("y", ("B", 5))]))
    yield onnx_file("declared-rank", model(outputs=[value("y", ("B", 3, 1))]))
    yield onnx_file("declared-dtype", model(outputs=[value("y", ("B", 3), T.INT64)]))
    yield onnx_file("declared-inner", model(value_info=[value("a", ("B", 7))]))
    yield onnx_file("reshape-misfit", model(one("Reshape", ["w", "s"]), [], [value("y", None)], [W, nh.from_array(np.array([5, 5], np.int64), "s")]))
    yield onnx_file("untyped-input", changed(lambda m: m.graph.input[0].ClearField("type")))
    # Functions.
    yield onnx_file("function-itself", model([call("f")], outputs=[value("y")], weights=[], functions=[function("f", [call("f")])]), nasty=True)
    yield onnx_file("function-each-other", model([call("f")], outputs=[value("y")], weights=[], functions=[function("f", [call("g")]), function("g", [call("f")])]), nasty=True)
    inner = branch([call("f", ["x"], ["z"])])
    yield onnx_file("function-through-branch", model([call("f")], outputs=[value("y")], weights=[], functions=[function("f", [h.make_node("Constant", [], ["c"], value=nh.from_array(np.array(True))), h.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=branch(one("Abs", ["x"], ["z"])))])]), nasty=True, lenient="the checker does not look for calls in subgraphs")
    yield onnx_file("function-twice", model([call("f")], outputs=[value("y")], weights=[], functions=[function("f", one("Relu"))] * 2), lenient="the checker keeps one of the two")
    yield onnx_file("function-missing", changed(lambda m: m.ClearField("functions"), nodes=[call("f")], outputs=[value("y")], weights=[], functions=[function("f", one("Relu"))]), expect="accept")
    yield onnx_file("function-arity", model([call("f", ["x", "x"])], outputs=[value("y")], weights=[], functions=[function("f", one("Relu"))]), lenient="it does not count the inputs of calls")
    yield onnx_file("function-unknown-name", model([call("f")], outputs=[value("y")], weights=[], functions=[function("f", one("Relu", ["ghost"]))]))
    yield onnx_file("function-captures", model([call("f")], outputs=[value("y")], functions=[function("f", one("Add", ["x", "w"]))]))
    yield onnx_file("function-no-imports", changed(lambda m: m.functions[0].ClearField("opset_import"), nodes=[call("f")], outputs=[value("y")], weights=[], functions=[function("f", one("Relu"))]))
    yield onnx_file("function-cycle", model([call("f")], outputs=[value("y")], weights=[], functions=[function("f", [h.make_node("Add", ["x", "b"], ["y"]), h.make_node("Relu", ["y"], ["b"])])]))
    yield onnx_file("empty-optional", empty_call, expect="accept")
    # External data.
    data = np.arange(12, dtype=np.float32).tobytes()
    beside = {"w.bin": data}
    outside = lambda folder: (folder.parent / "secret.bin").write_bytes(data)
    yield onnx_file("external-good", external("w.bin", 0, 48), beside=beside, expect="accept")
    yield onnx_file("external-overlap", changed(lambda m: m.graph.initializer.append(changed_name(m.graph.initializer[0])), weights=external("w.bin", 0, 48).graph.initializer), beside=beside, expect="accept")
    for name, location in {
        "parent": "../secret.bin", "parent-inside": "a/../../secret.bin", "parent-windows": "..\\secret.bin", "absolute": "/etc/hostname",
        "drive": "C:\\secret.bin", "share": "\\\\server\\share\\w.bin", "missing": "nowhere.bin", "empty": "", "dot": ".", "folder": "sub",
        "nul": "w.bin\0.txt", "url": "https://localhost/w.bin", "long": "x" * 5000, "newline": "w\n.bin", "home": "~/w.bin", "itself": "model.onnx",
    }.items():
        yield onnx_file(f"external-{name}", external(location, 0, 48), beside={**beside, "sub/w.bin": data}, prepare=outside, expect="any" if name == "itself" else "refuse", lenient={"drive": "the checker does not look for a drive on other systems", "nul": "C++ ends a name at the first NUL"}.get(name, ""))
    for name, (offset, length, dims) in {
        "beyond": (0, 96, (4, 6)), "offset-beyond": (48, 48, (4, 3)), "negative-offset": (-4, 48, (4, 3)), "negative-length": (0, -1, (4, 3)),
        "words": ("abc", 48, (4, 3)), "fraction": ("0.5", 48, (4, 3)), "hex": ("0x0", 48, (4, 3)), "huge-offset": (1 << 63, 48, (4, 3)), "huge-length": (0, 1 << 60, (1 << 40, 1 << 18)),
        "length-misfit": (0, 44, (4, 3)), "exponent": ("1e0", 44, (4, 3)), "minus-zero": ("-0", 48, (4, 3)),
    }.items():
        yield onnx_file(f"external-{name}", external("w.bin", offset, length, dims), beside=beside, nasty=name.startswith("huge"), expect="any" if name == "minus-zero" else "refuse", lenient="the checker looks at the file's name, not at its size")
    yield onnx_file("external-no-location", external(None, 0, 48), beside=beside)
    yield onnx_file("external-checksum", external("w.bin", 0, 48, extra=[("checksum", "0" * 40)]), beside=beside, lenient="the checker reads no checksums")
    yield onnx_file("external-link", external("l.bin", 0, 48), prepare=lambda folder: (outside(folder), link("l.bin", "../secret.bin")(folder)))
    yield onnx_file("external-link-folder", external("d/secret.bin", 0, 48), prepare=lambda folder: (outside(folder), link("d", "..")(folder)))
    yield onnx_file("external-link-circle", external("l.bin", 0, 48), prepare=link("l.bin", "l.bin"))
    yield onnx_file("external-device", external("zero", 0, 48), prepare=link("zero", "/dev/zero"), nasty=True)
    yield onnx_file("external-pipe", external("pipe", 0, 48), prepare=fifo("pipe"), nasty=True)
    yield onnx_file("external-and-raw", changed(lambda m: setattr(m.graph.initializer[0], "raw_data", data), weights=external("w.bin", 0, 48).graph.initializer), beside=beside, lenient="two sources of one tensor: the checker reads the file")
    text = T(name="w", data_type=T.STRING, dims=[2], data_location=T.EXTERNAL)
    text.external_data.add(key="location", value="w.bin")
    yield onnx_file("external-strings", model(one("Identity", ["w"]), [], [value("y", None, T.STRING)], [text]), beside=beside)
    # Sparse tensors.
    for name, (indices, dims) in {"beyond": ([99], [4, 3]), "unsorted": ([5, 2], [4, 3]), "twice": ([2, 2], [4, 3]), "negative": ([-1], [4, 3])}.items():
        sparse = onnx.SparseTensorProto(values=nh.from_array(np.ones(len(indices), np.float32), "w"), indices=nh.from_array(np.array(indices, np.int64), ""), dims=dims)
        yield onnx_file(f"sparse-{name}", model(weights=[], sparse_initializer=[sparse]))
    # Epsilon of our own operators.
    for name, given in {"nan": np.nan, "zero": 0.0, "negative": -0.5, "infinite": np.inf, "minus-zero": -0.0}.items():
        yield onnx_file(f"epsilon-{name}", with_epsilon(lse, given), lenient="the checker does not know what epsilon means")
    yield onnx_file("lse", lse, expect="accept")
    for at, content in flipped(good, 24):
        yield onnx_file(f"flip-{at}", content, expect="any")
    for at, content in flipped(lse, 24):
        yield onnx_file(f"lse-flip-{at}", content, expect="any")


def changed_name(tensor):
    copy = T()
    copy.CopyFrom(tensor)
    copy.name = "v"
    return copy


def deep_type(number, depth):
    """TypeProto.sequence_type (4) or optional_type (9), each holding elem_type (1)."""
    inner = message(1, integer(1, 1))
    for _ in range(depth):
        inner = message(number, message(1, inner))
    return inner


def deep_map(depth):
    inner = message(1, integer(1, 1))
    for _ in range(depth):
        inner = message(5, integer(1, 7) + message(2, inner))
    return inner


def with_epsilon(lse: bytes, given: float):
    made = onnx.load_from_string(lse)
    found = False
    constants = [n.attribute[0].t for n in made.graph.node if n.op_type == "Constant" and n.attribute[0].HasField("t")]
    for tensor in [*made.graph.initializer, *constants]:
        if list(tensor.dims) == [] and tensor.data_type == T.FLOAT:
            tensor.ClearField("float_data")
            tensor.raw_data = np.float32(given).tobytes()
            found = True
    assert found, "no scalar epsilon in the model"
    return made
