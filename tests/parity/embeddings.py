"""Embeddings by what was embedded: to show that two implementations embed the same, or to make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import ImageMode, in_mode
from pytest_mieb.models.embedder import Embedder

if TYPE_CHECKING:
    from PIL.Image import Image

Vectors = NDArray[np.float32]


def image_key(image: Image) -> bytes:
    """A key of the picture as a model gets it: mode, size, pixels, and what is transparent; whatever its file."""
    kind = f"{image.mode} {image.size} {image.getpalette()} {image.info.get('transparency')}"
    return b"image" + blake2b(image.tobytes() + kind.encode(), digest_size=16).digest()


def text_key(text: str) -> bytes:
    return b"text" + blake2b(text.encode(), digest_size=16).digest()


@dataclass
class Table:
    """Embeddings by content key; the first of equal items counts.

    Since `forget_task`, `seen` is what was asked for, and `scattered` whether an item got another embedding than its
    first.
    """

    vectors: dict[bytes, Vectors] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)
    scattered: bool = False

    def forget_task(self) -> None:
        self.seen.clear()
        self.scattered = False

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        self.seen.update(keys)
        for key, vector in zip(keys, vectors, strict=True):
            first = self.vectors.setdefault(key, vector)
            self.scattered |= not np.array_equal(first, vector)

    def find(self, keys: Sequence[bytes]) -> Vectors:
        self.seen.update(keys)
        return np.stack([self.vectors[key] for key in keys])


class Remembering(Embedder):
    """An embedder that gives an item the embedding it gave it first, whatever batch the item comes in.

    Without an `embedder` it knows only what is in `table`.
    """

    def __init__(self, table: Table, embedder: Embedder | None = None) -> None:
        self.table = table
        self._embedder = embedder

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset({"image", "text"}) if self._embedder is None else self._embedder.modalities

    @property
    def dimension(self) -> int:
        return len(next(iter(self.table.vectors.values()))) if self._embedder is None else self._embedder.dimension

    @property
    def fingerprint(self) -> str | None:
        return None

    @property
    def image_mode(self) -> ImageMode:
        return "any"  # as the reference hands pictures to any model: they are known by that

    def embed_images(self, images: Sequence[Image]) -> Vectors:
        def embed(model: Embedder) -> Vectors:
            return model.embed_images([in_mode(image, model.image_mode) for image in images])

        return self._remember([image_key(image) for image in images], embed)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return self._remember([text_key(text) for text in texts], lambda model: model.embed_texts(texts))

    def _remember(self, keys: list[bytes], embed: Callable[[Embedder], Vectors]) -> Vectors:
        unknown = [key for key in keys if key not in self.table.vectors]
        if unknown:
            if self._embedder is None:
                raise LookupError(f"{len(unknown)} of {len(keys)} items were never embedded")
            fresh = dict(zip(keys, embed(self._embedder), strict=True))
            self.table.add(unknown, np.stack([fresh[key] for key in unknown]))
        return self.table.find(keys)


@dataclass(frozen=True)
class Agreement:
    """How far two implementations embedded the same items alike.

    `noise` is the largest distance between the two embeddings of an item, as a share of their length; `only_...`
    count items that one of them alone embedded; `identical` means that no bit of any embedding differs.
    """

    items: int
    only_reference: int
    only_ours: int
    noise: float
    identical: bool


def agreement(reference: Table, ours: Table) -> Agreement:
    """Compare what both have seen."""
    shared = sorted(reference.seen & ours.seen)
    noise = 0.0
    if shared:
        left, right = (np.stack([table.vectors[key] for key in shared]) for table in (reference, ours))
        noise = float((np.linalg.norm(left - right, axis=1) / np.linalg.norm(right, axis=1)).max())
    return Agreement(
        items=len(shared),
        only_reference=len(reference.seen - ours.seen),
        only_ours=len(ours.seen - reference.seen),
        noise=noise,
        identical=noise == 0 and not reference.scattered and reference.seen == ours.seen,
    )
