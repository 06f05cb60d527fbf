"""BLIP-2: the Q-Former of `Blip2ForImageTextRetrieval`, over an image, a text, or both.

As the reference takes it from LAVIS: no projection, no normalisation, and of an image only the first query token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models.batching import embed_by_length
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hub import read_json
from pytest_mieb.models.local import PreparingEmbedder, described, load_processor, load_transformers
from pytest_mieb.models.preprocessing import IMAGE_OPTIONS, Pictures
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_processor, of_tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

ARCHITECTURE = "Blip2ForImageTextRetrieval"
TEXT_LENGTH = 32
# The processor of transformers makes this a token, which the Q-Former's vocabulary does not have.
_IMAGE_TOKEN = "<image>"
_IMAGE_WORDS = "< image >"  # BERT splits at punctuation: these are the pieces of the same word without the token


class Blip2(PreparingEmbedder):
    """The Q-Former; an image reaches it by the query tokens' cross-attention."""

    def __init__(self, processor: Any, model: Any, description: Description, fingerprint: str) -> None:
        super().__init__(model, description, fingerprint, ("image", "text", "interleaved"))
        self._processor = processor
        self._pictures = Pictures(processor.image_processor)
        self.image_mode = self._pictures.mode
        self._longest = _positions(model)

    def see(self, **tensors: Any) -> Any:
        queries, patches = self._seen(tensors["pixel_values"])
        return _first(self._model.qformer(query_embeds=queries, encoder_hidden_states=patches))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        def embed(input_ids: Any, attention_mask: Any) -> Any:
            words = self._model.embeddings(input_ids=input_ids)
            return _first(self._model.qformer(query_embeds=words, query_length=0, attention_mask=attention_mask))

        return self._by_text(texts, TEXT_LENGTH, embed, {})

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        """The first query token, which attends to the other queries, the text and the image.

        Beside an image the reference does not cut a text to 32 tokens. All are padded to what the positions allow,
        since next to the vision tower the Q-Former costs little.
        """

        def embed(pixel_values: Any, input_ids: Any, attention_mask: Any) -> Any:
            queries, patches = self._seen(pixel_values)
            output = self._model.qformer(
                query_embeds=self._model.embeddings(input_ids=input_ids, query_embeds=queries),
                query_length=queries.shape[1],
                attention_mask=_with_queries(attention_mask, queries.shape[1]),
                encoder_hidden_states=patches,
            )
            return _first(output)

        return self._by_text(texts, self._longest, embed, self.pixels(images))

    def pixels(self, images: Sequence[Image]) -> Mapping[str, Any]:
        inputs = self._processor.image_processor(self._pictures(images), return_tensors="pt")
        return {"pixel_values": inputs["pixel_values"]}

    def _seen(self, pixel_values: Any) -> tuple[Any, Any]:
        """The query tokens, once for each image, and the patches that they attend to."""
        patches = self._model.vision_model(pixel_values=pixel_values).last_hidden_state
        return self._model.query_tokens.expand(len(patches), -1, -1), patches

    def _by_text(
        self, texts: Sequence[str], max_length: int, embed: Any, beside: Mapping[str, Any]
    ) -> NDArray[np.float32]:
        def run(tokens: Mapping[str, Any]) -> NDArray[np.float32]:
            return self.run(embed, {**beside, **{name: tokens[name] for name in ("input_ids", "attention_mask")}})

        plain = [text.replace(_IMAGE_TOKEN, _IMAGE_WORDS) for text in texts]
        return embed_by_length(self._processor.tokenizer, plain, max_length, run, padding="max_length")


def load(request: Request) -> Embedder:
    """Load a Hugging Face folder. Raises ModelError."""
    from transformers import Blip2ForImageTextRetrieval

    request.only(IMAGE_OPTIONS)
    architecture = str((read_json(request.path / "config.json").get("architectures") or ["no class"])[0])
    if architecture != ARCHITECTURE:
        raise ModelError(
            f"{request.path}: config.json names {architecture}, and of BLIP-2 only {ARCHITECTURE} can embed both "
            "images and texts (the generative models come without the Q-Former's word embeddings and text layers); "
            "take --mieb-model=Salesforce/blip2-itm-vit-g or, fine-tuned on COCO, Salesforce/blip2-itm-vit-g-coco"
        )
    model, _ = load_transformers(Blip2ForImageTextRetrieval, request)
    processor = load_processor(request)
    description, fingerprint = described(
        request,
        family="BLIP-2",
        architecture=architecture,
        dimension=model.config.qformer_config.hidden_size,
        preprocessing=of_processor(processor.image_processor)
        | {
            "text padding": f"max length {TEXT_LENGTH}, with an image {_positions(model)}",
            **of_tokenizer(processor.tokenizer),
            "pooling": "first query token of images, first token of texts",
        },
        resolved={"image": processor.image_processor.to_dict()},
    )
    return Blip2(processor, model, description, fingerprint)


def _positions(model: Any) -> int:
    return int(model.config.qformer_config.max_position_embeddings)


def _first(output: Any) -> Any:
    return output.last_hidden_state[:, 0]


def _with_queries(attention_mask: Any, queries: int) -> Any:
    from torch.nn.functional import pad

    return pad(attention_mask, (queries, 0), value=1)
