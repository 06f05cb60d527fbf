"""Vision models small enough to build in a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.models.builders import CLIP_TOWER, PIXELS, saved

_VIT = CLIP_TOWER | {"image_size": PIXELS, "patch_size": 8}
_STAGES = {"hidden_sizes": [16, 16, 24, 32], "depths": [1, 1, 1, 1]}
_SWIN = {"image_size": PIXELS, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "beit": _VIT,
    "clip_vision_model": _VIT,
    "convnext": _STAGES,
    "deit": _VIT,
    "dinov2": CLIP_TOWER | {"image_size": PIXELS, "patch_size": 8, "mlp_ratio": 2},
    "dinov2_with_registers": CLIP_TOWER | {"image_size": PIXELS, "patch_size": 8, "mlp_ratio": 2},
    "dinov3_convnext": _STAGES,
    "dinov3_vit": _VIT | {"num_register_tokens": 2},
    "ijepa": _VIT,
    "poolformer": _STAGES,
    "resnet": {"embedding_size": 16, **_STAGES, "layer_type": "basic"},
    "siglip_vision_model": _VIT,
    "swin": _SWIN,
    "swinv2": _SWIN,
    "vit": _VIT,
    "vit_mae": _VIT | {"decoder_hidden_size": 16, "decoder_num_attention_heads": 2, "decoder_num_hidden_layers": 1},
    "yolos": _VIT | {"image_size": [PIXELS, PIXELS], "num_detection_tokens": 3},
}


def build_vision(kind: str, folder: Path, class_name: str = "AutoModel", seed: int = 0, **changes: Any) -> Path:
    """Write a vision model as the class named saves it, by default without a head, and return its folder."""
    import transformers
    from transformers import AutoConfig, BitImageProcessor

    def model_class(config: Any) -> Any:
        if class_name == "AutoModel":
            return transformers.AutoModel.from_config(config)
        return getattr(transformers, class_name)(config)

    square = {"height": PIXELS, "width": PIXELS}
    images = BitImageProcessor(size={"shortest_edge": PIXELS + 4}, crop_size=square)
    config = AutoConfig.for_model(kind, **{**CONFIGS[kind], **changes})
    return saved(model_class, config, images, folder, seed)
