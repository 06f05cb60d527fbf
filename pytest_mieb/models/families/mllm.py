"""Multimodal LLMs that are asked for one word: the hidden state from which they would go on is the embedding.

The prompts are part of the model: `--mieb-model-arg` gives those that it was tuned with. `{text}` and `<image>` in them
stand for the input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models.batching import embed_by_length, embed_singly, token_lengths
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hub import read_json
from pytest_mieb.models.local import LocalEmbedder, described, load_processor, load_transformers
from pytest_mieb.models.marks import TUNED
from pytest_mieb.models.preprocessing import Pictures
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_processor, of_tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

TEXT, IMAGE = "{text}", "<image>"
PLACEHOLDERS: Mapping[str, tuple[str, ...]] = {
    "text_prompt": (TEXT,),
    "image_prompt": (IMAGE,),
    "both_prompt": (TEXT, IMAGE),
}
# `size` is left out: how many tokens stand for a picture depends on it, and the model was built for one number.
IMAGE_OPTIONS = ("mean", "std", "interpolation")
# All of a prompt's tokens see each other, which has to be said: left unsaid, a text that is padded is read from left to
# right, and one that is not is not.
PREFIXED = ("paligemma",)
_MODALITIES = {"text_prompt": "text", "image_prompt": "image", "both_prompt": "interleaved"}
_SEAM = 8


class PromptedModel(LocalEmbedder):
    """The last token's hidden state, after the last norm and not normalised, of a prompt that holds the input.

    Texts are padded on the right and the last token is looked up: a decoder gives the same as with padding on the
    left, and positions start at 0 whatever the padding. Pictures take different numbers of tokens, so each one goes
    alone.
    """

    def __init__(
        self,
        processor: Any,
        prompts: Mapping[str, str],
        max_length: int,
        model: Any,
        description: Description,
        fingerprint: str,
    ) -> None:
        super().__init__(model, description, fingerprint, [_MODALITIES[name] for name in prompts])
        self._processor = processor
        self._pictures = Pictures(processor.image_processor)
        self.image_mode = self._pictures.mode
        self._prompts = prompts
        self._max_length = max_length
        processor.tokenizer.padding_side = "right"

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        prompt = self._prompts["image_prompt"].replace(IMAGE, self._processor.image_token)
        return embed_singly(images, lambda image: self._embed_one(prompt, image))

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        """Of texts beside images too, though there may be no prompt for texts alone."""
        prompts = self._asked(self._prompts.get("text_prompt", TEXT), texts)
        return token_lengths(self._processor.tokenizer, prompts, self._max_length)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        prompts = self._asked(self._prompts["text_prompt"], texts)
        return embed_by_length(self._processor.tokenizer, prompts, self._max_length, self._embed)

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        prompt = self._prompts["both_prompt"].replace(IMAGE, self._processor.image_token)
        pairs = list(zip(images, texts, strict=True))
        return embed_singly(pairs, lambda pair: self._embed_one(self._filled(prompt, pair[1]), pair[0]))

    def _asked(self, prompt: str, texts: Sequence[str]) -> list[str]:
        return [self._filled(prompt, text) for text in texts]

    def _filled(self, prompt: str, text: str) -> str:
        """The prompt with a text, cut where the prompt's end would not fit otherwise.

        What reads like the token of a picture is taken out: there is no picture for it.
        """
        tokenizer = self._processor.tokenizer
        text = text.replace(self._processor.image_token, "")
        room = self._max_length - len(tokenizer(prompt)["input_ids"]) - _SEAM
        if len(text.encode()) > room > 0:
            cut = {"truncation": True, "max_length": room, "add_special_tokens": False}
            offsets = tokenizer(text, return_offsets_mapping=True, **cut)["offset_mapping"]
            text = text[: offsets[-1][1]] if offsets else text
        return prompt.replace(TEXT, text)

    def _embed_one(self, prompt: str, image: Image) -> NDArray[np.float32]:
        inputs = self._processor(text=[prompt], images=self._pictures([image]), return_tensors="pt")
        vector: NDArray[np.float32] = self._embed(inputs)[0]
        return vector

    def _embed(self, inputs: Mapping[str, Any]) -> NDArray[np.float32]:
        import torch

        def embed(**tensors: Any) -> Any:
            if self._model.config.model_type in PREFIXED:
                tensors["token_type_ids"] = torch.zeros_like(tensors["input_ids"])
            hidden = self._model.base_model(**tensors, use_cache=False).last_hidden_state
            return last_token(hidden, tensors["attention_mask"])

        return self.run(embed, inputs)


def load(request: Request) -> Embedder:
    """Load an image-text-to-text model of transformers with the prompts that the request gives. Raises ModelError."""
    return load_prompted(request, {})


def load_prompted(request: Request, defaults: Mapping[str, str], family: str = "") -> Embedder:
    """Load an image-text-to-text model of transformers.

    Args:
        defaults: the family's own prompts, where the request names none.
        family: its name; by default the type in config.json.

    Raises:
        ModelError: it cannot be loaded, or a prompt lacks a placeholder.
    """
    from transformers import AutoModelForImageTextToText

    request.only({*PLACEHOLDERS, *IMAGE_OPTIONS})
    prompts = prompts_of(request, defaults)
    # Words are never predicted, so a checkpoint may come without the head for it.
    model, _ = load_transformers(AutoModelForImageTextToText, request, may_lack=("lm_head",))
    processor = load_processor(request)
    if not getattr(processor, "image_token", None):
        raise ModelError(
            f"{request.processor_path}: its processor {type(processor).__name__} has no token for pictures; write a "
            "factory and give --mieb-model=package.module:factory"
        )
    _complete(processor, model.config)
    text_config = model.config.get_text_config()
    limits = (processor.tokenizer.model_max_length, getattr(text_config, "max_position_embeddings", None))
    max_length = min(filter(None, limits))
    description, fingerprint = described(
        request,
        family=family or model.config.model_type,
        architecture=type(model).__name__,
        dimension=text_config.hidden_size,
        preprocessing=of_processor(processor.image_processor)
        | {"text padding": f"longest {max_length}"}
        | of_tokenizer(processor.tokenizer)
        | {name.replace("_", " "): repr(prompt) for name, prompt in prompts.items()},
        resolved={"image": processor.image_processor.to_dict()},
    )
    return PromptedModel(processor, prompts, max_length, model, description, fingerprint)


def prompts_of(request: Request, defaults: Mapping[str, str]) -> dict[str, str]:
    """The prompts that the request gives, else the family's own.

    Raises:
        ModelError: there are none at all, or one has a placeholder too few or too many.
    """
    prompts = dict(defaults) | {name: value for name, value in request.options.items() if name in PLACEHOLDERS}
    for name, prompt in prompts.items():
        for placeholder in (TEXT, IMAGE):
            wanted = int(placeholder in PLACEHOLDERS[name])
            if prompt.count(placeholder) != wanted:
                raise ModelError(
                    f"--mieb-model-arg={name}={prompt}: it must hold {placeholder} {'once' if wanted else 'nowhere'}; "
                    f"write it with {' and '.join(PLACEHOLDERS[name])} where the input goes"
                )
    if not prompts:
        raise ModelError(
            f"--mieb-model={request.spec}: a multimodal LLM embeds what its prompts ask for; give those that it was "
            "tuned with: --mieb-model-arg=text_prompt='... {text} ...', image_prompt='... <image> ...' and, for "
            f"images with text, both_prompt='... <image> ... {{text}} ...'{_tuned_like(request)}"
        )
    return prompts


def _tuned_like(request: Request) -> str:
    """What to give where a model was tuned as one whose prompts are known, which its files do not say."""
    tuned = TUNED.get(str(read_json(request.path / "config.json").get("model_type")))
    return f"; for one tuned from {tuned.title} give --mieb-model-arg=family={tuned.family}" if tuned else ""


def last_token(hidden: Any, attention_mask: Any) -> Any:
    """Of (n, length, d) the vectors of the last tokens that are no padding, (n, d); padding comes last."""
    import torch

    ends = (attention_mask.sum(dim=1) - 1).clamp(min=0)
    return hidden[torch.arange(len(ends), device=ends.device), ends]


def _complete(processor: Any, config: Any) -> None:
    """Tell a LLaVA processor how many tokens its tower makes: older checkpoints were saved without that."""
    if hasattr(processor, "num_additional_image_tokens") and hasattr(config, "vision_feature_select_strategy"):
        processor.patch_size = config.vision_config.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        processor.num_additional_image_tokens = int(config.vision_config.model_type.startswith("clip"))
