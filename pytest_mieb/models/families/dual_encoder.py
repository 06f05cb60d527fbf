"""Dual encoders of transformers: two towers, one space, `get_image_features` and `get_text_features`.

CLIP, SigLIP, SigLIP 2, MetaCLIP 2, ALIGN and every other class with these two methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models.batching import embed_by_length
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.local import LocalEmbedder, described, load_processor, load_transformers
from pytest_mieb.models.preprocessing import IMAGE_OPTIONS, of_processor
from pytest_mieb.models.request import Request
from pytest_mieb.rgb import as_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

NAMES = {
    "clip": "CLIP",
    "siglip": "SigLIP",
    "siglip2": "SigLIP 2",
    "metaclip_2": "MetaCLIP 2",
    "align": "ALIGN",
}
# SigLIP was trained with all texts at full length: other padding collapses it silently.
PADDING: Mapping[str, str] = {"siglip": "max_length", "siglip2": "max_length"}
# Shorter than the tokenizer and the positions allow: what the family's processor cuts to.
LIMITS: Mapping[str, int] = {"align": 64}


class DualEncoder(LocalEmbedder):
    """A transformers model with `get_image_features` and `get_text_features`."""

    def __init__(self, processor: Any, padding: str, max_length: int, *args: Any) -> None:
        super().__init__(*args)
        self._processor = processor
        self._padding = padding
        self._max_length = max_length

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        inputs = self._processor.image_processor([as_rgb(image) for image in images], return_tensors="pt")
        return self.run(lambda **tensors: _features(self._model.get_image_features(**tensors)), inputs)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        def embed(tokens: Mapping[str, Any]) -> NDArray[np.float32]:
            return self.run(lambda **tensors: _features(self._model.get_text_features(**tensors)), tokens)

        return embed_by_length(self._processor.tokenizer, texts, self._max_length, embed, padding=self._padding)


def load(request: Request) -> Embedder:
    """Load a Hugging Face folder. Raises ModelError."""
    from transformers import AutoModel

    request.only(IMAGE_OPTIONS)
    model, _ = load_transformers(AutoModel, request)
    processor = load_processor(request)
    config = model.config
    padding = PADDING.get(config.model_type, "longest")
    limits = (LIMITS.get(config.model_type), getattr(config.text_config, "max_position_embeddings", None))
    max_length = min(processor.tokenizer.model_max_length, *filter(None, limits))
    text = f"{padding.replace('_', ' ')} {max_length}"
    description, fingerprint = described(
        request,
        family=NAMES.get(config.model_type, config.model_type),
        architecture=type(model).__name__,
        dimension=_dimension(config),
        preprocessing=of_processor(processor.image_processor) | {"text padding": text},
        resolved={"image": processor.image_processor.to_dict()},
    )
    return DualEncoder(processor, padding, max_length, model, description, fingerprint)


def _features(output: Any) -> Any:
    return getattr(output, "pooler_output", output)


def _dimension(config: Any) -> int:
    if config.model_type in PADDING:
        return int(getattr(config.text_config, "projection_size", None) or config.text_config.hidden_size)
    return int(getattr(config, "projection_dim", None) or config.text_config.hidden_size)
