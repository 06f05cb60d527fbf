"""What was embedded of a stream, until it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.embedding.errors import EmbeddingError
from pytest_mieb.embedding.plan import Item, Stream

# After how long what is embedded is written to the store, though its chunk is not done.
_SECONDS_AT_ONCE = 30.0
# How many stored vectors are looked at together.
_AT_ONCE = 4096


@dataclass
class Kept:
    """The embeddings of one stream, in `count` all of them, on their way to the store.

    Nothing is stored while all embeddings are the same, those that were stored before included: a few texts may well be
    cut to the same tokens, but a model that gives the same for all is broken.
    """

    stream: Stream
    count: int = 0
    _items: list[Item] = field(default_factory=list)
    _vectors: list[NDArray[np.float32]] = field(default_factory=list)
    _since: float = field(default_factory=perf_counter)
    _contrast: list[NDArray[np.float32]] | None = None

    def add(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
        before = self._seen()
        if before and vectors.shape[1] != len(before[0]):
            dimensions = sorted((vectors.shape[1], len(before[0])))
            raise EmbeddingError(
                f"the model gives embeddings of dimension {dimensions[0]} and of {dimensions[-1]} for "
                f"{self.stream.modality} inputs; if it was changed since an earlier run, give it a new fingerprint"
            )
        store = self.stream.view.store
        if not store.can_hold(vectors):
            raise EmbeddingError(
                f"some embeddings are too large or too small for {store.precision}; leave --mieb-store-dtype out"
            )
        self._contrast = contrast([*before, *vectors]) if len(before) != 2 else before
        self._items += items
        self._vectors.append(vectors)
        self.count += len(items)
        if perf_counter() - self._since > _SECONDS_AT_ONCE:
            self.write()

    def write(self) -> bool:
        """Store what there is; whether all is stored."""
        if self._items and not all_same(self._seen()):
            self.stream.view.store.add(self.stream.keys(self._items), np.concatenate(self._vectors))
            self._items, self._vectors = [], []
            self._since = perf_counter()
        return not self._items

    def conclude(self) -> None:
        """Raises EmbeddingError where all embeddings are the same, those of the store included."""
        if not all_same(self._seen()):
            return
        store, stored = self.stream.view.store, 0
        positions = store.lookup(self.stream.keys_of(np.arange(len(self.stream.row))))
        positions = positions[positions >= 0]
        for start in range(0, len(positions), _AT_ONCE):
            vectors = store.take(positions[start : start + _AT_ONCE])
            stored += len(vectors)
            self._contrast = contrast([*self._seen(), *vectors])
            if not all_same(self._contrast):
                return
        raise same_for_all(len(self._items) + stored, self.stream.modality)

    def _seen(self) -> list[NDArray[np.float32]]:
        """Two vectors that differ, or up to three that do not; at first of those that were stored before."""
        if self._contrast is None:
            self._contrast = contrast(self.stream.view.store.take(self.stream.present[:_AT_ONCE]))
        return self._contrast


def contrast(vectors: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Two of the vectors that differ, or the first three where none differ."""
    first: list[NDArray[np.float32]] = []
    for vector in vectors:
        if first and not np.array_equal(vector, first[0]):
            return [first[0], vector]
        first = [*first, vector][:3]
    return first


def all_same(vectors: Sequence[NDArray[np.float32]]) -> bool:
    return len(vectors) > 2


def same_for_all(count: int, modality: str) -> EmbeddingError:
    return EmbeddingError(
        f"the model gives the same embedding for all {count} distinct {modality} inputs; "
        "check its weights and its preprocessing"
    )
