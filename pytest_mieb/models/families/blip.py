"""BLIP: two towers of `BlipForImageTextRetrieval`, projected and of length one.

Checkpoints for captions and for questions hold no projections. They load as the reference loads them, with what they
lack drawn at random; here from a fixed seed, so that a score can be had twice.
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

_HEADS = ("vision_proj.", "text_proj.", "itm_head.")
# By the class that a checkpoint was saved from: what BlipForImageTextRetrieval has and that class has not.
LACKS: Mapping[str, tuple[str, ...]] = {
    "BlipForImageTextRetrieval": (),
    "BlipForQuestionAnswering": _HEADS,
    "BlipForConditionalGeneration": ("text_encoder.", *_HEADS),
}


class Blip(PreparingEmbedder):
    """`BlipForImageTextRetrieval`, each tower alone: the text does not see the image."""

    def __init__(self, processor: Any, max_length: int, *args: Any) -> None:
        super().__init__(*args)
        self._processor = processor
        self._pictures = Pictures(processor.image_processor)
        self.image_mode = self._pictures.mode
        self._max_length = max_length

    def pixels(self, images: Sequence[Image]) -> Mapping[str, Any]:
        found = self._processor.image_processor(self._pictures(images), return_tensors="pt")
        return {"pixel_values": found["pixel_values"]}

    def see(self, **tensors: Any) -> Any:
        return _projected(self._model.vision_model(**tensors), self._model.vision_proj)

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        return token_lengths(self._processor.tokenizer, texts, self._max_length)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        def embed(input_ids: Any, attention_mask: Any) -> Any:
            seen = self._model.text_encoder(input_ids=input_ids, attention_mask=attention_mask)
            return _projected(seen, self._model.text_proj)

        def run(tokens: Mapping[str, Any]) -> NDArray[np.float32]:
            return self.run(embed, {name: tokens[name] for name in ("input_ids", "attention_mask")})

        return embed_by_length(self._processor.tokenizer, texts, self._max_length, run)


def load(request: Request) -> Embedder:
    """Load a Hugging Face folder. Raises ModelError."""
    from transformers import BlipForImageTextRetrieval

    request.only(IMAGE_OPTIONS)
    architecture = str((read_json(request.path / "config.json").get("architectures") or ["no class"])[0])
    if architecture not in LACKS:
        raise ModelError(
            f"{request.path}: config.json names {architecture}; a BLIP that embeds images and texts is one of "
            f"{', '.join(LACKS)}"
        )
    lacks = LACKS[architecture]
    model, lacking = load_transformers(
        BlipForImageTextRetrieval, request, may_lack=lacks, may_have=("text_decoder.",) if lacks else ()
    )
    processor = load_processor(request)
    config = model.config
    max_length = min(processor.tokenizer.model_max_length, config.text_config.max_position_embeddings)
    description, fingerprint = described(
        request,
        family="BLIP",
        architecture=architecture,
        dimension=config.image_text_hidden_size,
        preprocessing=of_processor(processor.image_processor)
        | {"text padding": f"longest {max_length}"}
        | of_tokenizer(processor.tokenizer)
        | {"pooling": "first token, projected, L2"},
        warnings=_warnings(architecture, [name.rstrip(".") for name in lacking if name != "itm_head."]),
        resolved={"image": processor.image_processor.to_dict()},
    )
    return Blip(processor, max_length, model, description, fingerprint)


def _projected(output: Any, projection: Any) -> Any:
    from torch.nn.functional import normalize

    return normalize(projection(output.last_hidden_state[:, 0]).float(), dim=-1)


def _warnings(architecture: str, random: Sequence[str]) -> tuple[str, ...]:
    if not random:
        return ()
    return (
        f"a checkpoint of {architecture} holds no {' and no '.join(random)}: they were drawn at random from a fixed "
        "seed, so all its scores rest on random weights, as the published ones do",
    )
