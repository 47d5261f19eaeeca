"""Writes .gguf files with the gguf package, and what its own dequantisation makes of them.

python gguf_files.py FOLDER: FOLDER/{little,big}.gguf, FOLDER/expected.json and one raw file of float32 (or the type itself) per tensor.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFEndian, GGUFReader, GGUFValueType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

folder = Path(sys.argv[1])
rng = np.random.default_rng(7)
quants = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4".split()
# Fields of float16 in a block (Q8_K: one float32), so that random bytes are no NaN; the same is turned in a big-endian file.
halves = dict(Q4_0=[0], Q4_1=[0, 2], Q5_0=[0], Q5_1=[0, 2], Q8_0=[0], Q2_K=[80, 82], Q3_K=[108], Q4_K=[0, 2],
              Q5_K=[0, 2], Q6_K=[208], IQ4_NL=[0], IQ4_XS=[0], TQ1_0=[52], TQ2_0=[64], MXFP4=[], NVFP4=[])  # fmt: skip


def random_blocks(kind, rows, per_row):
    """Every byte is random: all that a decoder can meet, and not only what a quantiser writes."""
    size = GGML_QUANT_SIZES[T[kind]][1]
    blocks = rng.integers(0, 256, (rows * per_row, size), dtype=np.uint8)
    scales = [1.0, -0.37, 6.1e-5, 5.9e-8, 65504.0, 0.0]
    for at in halves.get(kind, []):
        for block in blocks:
            value = scales[rng.integers(len(scales))] if rng.random() < 0.3 else rng.normal()
            block[at : at + 2] = np.frombuffer(np.float16(value).tobytes(), np.uint8)
    if kind == "Q8_K":
        for block in blocks:
            block[:4] = np.frombuffer(np.float32(rng.normal()).tobytes(), np.uint8)
    if kind == "MXFP4":
        # 255 is no number in OCP's format, and ggml makes one of it that float32 cannot hold.
        blocks[:, 0] = rng.integers(0, 250, len(blocks))
        blocks[:6, 0] = [0, 1, 2, 3, 127, 128]
    return blocks.reshape(rows, per_row * size)


def dequantised(kind, data):
    if kind == "Q8_K":
        blocks = data.reshape(-1, 292)
        d = blocks[:, :4].copy().view(np.float32)
        return (d * blocks[:, 4:260].copy().view(np.int8).astype(np.float32)).reshape(data.shape[0], -1)
    return dequantize(data, T[kind])


plain = {
    "f32": rng.normal(size=(2, 3, 5)).astype(np.float32),
    "f16": rng.normal(size=(7,)).astype(np.float16),
    "f64": rng.normal(size=(3, 2)),
    "i8": np.arange(-6, 6, dtype=np.int8).reshape(3, 4),
    "i16": np.array([-32768, 1, 32767], dtype=np.int16),
    "i32": np.array([[-(2**31), 5]], dtype=np.int32),
    "i64": np.array([-(2**63), 2**53 + 1], dtype=np.int64),
    "one.row": np.float32([[1.5], [2.5]]),
}
expected = {}


def say(name, array, dtype):
    (folder / f"{name}.raw").write_bytes(np.ascontiguousarray(array).tobytes())
    expected[name] = {"dtype": dtype, "shape": list(array.shape)}


def write(path, endian):
    writer = GGUFWriter(path, "llama", endianess=endian)
    writer.add_name("a model Ünï")
    writer.add_uint8("t.u8", 200), writer.add_int8("t.i8", -3), writer.add_uint16("t.u16", 60000)
    writer.add_int16("t.i16", -300), writer.add_uint32("t.u32", 4000000000), writer.add_int32("t.i32", -7)
    writer.add_float32("t.f32", 0.5), writer.add_bool("t.bool", True), writer.add_uint64("t.u64", 2**63 + 1)
    writer.add_int64("t.i64", -(2**40)), writer.add_float64("t.f64", 0.1)
    writer.add_array("tokenizer.ggml.tokens", [f"token {i}" for i in range(5000)])
    writer.add_array("t.numbers", list(range(1000)))
    writer.add_array("t.flags", [True, False])
    writer.add_uint32("llama.block_count", 2)
    for name, array in plain.items():
        say(name, array, str(array.dtype))
        writer.add_tensor(name, array)
    bf16 = quantize(rng.normal(size=(4, 6)).astype(np.float32), T.BF16)
    say("bf16", bf16.view(np.uint16), "bfloat16")
    turned = bf16.view(np.uint16).byteswap().view(np.uint8) if endian == GGUFEndian.BIG else bf16
    writer.add_tensor("bf16", turned, raw_dtype=T.BF16)
    for kind in quants:
        rows, per_row = 3, 4
        data = random_blocks(kind, rows, per_row)
        say(f"blk.{kind}.weight", dequantised(kind, data), "float32")
        if endian == GGUFEndian.BIG:
            if kind in ("Q5_0", "Q5_1", "Q8_K"):
                continue
            blocks = data.reshape(rows * per_row, -1)
            for at in halves[kind] + ([2] if kind == "IQ4_XS" else []):
                blocks[:, [at, at + 1]] = blocks[:, [at + 1, at]]
        writer.add_tensor(f"blk.{kind}.weight", data, raw_dtype=T[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


for path, endian in (("little", GGUFEndian.LITTLE), ("big", GGUFEndian.BIG)):
    rng = np.random.default_rng(7)
    write(folder / f"{path}.gguf", endian)
(folder / "expected.json").write_text(json.dumps(expected))

# Real quantisers too, on weights as they are: what comes back is near.
weights = rng.normal(size=(8, 512)).astype(np.float32)
writer = GGUFWriter(folder / "quantised.gguf", "llama")
writer.add_custom_alignment(64)
for kind in "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 TQ2_0 MXFP4".split():
    data = quantize(weights, T[kind])
    writer.add_tensor(f"{kind}.weight", data, raw_dtype=T[kind])
    (folder / f"quantised.{kind}.raw").write_bytes(dequantize(data, T[kind]).tobytes())
writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
# As llama.cpp splits large models: the first part holds the metadata, and here no tensor.
(folder / "split").mkdir(exist_ok=True)
writer = GGUFWriter(folder / "split" / "m.gguf", "llama", split_max_tensors=2, small_first_shard=True)
writer.add_uint32("llama.block_count", 5)
for i in range(5):
    writer.add_tensor(f"blk.{i}.weight", np.full((2, i + 1), i, np.float32))
writer.write_header_to_file(folder / "split" / "m.gguf"), writer.write_kv_data_to_file(), writer.write_tensors_to_file()
writer.close()

# The package reads its own files, or nothing above means anything.
assert len(GGUFReader(folder / "quantised.gguf").tensors) == 7
