"""Recurrent networks and cells, padded and packed."""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from judge import T, case, main

f64, f16 = torch.float64, torch.float16

for name, kind, ops in (("lstm", nn.LSTM, "LSTM"), ("gru", nn.GRU, "GRU"), ("rnn", nn.RNN, "RNN")):
    case(name, kind(3, 4).eval(), T(5, 2, 3), ops=[ops], gradient_tolerance=1e-3)
    case(f"{name} stacked both ways", kind(3, 4, num_layers=2, bidirectional=True, batch_first=True).eval(), T(2, 5, 3), dynamic={0: (0,)}, other=[[T(3, 5, 3)]], ops=[ops], decompose=False, gradient_tolerance=1e-3)
    case(f"{name} no bias", kind(3, 4, bias=False).eval(), T(5, 2, 3), ops=[ops], decompose=False)
    case(f"{name} unbatched", kind(3, 4).eval(), T(5, 3), decompose=False, gradient_tolerance=1e-3)
    case(f"{name} float64", kind(3, 4).double().eval(), T(5, 2, 3, dtype=f64), decompose=False)
    case(f"{name} float16", kind(3, 4).half().eval(), T(5, 2, 3, dtype=f16), decompose=False, grad=False)
    cell = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}[name](3, 4)
    case(f"{name} cell", cell, T(2, 3), dynamic={0: (0,)}, other=[[T(5, 3)]])
    case(f"{name} cell no bias", type(cell)(3, 4, bias=False), T(2, 3))
case("rnn relu", nn.RNN(3, 4, nonlinearity="relu", num_layers=2).eval(), T(5, 2, 3), ops=["RNN"])
case("rnn relu cell", nn.RNNCell(3, 4, nonlinearity="relu"), T(2, 3))
case("lstm projection", nn.LSTM(3, 4, proj_size=2, num_layers=2, bidirectional=True).eval(), T(5, 2, 3), decompose=False, gradient_tolerance=1e-3)


class Stateful(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.net = kind(3, 4, num_layers=2, batch_first=True).eval()

    def forward(self, x, h, c):
        return self.net(x, (h, c) if isinstance(self.net, nn.LSTM) else h)


case("lstm states", Stateful(nn.LSTM), T(2, 5, 3), T(2, 2, 4), T(2, 2, 4), gradient_tolerance=1e-3)
case("gru states", Stateful(nn.GRU), T(2, 5, 3), T(2, 2, 4), T(2, 2, 4), gradient_tolerance=1e-3)
case("lstm long", nn.LSTM(3, 4).eval(), T(40, 1, 3), grad=False)

if __name__ == "__main__":
    main()
