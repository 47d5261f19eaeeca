"""Recursions in the log-semiring and in max-plus, written out in PyTorch: posterior marginals by autograd, best paths by back-pointers."""
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.dirname(__file__))
from judge import judge  # noqa: E402

B, T, S = 3, 9, 5


class Chain(nn.Module):
    def __init__(self, end=False, symbols=0, forbidden=False):
        super().__init__()
        own = nn.Module()
        own.transitions = nn.Parameter(torch.randn(S, S))
        own.start_transitions = nn.Parameter(torch.randn(S))
        if end:
            own.end_transitions = nn.Parameter(torch.randn(S))
        if symbols:
            own.emissions = nn.Parameter(torch.randn(S, symbols))
        if forbidden:
            with torch.no_grad():
                own.transitions[0, 1] = own.transitions[2, 2] = -torch.inf
                # Nothing leads to the last state, and no sequence begins there.
                own.transitions[:, 4] = -torch.inf
                own.start_transitions[4] = own.start_transitions[0] = -torch.inf
        self.crf = own

    def emitted(self, x):
        return self.crf.emissions.T[x] if x.dtype == torch.int64 else x

    def alphas(self, e, eps, lengths, sum_of):
        crf = self.crf
        alpha = crf.start_transitions + e[:, 0]
        every = [alpha]
        for t in range(1, e.shape[1]):
            moved = sum_of(alpha[:, :, None] + crf.transitions) + e[:, t]
            alpha = moved if lengths is None else torch.where((t < lengths)[:, None], moved, alpha)
            every.append(alpha)
        return torch.stack(every, 1)

    def forward(self, x, eps, lengths=None):
        e = self.emitted(x)
        e = e if e.requires_grad else e.requires_grad_()
        # logsumexp as PyTorch has it gives NaN co-states at -inf: it is far below instead, and -inf where nothing leads to a state.
        def sum_of(z):
            dead = torch.isneginf(z).all(1)
            safe = torch.where(torch.isneginf(z), torch.full_like(z, -1e6), z)
            return torch.where(dead, -torch.inf, eps * torch.logsumexp(safe / eps, 1))

        alpha = self.alphas(e, eps, lengths, sum_of)
        last = alpha[:, -1]
        if hasattr(self.crf, "end_transitions"):
            last = last + self.crf.end_transitions
        f = sum_of(last[:, :, None])[:, 0]
        (marginals,) = torch.autograd.grad(f.sum(), e, retain_graph=True)
        return {"output": f, "alpha": alpha.detach(), "marginals": marginals.detach()}

    def best(self, x, lengths=None):
        e, crf = self.emitted(x), self.crf
        end = getattr(crf, "end_transitions", torch.zeros(S))
        paths, scores = [], []
        for b in range(len(e)):
            steps = e.shape[1] if lengths is None else int(lengths[b])
            delta, back = crf.start_transitions + e[b, 0], []
            for t in range(1, steps):
                most, where = (delta[:, None] + crf.transitions).max(0)
                delta = most + e[b, t]
                back.append(where)
            score, state = (delta + end).max(0)
            path = [int(state)]
            for where in reversed(back):
                path.insert(0, int(where[path[0]]))
            paths.append(path + [-1] * (e.shape[1] - steps))
            scores.append(score)
        return {"output": torch.tensor(paths), "score": torch.stack(scores)}


def sums(m, i):
    return m(i["x"], i.get("eps", 1.0), i.get("lengths"))


def paths(m, i):
    return m.best(i["x"], i.get("lengths"))


def random(*shape):
    return torch.randn(*shape)


lengths = torch.tensor([9, 1, 4])
symbols = torch.randint(0, 6, (B, T))
torch.manual_seed(5)
cases = {
    "hmm": (Chain(), {"x": random(B, T, S)}, sums),
    "hmm-temperature": (Chain(end=True), {"x": random(B, T, S), "eps": torch.tensor(0.3)}, sums),
    "hmm-lengths": (Chain(end=True), {"x": random(B, T, S), "lengths": lengths}, sums),
    "hmm-symbols": (Chain(symbols=6), {"x": symbols}, sums),
    "hmm-forbidden": (Chain(forbidden=True), {"x": random(B, T, S), "eps": torch.tensor(0.7)}, sums),
    "viterbi": (Chain(), {"x": random(B, T, S)}, paths),
    "viterbi-lengths": (Chain(end=True), {"x": random(B, T, S), "lengths": lengths}, paths),
    "viterbi-symbols": (Chain(symbols=6), {"x": symbols}, paths),
    "viterbi-forbidden": (Chain(forbidden=True), {"x": random(B, T, S)}, paths),
}

if __name__ == "__main__":
    judge(sys.argv[1], cases)
