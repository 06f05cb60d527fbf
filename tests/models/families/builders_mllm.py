"""Multimodal LLMs small enough to build in a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

DECODER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
PINPOINTS = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]


def tokenizer(special: Sequence[str], length: int, **keywords: Any) -> Any:
    """Spells every text in bytes; each of `special` is one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bytewise,
        additional_special_tokens=list(special),
        pad_token="<pad>",
        model_max_length=length,
        model_input_names=["input_ids", "attention_mask"],
        **keywords,
    )


def build_e5v(folder: Path, seed: int = 0) -> Path:
    """Write a LLaVA-NeXT of 32 dimensions; its processor is saved without what E5-V's lacks, too."""
    from transformers import (
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    words = tokenizer(("<image>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), 4000)
    config = LlavaNextConfig(
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "image_size": 28,
            "patch_size": 14,
        },
        text_config=DECODER
        | {
            "model_type": "llama",
            "vocab_size": len(words),
            "max_position_embeddings": 4000,
            "pad_token_id": words.pad_token_id,
        },
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=PINPOINTS,
        vision_feature_select_strategy="default",
    )
    images = LlavaNextImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, image_grid_pinpoints=PINPOINTS
    )
    saved(LlavaNextForConditionalGeneration, config, LlavaNextProcessor(images, words), folder, seed)
    (folder / "README.md").write_text("# E5-V: Universal Embeddings")
    return folder


def build_paligemma(folder: Path, seed: int = 0) -> Path:
    """Write a PaliGemma of 32 dimensions."""
    from transformers import (
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
        SiglipImageProcessor,
    )

    words = tokenizer(("<image>",), 4000, bos_token="<bos>", eos_token="<eos>")
    images: Any = SiglipImageProcessor(size={"height": 28, "width": 28})
    images.image_seq_length = 4
    processor = PaliGemmaProcessor(images, words)
    tower = {
        "model_type": "siglip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 28,
        "patch_size": 14,
        "projection_dim": 32,
        "vision_use_head": False,
    }
    text = {
        "model_type": "gemma",
        "vocab_size": 4000,
        "max_position_embeddings": 4000,
        "pad_token_id": words.pad_token_id,
        "head_dim": 8,
    }
    config = PaliGemmaConfig(
        vision_config=tower,
        text_config=DECODER | text,
        image_token_index=processor.image_token_id,
        projection_dim=32,
        hidden_size=32,
    )
    return saved(PaliGemmaForConditionalGeneration, config, processor, folder, seed)


QWEN_TOKENS = {
    "image": "<|image_pad|>",
    "video": "<|video_pad|>",
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
}


def build_gme(folder: Path, seed: int = 0) -> Path:
    """Write a Qwen2-VL of 32 dimensions, its heads wide enough for three axes of positions.

    Its processor is saved for fewer patches than GME takes, and for padding on the other side.
    """
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    tower = {"embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "hidden_size": 32}
    words, settings = _qwen()
    config = Qwen2VLConfig(vision_config=tower, **settings)
    images = Qwen2VLImageProcessor(size={"shortest_edge": 28 * 28, "longest_edge": 64 * 28 * 28})
    processor = Qwen2VLProcessor(images, words, Qwen2VLVideoProcessor())
    saved(Qwen2VLForConditionalGeneration, config, processor, folder, seed)
    (folder / "gme_inference.py").write_text(
        "# The code that comes with the published one, and that nothing here runs\n"
    )
    return folder


def build_qwen2_5_vl(folder: Path, seed: int = 0) -> Path:
    """Write a Qwen2.5-VL of 32 dimensions, which no family of ours is made for."""
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tower = {
        "hidden_size": 32,
        "out_hidden_size": 32,
        "intermediate_size": 64,
        "depth": 2,
        "num_heads": 2,
        "fullatt_block_indexes": [1],
    }
    words, settings = _qwen()
    config = Qwen2_5_VLConfig(vision_config=tower, **settings)
    processor = Qwen2_5_VLProcessor(Qwen2VLImageProcessor(), words, Qwen2VLVideoProcessor())
    return saved(Qwen2_5_VLForConditionalGeneration, config, processor, folder, seed)


def _qwen() -> tuple[Any, dict[str, Any]]:
    """A tokenizer, and a configuration's settings beside the vision tower."""
    words = tokenizer(
        ("<|im_start|>", "<|im_end|>", "<|endoftext|>", *QWEN_TOKENS.values()), 32768, padding_side="left"
    )
    text = {
        "vocab_size": len(words),
        "max_position_embeddings": 32768,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
        "bos_token_id": None,
        "eos_token_id": None,
    }
    ids = {f"{name}_token_id": words.convert_tokens_to_ids(token) for name, token in QWEN_TOKENS.items()}
    return words, ids | {"text_config": DECODER | text, "tie_word_embeddings": True}


def saved(model_class: Any, config: Any, processor: Any, folder: Path, seed: int) -> Path:
    """Write a model with random weights and its processor to `folder`, and return it."""
    import torch

    torch.manual_seed(seed)
    model = model_class(config).eval()
    scatter(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def scatter(model: Any) -> None:
    """Spread the embeddings out: as initialised, all lie close together."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "position" not in name:
                weight.mul_(5.0)


REMOTE_CODE = Path(__file__).parent / "remote_code"


def build_vlm2vec(folder: Path, seed: int = 0) -> Path:
    """Write a phi3_v of 32 dimensions: weights, configurations, and the code that they need.

    As the published checkpoint, it asks for flash attention, holds the table of words once, and names its vision
    tower's weights as transformers 4 did.
    """
    import json
    import shutil

    import torch
    from safetensors.torch import save_file

    shutil.copytree(REMOTE_CODE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    words = tokenizer(("<|user|>", "<|end|>"), 4000)
    words.save_pretrained(folder)
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 28,
        "patch_size": 14,
    }
    code = ("configuration_phi3_v.Phi3VConfig", "modeling_phi3_v.Phi3VForCausalLM")
    config = {
        "model_type": "phi3_v",
        "architectures": ["Phi3VForCausalLM"],
        "auto_map": dict(zip(("AutoConfig", "AutoModelForCausalLM"), code, strict=True)),
        "_attn_implementation": "flash_attention_2",
        "vocab_size": len(words),
        "img_processor": tower,
        "tie_word_embeddings": False,
        "pad_token_id": words.pad_token_id,
    }
    processors = {
        "AutoProcessor": "processing_phi3_v.Phi3VProcessor",
        "AutoImageProcessor": "processing_phi3_v.Phi3VImageProcessor",
    }
    images = {
        "processor_class": "Phi3VProcessor",
        "image_processor_type": "Phi3VImageProcessor",
        "auto_map": processors,
        "num_crops": 1,
        "num_img_tokens": 4,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    (folder / "processor_config.json").write_text(
        json.dumps({"processor_class": "Phi3VProcessor", "auto_map": processors})
    )
    from tests.models.families.remote_code.configuration_phi3_v import Phi3VConfig
    from tests.models.families.remote_code.modeling_phi3_v import Phi3VForCausalLM

    torch.manual_seed(seed)
    model = Phi3VForCausalLM(Phi3VConfig(**config | {"_attn_implementation": "eager"}))
    scatter(model)
    tower_name = "img_processor."
    weights = {
        name.replace(tower_name, f"{tower_name}vision_model."): value.contiguous()
        for name, value in model.state_dict().items()
        if ".wte." not in name
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "README.md").write_text("# VLM2Vec")
    return folder
