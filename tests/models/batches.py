"""What the reference's wrappers take and ours do, for the same pictures and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from pytest_mieb.models import Embedder
from pytest_mieb.models.batching import Vectors


class Batches:
    """What stands for a data loader in the reference: one batch of columns."""

    def __init__(self, **columns: Any) -> None:
        self.dataset = type("Rows", (), {"features": columns})
        self._columns = columns

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter([self._columns])


def columns(what: str, images: Sequence[Image.Image], texts: Sequence[str]) -> dict[str, list[Any]]:
    """The columns of a batch of "images", of "texts" or of "both"."""
    by_name: dict[str, list[Any]] = {"image": list(images), "text": list(texts)}
    wanted = {"images": ["image"], "texts": ["text"], "both": ["image", "text"]}[what]
    return {name: by_name[name] for name in wanted}


def embed(model: Embedder, what: str, images: Sequence[Image.Image], texts: Sequence[str]) -> Vectors:
    """The same by our own model."""
    match what:
        case "images":
            return model.embed_images(images)
        case "texts":
            return model.embed_texts(texts)
    return model.embed_interleaved(images, texts)
