"""VLM2Vec: Phi-3.5-vision, tuned for embeddings (Jiang et al. 2024, arXiv:2410.05160).

Its architecture is not one of transformers: it comes as code with the model, and runs only when that is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models.batching import embed_by_length, embed_singly, token_lengths
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.families.mllm import last_token
from pytest_mieb.models.files.hub import download, read_json
from pytest_mieb.models.files.refusing import as_model_errors
from pytest_mieb.models.local import TOKENIZERS, LocalEmbedder, described, load_processor, load_transformers
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_processor, of_tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

# Where the code of the architecture lies, and a processor for checkpoints without a usable one.
BASE = "microsoft/Phi-3.5-vision-instruct"
BASE_REVISION = "4a0d683eba9f1d0cbfb6151705d1ee73c25a80ca"
NUM_CROPS = 4
TEXT_LENGTH = 256
IMAGE_PROMPT = "<|image_1|> Represent the given image."
BOTH_PROMPT = "<|image_1|> Represent the given image with the following question: "
_IMAGE_TOKEN = re.compile(r"<\|image_\d+\|>")
_PROCESSOR_FILES = ("*.json", "*.py", "tokenizer.model")
_CONFIGURATIONS = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json")


class Vlm2Vec(LocalEmbedder):
    """The last token's hidden state, after the last norm, L2-normalised. A text goes in as it is."""

    def __init__(self, processor: Any, model: Any, description: Description, fingerprint: str) -> None:
        super().__init__(model, description, fingerprint, ("image", "text", "interleaved"))
        self._processor = processor
        processor.tokenizer.padding_side = "right"

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return embed_singly(images, lambda image: self._embed_one(IMAGE_PROMPT, image))

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        return token_lengths(self._processor.tokenizer, _visible(texts), TEXT_LENGTH)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return embed_by_length(self._processor.tokenizer, _visible(texts), TEXT_LENGTH, self._embed)

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        """A text may not name images of its own: what reads like one's token is taken out."""
        pairs = list(zip(images, texts, strict=True))
        return embed_singly(pairs, lambda pair: self._embed_one(BOTH_PROMPT + _IMAGE_TOKEN.sub("", pair[1]), pair[0]))

    def _embed_one(self, prompt: str, image: Image) -> NDArray[np.float32]:
        inputs = self._processor(text=prompt, images=[image], return_tensors="pt")
        vector: NDArray[np.float32] = self._embed(inputs)[0]
        return vector

    def _embed(self, inputs: Mapping[str, Any]) -> NDArray[np.float32]:
        import torch

        def embed(**tensors: Any) -> Any:
            output = self._model(**tensors, output_hidden_states=True, return_dict=True, use_cache=False)
            return torch.nn.functional.normalize(last_token(output.hidden_states[-1], tensors["attention_mask"]), dim=1)

        return self.run(embed, inputs)


def load(request: Request) -> Embedder:
    """Load a folder with Phi-3.5-vision's architecture, in bfloat16 unless the request says otherwise.

    Raises:
        ModelError: its code may not be run, or it cannot be loaded.
    """
    if not request.trust_remote_code:
        raise ModelError(
            f"--mieb-model={request.spec}: its architecture (phi3_v) is Python code that comes with the model; read "
            "it, and give --mieb-trust-remote-code to run it"
        )
    from transformers import AutoConfig, AutoModelForCausalLM

    request.only(())
    with as_model_errors(request.path):
        config = AutoConfig.from_pretrained(request.path, trust_remote_code=True, code_revision=BASE_REVISION)
    # The published configuration asks for flash attention, and wins over a keyword; eager is the code's only other one.
    config._attn_implementation = "eager"
    model, _ = load_transformers(
        AutoModelForCausalLM, request, dtype="bfloat16", config=config, code_revision=BASE_REVISION
    )
    request = _with_processor(request)
    processor = load_processor(request, num_crops=NUM_CROPS, code_revision=BASE_REVISION)
    description, fingerprint = described(
        request,
        family="VLM2Vec",
        architecture=type(model).__name__,
        dimension=model.config.hidden_size,
        dtype="bfloat16",
        preprocessing=of_processor(processor.image_processor)
        | {
            "crops": NUM_CROPS,
            "text padding": f"longest {TEXT_LENGTH}",
            **of_tokenizer(processor.tokenizer),
            "image prompt": repr(IMAGE_PROMPT),
            "both prompt": repr(BOTH_PROMPT + "{text}"),
        },
        resolved={"code": BASE_REVISION, "image": processor.image_processor.to_dict()},
    )
    return Vlm2Vec(processor, model, description, fingerprint)


def _visible(texts: Sequence[str]) -> list[str]:
    """The tokenizer makes no token at all of an empty text."""
    return [text or " " for text in texts]


def _with_processor(request: Request) -> Request:
    """The request with the base model's processor, which the reference always takes, where its own cannot be used.

    It has none, or needs code from another repository: for parts of a processor transformers cannot be told which
    revision of that.
    """
    folder = request.processor_path
    there = [each.name for each in folder.iterdir()]
    complete = "preprocessor_config.json" in there and set(TOKENIZERS) & set(there)
    if complete and not any(_needs_code_from_elsewhere(folder / name) for name in _CONFIGURATIONS if name in there):
        return request
    base = download(BASE, BASE_REVISION, only=_PROCESSOR_FILES, needs="the processor of Phi-3.5-vision:")
    return replace(request, processor=base)


def _needs_code_from_elsewhere(file: Path) -> bool:
    return "--" in str(read_json(file).get("auto_map", ""))
