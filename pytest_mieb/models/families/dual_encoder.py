"""Dual encoders of transformers: two towers, one space, `get_image_features` and `get_text_features`.

CLIP, SigLIP, SigLIP 2, MetaCLIP 2, ALIGN and every other class with these two methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models.batching import embed_by_length, token_lengths
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hub import read_json
from pytest_mieb.models.local import PreparingEmbedder, described, load_processor, load_transformers
from pytest_mieb.models.preprocessing import IMAGE_OPTIONS, Pictures
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_processor, of_tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

NAMES = {
    "aimv2": "AIMv2",
    "align": "ALIGN",
    "altclip": "AltCLIP",
    "chinese_clip": "Chinese-CLIP",
    "clip": "CLIP",
    "clipseg": "CLIPSeg",
    "flava": "FLAVA",
    "groupvit": "GroupViT",
    "metaclip_2": "MetaCLIP 2",
    "siglip": "SigLIP",
    "siglip2": "SigLIP 2",
    "tipsv2": "TIPS v2",
    "vision-text-dual-encoder": "vision-text dual encoder",
}
# Trained with all texts at full length: other padding collapses SigLIP silently.
PADDING: Mapping[str, str] = {"siglip": "max_length", "siglip2": "max_length", "tipsv2": "max_length"}
LOWERED = ("siglip", "siglip2")
# Shorter than the tokenizer and the positions allow: what the family's processor, or FLAVA's training, cuts to.
LIMITS: Mapping[str, int] = {"align": 64, "siglip2": 64, "tipsv2": 64, "flava": 77}
# What NaFlex's processor takes, whatever its image processor says.
PATCHES: Mapping[str, int] = {"siglip2": 256}
OPTIONS: Mapping[str, tuple[str, ...]] = {"siglip2": ("mean", "std", "interpolation", "max_num_patches")}
# Of a picture with alpha the reference's wrapper makes RGB before the image processor could put it on white; but this
# still finds a colour that stands for alpha.
OPAQUE = ("siglip", "siglip2", "tipsv2")
# Their text tower hides what comes later from a token only where something is padded: transformers leaves the mask out
# where nothing is, and the attention then sees everything.
MASKED = ("aimv2",)
# FLAVA projects every token; the first one is its class token.
TOKENWISE = ("flava",)
# Weights of published checkpoints that embed nothing.
HEADS: Mapping[str, tuple[str, ...]] = {
    "clipseg": ("decoder.",),
    "flava": ("image_codebook.", "itm_head.", "mim_head.", "mlm_head.", "mmm_image_head.", "mmm_text_head."),
}
_UNLIMITED = 1 << 20  # a tokenizer without a limit of its own says 10^30


class DualEncoder(PreparingEmbedder):
    """A transformers model with `get_image_features` and `get_text_features`."""

    def __init__(self, processor: Any, padding: str, max_length: int, *args: Any) -> None:
        super().__init__(*args)
        self._processor = processor
        self._padding = padding
        self._max_length = max_length
        self._tokenwise = self._model.config.model_type in TOKENWISE
        self._pictures = Pictures(processor.image_processor)
        self.image_mode = "RGB" if self._model.config.model_type in OPAQUE else self._pictures.mode

    def pixels(self, images: Sequence[Image]) -> Mapping[str, Any]:
        inputs: Mapping[str, Any] = self._processor.image_processor(self._pictures(images), return_tensors="pt")
        return inputs

    def see(self, **tensors: Any) -> Any:
        return self._pooled(self._model.get_image_features(**tensors))

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        return token_lengths(self._processor.tokenizer, texts, self._max_length, padding=self._padding)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        def embed(tokens: Mapping[str, Any]) -> NDArray[np.float32]:
            highest, vocabulary = int(tokens["input_ids"].max()), self._model.config.text_config.vocab_size
            if highest >= vocabulary:
                raise ModelError(
                    f"{self.description.architecture} knows {vocabulary} tokens, and its tokenizer gave number "
                    f"{highest}: it is another model's; give the right one with --mieb-processor"
                )
            return self.run(lambda **tensors: self._pooled(self._model.get_text_features(**tensors)), tokens)

        masked = self._model.config.model_type in MASKED
        return embed_by_length(
            self._processor.tokenizer, texts, self._max_length, embed, padding=self._padding, masked=masked
        )

    def _pooled(self, output: Any) -> Any:
        features = getattr(output, "pooler_output", output)
        return features[:, 0] if self._tokenwise else features


def load(request: Request) -> Embedder:
    """Load a Hugging Face folder. Raises ModelError."""
    from transformers import AutoModel

    kind = str(read_json(request.path / "config.json").get("model_type"))
    request.only(OPTIONS.get(kind, IMAGE_OPTIONS))
    model, _ = load_transformers(AutoModel, request, may_have=HEADS.get(kind, ()))
    processor = load_processor(request)
    warnings = _take_patches(processor.image_processor, kind, request)
    padding = PADDING.get(kind, "longest")
    max_length = _max_length(processor.tokenizer, model, request)
    text = f"{padding.replace('_', ' ')} {max_length}"
    if padding == "max_length":
        text += f" {processor.tokenizer.padding_side}"
    description, fingerprint = described(
        request,
        family=NAMES.get(kind, kind),
        architecture=type(model).__name__,
        dimension=_dimension(model.config),
        preprocessing=of_processor(processor.image_processor)
        | {"text padding": text}
        | of_tokenizer(processor.tokenizer)
        | {"activation": _activation(model.config)},
        resolved={"image": processor.image_processor.to_dict()},
        warnings=(*warnings, *_of_capitals(kind, processor.tokenizer)),
    )
    return DualEncoder(processor, padding, max_length, model, description, fingerprint)


def _of_capitals(kind: str, tokenizer: Any) -> tuple[str, ...]:
    """What to say where capitals stay that the model never saw: its tokenizer is read as the class that it names."""
    if kind not in LOWERED or of_tokenizer(tokenizer)["text case"] == "lower":
        return ()
    return (
        f"its tokenizer, a {type(tokenizer).__name__}, keeps capitals, and {NAMES[kind]} was trained on texts in lower "
        "case; save it as a Siglip2Tokenizer or SiglipTokenizer, or give one with --mieb-processor",
    )


def _take_patches(image_processor: Any, kind: str, request: Request) -> tuple[str, ...]:
    """Set how many patches a picture of any size is cut into; what to say of it."""
    if kind not in PATCHES:
        return ()
    own, taken = getattr(image_processor, "max_num_patches", None), PATCHES[kind]
    if given := request.options.get("max_num_patches"):
        if not given.isdecimal() or int(given) < 1:
            raise ModelError(f"--mieb-model-arg=max_num_patches={given}: give a number, such as max_num_patches=256")
        taken = own = int(given)
    image_processor.max_num_patches = taken
    if own == taken:
        return ()
    return (
        f"its image processor says max_num_patches {own}, but the processor of {NAMES[kind]} takes {taken}; for the "
        f"former give --mieb-model-arg=max_num_patches={own}",
    )


def _max_length(tokenizer: Any, model: Any, request: Request) -> int:
    """The fewest of what tokenizer, positions and family allow."""
    positions = getattr(model.config.text_config, "max_position_embeddings", None)
    if positions:
        positions -= _first_position(model)
    found = min(filter(None, (tokenizer.model_max_length, positions, LIMITS.get(model.config.model_type))))
    if found > _UNLIMITED:
        raise ModelError(
            f"{request.processor_path}: neither the tokenizer nor the model says how long a text may be; write "
            "model_max_length into tokenizer_config.json"
        )
    return int(found)


def _first_position(model: Any) -> int:
    """RoBERTa's kind counts positions from behind that of the padding."""
    paddings = (
        getattr(module, "padding_idx", None)
        for name, module in model.named_modules()
        if name.endswith(".position_embeddings")
    )
    return max((padding + 1 for padding in paddings if padding is not None), default=0)


def _dimension(config: Any) -> int:
    named = ((config.text_config, "projection_size"), (config, "projection_dim"), (config.text_config, "hidden_size"))
    return int(next(size for where, name in named if (size := getattr(where, name, None))))


def _activation(config: Any) -> str:
    picture = getattr(config, "vision_config", None) or getattr(config, "image_config", None)
    towers = {"text": config.text_config, "image": picture}
    found = {name: str(getattr(tower, "hidden_act", "unknown")) for name, tower in towers.items()}
    if len(set(found.values())) == 1:
        return found["text"]
    return ", ".join(f"{name} {activation}" for name, activation in found.items())
