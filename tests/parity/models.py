"""The models that both sides run: a SigLIP small enough to run all tasks in seconds, and other models in float32."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

_PIXELS, _LENGTH = 64, 64
# The tokenizer learns its pieces from these; whatever it has not seen, it spells in bytes.
_SENTENCES = (
    "a photo of a dog, a type of animal",
    "a photo of the number 3 and of the number 12",
    "two red circles to the left of a blue square",
    "what is the total amount in the table of this document",
    "which of the two pictures shows the same scene",
    "a satellite image of a river, a forest and an industrial area",
    "the quick brown fox jumps over the lazy dog 0123456789",
)


def siglip_tokenizer(folder: Path) -> Any:
    """A tokenizer as SigLIP's, its pieces learnt from a few sentences and written to `folder`."""
    from transformers import SiglipTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "spiece.model"
    vocabulary.write_bytes(_sentencepiece())
    return SiglipTokenizer(
        vocab_file=str(vocabulary), model_max_length=_LENGTH, model_input_names=["input_ids"], do_lower_case=True
    )


def build_siglip(folder: Path, seed: int = 0) -> Path:
    """Write a SigLIP with random weights to `folder`, as `save_pretrained` would, and return it.

    Its tokenizer gives no attention mask, as those of the released checkpoints give none.
    """
    import torch
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    tokenizer = siglip_tokenizer(folder)
    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = SiglipConfig(
        text_config=tower | ends | {"vocab_size": len(tokenizer), "max_position_embeddings": _LENGTH},
        vision_config=tower | {"image_size": _PIXELS, "patch_size": 16},
    )
    torch.manual_seed(seed)
    model = SiglipModel(config).eval()
    _scatter(model)
    model.save_pretrained(folder)
    image_processor = SiglipImageProcessor(size={"height": _PIXELS, "width": _PIXELS})
    SiglipProcessor(image_processor=image_processor, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def build_open_clip(folder: Path) -> Path:
    """Write an open_clip model with random weights, and a preprocessing that is nobody's default."""
    from tests.models.families.builders_open_clip import TINY, build, save

    return save(build(TINY), TINY, folder)


def build_dinov2(folder: Path, seed: int = 0) -> Path:
    """Write a DINOv2 with random weights and its own kind of preprocessing: resize, then crop."""
    import torch
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, image_size=56, patch_size=14
    )
    torch.manual_seed(seed)
    model = Dinov2Model(config).eval()
    _scatter(model)
    model.save_pretrained(folder)
    size = {"shortest_edge": 64}, {"height": 56, "width": 56}
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    processor = BitImageProcessor(size=size[0], crop_size=size[1], image_mean=mean, image_std=std)
    processor.save_pretrained(folder)
    return folder


def in_float32(given: Path, folder: Path) -> Path:
    """Write a copy of a model with its weights in float32 to `folder`, and return it.

    The reference's wrappers leave the dtype to transformers, which computes in the one that the weights are stored in.
    In float16 the embeddings of one item differ by a thousandth from batch to batch, and no scores could be compared.
    """
    import torch
    from transformers import AutoModel

    shutil.copytree(given, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors*", "*.bin*"))
    AutoModel.from_pretrained(given, dtype=torch.float32).save_pretrained(folder)
    return folder


def _scatter(model: object) -> None:
    """Spread the embeddings out: as initialised, images lie so close together that rankings are noise."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():  # type: ignore[attr-defined]
            if weight.ndim > 1 and "position" not in name:
                weight.mul_(3.0)


def _sentencepiece() -> bytes:
    import sentencepiece

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES),
        model_writer=trained,
        model_type="bpe",
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        unk_id=0,
        eos_id=1,
        bos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    return trained.getvalue()
