"""Writes the hostile corpus and what Python's own readers say of it: make.py OUTDIR LSE.onnx EMPTY_CALL.onnx X.parquet

Each case lies in a folder of its own; index.json: [{name, file, command, expect, nasty, lenient, python}]; `python` is "accepts",
a refusal, or null where the reader hung, crashed, or there is none.
"""

import json
import os
import resource
import select
import signal
import sys
from pathlib import Path

import checkpoints
import models
import tables


def verdict(path: Path):
    """What the reference reader says, in a process of its own with ten seconds and 4 GiB."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (4, 4))
        try:
            reference(path)
            answer = "accepts"
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}".split("\n")[0][:160]
        os.write(write, answer.encode("utf-8", "replace"))
        os._exit(0)
    os.close(write)
    ready, _, _ = select.select([read], [], [], 6)
    answer = os.read(read, 4096).decode("utf-8", "replace") if ready else ""
    os.close(read)
    if not ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return answer or None


def reference(path: Path):
    if path.suffix == ".onnx":
        onnx.checker.check_model(str(path), full_check=True)
    elif path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            for name in file.keys():
                file.get_tensor(name)
    elif path.suffix == ".pt":
        torch.load(path, weights_only=True, map_location="cpu")
    elif path.suffix in (".npz", ".npy"):
        loaded = np.load(path, allow_pickle=False)
        for name in getattr(loaded, "files", []):
            loaded[name]
    else:
        raise LookupError


def main(root: Path, lse: Path, empty_call: Path, parquet: Path):
    root.mkdir(parents=True, exist_ok=True)
    canary = str(root / "canary")
    every = [*models.cases(lse.read_bytes(), empty_call.read_bytes()), *checkpoints.cases(canary), *tables.cases(parquet.read_bytes())]
    index = []
    for case in every:
        case.write(root)
        path = root / case.name / case.file
        judged = case.command == "check" and case.expect != "any" and not case.nasty and path.suffix in (".onnx", ".safetensors", ".pt", ".npz")
        index.append({
            "name": case.name, "file": case.file, "command": case.command, "expect": case.expect, "nasty": case.nasty,
            "lenient": case.lenient, "python": verdict(path) if judged else None,
        })  # fmt: skip
    (root / "canary").unlink(missing_ok=True)
    (root / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    import numpy as np
    import onnx
    import torch
    from safetensors import safe_open

    torch.set_num_threads(1)
    main(*map(Path, sys.argv[1:5]))
