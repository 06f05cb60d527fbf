"""Accidents that befall a checkpoint on its way to a release, planted in the miniature's model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models import Embedder, load_embedder
from pytest_mieb.models.families.dual_encoder import DualEncoder

if TYPE_CHECKING:
    from PIL.Image import Image

Model = Any


@dataclass(frozen=True)
class Accident:
    """One thing that went wrong: to the weights (`spoil`), to what `--mieb-model-arg` sets, or around the model.

    `touches` names the modalities whose embeddings it changes: a task that needs none of them keeps its outcomes.
    """

    name: str
    touches: frozenset[str] = frozenset({"image", "text"})
    spoil: Callable[[Model], None] | None = None
    options: dict[str, str] = field(default_factory=dict)
    dtype: str | None = None
    wrap: Callable[[DualEncoder], Embedder] | None = None

    @property
    def key(self) -> str:
        """The name as that of a folder."""
        return re.sub(r"\W+", "_", self.name)

    def embedder(self) -> Embedder:
        """The miniature's model with the accident."""
        embedder = load_embedder("miniature", options=self.options, dtype=self.dtype)
        assert isinstance(embedder, DualEncoder)
        if self.spoil:
            self.spoil(embedder._model)
        return self.wrap(embedder) if self.wrap else embedder


class Wrapped(Embedder):
    """An embedder behind functions that see its images before and its embeddings after."""

    def __init__(
        self,
        inner: Embedder,
        image: Callable[[Image], Image] | None = None,
        embedding: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        self._inner, self._image, self._embedding = inner, image, embedding

    @property
    def modalities(self) -> frozenset[str]:
        return self._inner.modalities

    @property
    def dimension(self) -> int:
        return self._inner.dimension

    @property
    def fingerprint(self) -> None:
        return None

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        seen = [self._image(image) for image in images] if self._image else images
        return self._after(self._inner.embed_images(seen))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._after(self._inner.embed_texts(texts))

    def _after(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._embedding(embeddings) if self._embedding else embeddings


def weight_noise(share: float, seed: int = 0) -> Callable[[Model], None]:
    """Normal noise on every weight matrix, `share` of its own standard deviation."""

    def spoil(model: Model) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.ndim > 1:
                    weight += share * weight.std() * torch.randn(weight.shape, generator=generator)

    return spoil


def new_layer(model: Model) -> None:
    """The last of the three layers of the image tower, as before training."""
    import torch
    from transformers import CLIPModel

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        fresh = CLIPModel(model.config)
        model.vision_model.encoder.layers[-1].load_state_dict(fresh.vision_model.encoder.layers[-1].state_dict())


def rounded(model: Model) -> None:
    """Every weight matrix in 8 bits with one scale each: 127 steps from 0 to its largest entry."""
    import torch

    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                step = weight.abs().max() / 127
                weight.copy_((weight / step).round() * step)


def younger_text_tower(share: float) -> Callable[[Model], None]:
    """The text tower `share` of the way back to an initialisation: no earlier checkpoint of this training is kept."""

    def spoil(model: Model) -> None:
        import torch
        from transformers import CLIPModel

        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            fresh = dict(CLIPModel(model.config).named_parameters())
            for name, weight in model.named_parameters():
                if name.startswith(("text_model.", "text_projection.")):
                    weight.lerp_(fresh[name].to(weight.dtype), share)

    return spoil


def _swapped(embedder: DualEncoder) -> Embedder:
    def blue_first(image: Image) -> Image:
        from PIL import Image as Images

        red, green, blue = image.convert("RGB").split()
        return Images.merge("RGB", (blue, green, red))

    return Wrapped(embedder, image=blue_first)


def _of_length_one(embedder: DualEncoder) -> Embedder:
    return Wrapped(embedder, embedding=lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _truncated(embedder: DualEncoder) -> Embedder:
    embedder._max_length = 16
    return embedder


IMAGE, TEXT = frozenset({"image"}), frozenset({"text"})
ACCIDENTS = (
    Accident("weight noise, 5 % of each matrix's spread", spoil=weight_noise(0.05)),
    Accident("weight noise, 20 %", spoil=weight_noise(0.2)),
    Accident("last layer of the image tower re-initialised", IMAGE, spoil=new_layer),
    Accident("mean and std 0.5 instead of the model's own", IMAGE, options={"mean": "0.5", "std": "0.5"}),
    Accident("L2 normalisation on one side of the release only", wrap=_of_length_one),
    Accident("red and blue swapped", IMAGE, wrap=_swapped),
    Accident("nearest neighbour instead of bicubic", IMAGE, options={"interpolation": "nearest"}),
    Accident("texts cut to 16 tokens instead of 48", TEXT, wrap=_truncated),
    Accident("weights rounded to 8 bits, a scale a matrix", spoil=rounded),
    Accident("text tower 25 % of the way back to its initialisation", TEXT, spoil=younger_text_tower(0.25)),
    Accident("control: nothing changed", frozenset({"image", "text"})),
    Accident("control: computed in bfloat16", dtype="bfloat16"),
)
