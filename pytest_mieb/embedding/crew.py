"""One model on one device or on several, each of which embeds a batch at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.embedding.encoding import Encoder
from pytest_mieb.embedding.plan import Stream
from pytest_mieb.embedding.reading import Batch, contents

# The embeddings of a batch; where it cannot be embedded at once, each item's own, or why it has none.
Outcomes = NDArray[np.float32] | list[NDArray[np.float32] | Exception]


class Crew:
    """Embeds batches with a stream's embedder, and with the same model on other devices, where it has them.

    Args:
        size: of a batch; each device's becomes smaller where it has no room for that.
        warn: told when a size becomes smaller.
    """

    def __init__(self, size: int, warn: Callable[[str], None]) -> None:
        self._given, self._warn = size, warn
        self._encoders = [Encoder(size, warn)]
        self._pool: ThreadPoolExecutor | None = None

    @property
    def size(self) -> int:
        """How many items a batch may have."""
        return min(encoder.size for encoder in self._encoders)

    def embedded(self, stream: Stream, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Outcomes]]:
        """The batches in order, each with what became of it.

        Raises:
            EmbeddingError, ModelError: as `Encoder` does.
        """
        others = stream.view.others
        if not others:
            for batch in batches:
                yield batch, self._outcomes(0, stream, batch)
            return
        self._encoders += [Encoder(self._given, self._warn) for _ in range(len(others) + 1 - len(self._encoders))]
        self._pool = self._pool or ThreadPoolExecutor(len(others) + 1, "mieb-device")
        free: SimpleQueue[int] = SimpleQueue()
        for number in range(len(others) + 1):
            free.put(number)

        def embed(batch: Batch) -> Outcomes:
            number = free.get()
            try:
                return self._outcomes(number, stream, batch)
            finally:
                free.put(number)

        under_way: deque[tuple[Batch, Future[Outcomes]]] = deque()
        try:
            for batch in batches:
                under_way.append((batch, self._pool.submit(embed, batch)))
                if len(under_way) > len(others) + 1:
                    first, future = under_way.popleft()
                    yield first, future.result()
            for first, future in under_way:
                yield first, future.result()
        finally:
            for _, future in under_way:
                future.cancel()

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _outcomes(self, number: int, stream: Stream, batch: Batch) -> Outcomes:
        embedder = (stream.view.embedder, *stream.view.others)[number]
        encoder = self._encoders[number]
        if batch.prepared is not None and batch.size == encoder.size:
            vectors = encoder.prepared(embedder, batch.prepared, len(batch.items))
            if vectors is not None:
                return vectors
        if batch.prepared is not None:
            batch.contents = contents(stream, batch.items, embedder)
        return encoder.each(embedder, stream.modality, batch.contents)
