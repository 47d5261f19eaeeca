"""Small networks of Llama's kin as .gguf, laid out as llama.cpp's convert_hf_to_gguf.py lays them out, with what PyTorch computes.

python gguf_models.py FOLDER: NAME.gguf, NAME.safetensors (Hugging Face's names), NAME.npz (input_ids and logits).
"""

import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, get_tensor_name_map
from gguf.quants import dequantize, quantize

sys.path.insert(0, str(Path(__file__).parent.parent / "layers"))
from transformer_models import Llama  # noqa: E402

folder = Path(sys.argv[1])
torch.manual_seed(11)


def permute(weights, heads):
    """As LlamaModel.permute of llama.cpp: the two halves of each head become pairs."""
    rows = weights.shape[0]
    return weights.reshape(heads, 2, rows // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def write(name, arch, model, quantised=False, extra=()):
    o = model.o
    state = {key: value.detach().clone() for key, value in model.state_dict().items()}
    if model.lm_head.weight is model.model.embed_tokens.weight:
        del state["lm_head.weight"]
    writer = GGUFWriter(folder / f"{name}.gguf", arch)
    writer.add_block_count(2), writer.add_embedding_length(o["d"]), writer.add_feed_forward_length(o["inner"])
    writer.add_head_count(o["heads"]), writer.add_head_count_kv(o["kv_heads"]), writer.add_context_length(64)
    writer.add_layer_norm_rms_eps(o["eps"]), writer.add_rope_freq_base(o["theta"])
    writer.add_rope_dimension_count(o["dim"])
    if arch == "qwen3":
        writer.add_key_length(o["dim"]), writer.add_value_length(o["dim"])
    names = get_tensor_name_map({"llama": MODEL_ARCH.LLAMA, "qwen2": MODEL_ARCH.QWEN2, "qwen3": MODEL_ARCH.QWEN3}[arch], 2)
    for key, value in state.items():
        array = value.numpy()
        heads = o["heads"] if ".q_proj." in key else o["kv_heads"] if ".k_proj." in key else None
        if arch == "llama" and heads is not None:
            array = permute(array, heads)
        given = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if quantised and array.ndim == 2:
            blocks = quantize(np.ascontiguousarray(array), GGMLQuantizationType.Q8_0)
            writer.add_tensor(given, blocks, raw_dtype=GGMLQuantizationType.Q8_0)
            back = dequantize(blocks, GGMLQuantizationType.Q8_0)
            if arch == "llama" and heads is not None:
                rows = back.shape[0]
                back = back.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(back.shape)
            state[key] = torch.from_numpy(back.copy())
        else:
            writer.add_tensor(given, np.ascontiguousarray(array))
    for key, array in extra:
        writer.add_tensor(key, array)
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
    safetensors.torch.save_file(state, folder / f"{name}.safetensors")
    model.load_state_dict(state, strict=False)
    ids = torch.randint(0, 60, (2, 9))
    with torch.no_grad():
        logits, _ = model(ids)
    np.savez(folder / f"{name}.npz", input_ids=ids.numpy(), logits=logits.numpy())


# Weights large enough that attention is not nearly even, or a wrong order of rows would hardly show.
def bold(**options):
    model = Llama(**options)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "q_proj" in key or "k_proj" in key:
                value.mul_(4)
    return model


write("llama", "llama", bold(eps=1e-5, theta=5e5))
write("llama-bias", "llama", bold(qkv_bias=True, kv_heads=4))
write("llama-q8", "llama", bold(inner=64), quantised=True)
write("qwen2", "qwen2", bold(tied=True, qkv_bias=True, kv_heads=1, theta=1e6))
write("qwen3", "qwen3", bold(qk_norm=True, dim=12))


def stretched(base, dim, factor, low=1.0, high=4.0, original=8192):
    """As LlamaModel.generate_extra_tensors of llama.cpp."""
    frequencies = 1.0 / (base ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
    factors = []
    for frequency in frequencies:
        wave = 2 * torch.pi / frequency
        if wave < original / high:
            factors.append(1.0)
        elif wave > original / low:
            factors.append(factor)
        else:
            smooth = (original / wave - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


write("llama31", "llama", bold(theta=5e5, dim=16), extra=[("rope_freqs.weight", stretched(5e5, 16, 32.0))])
write("unstretched", "llama", bold(), extra=[("rope_freqs.weight", np.ones(4, np.float32))])
write("stretched", "llama", bold(), extra=[("rope_freqs.weight", np.float32([1, 1, 2, 3]))])
write("strange", "llama", bold(), extra=[("blk.0.ssm_a", np.ones(4, np.float32))])
