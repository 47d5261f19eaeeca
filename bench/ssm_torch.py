"""PyTorch's side of bench/ssm.ts: runs `s4d|mixer BATCH STEPS`, one per line of stdin, and answers each with a line."""
import os
import sys

for name, value in {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}.items():
    os.environ.setdefault(name, value)  # waiting threads must not take the cores from the other side
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../test/layers"))
import ssm  # noqa: E402

features, threads, backward = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "backward"
torch.set_num_threads(threads)
networks = {"s4d": ssm.S4D(features, 32), "mixer": ssm.Mixer(features, states=16, rank=-(-features // 16))}


def s4d(net, x):
    """By the kernel and FFT, as S4D is trained."""
    u = x.transpose(1, 2)
    time = u.shape[-1]
    A = torch.complex(-net.kernel.log_A_real.exp(), net.kernel.A_imag)
    rate = net.kernel.log_dt.exp()[:, None] * A
    C = torch.view_as_complex(net.kernel.C) * (torch.exp(rate) - 1) / A
    kernel = 2 * torch.einsum("hn,hnt->ht", C, torch.exp(rate[..., None] * torch.arange(time))).real
    spectrum = torch.fft.rfft(u, n=2 * time) * torch.fft.rfft(kernel, n=2 * time)
    y = torch.fft.irfft(spectrum, n=2 * time)[..., :time] + net.D[:, None] * u
    return net.output_linear(F.gelu(y)).transpose(1, 2)


def mixer(net, x):
    """All that is no recurrence for all steps at once, then step after step."""
    signal, gate = net.in_proj(x).chunk(2, -1)
    width, time = net.conv1d.kernel_size[0], x.shape[1]
    padded = F.pad(signal.transpose(1, 2), (width - 1, 0))
    u = F.silu(net.conv1d(padded)).transpose(1, 2)
    low, B, C = net.x_proj(u).split(net.sizes, -1)
    dt = F.softplus(net.dt_proj(low))
    a = torch.exp(dt[..., None] * -net.A_log.exp())
    b = (dt * u)[..., None] * B[:, :, None]
    h = torch.zeros_like(a[:, 0])
    ys = []
    for t in range(time):
        h = a[:, t] * h + b[:, t]
        ys.append((h @ C[:, t, :, None])[..., 0])
    return net.out_proj((torch.stack(ys, 1) + net.D * u) * F.silu(gate))


for line in sys.stdin:
    kind, batch, steps = line.split()
    net, run = networks[kind], {"s4d": s4d, "mixer": mixer}[kind]
    x = torch.full((int(batch), int(steps), features), 0.1, requires_grad=backward)
    if backward:
        torch.autograd.grad(run(net, x).sum(), [x, *net.parameters()])
    else:
        with torch.inference_mode():
            run(net, x)
    print("done", flush=True)
