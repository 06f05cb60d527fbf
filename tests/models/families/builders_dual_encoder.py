"""Dual encoders other than CLIP and SigLIP, small enough to build in a test: 24 dimensions, or what the type allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.models.builders import CLIP_TOWER, PIXELS, clip_tokenizer, saved
from tests.models.families.builders_blip import bert_tokenizer

_PATCHES: dict[str, Any] = {"image_size": PIXELS, "patch_size": 16}
_XLM_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def xlm_tokenizer(model_max_length: int) -> Any:
    """As that of XLM-R: padded with 1, closed with 2."""
    from transformers import XLMRobertaTokenizer

    pieces = [*_XLM_SPECIAL, "▁", *"abcdefghijklmnopqrstuvwxyz0123456789.,犬走るв", "<mask>"]
    vocabulary = [(piece, -float(number)) for number, piece in enumerate(pieces)]
    return XLMRobertaTokenizer(vocab=vocabulary, model_max_length=model_max_length)


def _clip_images(**keywords: Any) -> Any:
    from transformers import CLIPImageProcessor

    square = {"height": PIXELS, "width": PIXELS}
    return CLIPImageProcessor(size={"shortest_edge": PIXELS}, crop_size=square, **keywords)


def build_align(folder: Path, seed: int = 0) -> Path:
    from transformers import AlignConfig, AlignModel, AlignProcessor, EfficientNetImageProcessor

    tokenizer = bert_tokenizer()
    vision = {
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "kernel_sizes": [3, 3],
        "in_channels": [32, 16],
        "out_channels": [16, 24],
        "strides": [1, 2],
        "num_block_repeats": [1, 1],
        "expand_ratios": [1, 6],
        "hidden_dim": 24,
        "image_size": PIXELS,
    }
    text = CLIP_TOWER | {"vocab_size": len(tokenizer), "max_position_embeddings": 512}
    square = {"height": PIXELS, "width": PIXELS}
    images = EfficientNetImageProcessor(
        size={"height": 40, "width": 40}, do_center_crop=True, crop_size=square, resample=2, rescale_offset=True
    )
    config = AlignConfig(text_config=text, vision_config=vision, projection_dim=24)
    return saved(AlignModel, config, AlignProcessor(images, tokenizer), folder, seed)


def build_aimv2(folder: Path, seed: int = 0) -> Path:
    from transformers import Aimv2Config, Aimv2Model, CLIPProcessor

    tokenizer = clip_tokenizer()
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 77, "eos_token_id": tokenizer.eos_token_id}
    config = Aimv2Config(text_config=CLIP_TOWER | text, vision_config=CLIP_TOWER | _PATCHES, projection_dim=24)
    return saved(Aimv2Model, config, CLIPProcessor(_clip_images(), tokenizer), folder, seed)


def build_metaclip2(folder: Path, seed: int = 0) -> Path:
    from transformers import CLIPProcessor, MetaClip2Config, MetaClip2Model

    tokenizer = xlm_tokenizer(512)  # longer than the model's 77 positions
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = MetaClip2Config(
        text_config=CLIP_TOWER | ids | {"vocab_size": len(tokenizer), "max_position_embeddings": 77},
        vision_config=CLIP_TOWER | _PATCHES,
        projection_dim=24,
    )
    return saved(MetaClip2Model, config, CLIPProcessor(_clip_images(), tokenizer), folder, seed)


def build_altclip(folder: Path, seed: int = 0) -> Path:
    from transformers import AltCLIPConfig, AltCLIPModel, AltCLIPProcessor

    tokenizer = xlm_tokenizer(10**30)  # no limit of its own; of 82 positions the padding takes the first two
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    text = CLIP_TOWER | ids | {"vocab_size": len(tokenizer), "max_position_embeddings": 82, "project_dim": 32}
    config = AltCLIPConfig(text_config=text, vision_config=CLIP_TOWER | _PATCHES, projection_dim=24)
    return saved(AltCLIPModel, config, AltCLIPProcessor(_clip_images(), tokenizer), folder, seed)


def build_chinese_clip(folder: Path, seed: int = 0) -> Path:
    from transformers import ChineseCLIPConfig, ChineseCLIPImageProcessor, ChineseCLIPModel, ChineseCLIPProcessor

    tokenizer = bert_tokenizer()
    square = {"height": PIXELS, "width": PIXELS}
    config = ChineseCLIPConfig(
        text_config=CLIP_TOWER | {"vocab_size": len(tokenizer), "max_position_embeddings": 512},
        vision_config=CLIP_TOWER | _PATCHES,
        projection_dim=24,
    )
    images = ChineseCLIPImageProcessor(size=square, crop_size=square)
    return saved(ChineseCLIPModel, config, ChineseCLIPProcessor(images, tokenizer), folder, seed)


def build_vision_text(folder: Path, seed: int = 0) -> Path:
    """A ViT beside a RoBERTa, with 100 positions of which the padding takes the first two."""
    from transformers import (
        RobertaConfig,
        VisionTextDualEncoderConfig,
        VisionTextDualEncoderModel,
        VisionTextDualEncoderProcessor,
        ViTConfig,
        ViTImageProcessor,
    )

    tokenizer = xlm_tokenizer(10**30)
    text = RobertaConfig(**CLIP_TOWER, vocab_size=len(tokenizer), max_position_embeddings=100, pad_token_id=1)
    vision = ViTConfig(**CLIP_TOWER, **_PATCHES)
    config = VisionTextDualEncoderConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=24)
    images = ViTImageProcessor(size={"height": PIXELS, "width": PIXELS})
    processor = VisionTextDualEncoderProcessor(images, tokenizer)
    return saved(VisionTextDualEncoderModel, config, processor, folder, seed)


def build_flava(folder: Path, seed: int = 0) -> Path:
    """As FLAVA is published: with the heads of its training."""
    from transformers import FlavaConfig, FlavaForPreTraining, FlavaImageProcessor, FlavaProcessor

    tokenizer = bert_tokenizer()
    tower = CLIP_TOWER | {"vocab_size": len(tokenizer)}
    config = FlavaConfig(
        text_config=tower | {"max_position_embeddings": 512},
        image_config=tower | _PATCHES,
        multimodal_config=CLIP_TOWER,
        image_codebook_config={"hidden_size": 8, "num_blocks_per_group": 1, "vocab_size": 16},
        hidden_size=CLIP_TOWER["hidden_size"],
        projection_dim=24,
    )
    square = {"height": PIXELS, "width": PIXELS}
    images = FlavaImageProcessor(size=square, crop_size=square)
    return saved(FlavaForPreTraining, config, FlavaProcessor(images, tokenizer), folder, seed)


def build_clipseg(folder: Path, seed: int = 0) -> Path:
    """As CLIPSeg is published: with its decoder."""
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, CLIPSegProcessor, ViTImageProcessor

    from tests.models.builders import clip_tokenizer

    tokenizer = clip_tokenizer()
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    config = CLIPSegConfig(
        text_config=CLIP_TOWER | ids | {"vocab_size": len(tokenizer), "max_position_embeddings": 77},
        vision_config=CLIP_TOWER | _PATCHES,
        projection_dim=24,
        reduce_dim=8,
        extract_layers=[0, 1],
        decoder_intermediate_size=16,
    )
    images = ViTImageProcessor(size={"height": PIXELS, "width": PIXELS})
    return saved(CLIPSegForImageSegmentation, config, CLIPSegProcessor(images, tokenizer), folder, seed)


BUILDERS: Mapping[str, Callable[[Path], Path]] = {
    "align": build_align,
    "metaclip-2": build_metaclip2,
    "altclip": build_altclip,
    "chinese-clip": build_chinese_clip,
    "vision-text": build_vision_text,
    "flava": build_flava,
    "clipseg": build_clipseg,
}
