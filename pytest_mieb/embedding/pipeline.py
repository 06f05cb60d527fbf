"""The one way from inputs to embeddings: every distinct item is embedded once, in batches of one size."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rgb import on_white
from pytest_mieb.embedding.store import Store
from pytest_mieb.models.embedder import Embedder, Purpose
from pytest_mieb.models.errors import ModelError, first_line

# How much is embedded before it is written to the store.
_BATCHES_AT_ONCE, _SECONDS_AT_ONCE = 64, 30.0
_TEXTS_AT_ONCE = 1024
# After how many items that cannot be embedded it is given up: finding each takes several batches.
_FAILURES = 16
_NAMED = 5


@dataclass(frozen=True)
class Counts:
    """Distinct items that the model embedded, those that it need not, and the time that embedding took."""

    embedded: int = 0
    reused: int = 0
    seconds: float = 0.0


class EmbeddingError(Exception):
    """The model gave something that is no embedding, or nothing; the message says what and where to look."""


Outcome = NDArray[np.float32] | Exception


class _Batch(NamedTuple):
    """What became of the rows of a batch: their vectors, or why they have none."""

    vectors: Mapping[int, NDArray[np.float32]]
    failed: Mapping[int, Exception]


class Pipeline:
    """Embeds inputs with one model, keeping what it has embedded in `store`.

    A model that is told what an embedding is for keeps what it embeds otherwise in a part of the store of its own.

    Every batch has exactly `batch_size` items, the last one filled up by repeating its last item: on the same device
    an item's embedding then depends on nothing but the item, not on its neighbours, on what was embedded before, or on
    the number of workers.

    `counts` says what it has done so far. With `order`, a seed, inputs come in a random order instead of long texts
    first, to see whether the model cares.
    """

    def __init__(
        self, embedder: Embedder, store: Store | None = None, batch_size: int = 64, order: int | None = None
    ) -> None:
        self.embedder = embedder
        self.batch_size = batch_size
        self._order = order
        self._store = store
        self._parts: dict[str, Store] = {}
        self.counts = Counts()

    def embed(self, inputs: Inputs, purpose: Purpose | None = None) -> NDArray[np.float32]:
        """The embeddings of `inputs`, in order, as the model makes them for `purpose`; shape (n, d).

        An image with its text goes to the model as one where it takes both together; for all other models the
        embedding is the sum of the image's and the text's.

        Raises:
            DatasetError: a picture cannot be read.
            EmbeddingError: an embedding is not finite, is zero, has another dimension than the others, all embeddings
                of three or more distinct items are the same, the device has no room for a batch, or the model fails for
                an item, or for all. What could be embedded is stored.
        """
        if inputs.modality == "interleaved" and "interleaved" not in self.embedder.modalities:
            return self.embed(Inputs(images=inputs.images), purpose) + self.embed(Inputs(texts=inputs.texts), purpose)
        embedder = self.embedder.prompted(purpose) if purpose else self.embedder
        store = self._store_of(embedder, purpose)
        first_rows: dict[bytes, int] = {}
        for row, key in enumerate(inputs.keys.tolist()):
            first_rows.setdefault(key, row)
        known = store.find(first_rows) if store else {}
        missing = [row for key, row in first_rows.items() if key not in known]
        self.counts = replace(self.counts, reused=self.counts.reused + len(known))
        known |= self._embed_distinct(embedder, store, inputs, missing, known)
        _check_set(list(known.values()), inputs.modality)
        return np.stack([known[key] for key in inputs.keys.tolist()])

    def _store_of(self, embedder: Embedder, purpose: Purpose | None) -> Store | None:
        """Where the embeddings of one view of the model are kept."""
        if self._store is None or embedder is self.embedder:
            return self._store
        name = embedder.fingerprint or blake2b(repr(purpose).encode(), digest_size=16).hexdigest()
        return (
            self._store if name == self.embedder.fingerprint else self._parts.setdefault(name, self._store.part(name))
        )

    def _embed_distinct(
        self,
        embedder: Embedder,
        store: Store | None,
        inputs: Inputs,
        rows: Sequence[int],
        known: Mapping[bytes, NDArray[np.float32]],
    ) -> dict[bytes, NDArray[np.float32]]:
        """Embed `rows`, of which no two have the same key, long texts first; what is sound is stored as it comes.

        Texts of like length go together, since short ones are computed as wide as the longest beside them. The longest
        come first: if the device has no room for them, that shows at once.

        What was embedded is stored also when the model stops on the way: by a limit of cost, or Ctrl-C. Nothing is
        stored while all embeddings are the same, those of `known` included: a few texts may well be cut to the same
        tokens. Items that cannot be read or embedded are left out; of them the error tells when all others are done,
        or after a number of them.
        """
        if self._order is not None:
            rows = np.random.default_rng(self._order).permutation(rows).tolist()
        elif inputs.texts is not None:
            rows = _longest_first(embedder, inputs.texts, rows)
        started = kept_at = perf_counter()
        found: dict[bytes, NDArray[np.float32]] = {}
        unstored: list[bytes] = []
        contrast = _contrast(known.values())

        def keep() -> None:
            if store and unstored and not _all_same(contrast):
                store.add(unstored, np.stack([found[key] for key in unstored]))
                unstored.clear()

        failed: dict[int, Exception] = {}
        own = inputs.keys.tolist()
        try:
            for batch in self._batches(embedder, inputs, rows):
                failed |= batch.failed
                _check_dimensions([*contrast, *islice(batch.vectors.values(), 1)], inputs.modality)
                contrast = _contrast([*contrast, *batch.vectors.values()])
                keys = [own[row] for row in batch.vectors]
                found.update(zip(keys, batch.vectors.values(), strict=True))
                unstored += keys
                if len(unstored) >= self.batch_size * _BATCHES_AT_ONCE or perf_counter() - kept_at > _SECONDS_AT_ONCE:
                    keep()
                    kept_at = perf_counter()
                if len(failed) >= _FAILURES:
                    break
        finally:
            keep()
            self.counts = replace(
                self.counts,
                embedded=self.counts.embedded + len(found),
                seconds=self.counts.seconds + perf_counter() - started,
            )
        if failed:
            raise _failure(inputs, failed, broken=not known and not found) from failed[min(failed)]
        return found

    def _batches(self, embedder: Embedder, inputs: Inputs, rows: Sequence[int]) -> Iterator[_Batch]:
        """Embed `rows` batch by batch, reading the next batch while the model works on one."""
        batches = list(_chunks(rows, self.batch_size))
        if not batches:
            return
        with ThreadPoolExecutor(1, thread_name_prefix="mieb-read") as reader:
            ahead = reader.submit(_read, inputs, batches[0], embedder)
            for number in range(len(batches)):
                items, failed = ahead.result()
                if number + 1 < len(batches):
                    ahead = reader.submit(_read, inputs, batches[number + 1], embedder)
                outcomes = zip(items, self._embed_items(embedder, inputs.modality, list(items.values())), strict=True)
                vectors: dict[int, NDArray[np.float32]] = {}
                for row, outcome in outcomes:
                    if isinstance(outcome, Exception):
                        failed[row] = outcome
                    else:
                        vectors[row] = outcome
                yield _Batch(vectors, failed)

    def _embed_items(self, model: Embedder, modality: str, items: Sequence[Any]) -> list[Outcome]:
        """Each item's embedding, or what the model raises for it alone.

        A batch for which the model fails is cut in halves, each filled up as any batch is, down to single items.
        """
        if not items:
            return []
        try:
            return list(self._embed_batch(model, modality, items))
        except (EmbeddingError, ModelError):
            raise
        except Exception as error:  # code of others, which raises anything for an item that it does not take
            if len(items) == 1:
                return [error]
            middle = len(items) // 2
            outcomes = [
                outcome
                for half in (items[:middle], items[middle:])
                for outcome in self._embed_items(model, modality, half)
            ]
            if not any(isinstance(outcome, Exception) for outcome in outcomes):
                raise EmbeddingError(
                    f"the model fails for {len(items)} {modality} inputs at once, and for none of them alone "
                    f"({_said(error)}); it must take any that come together"
                ) from error
            return outcomes

    def _embed_batch(self, model: Embedder, modality: str, items: Sequence[Any]) -> NDArray[np.float32]:
        n = len(items)
        items = [*items, *[items[-1]] * (self.batch_size - n)]
        embed: dict[str, Callable[[], Any]] = {
            "image": lambda: model.embed_images(items),
            "text": lambda: model.embed_texts(items),
            "interleaved": lambda: model.embed_interleaved([image for image, _ in items], [text for _, text in items]),
        }
        try:
            vectors = np.asarray(embed[modality](), dtype=np.float32)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            raise EmbeddingError(
                f"the device has no room for {self.batch_size} {modality} inputs at once; lower --mieb-batch-size, or "
                "try --mieb-dtype=bfloat16"
            ) from error
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


def _out_of_memory(error: Exception) -> bool:
    """Whether that is what it means: torch has a class for it on a GPU only."""
    said = str(error)
    return isinstance(error, MemoryError) or "out of memory" in said or "not enough memory" in said


def _contrast(vectors: Iterable[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Two of the vectors that differ, or the first three where none differ."""
    first: list[NDArray[np.float32]] = []
    for vector in vectors:
        if first and not np.array_equal(vector, first[0]):
            return [first[0], vector]
        first = [*first, vector][:3]
    return first


def _all_same(contrast: Sequence[NDArray[np.float32]]) -> bool:
    return len(contrast) > 2


def _check_dimensions(vectors: Iterable[NDArray[np.float32]], modality: str) -> None:
    dimensions = sorted(set(map(len, vectors)))
    if len(dimensions) > 1:
        raise EmbeddingError(
            f"the model gives embeddings of dimension {dimensions[0]} and of {dimensions[-1]} for {modality} inputs; "
            "if it was changed since an earlier run, give it a new fingerprint"
        )


def _check_set(vectors: Sequence[NDArray[np.float32]], modality: str) -> None:
    """Refuse embeddings of distinct items that differ in dimension, or do not differ at all."""
    _check_dimensions(vectors, modality)
    if _all_same(_contrast(vectors)):
        raise EmbeddingError(
            f"the model gives the same embedding for all {len(vectors)} distinct {modality} inputs; "
            "check its weights and its preprocessing"
        )


def _longest_first(embedder: Embedder, texts: Sequence[str], rows: Sequence[int]) -> list[int]:
    lengths: dict[int, int] = {}
    for chunk in _chunks(rows, _TEXTS_AT_ONCE):  # whoever counts tokens holds all of a chunk's in memory
        lengths.update(zip(chunk, embedder.text_lengths([texts[row] for row in chunk]), strict=True))
    return sorted(rows, key=lengths.__getitem__, reverse=True)


def _read(inputs: Inputs, rows: Sequence[int], embedder: Embedder) -> tuple[dict[int, Any], dict[int, Exception]]:
    """The items of `rows` that can be read, as the embedder takes them, and why the others cannot."""
    items: dict[int, Any] = {}
    failed: dict[int, Exception] = {}
    images = [None] * len(rows) if inputs.images is None else inputs.images.read(rows)
    for row, image in zip(rows, images, strict=True):
        if isinstance(image, DatasetError):
            failed[row] = image
            continue
        if image is not None and not embedder.takes_any_mode:
            image = on_white(image)
        text = None if inputs.texts is None else inputs.texts[row]
        items[row] = (image, text) if inputs.modality == "interleaved" else text if image is None else image
    return items, failed


def _failure(inputs: Inputs, failed: Mapping[int, Exception], *, broken: bool) -> Exception:
    """The error of the first item that failed, which names others; `broken`: none could be embedded at all."""
    row, *others = sorted(failed)
    error, images = failed[row], inputs.images
    if broken and others and not any(isinstance(each, DatasetError) for each in failed.values()):
        return EmbeddingError(
            f"the model fails for every one of {len(failed)} {inputs.modality} inputs ({_said(error)}); check its "
            "code, its weights and its preprocessing"
        )
    if isinstance(error, DatasetError):
        said = str(error)
    elif images is None:
        said = f"the model fails for {_name(inputs, row)} ({_said(error)})"
    else:
        place = images.origin.place(row)
        said = images.origin.sentence(
            f"the model fails for the image in {place} ({_said(error)})",
            place,
            "let the model take it, or change it in a mirror of the dataset",
        )
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        said += f"; failed too: {', '.join(_name(inputs, other) for other in others[:_NAMED])}{more}"
    return DatasetError(said) if isinstance(error, DatasetError) else EmbeddingError(said)


def _name(inputs: Inputs, row: int) -> str:
    """An item in an error: where its image lies, or the beginning of its text."""
    if inputs.images is None:
        return f"the text {(inputs.texts or '')[row][:60]!r}"
    place = inputs.images.origin.place(row)
    return f"{place} of {place.split}"


def _said(error: Exception) -> str:
    """Type, message and place of an error in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f", in {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {first_line(error)}{where}"


def _chunks(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
