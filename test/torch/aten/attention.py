"""Attention in all the forms that PyTorch has of it."""
import torch
import torch.nn.functional as F
from torch import nn

from judge import T, case, main

f64, f16, b = torch.float64, torch.float16, torch.bool
inf = float("inf")
sdpa = F.scaled_dot_product_attention
q, k, v = T(2, 3, 4, 8), T(2, 3, 5, 8), T(2, 3, 5, 6)
open_ = {0: (0, 2), 1: (0, 2), 2: (0, 2)}
more = [[T(1, 3, 7, 8), T(1, 3, 2, 8), T(1, 3, 2, 6)]]
keep = torch.tensor([[True, False, True, True, False], [False, False, False, False, False], [True, True, True, True, True], [False, True, False, False, False]])
bias = torch.where(keep, T(4, 5), torch.tensor(-inf))

case("plain", lambda q, k, v: sdpa(q, k, v), q, k, v, dynamic=open_, other=more)
case("scale", lambda q, k, v: sdpa(q, k, v, scale=0.3), q, k, v)
case("causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), q, k, v, dynamic=open_, other=more)
case("causal square", lambda q: sdpa(q, q, q, is_causal=True), T(2, 3, 6, 8))
case("bool mask", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m), q, k, v, keep)
case("bool mask by batch", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m[:, None, None]), q, k, v, torch.tensor([[True] * 3 + [False] * 2, [True] * 5]))
case("float mask", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m), q, k, v, T(4, 5))
case("float mask infinite", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m), q, k, v, bias, grad=False)
case("float mask lowest", lambda q, k, v: sdpa(q, k, v, attn_mask=torch.full((4, 5), torch.finfo(torch.float32).min)), q, k, v)
case("float mask scale", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m, scale=2.0), q, k, v, T(2, 1, 4, 5))
case("rank 3", lambda q, k, v: sdpa(q, k, v), T(2, 4, 8), T(2, 5, 8), T(2, 5, 6))
case("rank 2", lambda q, k, v: sdpa(q, k, v), T(4, 8), T(5, 8), T(5, 6))
case("broadcast", lambda q, k, v: sdpa(q, k, v), T(2, 3, 4, 8), T(1, 3, 5, 8), T(1, 3, 5, 6))
case("grouped", lambda q, k, v: sdpa(q, k, v, enable_gqa=True), T(2, 6, 4, 8), T(2, 2, 5, 8), T(2, 2, 5, 8), dynamic=open_, other=[[T(1, 6, 3, 8), T(1, 2, 7, 8), T(1, 2, 7, 8)]])
case("grouped mask", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m, enable_gqa=True), T(2, 6, 4, 8), T(2, 2, 5, 8), T(2, 2, 5, 8), T(2, 6, 4, 5))
case("one key head", lambda q, k, v: sdpa(q, k, v, is_causal=True, enable_gqa=True), T(2, 6, 5, 8), T(2, 1, 5, 8), T(2, 1, 5, 8))
case("float64", lambda q, k, v: sdpa(q, k, v), *(x.double() for x in (q, k, v)))
case("float16", lambda q, k, v: sdpa(q, k, v), *(x.half() for x in (q, k, v)))
aten = torch.ops.aten
case("flash for cpu", lambda q, k, v: tuple(aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)), T(2, 3, 4, 8), T(2, 3, 5, 8), T(2, 3, 5, 8), grad=False, decompose=False)
case("flash for cpu causal", lambda q, k, v: aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, True, scale=0.5)[0], T(2, 3, 5, 8), T(2, 3, 5, 8), T(2, 3, 5, 8))
case("math", lambda q, k, v: tuple(aten._scaled_dot_product_attention_math(q, k, v, is_causal=True)), T(2, 3, 5, 8), T(2, 3, 5, 8), T(2, 3, 5, 6))
case("math mask", lambda q, k, v, m: tuple(aten._scaled_dot_product_attention_math(q, k, v, m)), q, k, v, keep)


class Multi(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, **options).eval()

    def forward(self, x, mask=None):
        return self.attention(x, x, x, attn_mask=mask)


case("module", Multi(batch_first=True).eval(), T(2, 4, 8), dynamic={0: (0,)}, other=[[T(3, 4, 8)]])
case("module mask", Multi(bias=False).eval(), T(4, 2, 8), torch.triu(torch.ones(4, 4, dtype=b), 1))
case("encoder layer", nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), T(2, 4, 8), gradient_tolerance=1e-3)
native = nn.MultiheadAttention(8, 2, batch_first=True).eval()


def fast(x, w, b, pw, pb):
    return aten._native_multi_head_attention(x, x, x, 8, 2, w, b, pw, pb)


args = [p.detach().clone() for p in (native.in_proj_weight, native.in_proj_bias, native.out_proj.weight, native.out_proj.bias)]
case("native module", lambda x, *w: tuple(fast(x, *w)), T(2, 4, 8), *args, grad=False)
case("native module masked", lambda x, m, *w: aten._native_multi_head_attention(x, x, x, 8, 2, *w, m, False, True, 1)[0], T(2, 4, 8), torch.tensor([[False, False, True, True], [False] * 4]), *args, grad=False)
layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu").eval()
parts = [layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias, layer.self_attn.out_proj.weight, layer.self_attn.out_proj.bias]
rest = [layer.norm1.weight, layer.norm1.bias, layer.norm2.weight, layer.norm2.bias, layer.linear1.weight, layer.linear1.bias, layer.linear2.weight, layer.linear2.bias]
own = [p.detach().clone() for p in parts + rest]
for first in (False, True):
    case(f"native encoder layer, norm first {first}", lambda x, *w, first=first: aten._transformer_encoder_layer_fwd(x, 8, 2, *w[:4], True, first, 1e-5, *w[4:]), T(2, 4, 8), *own, grad=False)

if __name__ == "__main__":
    main()
