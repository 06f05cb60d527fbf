"""The one way from inputs to embeddings: every distinct item is embedded once, in batches of one size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.embedding.store import Store
from pytest_mieb.models.embedder import Embedder

_BATCHES_AT_ONCE = 64


@dataclass(frozen=True)
class Counts:
    """Distinct items that the model embedded, those that it need not, and the time that embedding took."""

    embedded: int = 0
    reused: int = 0
    seconds: float = 0.0


class EmbeddingError(Exception):
    """The model gave something that is no embedding; the message says what and where to look."""


class Pipeline:
    """Embeds inputs with one model, keeping what it has embedded in `store`.

    Every batch has exactly `batch_size` items, the last one filled up by repeating its last item: on the same device
    an item's embedding then depends on nothing but the item, not on its neighbours, on what was embedded before, or on
    the number of workers.

    `counts` says what it has done so far.
    """

    def __init__(self, embedder: Embedder, store: Store | None = None, batch_size: int = 64) -> None:
        self.embedder = embedder
        self.batch_size = batch_size
        self._store = store
        self.counts = Counts()

    def embed(self, inputs: Inputs) -> NDArray[np.float32]:
        """The embeddings of `inputs`, in order; shape (n, d).

        An image with its text goes to the model as one where it takes both together; for all other models the
        embedding is the sum of the image's and the text's.

        Raises:
            EmbeddingError: an embedding is not finite, is zero, has another dimension than the others, or all
                embeddings of three or more distinct items are the same.
        """
        if inputs.modality == "interleaved" and "interleaved" not in self.embedder.modalities:
            return self.embed(Inputs(images=inputs.images)) + self.embed(Inputs(texts=inputs.texts))
        first_rows: dict[bytes, int] = {}
        for row, key in enumerate(inputs.keys):
            first_rows.setdefault(key, row)
        known = self._store.find(first_rows) if self._store else {}
        missing = [row for key, row in first_rows.items() if key not in known]
        self.counts = replace(self.counts, reused=self.counts.reused + len(known))
        fresh = self._embed_distinct(inputs, missing)
        rows_of_fresh = {inputs.keys[row]: place for place, row in enumerate(missing)}
        width = fresh.shape[1] if missing else len(next(iter(known.values())))
        embeddings = np.empty((len(inputs), width), dtype=np.float32)
        for row, key in enumerate(inputs.keys):
            embeddings[row] = known[key] if key in known else fresh[rows_of_fresh[key]]
        return embeddings

    def _embed_distinct(self, inputs: Inputs, rows: Sequence[int]) -> NDArray[np.float32]:
        if inputs.modality == "text" and inputs.texts is not None:
            rows_by_length = sorted(rows, key=lambda row: len((inputs.texts or ())[row]))
        else:
            rows_by_length = list(rows)
        started = perf_counter()
        parts: list[NDArray[np.float32]] = []
        for chunk in _chunks(rows_by_length, self.batch_size * _BATCHES_AT_ONCE):
            vectors = np.concatenate(list(self._batches(inputs, chunk)))
            if self._store:
                self._store.add([inputs.keys[row] for row in chunk], vectors)
            parts.append(vectors)
        self.counts = replace(
            self.counts,
            embedded=self.counts.embedded + len(rows),
            seconds=self.counts.seconds + perf_counter() - started,
        )
        if not parts:
            return np.empty((0, 0), dtype=np.float32)
        if len({part.shape[1] for part in parts}) > 1:
            raise EmbeddingError(f"the model gives embeddings of different dimensions: {[p.shape[1] for p in parts]}")
        vectors = np.concatenate(parts)
        if len(vectors) > 2 and (vectors == vectors[0]).all():
            raise EmbeddingError(
                f"the model gives the same embedding for all {len(vectors)} distinct {inputs.modality} inputs; "
                "check its weights and its preprocessing"
            )
        place = {row: place for place, row in enumerate(rows_by_length)}
        return vectors[[place[row] for row in rows]]

    def _batches(self, inputs: Inputs, rows: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Embed `rows` batch by batch, reading the next batch while the model works on one."""
        batches = list(_chunks(rows, self.batch_size))
        with ThreadPoolExecutor(1, thread_name_prefix="mieb-read") as reader:
            ahead = reader.submit(_read, inputs, batches[0])
            for number, batch in enumerate(batches):
                items = ahead.result()
                if number + 1 < len(batches):
                    ahead = reader.submit(_read, inputs, batches[number + 1])
                yield self._embed_batch(inputs.modality, items, len(batch))

    def _embed_batch(self, modality: str, items: list[Any], n: int) -> NDArray[np.float32]:
        items += [items[-1]] * (self.batch_size - n)
        model = self.embedder
        embed: dict[str, Callable[[], Any]] = {
            "image": lambda: model.embed_images(items),
            "text": lambda: model.embed_texts(items),
            "interleaved": lambda: model.embed_interleaved([image for image, _ in items], [text for _, text in items]),
        }
        vectors = np.asarray(embed[modality](), dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(items):
            raise EmbeddingError(
                f"the model gave an array of shape {vectors.shape} for {len(items)} {modality} inputs; "
                f"it must be ({len(items)}, dimension)"
            )
        vectors = vectors[:n]
        if not np.isfinite(vectors).all():
            raise EmbeddingError(
                f"the model gave NaN or infinite values for {modality} inputs; check its weights, or try "
                "--mieb-dtype=float32"
            )
        if not vectors.any(axis=1).all():
            raise EmbeddingError(f"the model gave an embedding of zeros for {modality} inputs; check its weights")
        return vectors


def _read(inputs: Inputs, rows: Sequence[int]) -> list[Any]:
    if inputs.texts is None:
        return [inputs.images[row] for row in rows] if inputs.images is not None else []
    if inputs.images is None:
        return [inputs.texts[row] for row in rows]
    return [(inputs.images[row], inputs.texts[row]) for row in rows]


def _chunks(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
