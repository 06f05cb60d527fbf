"""Models small enough to build in a test: random weights, a real tokenizer, a real image processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PIXELS = 32
CLIP_TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,▁"


def clip_tokenizer() -> Any:
    """One token a byte, cut to 77 of them."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=77)


def build_clip(folder: Path, seed: int = 0) -> Path:
    """Write a CLIP of 24 dimensions with random weights to `folder`, as `save_pretrained` would, and return it."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    tokenizer = clip_tokenizer()
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    config = CLIPConfig(
        text_config=CLIP_TOWER | ids | {"vocab_size": len(tokenizer), "max_position_embeddings": 77},
        vision_config=CLIP_TOWER | {"image_size": PIXELS, "patch_size": 16},
        projection_dim=24,
    )
    size = {"shortest_edge": PIXELS}, {"height": PIXELS, "width": PIXELS}
    processor = CLIPProcessor(CLIPImageProcessor(size=size[0], crop_size=size[1]), tokenizer)
    return saved(CLIPModel, config, processor, folder, seed)


def build_siglip2(folder: Path, seed: int = 0, *, naflex: bool) -> Path:
    """Write a SigLIP 2 with random weights: of one image size (which is a SigLIP), or of any (NaFlex)."""
    from transformers import (
        Siglip2Config,
        Siglip2ImageProcessor,
        Siglip2Model,
        Siglip2Processor,
        Siglip2Tokenizer,
        SiglipConfig,
        SiglipImageProcessor,
        SiglipModel,
        SiglipProcessor,
    )

    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *_LETTERS, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = Siglip2Tokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=[],
        model_max_length=64,
        model_input_names=["input_ids"],
    )
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    text = CLIP_TOWER | ids | {"vocab_size": len(tokenizer), "max_position_embeddings": 64}
    if naflex:
        config: Any = Siglip2Config(text_config=text, vision_config=CLIP_TOWER | {"num_patches": 16, "patch_size": 16})
        images: Any = Siglip2ImageProcessor(patch_size=16, max_num_patches=16)
        return saved(Siglip2Model, config, Siglip2Processor(images, tokenizer), folder, seed)
    config = SiglipConfig(text_config=text, vision_config=CLIP_TOWER | {"image_size": PIXELS, "patch_size": 16})
    images = SiglipImageProcessor(size={"height": PIXELS, "width": PIXELS})
    return saved(SiglipModel, config, SiglipProcessor(images, tokenizer), folder, seed)


def saved(model_class: Any, config: Any, processor: Any, folder: Path, seed: int) -> Path:
    """Write a model with random weights and its processor."""
    import torch

    torch.manual_seed(seed)
    model = model_class(config).eval()
    with torch.no_grad():  # as initialised, all embeddings lie close together
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "position" not in name:
                weight.mul_(3.0)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
