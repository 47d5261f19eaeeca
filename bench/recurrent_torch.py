"""PyTorch's side of bench/recurrent.ts: times `KIND BATCH forward|backward`, one per line of stdin, in milliseconds on stdout."""
import os
import sys
import time

for name, value in {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}.items():
    os.environ.setdefault(name, value)  # waiting threads must not take the cores from the other side
import torch

hidden, steps, threads = map(int, sys.argv[1:4])
torch.set_num_threads(threads)
networks = {
    kind: getattr(torch.nn, kind.upper())(hidden, hidden, batch_first=True).eval() for kind in ("rnn", "gru", "lstm")
}
for line in sys.stdin:
    kind, batch, what = line.split()
    net = networks[kind]
    x = torch.full((int(batch), steps, hidden), 0.1, requires_grad=what == "backward")
    start = time.perf_counter()
    if what == "forward":
        with torch.inference_mode():
            net(x)
    else:
        torch.autograd.grad(net(x)[0].sum(), [x, *net.parameters()])
    print((time.perf_counter() - start) * 1000, flush=True)
