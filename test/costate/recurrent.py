"""Recurrent operators of ONNX, step by step in PyTorch, and by PyTorch's own modules."""


def one_activation(name, alpha, beta):
    return {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "affine": lambda x: alpha * x + beta,
        "scaledtanh": lambda x: alpha * torch.tanh(beta * x),
        "hardsigmoid": lambda x: (alpha * x + beta).clamp(0, 1),
        "elu": lambda x: F.elu(x, alpha),
        "leakyrelu": lambda x: F.leaky_relu(x, alpha),
        "thresholdedrelu": lambda x: F.threshold(x, alpha, 0.0),
        "softsign": F.softsign,
        "softplus": F.softplus,
    }[name]


def activations(kind, o, directions):
    usual = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}[kind]
    names = o.get("activations") or usual * directions
    alphas, betas = list(o.get("activationAlpha", [])), list(o.get("activationBeta", []))
    made = []
    for name in names:
        name = name.lower()
        alpha = {"affine": 0.0, "scaledtanh": 0.0, "hardsigmoid": 0.2, "elu": 1.0, "leakyrelu": 0.01, "thresholdedrelu": 0.0}.get(name)
        beta = {"affine": 0.0, "scaledtanh": 0.0, "hardsigmoid": 0.5}.get(name)
        alpha = alphas.pop(0) if alpha is not None and alphas else alpha
        beta = betas.pop(0) if beta is not None and betas else beta
        made.append(one_activation(name, alpha, beta))
    return [made[i * len(usual) : (i + 1) * len(usual)] for i in range(directions)]


def step(kind, o, acts, x, h, c, w, r, b, p):
    clip = (lambda v: v.clamp(-o["clip"], o["clip"])) if "clip" in o else (lambda v: v)
    n = r.shape[1]
    wb, rb = b.chunk(2)
    gx, (rs, rbs) = (x @ w.T + wb).split(n, 1), (r.split(n), rb.split(n))
    gh = [h @ m.T + v for m, v in zip(rs, rbs)]
    if kind == "RNN":
        return acts[0](clip(gx[0] + gh[0])), c
    if kind == "GRU":
        z, s = (acts[0](clip(gx[k] + gh[k])) for k in (0, 1))
        way = s * gh[2] if o.get("linearBeforeReset") else (s * h) @ rs[2].T + rbs[2]
        return (1 - z) * acts[1](clip(gx[2] + way)) + z * h, c
    pi, po, pf = p.chunk(3) if p is not None else (0.0, 0.0, 0.0)
    i = acts[0](clip(gx[0] + gh[0] + pi * c))
    f = 1 - i if o.get("inputForget") else acts[0](clip(gx[2] + gh[2] + pf * c))
    c = f * c + i * acts[1](clip(gx[3] + gh[3]))
    return acts[0](clip(gx[1] + gh[1] + po * c)) * acts[2](c), c


def recurrent(kind, o, x, w, r, b=None, lens=None, h0=None, c0=None, p=None):
    first = o.get("layout") == 1
    turn = lambda v: v.transpose(0, 1) if first and v is not None else v
    x, h0, c0 = turn(x), turn(h0), turn(c0)
    directions, batch, hidden = w.shape[0], x.shape[1], r.shape[2]
    ends, ys = [], []
    for d, acts in enumerate(activations(kind, o, directions)):
        zeros = x.new_zeros(batch, hidden)
        bias = b[d] if b is not None else x.new_zeros(2 * w.shape[1])
        back = o.get("direction") == "reverse" or d == 1
        columns, last = [], []
        for k in range(batch):
            steps = int(lens[k]) if lens is not None else x.shape[0]
            h = (h0[d] if h0 is not None else zeros)[k : k + 1]
            c = (c0[d] if c0 is not None else zeros)[k : k + 1]
            y = [zeros[:1]] * x.shape[0]
            for t in reversed(range(steps)) if back else range(steps):
                h, c = step(kind, o, acts, x[t, k : k + 1], h, c, w[d], r[d], bias, None if p is None else p[d])
                y[t] = h
            columns.append(torch.stack(y))
            last.append((h, c) if steps else (zeros[:1], zeros[:1]))
        ys.append(torch.cat(columns, 1))
        ends.append([torch.cat(v) for v in zip(*last)])
    y, yh, yc = torch.stack(ys, 1), torch.stack([e[0] for e in ends]), torch.stack([e[1] for e in ends])
    return (y.permute(2, 0, 1, 3), turn(yh), turn(yc)) if first else (y, yh, yc)


def module(kind, o, x, w, r, b, lens=None, h0=None, c0=None):
    """PyTorch's own, its gates in its order."""
    order = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}[kind]
    ordered = lambda v: torch.cat([v.chunk(len(order))[k] for k in order])
    both = w.shape[0] == 2
    weights = [m for d in range(w.shape[0]) for m in (ordered(w[d]), ordered(r[d]), *map(ordered, b[d].chunk(2)))]
    state = h0 if h0 is not None else x.new_zeros(w.shape[0], x.shape[1], r.shape[2])
    call = {"LSTM": torch._VF.lstm, "GRU": torch._VF.gru, "RNN": torch._VF.rnn_tanh}[kind]
    given = (state, c0 if c0 is not None else torch.zeros_like(state)) if kind == "LSTM" else state
    if lens is not None:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lens.long(), enforce_sorted=True)
        y, *ends = call(packed.data, packed.batch_sizes, given, weights, True, 1, 0.0, False, both)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(packed._replace(data=y), total_length=x.shape[0])
    else:
        y, *ends = call(x, given, weights, True, 1, 0.0, False, both, False)
    return (y.unflatten(2, (w.shape[0], -1)).transpose(1, 2), *ends)
