"""GME: Qwen2-VL that is told the task (Zhang et al. 2024, arXiv:2412.16855)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.batching import embed_by_length, embed_singly, token_lengths
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder, Purpose
from pytest_mieb.models.families.mllm import IMAGE_OPTIONS, last_token
from pytest_mieb.models.local import LocalEmbedder, described, load_processor, load_transformers
from pytest_mieb.models.preprocessing import type_of
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_processor, of_tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_LENGTH = 1800
DOCUMENT = "You are a helpful assistant."
# What a query is told where its task has no instruction of its own. The sentences were written for texts.
INSTRUCTIONS: Mapping[str, str] = {
    "linear_probe": "Classify user passages.",
    "multilabel_linear_probe": "Classify user passages.",
    "clustering": "Identify categories in user passages.",
    "sts": "Retrieve semantically similar text.",
    "zero_shot": "Classify the given input into one of the candidate labels.",
    "pair_classification": "Identify the caption that matches the given image.",
    "retrieval": "Retrieve text based on user query.",
    "multiple_choice": "Retrieve text based on user query.",
}
_IMAGE_TOKEN = "<|image_pad|>"
_IMAGE = f"<|vision_start|>{_IMAGE_TOKEN}<|vision_end|>"
_PROMPT = (
    "<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{input}<|im_end|>\n"
    "<|im_start|>assistant\n<|endoftext|>"
)
_FACTOR = 28
_AREA = _FACTOR**2
# In patches of 28x28, which are tokens: at first, and then in the processor.
_FEWEST, _MOST, _MOST_TOKENS = 4, 16384, 1280
_MAX_ASPECT = 200


class Gme(LocalEmbedder):
    """The last token's hidden state, L2-normalised, under one instruction.

    Positions are plain, 0 to L-1 on all three axes: the reference does not use the two-dimensional ones that Qwen2-VL
    was trained with. A sequence is cut after 1800 tokens, as the reference does it: a long text loses its end and the
    closing tokens of the prompt, an image nothing, since it comes first and is at most 1280 tokens.
    """

    image_mode: ImageMode = "RGB"

    def __init__(self, processor: Any, model: Any, description: Description, fingerprint: str) -> None:
        super().__init__(model, description, fingerprint, ("image", "text", "interleaved"))
        self._processor = processor
        self._instruction = DOCUMENT
        processor.tokenizer.padding_side = "right"

    @property
    def fingerprint(self) -> str:
        told = f"{self._fingerprint}\n{self._instruction}"
        return blake2b(told.encode(), digest_size=16).hexdigest()

    def prompted(self, purpose: Purpose) -> Gme:
        """A view on the same weights, with the instruction of the purpose."""
        told = copy.copy(self)
        told._instruction = instruction(purpose)
        return told

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return embed_singly(images, lambda image: self._embed_one(image, ""))

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        return token_lengths(self._processor.tokenizer, self._prompts(texts), MAX_LENGTH)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return embed_by_length(self._processor.tokenizer, self._prompts(texts), MAX_LENGTH, self._embed)

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        pairs = list(zip(images, texts, strict=True))
        return embed_singly(pairs, lambda pair: self._embed_one(pair[0], _plain(pair[1])))

    def _prompts(self, texts: Sequence[str]) -> list[str]:
        return [self._prompt(_plain(text)) for text in texts]

    def _prompt(self, content: str) -> str:
        return _PROMPT.replace("{instruction}", self._instruction).replace("{input}", content)

    def _embed_one(self, image: Image, text: str) -> NDArray[np.float32]:
        inputs = self._processor(text=[self._prompt(_IMAGE + text)], images=[resized(image)], return_tensors="pt")
        after_image = int((inputs["input_ids"][0] == self._model.config.image_token_id).nonzero()[-1]) + 1
        for name in ("input_ids", "attention_mask"):
            inputs[name] = inputs[name][:, : max(MAX_LENGTH, after_image)]
        vector: NDArray[np.float32] = self._embed(inputs)[0]
        return vector

    def _embed(self, inputs: Mapping[str, Any]) -> NDArray[np.float32]:
        import torch

        def embed(input_ids: Any, attention_mask: Any, **image: Any) -> Any:
            positions = torch.arange(input_ids.shape[1], device=input_ids.device).expand(3, *input_ids.shape)
            hidden = self._model.model(
                input_ids=input_ids, attention_mask=attention_mask, position_ids=positions, use_cache=False, **image
            ).last_hidden_state
            return torch.nn.functional.normalize(last_token(hidden, attention_mask), dim=1)

        return self.run(embed, {name: inputs[name] for name in _INPUTS if name in inputs})


_INPUTS = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")


def load(request: Request) -> Embedder:
    """Load a Hugging Face folder with a Qwen2-VL, in float16 unless the request says otherwise. Raises ModelError."""
    from transformers import Qwen2VLForConditionalGeneration

    request.only(IMAGE_OPTIONS)
    # Words are never predicted, so a checkpoint may come without the head for it.
    model, _ = load_transformers(Qwen2VLForConditionalGeneration, request, dtype="float16", may_lack=("lm_head",))
    processor = load_processor(request)
    images = processor.image_processor
    images.size = type_of(images.size)({"shortest_edge": _FEWEST * _AREA, "longest_edge": _MOST_TOKENS * _AREA})
    description, fingerprint = described(
        request,
        family="GME",
        architecture=type(model).__name__,
        dimension=model.config.get_text_config().hidden_size,
        dtype="float16",
        preprocessing={"first resized to": f"{_FEWEST} to {_MOST} patches of {_FACTOR}x{_FACTOR}"}
        | of_processor(images)
        | {
            "text padding": f"longest {MAX_LENGTH}",
            **of_tokenizer(processor.tokenizer),
            "positions": "plain",
            "prompt": repr(_PROMPT),
            "instruction": f"the task's, its protocol's or, for documents, {DOCUMENT!r}",
        },
        resolved={"image": images.to_dict(), "instructions": dict(INSTRUCTIONS)},
    )
    return Gme(processor, model, description, fingerprint)


def instruction(purpose: Purpose) -> str:
    """What the model is told an embedding is for. A task's own instruction is for queries, and for tasks without sides.

    A protocol that is not MIEB's is told nothing in particular, as documents are.
    """
    if purpose.role == "document":
        return DOCUMENT
    return purpose.instruction or INSTRUCTIONS.get(purpose.protocol, DOCUMENT)


def resized(image: Image) -> Image:
    """The picture at the size that comes first: both sides multiples of 28, 4 to 16384 patches of 28x28.

    A colour that stands for alpha is white where Qwen2-VL's processor still finds it after resizing.
    A picture more than 200 times as long as wide is squeezed to 200, in the reference too; Qwen2-VL's own processor
    would refuse it.
    """
    return image.resize(first_size(*image.size))


def first_size(width: int, height: int) -> tuple[int, int]:
    """Width and height after the first resizing."""
    sides = [max(_FACTOR, round(side / _FACTOR) * _FACTOR) for side in (width, height)]
    if math.prod(sides) > _MOST * _AREA:
        shrink = math.sqrt(width * height / (_MOST * _AREA))
        sides = [max(_FACTOR, math.floor(side / shrink / _FACTOR) * _FACTOR) for side in (width, height)]
    elif math.prod(sides) < _FEWEST * _AREA:
        grow = math.sqrt(_FEWEST * _AREA / (width * height))
        sides = [math.ceil(side * grow / _FACTOR) * _FACTOR for side in (width, height)]
    longest = _MAX_ASPECT * min(sides)
    return min(sides[0], longest), min(sides[1], longest)


def _plain(text: str) -> str:
    """The text without what reads like the token of an image: there is no image for it."""
    return text.replace(_IMAGE_TOKEN, "")
