"""Reading ahead: while the model works on one batch, threads read, decode and prepare the next ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.rgb import on_white
from pytest_mieb.embedding.plan import Item, Stream
from pytest_mieb.models.embedder import Embedder


@dataclass
class Batch:
    """What became of some items: `contents` as the embedder takes them, and why others cannot be read.

    `prepared` is what the embedder's preprocessing made of the contents, filled up to the size of a batch by repeating
    the last; None where it has none of its own, or where it failed.
    """

    items: Sequence[Item]
    contents: list[Any] = field(default_factory=list)
    failed: dict[Item, Exception] = field(default_factory=dict)
    prepared: Any = None


class Reader:
    """Threads that stay a few batches ahead."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None

    @contextmanager
    def batches(self, stream: Stream, size: int) -> Iterator[Iterator[Batch]]:
        """The stream's batches of `size` items, in order."""
        self._pool = self._pool or ThreadPoolExecutor(self._threads, thread_name_prefix="mieb-read")
        pool, chunks = self._pool, stream.chunks(size)
        waiting: deque[tuple[Sequence[Item], Future[Batch]]] = deque()

        def submit(count: int) -> None:
            waiting.extend((chunk, pool.submit(read, stream, chunk, size)) for chunk in islice(chunks, count))

        def ahead() -> Iterator[Batch]:
            submit(self._threads + 1)
            while waiting:
                chunk, future = waiting.popleft()
                try:
                    batch = future.result()
                except Warning:  # raised where a test's filters make errors of warnings; ours do not, here
                    batch = read(stream, chunk, size)
                submit(1)
                yield batch

        try:
            yield ahead()
        finally:
            for _, future in waiting:
                future.cancel()

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def read(stream: Stream, items: Sequence[Item], size: int) -> Batch:
    """Read some items, and prepare them as the model does, where it can do that apart."""
    batch = Batch(items)
    embedder = stream.view.embedder
    readable: list[Item] = []
    for item, content in zip(items, contents(stream, items, embedder), strict=True):
        if isinstance(content, DatasetError):
            batch.failed[item] = content
        else:
            readable.append(item)
            batch.contents.append(content)
    batch.items = readable
    prepare = getattr(embedder, "prepare_images", None)  # an object of other make may lack it
    if prepare and stream.modality == "image" and batch.contents:
        try:
            batch.prepared = prepare(filled(batch.contents, size, embedder))
        except Exception:  # of one of them: embedding them one by one tells which
            batch.prepared = None
        else:
            batch.contents = [None] * len(batch.contents) if batch.prepared is not None else batch.contents
    return batch


def contents(stream: Stream, items: Sequence[Item], embedder: Embedder) -> list[Any]:
    """Each item as the embedder takes it: a picture, a text or both; a DatasetError where it cannot be read."""
    images = _images(stream, items, embedder)
    found: list[Any] = []
    for item in items:
        inputs = stream.inputs[item.inputs]
        image = images.get(item)
        text = None if inputs.texts is None else inputs.texts[item.row]
        if isinstance(image, DatasetError) or text is None:
            found.append(image)
        else:
            found.append(text if image is None else (image, text))
    return found


def _images(stream: Stream, items: Sequence[Item], embedder: Embedder) -> Mapping[Item, Any]:
    found: dict[Item, Any] = {}
    for which in dict.fromkeys(item.inputs for item in items):
        images = stream.inputs[which].images
        if images is None:
            continue
        own = [item for item in items if item.inputs == which]
        found.update(zip(own, images.read([item.row for item in own]), strict=True))
    if embedder.takes_any_mode:
        return found
    return {item: each if isinstance(each, DatasetError) else on_white(each) for item, each in found.items()}


def filled(items: Sequence[Any], size: int, embedder: Embedder) -> list[Any]:
    """The items, filled up by repeating the last one where an embedding may depend on the size of its batch."""
    if not getattr(embedder, "depends_on_batch", True):
        return list(items)
    return [*items, *[items[-1]] * (size - len(items))]
