"""PyTorch's side of bench/layers.ts. `prepare`: weights (.safetensors), an ONNX export of PyTorch's own and inputs of every network in a folder. Otherwise: times one call per line of stdin (`NAME BATCH eager|export|ours REPEATS`), milliseconds on stdout; ours and PyTorch's export run in the same ONNX Runtime."""
import logging
import os
import sys
import time
import warnings

for name, value in {"KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}.items():
    os.environ.setdefault(name, value)  # waiting threads must not take the cores from the other side
import numpy as np
import onnxruntime as ort
import safetensors.torch
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../test/layers"))
import ssm  # noqa: E402
import transformer_models as transformers  # noqa: E402

mode, folder, threads, names = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split(",")
torch.set_num_threads(threads)
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(1000, 64)
        self.lstm = nn.LSTM(64, 128, 2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(256, 17)

    def forward(self, tokens):
        return self.fc(self.lstm(self.embedding(tokens))[0])


def mlp():
    return nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 256), nn.GELU(), nn.Linear(256, 10))


def resnet():
    import convolution_models

    return convolution_models.resnet18(classes=100)


class FastS4D(ssm.S4D):
    """The same layer by its kernel and FFT, as it is trained."""

    def forward(self, x, state=None):
        time = x.shape[1]
        A = torch.complex(-self.kernel.log_A_real.exp(), self.kernel.A_imag)
        dtA = self.kernel.log_dt.exp()[:, None] * A
        C = torch.view_as_complex(self.kernel.C) * (torch.exp(dtA) - 1) / A
        kernel = 2 * torch.einsum("hn,hnt->ht", C, torch.exp(dtA[..., None] * torch.arange(time))).real
        u = x.transpose(1, 2)
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * time) * torch.fft.rfft(kernel, n=2 * time), n=2 * time)[..., :time]
        y = y + self.D[:, None] * u
        return self.output_linear(nn.functional.gelu(y)).transpose(1, 2), None


def s4():
    net = ssm.S4Model(4, 10, 64, 4, False)
    for layer in net.s4_layers:
        layer.__class__ = FastS4D
    return net


def mamba():
    return ssm.Mamba(vocabulary=1000, features=128, layers=4, states=16, rank=8)


def tokens(count, time, batch):
    return torch.randint(0, count, (batch, time))


NETS = {
    "mlp": (mlp, lambda b: {"x": torch.randn(b, 64)}),
    "resnet": (resnet, lambda b: {"image": torch.randn(b, 3, 64, 64)}),
    "vit": (lambda: transformers.TimmViT(64, 8, 192, 3, 6, 768, 100), lambda b: {"image": torch.randn(b, 3, 64, 64)}),
    "bert": (
        lambda: transformers.Bert(1000, 256, 4, 4, 1024, 128),
        lambda b: {"tokens": tokens(1000, 64, b)},
    ),
    "gpt2": (lambda: transformers.Gpt2(1000, 256, 4, 4, 128), lambda b: {"tokens": tokens(1000, 64, b)}),
    "llama": (lambda: transformers.Llama(1000, 4, d=256, heads=4, kv_heads=2, dim=64, inner=688), lambda b: {"tokens": tokens(1000, 64, b)}),
    "transformer": (
        lambda: transformers.Seq2Seq(1000, 1000, 128, 64),
        lambda b: {"source": tokens(1000, 48, b), "target": tokens(1000, 32, b)},
    ),
    "tagger": (Tagger, lambda b: {"tokens": tokens(1000, 48, b)}),
    "s4": (s4, lambda b: {"x": torch.randn(b, 256, 4)}),
    "mamba": (mamba, lambda b: {"tokens": tokens(1000, 64, b)}),
}


# PyTorch has no export of these: complex numbers that it cannot convert, a loop over time that it unrolls for many minutes.
NO_EXPORT = {"s4", "mamba"}


class First(nn.Module):
    """The first of a network's outputs."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *inputs):
        result = self.inner(*inputs)
        while not torch.is_tensor(result):
            result = next(iter(result.values())) if isinstance(result, dict) else result[0]
        return result


def network(name):
    torch.manual_seed(0)
    return NETS[name][0]().eval()


def inputs_of(name, batch):
    torch.manual_seed(batch)
    return NETS[name][1](batch)


def export(name):
    net = network(name)
    state = {key: value.clone().contiguous() for key, value in net.state_dict().items()}
    safetensors.torch.save_file(state, os.path.join(folder, f"{name}.safetensors"))
    if name in NO_EXPORT:
        return
    for batch in (1, 32):
        given = inputs_of(name, batch)
        # Of fixed sizes: the form that is best for the export.
        program = torch.onnx.export(First(net), tuple(given.values()), input_names=list(given), dynamo=True, verbose=False)
        program.save(os.path.join(folder, f"{name}.export-{batch}.onnx"))


def median(values):
    return sorted(values)[len(values) // 2]


if mode == "prepare":
    for name in names:
        try:
            with torch.no_grad():
                export(name)
            print(name, flush=True)
        except Exception as error:  # noqa: BLE001
            print(f"# {name}: {type(error).__name__}: {str(error)[:200]}".replace("\n", " "), flush=True)
    sys.exit(0)

sessions, nets = {}, {}


def session(path):
    if path not in sessions:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        sessions[path] = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return sessions[path]


def runner(name, batch, how):
    given = inputs_of(name, batch)
    if how == "eager":
        net = nets.setdefault(name, First(network(name)))
        return lambda: net(*given.values()).numpy()
    own = session(os.path.join(folder, f"{name}.export-{batch}.onnx" if how == "export" else f"{name}.ours.onnx"))
    feeds = {own_input.name: given[own_input.name].numpy() for own_input in own.get_inputs()}
    return lambda: own.run(None, feeds)[0]


print("ready", flush=True)
answers = {}
with torch.no_grad():
    for line in sys.stdin:
        name, batch, how, repeats = line.split()
        run = runner(name, int(batch), how)
        answer = run()
        expected = answers.setdefault((name, batch), answer)
        difference = np.abs(answer - expected).max() / max(np.abs(expected).max(), 1e-30)
        if difference > 1e-4:
            print(f"different {difference:.1e}", flush=True)
            continue
        times = []
        for _ in range(int(repeats)):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        print(median(times), flush=True)
