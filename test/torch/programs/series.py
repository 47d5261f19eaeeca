"""Time series, audio, recommendation, reinforcement: networks of a second look, written after the importer was."""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, ints, program, randn


def pair(low=2):
    return {0: Dim("b", min=low, max=32)}


class NBeats(nn.Module):
    def __init__(self, back=12, ahead=4):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(back, 16), nn.ReLU(), nn.Linear(16, back + ahead)) for _ in range(3))
        self.back, self.ahead = back, ahead

    def forward(self, x):
        forecast = x.new_zeros((x.size(0), self.ahead))
        for block in self.blocks:
            theta = block(x)
            x = x - theta[:, : self.back]
            forecast += theta[:, -self.ahead:]
        return forecast, x


@program("series-nbeats")
def _():
    return case(NBeats(), randn(3, 12), dynamic=(pair(),), others=[(randn(5, 12),)])


class PatchTst(nn.Module):
    """RevIN, patches by unfold, an encoder shared by channels."""

    def __init__(self, length=24, patch=8, stride=4, d=8):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(3)), nn.Parameter(torch.zeros(3))
        self.embed, self.pos = nn.Linear(patch, d), nn.Parameter(0.1 * torch.randn(6, d))
        layer = nn.TransformerEncoderLayer(d, 2, 16, batch_first=True, activation=F.gelu, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.Flatten(start_dim=-2), nn.Linear(6 * d, 5))
        self.patch, self.stride = patch, stride

    def forward(self, x):
        mean = x.mean(1, keepdim=True).detach()
        std = torch.sqrt(torch.var(x, dim=1, keepdim=True, unbiased=False) + 1e-5).detach()
        x = (x - mean) / std * self.weight + self.bias
        z = F.pad(x.permute(0, 2, 1), (0, self.stride), mode="replicate").unfold(dimension=-1, size=self.patch, step=self.stride)
        b, c, n, p = z.shape
        z = self.encoder(self.embed(z.reshape(b * c, n, p)) + self.pos)
        y = self.head(z.reshape(b, c, n, -1)).permute(0, 2, 1)
        return (y - self.bias) / (self.weight + 1e-10) * std + mean


@program("series-patchtst")
def _():
    return case(PatchTst(), randn(2, 24, 3), dynamic=(pair(),), others=[(randn(4, 24, 3),)])


class DLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.avg, self.seasonal, self.trend = nn.AvgPool1d(5, stride=1), nn.Linear(16, 4), nn.Linear(16, 4)

    def forward(self, x):
        front, end = x[:, 0:1, :].repeat(1, 2, 1), x[:, -1:, :].repeat(1, 2, 1)
        trend = self.avg(torch.cat([front, x, end], dim=1).permute(0, 2, 1))
        season = x.permute(0, 2, 1) - trend
        return (self.seasonal(season) + self.trend(trend)).permute(0, 2, 1)


@program("series-dlinear")
def _():
    return case(DLinear(), randn(2, 16, 3), dynamic=(pair(),), others=[(randn(3, 16, 3),)])


class TimesBlock(nn.Module):
    """Inception over 2-D foldings of fixed periods, mixed by softmax of means."""

    def __init__(self, c=4):
        super().__init__()
        self.conv = nn.ModuleList(nn.Conv2d(c, c, k, padding=k // 2) for k in (1, 3))
        self.gate = nn.Linear(c, 2)

    def forward(self, x):
        b, t, c = x.size()
        out = []
        for period in (3, 4):
            length = ((t // period) + 1) * period if t % period else t
            y = torch.cat([x, torch.zeros([b, length - t, c], device=x.device)], 1) if length > t else x
            y = y.reshape(b, length // period, period, c).permute(0, 3, 1, 2).contiguous()
            y = torch.stack([conv(y) for conv in self.conv], -1).mean(-1)
            out.append(y.permute(0, 2, 3, 1).reshape(b, -1, c)[:, :t])
        w = F.softmax(self.gate(x.mean(1)), 1).unsqueeze(1).unsqueeze(1).repeat(1, t, c, 1)
        return torch.sum(torch.stack(out, dim=-1) * w, -1) + x


@program("series-timesnet")
def _():
    return case(TimesBlock(), randn(2, 10, 4), dynamic=(pair(),), others=[(randn(3, 10, 4),)], double=False)


class DeepAr(nn.Module):
    """Embeddings and lags into an LSTM, out come the parameters of a Student distribution."""

    def __init__(self):
        super().__init__()
        self.embed, self.lstm = nn.Embedding(6, 3), nn.LSTM(7, 6, 2, batch_first=True, dropout=0.1)
        self.loc, self.scale, self.df = nn.Linear(6, 1), nn.Linear(6, 1), nn.Linear(6, 1)

    def forward(self, past, category, time):
        scale = past.abs().mean(1, keepdim=True).clamp(min=1e-6)
        x = past / scale
        lags = torch.stack([x[:, 3 - k : x.size(1) - k] for k in range(3)], dim=-1)
        static = self.embed(category).unsqueeze(1).expand(-1, lags.size(1), -1)
        y, (h, _) = self.lstm(torch.cat([lags, static, time[:, 3:].unsqueeze(-1)], -1))
        squareplus = lambda z: (z + torch.sqrt(z.square() + 4.0)) / 2  # noqa: E731
        df, loc, sigma = 2 + squareplus(self.df(y)), self.loc(y), squareplus(self.scale(y)).clamp_min(1e-4)
        z = (x[:, 3:, None] - loc) / sigma
        loglik = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * torch.log(df * math.pi) - sigma.log() - (df + 1) / 2 * torch.log1p(z**2 / df)
        return loc.squeeze(-1) * scale, sigma.squeeze(-1), loglik.squeeze(-1), h[-1]


@program("series-deepar")
def _():
    b = Dim("b", min=2)
    return case(DeepAr(), randn(2, 9), torch.tensor([1, 4]), randn(2, 9), dynamic=({0: b}, {0: b}, {0: b}), others=[(randn(3, 9), torch.tensor([0, 0, 5]), randn(3, 9))])


class Tft(nn.Module):
    """Gated residual networks and variable selection."""

    def __init__(self, d=6, n=3):
        super().__init__()
        self.embed = nn.ModuleList(nn.Linear(1, d) for _ in range(n))
        self.fc1, self.fc2, self.gate, self.norm = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, 2 * d), nn.LayerNorm(d)
        self.select = nn.Linear(n * d, n)
        self.quantiles = nn.Linear(d, 3)

    def grn(self, x):
        y = self.fc2(F.elu(self.fc1(x)))
        return self.norm(F.glu(self.gate(y)) + x)

    def forward(self, x, y):
        parts = torch.stack([e(x[..., i, None]) for i, e in enumerate(self.embed)], dim=-2)
        w = self.select(parts.flatten(-2)).softmax(-1)
        z = torch.sum(self.grn(parts) * w.unsqueeze(-1), -2)
        q = self.quantiles(z)
        levels = q.new_tensor([0.1, 0.5, 0.9])
        error = y.unsqueeze(-1) - q
        return q, w, torch.maximum((levels - 1) * error, levels * error).sum(-1).mean()


@program("series-tft")
def _():
    b, t = Dim("b", min=2), Dim("t", min=2)
    return case(Tft(), randn(2, 5, 3), randn(2, 5), dynamic=({0: b, 1: t}, {0: b, 1: t}), others=[(randn(3, 7, 3), randn(3, 7))])


class Conformer(nn.Module):
    """Macaron halves, relative attention, a depthwise convolution with GLU."""

    def __init__(self, d=8):
        super().__init__()
        half = lambda: nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 16), nn.SiLU(), nn.Dropout(0.1), nn.Linear(16, d))  # noqa: E731
        self.ff1, self.ff2, self.norm = half(), half(), nn.LayerNorm(d)
        self.attn, self.anorm = nn.MultiheadAttention(d, 2, dropout=0.1, batch_first=True), nn.LayerNorm(d)
        self.cnorm, self.pw1, self.dw, self.bn, self.pw2 = nn.LayerNorm(d), nn.Conv1d(d, 2 * d, 1), nn.Conv1d(d, d, 3, padding=1, groups=d), nn.BatchNorm1d(d), nn.Conv1d(d, d, 1)
        self.sub = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 4, 3, 2), nn.ReLU())
        self.proj = nn.Linear(4 * 3, d)

    def forward(self, mel, lengths):
        x = self.sub(mel.unsqueeze(1))
        b, c, t, f = x.size()
        x = self.proj(x.transpose(1, 2).contiguous().view(b, t, c * f))
        lengths = torch.div(torch.div(lengths - 1, 2, rounding_mode="floor") - 1, 2, rounding_mode="trunc")
        pad = torch.arange(t, device=x.device).expand(b, t) >= lengths.unsqueeze(1)
        x = x + 0.5 * self.ff1(x)
        y = self.anorm(x)
        x = x + self.attn(y, y, y, key_padding_mask=pad, need_weights=False)[0]
        y = F.glu(self.pw1(self.cnorm(x).transpose(1, 2)), dim=1).masked_fill(pad.unsqueeze(1), 0.0)
        x = x + self.pw2(F.silu(self.bn(self.dw(y)))).transpose(1, 2)
        return self.norm(x + 0.5 * self.ff2(x)), lengths


@program("series-conformer")
def _():
    b = Dim("b", min=2)
    return case(Conformer(), randn(2, 21, 15), torch.tensor([21, 15]), dynamic=({0: b}, {0: b}), others=[(randn(3, 21, 15), torch.tensor([13, 21, 17]))])


class Wav2Vec(nn.Module):
    """A feature extractor with group norm, a weight-normed positional convolution, trimmed."""

    def __init__(self, d=8):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(1, d, 10, 5, bias=False), nn.Conv1d(d, d, 3, 2, bias=False)])
        self.gn = nn.GroupNorm(d, d)
        self.norm, self.project = nn.LayerNorm(d), nn.Linear(d, d)
        self.pos = torch.nn.utils.parametrizations.weight_norm(nn.Conv1d(d, d, 4, padding=2, groups=2), name="weight", dim=2)
        self.codes = nn.Parameter(torch.rand(1, 10, 4))
        self.q = nn.Linear(d, 10)

    def forward(self, wave):
        x = (wave - wave.mean(-1, keepdim=True)) / torch.sqrt(wave.var(-1, keepdim=True) + 1e-7)
        x = F.gelu(self.gn(self.convs[0](x[:, None])))
        x = F.gelu(self.convs[1](x)).transpose(1, 2)
        x = self.project(self.norm(x))
        x = x + F.gelu(self.pos(x.transpose(1, 2))[:, :, :-1]).transpose(1, 2)
        logits = self.q(x).view(-1, 10)
        hard = logits.new_zeros(logits.shape).scatter_(-1, logits.argmax(-1).view(-1, 1), 1.0).view(x.size(0), x.size(1), -1)
        soft = torch.softmax(logits.float(), dim=-1).mean(0)
        return x, (hard.unsqueeze(-1) * self.codes).sum(-2), torch.exp(-torch.sum(soft * torch.log(soft + 1e-7)))


@program("series-wav2vec")
def _():
    return case(Wav2Vec(), randn(2, 100), dynamic=({0: Dim("b", min=2), 1: Dim("samples", min=60, max=4000)},), others=[(randn(3, 143),)])


class HifiGan(nn.Module):
    def __init__(self):
        super().__init__()
        wn = torch.nn.utils.parametrizations.weight_norm
        self.pre, self.post = wn(nn.Conv1d(5, 8, 7, 1, padding=3)), wn(nn.Conv1d(4, 1, 7, 1, padding=3))
        self.up = wn(nn.ConvTranspose1d(8, 4, 4, 2, padding=1))
        self.res = nn.ModuleList(wn(nn.Conv1d(4, 4, 3, 1, dilation=d, padding=d)) for d in (1, 3))

    def forward(self, mel):
        x = self.up(F.leaky_relu(self.pre(mel), 0.1))
        total = None
        for conv in self.res:
            y = conv(F.leaky_relu(x, 0.1)) + x
            total = y if total is None else total + y
        return torch.tanh(self.post(F.leaky_relu(total / len(self.res))))


@program("series-hifigan")
def _():
    return case(HifiGan(), randn(2, 5, 9), dynamic=({0: Dim("b", min=2), 2: Dim("frames", min=4)},), others=[(randn(3, 5, 14),)], strict=True)


class TasNet(nn.Module):
    """An encoder, masks from dilated blocks with global norms, and overlapping frames added up."""

    def __init__(self, n=6):
        super().__init__()
        self.enc, self.dec = nn.Conv1d(1, n, 8, 4, bias=False), nn.ConvTranspose1d(n, 1, 8, 4, bias=False)
        self.norm = nn.GroupNorm(1, n, eps=1e-8)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv1d(n, 8, 1), nn.PReLU(), nn.GroupNorm(1, 8), nn.Conv1d(8, 8, 3, padding=2**i, dilation=2**i, groups=8), nn.Conv1d(8, n, 1)) for i in range(2))
        self.mask = nn.Conv1d(n, 2 * n, 1)

    def forward(self, wave):
        w = F.relu(self.enc(wave.unsqueeze(1)))
        x = self.norm(w)
        for block in self.blocks:
            x = x + block(x)
        m = torch.sigmoid(self.mask(x)).view(x.size(0), 2, -1, x.size(2))
        s = m * w.unsqueeze(1)
        return self.dec(s.view(-1, s.size(2), s.size(3))).view(x.size(0), 2, -1)


@program("series-tasnet")
def _():
    return case(TasNet(), randn(2, 48), dynamic=(pair(),), others=[(randn(3, 48),)])


class Tacotron(nn.Module):
    """Location sensitive attention, unrolled for a few frames."""

    def __init__(self):
        super().__init__()
        self.embed, self.encoder = nn.Embedding(9, 6), nn.LSTM(6, 4, batch_first=True, bidirectional=True)
        self.prenet, self.cell, self.query, self.memory = nn.Linear(3, 4), nn.LSTMCell(12, 5), nn.Linear(5, 4, bias=False), nn.Linear(8, 4, bias=False)
        self.location, self.dense, self.v, self.out = nn.Conv1d(2, 3, 3, padding=1, bias=False), nn.Linear(3, 4, bias=False), nn.Linear(4, 1), nn.Linear(13, 4)

    def forward(self, ids, mels):
        memory, _ = self.encoder(self.embed(ids))
        b, n, _ = memory.size()
        h = c = memory.new_zeros(b, 5)
        context, w, total = memory.new_zeros(b, 8), memory.new_zeros(b, n), memory.new_zeros(b, n)
        keys, mask, outs, stops = self.memory(memory), ids == 0, [], []
        for t in range(mels.size(1)):
            h, c = self.cell(torch.cat((F.relu(self.prenet(mels[:, t])), context), -1), (h, c))
            loc = self.dense(self.location(torch.cat([w.unsqueeze(1), total.unsqueeze(1)], 1)).transpose(1, 2))
            e = self.v(torch.tanh(self.query(h).unsqueeze(1) + loc + keys)).squeeze(-1)
            w = F.softmax(e.masked_fill(mask, -float("inf")), 1)
            total = total + w
            context = torch.bmm(w.unsqueeze(1), memory).squeeze(1)
            y = self.out(torch.cat((h, context), 1))
            outs.append(y[:, :3])
            stops.append(y[:, 3])
        return torch.stack(outs, 1), torch.sigmoid(torch.stack(stops, 1)), w


@program("series-tacotron")
def _():
    ids = lambda b: torch.cat([ints(8, b, 4) + 1, torch.zeros(b, 1, dtype=torch.long)], 1)  # noqa: E731
    b = Dim("b", min=2)
    return case(Tacotron(), ids(2), randn(2, 3, 3), dynamic=({0: b}, {0: b}), others=[(ids(3), randn(3, 3, 3))])


class Crf(nn.Module):
    """The forward algorithm and Viterbi's backpointers over a fixed number of steps."""

    def __init__(self, tags=4):
        super().__init__()
        self.emit, self.transitions, self.start, self.end = nn.Linear(5, tags), nn.Parameter(torch.randn(tags, tags)), nn.Parameter(torch.randn(tags)), nn.Parameter(torch.randn(tags))

    def forward(self, x, tags, mask):
        e = self.emit(x).transpose(0, 1)
        tags, mask = tags.transpose(0, 1), mask.transpose(0, 1)
        rows = torch.arange(x.size(0))
        score = self.start[tags[0]] + e[0, rows, tags[0]]
        alpha, best, back = self.start + e[0], self.start + e[0], []
        for t in range(1, x.size(1)):
            score += (self.transitions[tags[t - 1], tags[t]] + e[t, rows, tags[t]]) * mask[t]
            nxt = torch.logsumexp(alpha.unsqueeze(2) + self.transitions + e[t].unsqueeze(1), dim=1)
            alpha = torch.where(mask[t].unsqueeze(1), nxt, alpha)
            v, i = (best.unsqueeze(2) + self.transitions).max(dim=1)
            best = v + e[t]
            back.append(i)
        last = mask.long().sum(0) - 1
        score += self.end[tags[last, rows]]
        path = [best.argmax(1)]
        for i in reversed(back):
            path.append(i.gather(1, path[-1].unsqueeze(1)).squeeze(1))
        return score - torch.logsumexp(alpha + self.end, 1), torch.stack(path[::-1], 1)


@program("series-crf")
def _():
    mask = lambda b: torch.arange(5)[None] < torch.arange(5, 5 - b, -1)[:, None]  # noqa: E731
    b = Dim("b", min=2)
    return case(Crf(), randn(2, 5, 5), ints(4, 2, 5), mask(2), dynamic=({0: b}, {0: b}, {0: b}), others=[(randn(3, 5, 5), ints(4, 3, 5), mask(3))])


class SasRec(nn.Module):
    """Sequential recommendation: a causal encoder, scores by embeddings of items, negatives beside."""

    def __init__(self, items=12, d=8):
        super().__init__()
        self.items, self.pos = nn.Embedding(items + 1, d, padding_idx=0), nn.Embedding(20, d)
        self.norms, self.attn = nn.ModuleList(nn.LayerNorm(d, eps=1e-8) for _ in range(2)), nn.ModuleList(nn.MultiheadAttention(d, 2, 0.2) for _ in range(2))
        self.ffn = nn.ModuleList(nn.Sequential(nn.Conv1d(d, d, 1), nn.ReLU(), nn.Conv1d(d, d, 1)) for _ in range(2))

    def forward(self, log, pos, neg):
        seqs = self.items(log) * self.items.embedding_dim**0.5
        seqs = seqs + self.pos(torch.arange(log.shape[1]).unsqueeze(0).expand(log.shape[0], -1) * (log != 0))
        keep = (log != 0).unsqueeze(-1)
        causal = ~torch.tril(torch.ones((seqs.shape[1], seqs.shape[1]), dtype=torch.bool))
        for norm, attn, ffn in zip(self.norms, self.attn, self.ffn):
            z = seqs.transpose(0, 1)
            z = norm(z) + attn(norm(z), z, z, attn_mask=causal)[0]
            seqs = z.transpose(0, 1)
            seqs = (seqs + ffn(seqs.transpose(-1, -2)).transpose(-1, -2)) * keep
        a, b = (seqs * self.items(pos)).sum(-1), (seqs * self.items(neg)).sum(-1)
        return a, b, -(F.logsigmoid(a - b) * keep.squeeze(-1)).sum() / keep.sum()


@program("series-sasrec")
def _():
    ids = lambda b, t: ints(12, b, t) + 1  # noqa: E731
    log = ids(2, 6)
    log[0, :2] = 0
    b, t = Dim("b", min=2), Dim("t", min=3, max=19)
    return case(SasRec(), log, ids(2, 6), ids(2, 6), dynamic=({0: b, 1: t},) * 3, others=[(ids(3, 8), ids(3, 8), ids(3, 8))])


class DuelingDqn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(4, 6, 8, 4), nn.ReLU(), nn.Conv2d(6, 8, 4, 2), nn.ReLU(), nn.Flatten())
        self.value, self.advantage = nn.Sequential(nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 1)), nn.Sequential(nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 3 * 5))
        self.register_buffer("support", torch.linspace(-2, 2, 5))

    def forward(self, x):
        f = self.conv(x.float() / 255.0)
        v, a = self.value(f).unsqueeze(1), self.advantage(f).view(-1, 3, 5)
        q = (v + a - a.mean(1, keepdim=True)).softmax(-1).clamp(min=1e-3)
        expected = (q * self.support).sum(-1)
        return expected, expected.argmax(1), torch.take_along_dim(q, expected.argmax(1).view(-1, 1, 1).expand(-1, 1, 5), 1)


@program("series-dqn")
def _():
    frame = lambda b: torch.randint(0, 256, (b, 4, 28, 28), dtype=torch.uint8)  # noqa: E731
    return case(DuelingDqn(), frame(2), dynamic=({0: Dim.AUTO},), others=[(frame(3),)], double=False)


class SacPolicy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.mu, self.log_std = nn.Sequential(nn.Linear(5, 12), nn.ReLU()), nn.Linear(12, 2), nn.Linear(12, 2)
        self.register_buffer("scale", torch.tensor([1.0, 2.0]))

    def forward(self, obs, noise):
        h = self.body(obs)
        mu, log_std = self.mu(h), torch.tanh(self.log_std(h))
        log_std = -5 + 0.5 * (2 - -5) * (log_std + 1)
        dist = torch.distributions.Normal(mu, log_std.exp(), validate_args=False)
        raw = mu + noise * dist.stddev
        logp = (dist.log_prob(raw) - 2 * (math.log(2) - raw - F.softplus(-2 * raw))).sum(-1)
        return torch.tanh(raw) * self.scale, logp, dist.entropy().sum(-1), torch.distributions.Categorical(logits=mu, validate_args=False).entropy()


@program("series-sac")
def _():
    b = Dim("b", min=2)
    return case(SacPolicy(), randn(3, 5), randn(3, 2), dynamic=({0: b}, {0: b}), others=[(randn(5, 5), randn(5, 2))])


class DecisionTransformer(nn.Module):
    """Returns, states and actions interleaved."""

    def __init__(self, d=8):
        super().__init__()
        self.r, self.s, self.a, self.t, self.norm = nn.Linear(1, d), nn.Linear(4, d), nn.Linear(2, d), nn.Embedding(20, d), nn.LayerNorm(d)
        self.attn, self.head = nn.MultiheadAttention(d, 2, batch_first=True), nn.Sequential(nn.Linear(d, 2), nn.Tanh())

    def forward(self, states, actions, returns, steps, mask):
        b, n = states.shape[0], states.shape[1]
        t = self.t(steps)
        x = torch.stack((self.r(returns) + t, self.s(states) + t, self.a(actions) + t), dim=1).permute(0, 2, 1, 3).reshape(b, 3 * n, -1)
        stacked = torch.stack((mask, mask, mask), dim=1).permute(0, 2, 1).reshape(b, 3 * n)
        x = self.norm(x)
        causal = torch.triu(torch.ones(3 * n, 3 * n, dtype=torch.bool), diagonal=1)
        y, _ = self.attn(x, x, x, attn_mask=causal, key_padding_mask=stacked == 0)
        y = (x + y).reshape(b, n, 3, -1).permute(0, 2, 1, 3)
        return self.head(y[:, 1])


@program("series-decision")
def _():
    made = lambda b, n: (randn(b, n, 4), randn(b, n, 2), randn(b, n, 1), ints(20, b, n), torch.ones(b, n, dtype=torch.long))  # noqa: E731
    b, n = Dim("b", min=2), Dim("n", min=2, max=20)
    return case(DecisionTransformer(), *made(2, 4), dynamic=({0: b, 1: n},) * 5, others=[made(3, 6)])


class Ntm(nn.Module):
    """A memory addressed by content, shifted by a circular convolution, sharpened, written to."""

    def __init__(self, n=5, m=3):
        super().__init__()
        self.cell, self.key, self.rest, self.erase, self.n = nn.LSTMCell(4, 6), nn.Linear(6, m), nn.Linear(6, 6), nn.Linear(6, 2 * m), n
        self.memory, self.start = nn.Parameter(torch.rand(n, m)), nn.Parameter(torch.rand(n))

    def forward(self, x):
        b = x.size(0)
        memory, w = self.memory.unsqueeze(0).expand(b, -1, -1), torch.softmax(self.start, 0).expand(b, -1)
        h, c = x.new_zeros(b, 6), x.new_zeros(b, 6)
        reads = []
        for t in range(x.size(1)):
            h, c = self.cell(x[:, t], (h, c))
            r = self.rest(h)
            content = torch.softmax(F.softplus(r[:, :1]) * F.cosine_similarity(memory + 1e-16, self.key(h).unsqueeze(1) + 1e-16, dim=-1), -1)
            w = torch.sigmoid(r[:, 1:2]) * content + (1 - torch.sigmoid(r[:, 1:2])) * w
            s = torch.softmax(r[:, 2:5], -1)
            padded = torch.cat([w[:, -1:], w, w[:, :1]], 1)
            w = sum(s[:, k : k + 1] * padded[:, k : k + self.n] for k in range(3))
            w = w ** (1 + F.softplus(r[:, 5:]))
            w = w / (w.sum(1, keepdim=True) + 1e-16)
            e, a = self.erase(h).chunk(2, 1)
            memory = memory * (1 - w.unsqueeze(-1) * torch.sigmoid(e).unsqueeze(1)) + torch.matmul(w.unsqueeze(-1), a.unsqueeze(1))
            reads.append((w.unsqueeze(1) @ memory).squeeze(1))
        return torch.stack(reads, 1), memory


@program("series-ntm")
def _():
    return case(Ntm(), randn(2, 3, 4), dynamic=(pair(),), others=[(randn(3, 3, 4),)])


class Rssm(nn.Module):
    """A recurrent state space model: a GRU, discrete latents straight through, symlog and two-hot."""

    def __init__(self):
        super().__init__()
        self.gru, self.prior, self.post, self.head = nn.GRUCell(8 + 2, 6), nn.Linear(6, 8), nn.Linear(9, 8), nn.Linear(14, 5)
        self.register_buffer("bins", torch.linspace(-2, 2, 5))

    def sample(self, logits):
        p = F.softmax(logits.view(-1, 2, 4), -1)
        p = 0.99 * p + 0.01 / 4
        one = F.one_hot(p.argmax(-1), 4).to(p.dtype)
        return (one + p - p.detach()).flatten(1), p.log()

    def forward(self, obs, action, reward):
        h, z, kl, outs = obs.new_zeros(obs.size(0), 6), obs.new_zeros(obs.size(0), 8), 0, []
        for t in range(obs.size(1)):
            h = self.gru(torch.cat([z, action[:, t]], -1), h)
            _, prior = self.sample(self.prior(h))
            z, post = self.sample(self.post(torch.cat([h, obs[:, t]], -1)))
            kl = kl + torch.clamp((post.exp() * (post - prior.detach())).sum((1, 2)), min=1.0)
            outs.append(self.head(torch.cat([h, z], -1)))
        logits = torch.stack(outs, 1)
        x = torch.sign(reward) * torch.log1p(torch.abs(reward))
        below = ((self.bins <= x[..., None]).sum(-1) - 1).clamp(0, 4)
        above = (5 - (self.bins > x[..., None]).sum(-1)).clamp(0, 4)
        equal = below == above
        lo = torch.where(equal, 1, torch.abs(self.bins[below] - x))
        hi = torch.where(equal, 1, torch.abs(self.bins[above] - x))
        target = F.one_hot(below, 5) * (hi / (lo + hi))[..., None] + F.one_hot(above, 5) * (lo / (lo + hi))[..., None]
        return -(target * F.log_softmax(logits, -1)).sum(-1), kl, h


@program("series-rssm")
def _():
    b = Dim("b", min=2)
    return case(Rssm(), randn(2, 3, 3), randn(2, 3, 2), randn(2, 3), dynamic=({0: b}, {0: b}, {0: b}), others=[(randn(4, 3, 3), randn(4, 3, 2), randn(4, 3))], double=False)


class DeepLab(nn.Module):
    """Atrous pyramids with image pooling, a decoder at the size of an earlier map, HRNet-like sums."""

    def __init__(self):
        super().__init__()
        self.low, self.high = nn.Conv2d(3, 4, 3, 2, 1), nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.aspp = nn.ModuleList([nn.Conv2d(6, 4, 1)] + [nn.Conv2d(6, 4, 3, padding=d, dilation=d) for d in (2, 4)])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 4, 1), nn.ReLU())
        self.fuse, self.classify = nn.Conv2d(16, 4, 1, bias=False), nn.Conv2d(8, 3, 3, padding=1)
        self.w = nn.Parameter(torch.ones(2))

    def forward(self, x):
        size = x.shape[-2:]
        low = self.low(x)
        high = self.high(low)
        parts = [conv(high) for conv in self.aspp] + [F.interpolate(self.pool(high), size=high.shape[2:], mode="bilinear", align_corners=False)]
        y = F.interpolate(self.fuse(torch.cat(parts, 1)), size=low.shape[-2:], mode="bilinear", align_corners=True)
        w = F.relu(self.w) / (F.relu(self.w).sum() + 1e-4)
        y = self.classify(torch.cat([w[0] * y, w[1] * low], 1))
        return F.interpolate(y, size=size, mode="bicubic", align_corners=False), y.argmax(1).to(torch.int32)


@program("series-deeplab")
def _():
    return case(DeepLab(), randn(2, 3, 20, 24), dynamic=({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},), others=[(randn(3, 3, 33, 17),)])


class Segformer(nn.Module):
    """Overlapping patches, attention with reduced keys, a mix-FFN."""

    def __init__(self, d=8):
        super().__init__()
        self.patch, self.pnorm, self.sr, self.snorm = nn.Conv2d(3, d, 7, 4, 3), nn.LayerNorm(d), nn.Conv2d(d, d, 2, 2), nn.LayerNorm(d)
        self.q, self.kv, self.proj, self.norm = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d), nn.LayerNorm(d, eps=1e-6)
        self.fc1, self.dw, self.fc2 = nn.Linear(d, 12), nn.Conv2d(12, 12, 3, 1, 1, groups=12), nn.Linear(12, d)

    def forward(self, x):
        x = self.patch(x)
        _, _, h, w = x.shape
        x = self.pnorm(x.flatten(2).transpose(1, 2))
        b, n, c = x.shape
        q = self.q(x).reshape(b, n, 2, c // 2).permute(0, 2, 1, 3)
        y = self.snorm(self.sr(x.permute(0, 2, 1).reshape(b, c, h, w)).reshape(b, c, -1).permute(0, 2, 1))
        k, v = self.kv(y).reshape(b, -1, 2, 2, c // 2).permute(2, 0, 3, 1, 4)
        x = x + self.proj(((q @ k.transpose(-2, -1) * (c // 2) ** -0.5).softmax(dim=-1) @ v).transpose(1, 2).reshape(b, n, c))
        y = self.fc1(self.norm(x))
        y = self.dw(y.transpose(1, 2).view(b, 12, h, w)).flatten(2).transpose(1, 2)
        return (x + self.fc2(F.gelu(y))).reshape(b, h, w, -1).permute(0, 3, 1, 2).contiguous()


@program("series-segformer")
def _():
    return case(Segformer(), randn(2, 3, 32, 24), dynamic=({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},), others=[(randn(3, 3, 24, 40),)])


class DetrPositions(nn.Module):
    """Sine positions of a mask by cumulative sums, joined with learned ones; MLP heads; matching costs."""

    def __init__(self, d=8):
        super().__init__()
        self.proj, self.row, self.col = nn.Conv2d(3, d, 1), nn.Embedding(20, d // 2), nn.Embedding(20, d // 2)
        self.boxes = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 4))
        self.cls = nn.Linear(d, 4)

    def forward(self, x, mask):
        n = (~mask)
        y, xx = n.cumsum(1, dtype=torch.float32), n.cumsum(2, dtype=torch.float32)
        y, xx = y / (y[:, -1:, :] + 1e-6) * 2 * math.pi, xx / (xx[:, :, -1:] + 1e-6) * 2 * math.pi
        t = torch.arange(4, dtype=torch.float32)
        t = 10000 ** (2 * torch.div(t, 2, rounding_mode="floor") / 4)
        px, py = xx[:, :, :, None] / t, y[:, :, :, None] / t
        px = torch.stack((px[..., 0::2].sin(), px[..., 1::2].cos()), dim=4).flatten(3)
        py = torch.stack((py[..., 0::2].sin(), py[..., 1::2].cos()), dim=4).flatten(3)
        pos = torch.cat((py, px), dim=3).permute(0, 3, 1, 2)
        h, w = x.shape[-2:]
        learned = torch.cat([self.col(torch.arange(w)).unsqueeze(0).repeat(h, 1, 1), self.row(torch.arange(h)).unsqueeze(1).repeat(1, w, 1)], dim=-1).permute(2, 0, 1).unsqueeze(0).repeat(x.shape[0], 1, 1, 1)
        z = (self.proj(x) + pos + learned).flatten(2).permute(0, 2, 1)
        boxes = self.boxes(z).sigmoid()
        cx, cy, bw, bh = boxes.unbind(-1)
        corners = torch.stack([cx - 0.5 * bw, cy - 0.5 * bh, cx + 0.5 * bw, cy + 0.5 * bh], dim=-1)
        prob, labels = F.softmax(self.cls(z), -1)[..., :-1].max(-1)
        return corners * torch.tensor([w, h, w, h]), prob, labels


@program("series-detr-positions")
def _():
    mask = lambda b, h, w: torch.arange(w).expand(b, h, w) >= w - 1  # noqa: E731
    b, h, w = Dim("b", min=2), Dim("h", min=3, max=20), Dim("w", min=3, max=20)
    return case(DetrPositions(), randn(2, 3, 4, 5), mask(2, 4, 5), dynamic=({0: b, 2: h, 3: w}, {0: b, 1: h, 2: w}), others=[(randn(3, 3, 6, 4), mask(3, 6, 4))], double=False)


class PixelCnn(nn.Module):
    """Masked convolutions, vertical and horizontal, and a mixture of discretised logistics."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 9, 1)
        mask = torch.ones(1, 1, 5, 5)
        mask[:, :, 2, 2:] = 0
        mask[:, :, 3:] = 0
        self.register_buffer("mask", mask)

    def forward(self, x):
        y = F.conv2d(x, self.a.weight * self.mask, self.a.bias, padding=2)
        y = y + torch.tanh(self.b(F.relu(y))) * self.b(F.relu(y)).sigmoid()
        logits, mu, scale = self.out(y).permute(0, 2, 3, 1).chunk(3, -1)
        centred, inv = x.permute(0, 2, 3, 1) - mu, torch.exp(-scale.clamp(min=-7.0))
        plus, minus = inv * (centred + 1 / 255), inv * (centred - 1 / 255)
        delta = torch.sigmoid(plus) - torch.sigmoid(minus)
        mid = inv * centred
        pdf = mid + scale * -1 - 2 * F.softplus(mid)
        inner = torch.where(delta > 1e-5, torch.log(delta.clamp(min=1e-12)), pdf - math.log(127.5))
        edge = torch.where(x.permute(0, 2, 3, 1) < -0.999, plus - F.softplus(plus), torch.where(x.permute(0, 2, 3, 1) > 0.99, -F.softplus(minus), inner))
        return -torch.logsumexp(edge + F.log_softmax(logits, -1), -1).sum((1, 2))


@program("series-pixelcnn")
def _():
    return case(PixelCnn(), torch.rand(2, 1, 6, 6) * 2 - 1, dynamic=(pair(),), others=[(torch.rand(3, 1, 6, 6) * 2 - 1,)])


class RetNet(nn.Module):
    """Retention with decays per head, group norm, a swish gate; and XPos by rotation of pairs."""

    def __init__(self, d=8, heads=2):
        super().__init__()
        self.q, self.k, self.v, self.g, self.o, self.heads = *(nn.Linear(d, d, bias=False) for _ in range(5)), heads
        self.norm = nn.GroupNorm(heads, d, affine=False)
        self.register_buffer("decay", torch.log(1 - 2 ** (-5 - torch.arange(heads, dtype=torch.float))))
        self.register_buffer("angle", 1.0 / (10000 ** torch.linspace(0, 1, d // heads // 2)).unsqueeze(-1).repeat(1, 2).flatten())

    def forward(self, x):
        b, t, d = x.size()
        i = torch.arange(t).to(self.decay)
        sin, cos = torch.sin(i[:, None] * self.angle), torch.cos(i[:, None] * self.angle)
        turn = lambda z: torch.stack((-z[..., 1::2], z[..., ::2]), -1).flatten(-2)  # noqa: E731
        split = lambda z: z.view(b, t, self.heads, -1).transpose(1, 2)  # noqa: E731
        q, k, v = split(self.q(x)), split(self.k(x) * d**-0.5), split(self.v(x))
        q, k = q * cos + turn(q) * sin, k * cos + turn(k) * sin
        mask = torch.tril(torch.ones(t, t).to(self.decay))
        mask = torch.masked_fill(i[:, None] - i[None, :], ~mask.bool(), float("inf"))
        mask = torch.nan_to_num(torch.exp(mask * self.decay[:, None, None]))
        mask = mask / mask.sum(dim=-1, keepdim=True).sqrt()
        w = q @ k.transpose(-1, -2) * mask
        w = w / w.detach().abs().sum(dim=-1, keepdim=True).clamp(min=1, max=5e4)
        y = (w @ v).transpose(1, 2).reshape(b * t, d)
        return self.o(F.silu(self.g(x)) * self.norm(y).view(b, t, d))


@program("series-retnet")
def _():
    return case(RetNet(), randn(2, 5, 8), dynamic=({0: Dim("b", min=2), 1: Dim("t", min=2)},), others=[(randn(3, 8, 8),)])


class Longformer(nn.Module):
    """Sliding chunks: overlapping by as_strided, skewed by padding and views."""

    def __init__(self, d=4, w=2):
        super().__init__()
        self.qk, self.w = nn.Linear(d, 2 * d), w

    def forward(self, x):
        b, t, d = x.size()
        w = self.w
        q, k = self.qk(x).chunk(2, -1)
        chunks = lambda z: z.view(b, t // (2 * w), 2 * w, d).as_strided((b, t // w - 1, 2 * w, d), (t * d, w * d, d, 1))  # noqa: E731
        s = torch.einsum("bcxd,bcyd->bcxy", chunks(q.contiguous()), chunks(k.contiguous()))
        s = F.pad(s, (0, 0, 0, 1)).view(b, -1, 2 * w, 2 * w + 1)
        out = s.new_zeros(b, t // w, w, 2 * w + 1)
        out[:, :-1, :, w:] = s[:, :, :w, : w + 1]
        out[:, -1, :, w:] = s[:, -1, w:, : w + 1]
        out[:, 1:, :, :w] = s[:, :, -(w + 1) : -1, w + 1:]
        out = out.view(b, t, 2 * w + 1)
        beginning = out.new_ones(w, w + 1).tril().flip(dims=[0])[None]
        out[:, :w, : w + 1] = torch.where(beginning.bool(), torch.full_like(out[:, :w, : w + 1], -float("inf")), out[:, :w, : w + 1])
        return out.softmax(-1)


@program("series-longformer")
def _():
    return case(Longformer(), randn(2, 8, 4))


class Clip(nn.Module):
    """Two towers; the text pooled where its end token stands; projections as bare parameters; quick GELU."""

    def __init__(self, d=8):
        super().__init__()
        self.token, self.position = nn.Embedding(15, d), nn.Parameter(0.1 * torch.randn(10, d))
        self.attn, self.ln1, self.ln2 = nn.MultiheadAttention(d, 2), nn.LayerNorm(d), nn.LayerNorm(d)
        self.c_fc, self.c_proj = nn.Linear(d, 16), nn.Linear(16, d)
        self.text_projection, self.proj = nn.Parameter(torch.randn(d, 6)), nn.Parameter(torch.randn(d, 6))
        self.visual, self.logit_scale = nn.Conv2d(3, d, 4, 4, bias=False), nn.Parameter(torch.ones([]) * math.log(1 / 0.07))

    def forward(self, image, text):
        x = (self.token(text) + self.position[: text.shape[1]]).permute(1, 0, 2)
        mask = torch.empty(text.shape[1], text.shape[1]).fill_(float("-inf")).triu_(1).to(x.dtype)
        y = self.ln1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        y = self.c_fc(self.ln2(x))
        x = (x + self.c_proj(y * torch.sigmoid(1.702 * y))).permute(1, 0, 2)
        t = x[torch.arange(x.shape[0]), text.argmax(dim=-1)] @ self.text_projection
        v = self.visual(image).flatten(2).mean(-1) @ self.proj
        t, v = t / t.norm(dim=1, keepdim=True), v / v.norm(dim=1, keepdim=True)
        per_image = self.logit_scale.exp() * v @ t.t()
        return per_image, per_image.t(), F.cross_entropy(per_image, torch.arange(per_image.size(0)))


@program("series-clip")
def _():
    made = lambda b: (randn(b, 3, 8, 8), torch.cat([ints(13, b, 5), torch.full((b, 1), 14)], 1))  # noqa: E731
    b = Dim("b", min=2)
    return case(Clip(), *made(2), dynamic=({0: b}, {0: b}), others=[made(4)], double=False)
