"""open_clip models of two layers, with random weights, and the timm architecture that stands in for EVA02's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
from safetensors.torch import save_file
from timm.models.eva import _create_eva

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
TINY: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
    "text_cfg": TEXT,
}
EVA = "eva02_tiny_for_tests"
# As EVA02-B-16's, but for the tower and the sizes.
TINY_EVA: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {
        "image_size": 32,
        "timm_model_name": EVA,
        "timm_model_pretrained": False,
        "timm_pool": "token",
        "timm_proj": None,
    },
    "text_cfg": TEXT,
    "custom_text": True,
}
TINY_COCA: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": TINY["vision_cfg"] | {"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
    "text_cfg": TEXT | {"context_length": 76, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": TEXT | {"context_length": 76, "layers": 1, "attn_pooler_heads": 2},
    "custom_text": True,
}
PREPROCESSING = {
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.3, 0.25],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


def eva02_tiny_for_tests(pretrained: bool = False, **keywords: Any) -> Any:
    """EVA02 with rotary positions, SwiGLU and norms inside attention, as eva02_base_patch16_clip_224 has them."""
    architecture = {
        "img_size": 32,
        "patch_size": 8,
        "embed_dim": 48,
        "depth": 2,
        "num_heads": 3,
        "qkv_fused": False,
        "mlp_ratio": 4 * 2 / 3,
        "swiglu_mlp": True,
        "scale_mlp": True,
        "scale_attn_inner": True,
        "use_rot_pos_emb": True,
        "ref_feat_shape": (16, 16),
        "global_pool": "token",
    }
    return _create_eva(EVA, pretrained=pretrained, **architecture | keywords)


if not timm.is_model(EVA):
    timm.models.register_model(eva02_tiny_for_tests)


def build(config: Mapping[str, Any], seed: int = 0) -> Any:
    """A model by open_clip's own classes; as initialised, all its embeddings would lie close together."""
    torch.manual_seed(seed)
    parts: dict[str, Any] = json.loads(json.dumps(config))
    custom = parts.pop("custom_text", False)
    model_class = open_clip.CoCa if "multimodal_cfg" in parts else open_clip.CustomTextCLIP
    model = (model_class if custom else open_clip.CLIP)(**parts).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.mul_(20.0 if "embed" in name else 3.0)
    return model


def save(
    model: Any,
    config: Mapping[str, Any],
    folder: Path,
    preprocessing: Mapping[str, Any] = PREPROCESSING,
    *,
    safe: bool = True,
) -> Path:
    """Write what `open_clip.push_to_hf_hub` would, without a tokenizer."""
    folder.mkdir(parents=True)
    if safe:
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    else:
        torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocessing}))
    return folder
