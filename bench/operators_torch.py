"""PyTorch's side of bench/operators.ts: makes the same numbers, then times one method per line of stdin (milliseconds, of the clock and of the processor, on stdout)."""
import os
import sys
import time

for name, value in {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}.items():
    os.environ.setdefault(name, value)  # waiting threads must not take the cores from the other side
import numpy as np
import torch

folder, B, N, d, threads = sys.argv[1], *map(int, sys.argv[2:6])
torch.set_num_threads(threads)
X, W, b = (torch.from_numpy(np.fromfile(f"{folder}/{name}.bin", np.float32)) for name in "XWb")
X, W = X.view(B, d), W.view(N, d)
chunk = max(1024, min(16384, 1 << 20) // max(1, B // 64))


def dense_f():
    return torch.logsumexp(torch.addmm(b, X, W.T), 1)


def dense_fp():
    z = torch.addmm(b, X, W.T)
    f = torch.logsumexp(z, 1)
    return f, z.sub_(f[:, None]).exp_() @ W


def autograd_fp():
    x = X.detach().requires_grad_()
    with torch.enable_grad():
        f = torch.logsumexp(torch.addmm(b, x, W.T), 1)
        return f, torch.autograd.grad(f.sum(), x)[0]


def chunked(with_p):
    fs, ps = [], []
    for k in range(0, N, chunk):
        w = W[k : k + chunk]
        z = torch.addmm(b[k : k + chunk], X, w.T)
        f = torch.logsumexp(z, 1)
        fs.append(f)
        if with_p:
            ps.append(z.sub_(f[:, None]).exp_() @ w)
    f = torch.stack(fs)
    whole = torch.logsumexp(f, 0)
    return (whole, ((f - whole).exp()[..., None] * torch.stack(ps)).sum(0)) if with_p else whole


def sdpa(mask):
    q, k = X[None, None], W[None, None]
    return torch.nn.functional.scaled_dot_product_attention(q, k, k, attn_mask=mask, scale=1.0)


METHODS = {
    "f dense": dense_f,
    "f chunked": lambda: chunked(False),
    "fp dense": dense_fp,
    "fp autograd": autograd_fp,
    "fp chunked": lambda: chunked(True),
    "p sdpa": lambda: sdpa(b[None, None, None].expand(1, 1, B, N)),
    "p sdpa without b": lambda: sdpa(None),
}

with torch.no_grad():
    for line in sys.stdin:
        method = METHODS[line.strip()]
        start, cpu = time.perf_counter(), time.process_time()
        method()
        print((time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3, flush=True)
