"""Norms over features, groups, batches and instances, in evaluation and in training."""
import torch
import torch.nn.functional as F
from torch import nn

from judge import T, case, main

f64, f16, bf16 = torch.float64, torch.float16, torch.bfloat16
aten = torch.ops.aten


def ready(module):
    """With weights and running statistics that are not those it begins with."""
    for name, x in [*module.named_parameters(), *module.named_buffers()]:
        if x.is_floating_point():
            x.data = (torch.rand_like(x) + 0.5) if "var" in name or "weight" in name else torch.randn_like(x)
    return module.eval()


case("layer_norm", ready(nn.LayerNorm(4)), T(2, 3, 4), dynamic={0: (0, 1)}, other=[[T(5, 2, 4)]], ops=["LayerNormalization"], nodes=1)
case("layer_norm two axes", ready(nn.LayerNorm((3, 4), eps=1e-3)), T(2, 3, 4))
case("layer_norm plain", lambda x: F.layer_norm(x, (4,)), T(2, 3, 4))
case("layer_norm no bias", ready(nn.LayerNorm(4, bias=False)), T(2, 4))
case("layer_norm float64", ready(nn.LayerNorm(4)).double(), T(2, 4, dtype=f64))
case("layer_norm float16", ready(nn.LayerNorm(4)).half(), T(2, 4, dtype=f16))
case("native_layer_norm", lambda x, w, b: aten.native_layer_norm(x, (4,), w, b, 1e-5), T(2, 3, 4), T(4), T(4), grad=False)
case("rms_norm", ready(nn.RMSNorm(4)), T(2, 3, 4), dynamic={0: (0, 1)}, other=[[T(5, 2, 4)]])
case("rms_norm eps", lambda x: F.rms_norm(x, (3, 4), eps=1e-2), T(2, 3, 4))
case("rms_norm others", lambda x, y: (F.rms_norm(x, (4,)), F.rms_norm(y, (4,))), T(2, 4, dtype=f64), T(2, 4, dtype=f16))
case("group_norm", ready(nn.GroupNorm(2, 4)), T(2, 4, 5, 3), dynamic={0: (0, 2, 3)}, other=[[T(3, 4, 2, 6)]])
case("group_norm plain", lambda x: F.group_norm(x, 2), T(2, 4, 5))
case("group_norm 2-d", ready(nn.GroupNorm(2, 4)), T(3, 4))
case("group_norm float64", ready(nn.GroupNorm(2, 4)).double(), T(2, 4, 5, dtype=f64))
case("native_group_norm", lambda x, w, b: aten.native_group_norm(x, w, b, 2, 4, 5, 2, 1e-5), T(2, 4, 5), T(4), T(4))
for k, m in ((1, nn.BatchNorm1d), (2, nn.BatchNorm2d), (3, nn.BatchNorm3d)):
    case(f"batch_norm {k}", ready(m(4)), T(3, 4, *([5, 2, 3][:k])), dynamic={0: (0,)}, other=[[T(2, 4, *([5, 2, 3][:k]))]], ops=["BatchNormalization"], nodes=1)
case("batch_norm 2-d", ready(nn.BatchNorm1d(4)), T(3, 4))
case("batch_norm plain", ready(nn.BatchNorm2d(4, affine=False, eps=1e-2)), T(3, 4, 2, 2))
case("batch_norm no statistics", ready(nn.BatchNorm1d(4, track_running_stats=False)), T(6, 4, 3))
case("batch_norm float64", ready(nn.BatchNorm2d(4)).double(), T(3, 4, 2, 2, dtype=f64))
case("batch_norm float16", ready(nn.BatchNorm2d(4)).half(), T(3, 4, 2, 2, dtype=f16))


class Training(nn.Module):
    """The result and the statistics after it."""

    def __init__(self, norm):
        super().__init__()
        self.norm = ready(norm)
        self.train()

    def forward(self, x):
        y = self.norm(x)
        return y, self.norm.running_mean + 0, self.norm.running_var + 0


case("batch_norm training", Training(nn.BatchNorm2d(4)), T(3, 4, 5, 2), grad=False)
case("batch_norm training gradients", nn.BatchNorm1d(4).train(), T(6, 4), gradient_tolerance=1e-3)
case("batch_norm training momentum", Training(nn.BatchNorm1d(4, momentum=0.3, affine=False)), T(6, 4), dynamic={0: (0,)}, other=[[T(5, 4)]], grad=False)
case("legit functional", lambda x, w, b, m, v: aten._native_batch_norm_legit_functional(x, w, b, m, v, True, 0.1, 1e-5), T(6, 4), T(4), T(4), T(4), T(4, low=0.5, high=1), grad=False)
case("legit no stats", lambda x, w, b: aten._native_batch_norm_legit.no_stats(x, w, b, True, 0.1, 1e-5), T(6, 4), T(4), T(4), grad=False)
case("legit no training", lambda x, w, b, m, v: aten._native_batch_norm_legit_no_training(x, w, b, m, v, 0.1, 1e-5)[0], T(6, 4, 3), T(4), T(4), T(4), T(4, low=0.5, high=1), grad=False)
for k, m in ((1, nn.InstanceNorm1d), (2, nn.InstanceNorm2d)):
    case(f"instance_norm {k}", ready(m(4)), T(3, 4, *([5, 2][:k])))
    case(f"instance_norm affine {k}", ready(m(4, affine=True)), T(3, 4, *([5, 2][:k])), dynamic={0: (0, 2)}, other=[[T(2, 4, *([7, 2][:k]))]])
case("instance_norm running", ready(nn.InstanceNorm1d(4, track_running_stats=True)), T(3, 4, 5))
case("instance_norm training", Training(nn.InstanceNorm1d(4, track_running_stats=True, affine=True)), T(3, 4, 5), grad=False)
case("instance_norm float64", ready(nn.InstanceNorm1d(4, affine=True)).double(), T(3, 4, 5, dtype=f64))
case("local_response_norm", nn.LocalResponseNorm(3), T(2, 5, 4, 4))
case("weight_norm", torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)).eval(), T(2, 4))
case("weight_norm conv", torch.nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 3, 3), dim=1).eval(), T(2, 4, 8))
case("weight_norm interface", lambda v, g: aten._weight_norm_interface(v, g, 0), T(3, 4), T(3, 1), grad=False)
case("weight_norm last", lambda v, g: aten._weight_norm(v, g, 1), T(3, 4), T(1, 4))
case("spectral_norm", torch.nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)).eval(), T(2, 4))

if __name__ == "__main__":
    main()
