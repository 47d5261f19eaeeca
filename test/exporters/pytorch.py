"""Loads the .pt files of a folder as PyTorch does and says what they hold: python pytorch.py FOLDER -> JSON.

Values are given as the bytes of the tensor in hexadecimal, so that nothing is rounded on the way.
"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import torch


def bytes_of(tensor):
    flat = tensor.contiguous().reshape(-1)
    return b"" if flat.numel() == 0 else flat.view(torch.uint8).numpy().tobytes()


def described(tensor, owners):
    data = bytes_of(tensor)
    owner = tensor.untyped_storage().data_ptr() if tensor.numel() else None
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "stride": list(tensor.stride()),
        "bytes": data.hex() if len(data) <= 4096 else hashlib.sha256(data).hexdigest(),
        "storage": None if owner is None else owners.setdefault(owner, len(owners)),
    }


found = {}
for path in sorted(Path(sys.argv[1]).glob("*.pt")):
    states = [torch.load(path, weights_only=True, mmap=mapped) for mapped in (False, True)]
    first, second = [
        {name: described(t, owners) for name, t in state.items()} if isinstance(state, dict) else described(state, owners)
        for state, owners in ((states[0], {}), (states[1], {}))
    ]
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
        entries = archive.infolist()
        aligned = []
        for entry in entries:
            with archive.open(entry):
                archive.fp.seek(entry.header_offset + 26)
                sizes = archive.fp.read(4)
                begin = entry.header_offset + 30 + int.from_bytes(sizes[:2], "little") + int.from_bytes(sizes[2:], "little")
                aligned.append(begin % 64 == 0)
    found[path.stem] = {
        "type": type(states[0]).__name__,
        "state": first,
        "mapped": first == second,
        "broken": broken,
        "aligned": all(aligned),
        "entries": len(entries),
    }
# Half a surrogate pair, which a name may hold, cannot be printed as it is.
print(json.dumps(found, ensure_ascii=True))
