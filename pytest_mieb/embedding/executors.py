"""Who fills the store: here this process, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.embedding.encoding import Encoder
from pytest_mieb.embedding.errors import EmbeddingError, failure
from pytest_mieb.embedding.plan import Item, Plan, Stream
from pytest_mieb.embedding.reading import Batch, Reader, contents
from pytest_mieb.support.seconds import Seconds, Watch

# How much is embedded before it is written to the store.
_BATCHES_AT_ONCE, _SECONDS_AT_ONCE = 64, 30.0
# After how many items that cannot be embedded it is given up: finding each takes several batches.
_FAILURES = 16


class Executor(Protocol):
    """Embeds what a plan lacks. Neither who plans nor who scores knows how."""

    @property
    def embedded(self) -> int:
        """How many items it has embedded so far."""
        ...

    @property
    def seconds(self) -> Seconds:
        """What that took: decoding, preprocessing, embedding, and waiting for what is read."""
        ...

    def fill(self, plan: Plan) -> None:
        """Embed and store all items of the plan.

        Raises:
            DatasetError: a picture cannot be read.
            EmbeddingError: what the model gives is no embedding, or it fails for an item, or for all. What could be
                embedded is stored.
        """
        ...

    def begin(self, plan: Plan) -> None:
        """Read ahead of what will be filled next; nothing is embedded yet."""
        ...

    def close(self) -> None: ...


class InProcess:
    """This process: the model in its main thread, and `reader`, which reads ahead."""

    def __init__(self, size: int, reader: Reader, warn: Callable[[str], None] = print) -> None:
        self._reader = reader
        self._encoder = Encoder(size, warn)
        self.embedded = 0
        self.seconds = Seconds()

    def begin(self, plan: Plan) -> None:
        if plan.streams:
            self._reader.begin(plan.streams[0], self._encoder.size)

    def fill(self, plan: Plan) -> None:
        for stream in plan.streams:
            self._fill(stream)

    def close(self) -> None:
        self._reader.close()

    def _fill(self, stream: Stream) -> None:
        size = self._encoder.size
        kept, before = _Kept(stream, size * _BATCHES_AT_ONCE), self.embedded
        failed: dict[Item, Exception] = {}
        try:
            with self._reader.batches(stream, size) as batches:
                while (batch := self._read(batches)) is not None:
                    self._embed(stream, batch, kept, failed)
                    self.embedded = before + kept.count
                    if len(failed) >= _FAILURES:
                        break
            if not failed:
                kept.conclude()
        finally:
            kept.write()  # also when the model stops on the way: by a limit of cost, or Ctrl-C
            self.embedded = before + kept.count
        if failed:
            which = min(item.inputs for item in failed)
            own = {item.row: error for item, error in failed.items() if item.inputs == which}
            broken = not kept.count and not len(stream.present)
            raise failure(stream.inputs[which], own, broken=broken) from own[min(own)]

    def _read(self, batches: Iterator[Batch]) -> Batch | None:
        waiting = Watch()
        with waiting.running():
            batch = next(batches, None)
        self.seconds += (batch.seconds if batch else Seconds()) + Seconds(waited_read=waiting.seconds)
        return batch

    def _embed(self, stream: Stream, batch: Batch, kept: _Kept, failed: dict[Item, Exception]) -> None:
        """Embed a batch; items that cannot be read or embedded are left out."""
        failed |= batch.failed
        embedding = Watch()
        try:
            with embedding.running():
                outcomes = self._outcomes(stream, batch)
        finally:
            self.seconds += Seconds(embed=embedding.seconds)
        if isinstance(outcomes, np.ndarray):
            kept.add(batch.items, outcomes)
            return
        pairs = list(zip(batch.items, outcomes, strict=True))
        failed |= {item: outcome for item, outcome in pairs if isinstance(outcome, Exception)}
        sound = [(item, outcome) for item, outcome in pairs if not isinstance(outcome, Exception)]
        if sound:
            kept.add([item for item, _ in sound], np.stack([vector for _, vector in sound]))

    def _outcomes(self, stream: Stream, batch: Batch) -> NDArray[np.float32] | list[NDArray[np.float32] | Exception]:
        """The embeddings of a batch; where it cannot be embedded at once, each item's own, or why it has none."""
        embedder = stream.view.embedder
        if batch.prepared is not None and batch.size == self._encoder.size:
            vectors = self._encoder.prepared(embedder, batch.prepared, len(batch.items))
            if vectors is not None:
                return vectors
        if batch.prepared is not None:
            batch.contents = contents(stream, batch.items, embedder)
        return self._encoder.each(embedder, stream.modality, batch.contents)


@dataclass
class _Kept:
    """What was embedded of a stream, on its way to the store.

    Nothing is stored while all embeddings are the same, those that were stored before included: a few texts may well be
    cut to the same tokens, but a model that gives the same for all is broken.
    """

    stream: Stream
    most: int
    count: int = 0
    _items: list[Item] = field(default_factory=list)
    _vectors: list[NDArray[np.float32]] = field(default_factory=list)
    _waiting: int = 0
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
        self._waiting += len(items)
        if self._waiting >= self.most or perf_counter() - self._since > _SECONDS_AT_ONCE:
            self.write()

    def write(self) -> None:
        if self._items and not all_same(self._seen()):
            self.stream.view.store.add(self.stream.keys(self._items), np.concatenate(self._vectors))
            self._items, self._vectors, self._waiting = [], [], 0
            self._since = perf_counter()

    def conclude(self) -> None:
        """Raises EmbeddingError where all embeddings are the same, and so are those that were stored before."""
        if all_same(self._seen()):
            stored = self.stream.view.store.take(self.stream.present)
            self._contrast = contrast([*self._seen(), *stored])
            if all_same(self._contrast):
                raise same_for_all(self.count + len(stored), self.stream.modality)

    def _seen(self) -> list[NDArray[np.float32]]:
        """Two vectors that differ, or up to three that do not; at first of those that were stored before."""
        if self._contrast is None:
            self._contrast = contrast(self.stream.view.store.take(self.stream.present[: self.most]))
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
