"""Probes: a few pictures and texts of the package's own, by whose embeddings a model is known, and found unsteady."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models.batching import LENGTH_STEP
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError, first_line

if TYPE_CHECKING:
    from PIL.Image import Image

SIZES = ((64, 64), (96, 64), (64, 80), (128, 128))  # width and height, none so thin that a model refuses it
# In letters that every tokenizer knows: a model that knows no others can still do some of the tasks.
TEXTS = ("a", "a photo of a dog", "two red cars, near the old house by the river; 1 + 2 = 3", "An old HOUSE!")
# How far an embedding may move, as a share of its length, in float32 and in what is computed with fewer digits: when
# the same batch comes again, and when other items lie beside it. Rounding moves it by a hundredth of that; dropout, a
# random crop, or a normalisation over the batch by more than ten times as much.
AGAIN = {"float32": 1e-4, "": 1e-2}
BESIDE_OTHERS = {"float32": 5e-3, "": 5e-2}

Vectors = NDArray[np.float32]
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Probes:
    """The embeddings of the probes.

    Args:
        images: shape (n, d), of (0, 0) where the model embeds none; `texts` alike.
        moved: how far any of them moved when the same batch came again, as a share of its length.
    """

    images: Vectors
    texts: Vectors
    moved: float = 0.0

    def distance(self, other: Probes) -> float:
        """The largest difference of two embeddings of the same probe, as a share of the longer one's length; infinite
        where the two do not have the same shape.
        """
        pairs = ((self.images, other.images), (self.texts, other.texts))
        if any(one.shape != two.shape for one, two in pairs):
            return float("inf")
        return max(_distance(one, two) for one, two in pairs)


def probed(spec: str, embedder: Embedder) -> Probes:
    """Embed the probes, and see that each embedding is the item's own: the same again, and beside other items.

    Raises:
        ModelError: it is not; or the model fails for a probe.
    """
    images = texts = np.empty((0, 0), np.float32)
    moved = [0.0]
    if "image" in embedder.modalities:
        images = _steady(spec, "image", pictures(), embedder.embed_images, _last(SIZES), embedder, moved)
    if "text" in embedder.modalities:
        said = sentences(embedder)
        texts = _steady(spec, "text", said, embedder.embed_texts, _last(said), embedder, moved)
    return Probes(images, texts, max(moved))


def pictures() -> list[Image]:
    """Pictures in RGB, each of shapes in two colours on noise, the same on every machine."""
    from PIL import Image, ImageDraw

    generator = np.random.default_rng(0)
    made = []
    for number, (width, height) in enumerate(SIZES):
        slope = np.linspace(0, 120, width)[None, :, None] + generator.integers(0, 90, (height, width, 3))
        picture = Image.fromarray(slope.astype(np.uint8))
        draw = ImageDraw.Draw(picture)
        colours = [tuple(map(int, generator.integers(0, 256, 3))) for _ in range(2)]
        draw.rectangle((8, 8 + 4 * number, width // 2, height // 2), fill=colours[0])
        draw.ellipse((width // 2, height // 3, width - 8, height - 8), fill=colours[1])
        made.append(picture)
    return made


def sentences(embedder: Embedder) -> list[str]:
    """`TEXTS`, and behind them one that fills the row that it is computed in, so that nothing is padded where it lies
    among its own copies.
    """
    candidates = [between.join("a" * count) for between in ("", " ") for count in range(LENGTH_STEP, 0, -1)]
    lengths = np.asarray(embedder.text_lengths(candidates))
    full = np.flatnonzero((lengths > 0) & (lengths % LENGTH_STEP == 0))
    return [*TEXTS, candidates[int(full[0]) if len(full) else 0]]


def _last(items: Sequence[object]) -> tuple[int, int]:
    return 0, len(items) - 1


def _steady(
    spec: str,
    modality: str,
    items: Sequence[_Item],
    embed: Callable[[Sequence[_Item]], Any],
    alone: Sequence[int],
    embedder: Embedder,
    moved: list[float],
) -> Vectors:
    """The embeddings of `items`, after they were embedded again, and those of `alone` with nothing but copies beside
    them.
    """
    description = embedder.description
    dtype = description.dtype if description else ""

    def embedded(items: Sequence[_Item]) -> Vectors:
        try:
            vectors = np.asarray(embed(items), dtype=np.float32)
        except ModelError:
            raise
        except (Exception, SystemExit) as error:
            raise ModelError(
                f"--mieb-model={spec}: it fails for {len(items)} {modality} inputs at once, all of them ordinary: "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error
        if vectors.ndim != 2 or len(vectors) != len(items):
            raise ModelError(
                f"--mieb-model={spec}: it gave an array of shape {vectors.shape} for {len(items)} {modality} inputs; "
                f"it must be ({len(items)}, dimension)"
            )
        return vectors

    first, again = embedded(items), embedded(items)
    moved.append(_distance(first, again))
    if moved[-1] > AGAIN.get(dtype, AGAIN[""]):
        raise ModelError(
            f"--mieb-model={spec}: it gives another embedding when the same {modality} inputs come again "
            f"({_percent(moved[-1])} of its length away): dropout is on, or its preprocessing is random or keeps a "
            "state; put the model in evaluation mode with model.eval(), and prepare every input in the same way"
        )
    for place in alone:
        single = embedded([items[place]] * len(items))
        away = _distance(first[place : place + 1], single[:1])
        if away > BESIDE_OTHERS.get(dtype, BESIDE_OTHERS[""]):
            raise ModelError(
                f"--mieb-model={spec}: the embedding of one of its {modality} inputs depends on which others lie "
                f"beside it in the batch ({_percent(away)} of its length away): a normalisation is in training mode, "
                "or what is padded is not masked; put the model in evaluation mode with model.eval(), and give it the "
                "attention mask"
            )
    return first


def _distance(one: Vectors, two: Vectors) -> float:
    """Rows that are not finite count as alike: whoever scores with them says so."""
    if one.shape != two.shape:
        return float("inf")
    finite = np.isfinite(one).all(axis=1) & np.isfinite(two).all(axis=1)
    if not finite.any():
        return 0.0
    a, b = (each[finite].astype(np.float64) for each in (one, two))
    longer = np.maximum(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return float((np.linalg.norm(a - b, axis=1) / np.maximum(longer, np.finfo(np.float32).tiny)).max())


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
