"""What every part of the hostile corpus is made of: a file in a folder of its own, and what should become of it."""

import io
import os
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Case:
    name: str
    file: str
    content: bytes
    expect: str = "refuse"  # refuse, accept, or any (no crash, no hang: a flipped bit may be a changed value)
    command: str = "check"  # check, or what reads the file: input (of run), spec (of build), run
    nasty: bool = False  # depth, size or a bomb: held to time and memory in a process of its own
    beside: dict = field(default_factory=dict)  # files in the same folder
    prepare: object = None  # called with the folder: links, pipes
    lenient: str = ""  # why our answer may differ from the reference implementation's

    def write(self, root: Path) -> None:
        folder = root / self.name
        folder.mkdir()
        for name, content in {**self.beside, self.file: self.content}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        if self.prepare is not None:
            self.prepare(folder)


def zipped(entries, compression=zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return out.getvalue()


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def message(number: int, payload: bytes) -> bytes:
    return varint(number * 8 + 2) + varint(len(payload)) + payload


def integer(number: int, value: int) -> bytes:
    return varint(number * 8) + varint(value)


def nested(depth: int, numbers, inner: bytes) -> bytes:
    """A message inside a message, `depth` times, by the field numbers in turn (the last is the outermost); no recursion."""
    heads, size = [], len(inner)
    for i in range(depth):
        head = varint(numbers[i % len(numbers)] * 8 + 2) + varint(size)
        heads.append(head)
        size += len(head)
    return b"".join(reversed(heads)) + inner


def flipped(content: bytes, count: int):
    """`count` copies of a file, each with one bit turned, spread over its length."""
    for i in range(count):
        at = (len(content) - 1) * i // max(count - 1, 1)
        yield at, content[:at] + bytes([content[at] ^ 1 << (i * 5 % 8)]) + content[at + 1 :]


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def link(name: str, target: str):
    return lambda folder: os.symlink(target, folder / name)
