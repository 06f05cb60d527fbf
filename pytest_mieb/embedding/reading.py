"""Reading ahead: while the model works on one batch, threads read, decode and prepare the next ones.

Where there is much to do and there are processors for it, processes decode and prepare, and the threads wait for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from pytest_mieb.data.decoding import Decoding, Undecoded
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.inputs import Images
from pytest_mieb.data.rgb import ImageMode, in_mode
from pytest_mieb.embedding.chunks import Chunk, Part, Share
from pytest_mieb.embedding.plan import Item, Stream
from pytest_mieb.embedding.processes import Processes
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.support.seconds import Seconds, Watch

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass
class Batch:
    """What became of some items, to be embedded as a batch of `size`; `ends` is the chunk that is done with them.

    `contents` are as the embedder takes them, and `failed` says why others cannot be read.

    `prepared` is what the embedder's preprocessing made of the contents, filled up to the size of a batch by repeating
    the last; None where it has none of its own, or where it failed. `seconds` is what decoding and preprocessing took.
    """

    items: Sequence[Item]
    size: int
    ends: Chunk | None = None
    contents: list[Any] = field(default_factory=list)
    failed: dict[Item, Exception] = field(default_factory=dict)
    prepared: Any = None
    seconds: Seconds = field(default_factory=Seconds)


class Reader:
    """Threads that stay a few batches ahead, and `processes` that prepare streams of `many` pictures or more."""

    def __init__(self, threads: int, processes: Processes | None = None, many: int = 20_000) -> None:
        self._threads, self._processes, self._many = threads, processes, many
        self._pool: ThreadPoolExecutor | None = None
        self._begun: _Reading | None = None

    def begin(self, share: Share, size: int) -> None:
        """Read the first batches of what will be asked for next."""
        self._drop()
        self._begun = self._reading(share, size)

    @contextmanager
    def batches(self, share: Share, size: int) -> Iterator[tuple[Share, Iterator[Batch]]]:
        """The batches of a share, of `size` items, in order; where it was begun, of what was taken then."""
        if self._begun and self._begun.share.stream.is_like(share.stream) and not share.narrowed:
            reading, self._begun = self._begun, None
        else:
            self._drop()
            reading = self._reading(share, size)
        try:
            yield reading.share, reading.batches()
        finally:
            reading.stop()

    def _drop(self) -> None:
        """Leave to others what was begun here."""
        if self._begun:
            self._begun.stop()
            self._begun.share.let_go()
            self._begun = None

    def close(self) -> None:
        self._drop()
        if self._processes:
            self._processes.close()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _reading(self, share: Share, size: int) -> _Reading:
        self._pool = self._pool or ThreadPoolExecutor(self._threads, "mieb-read", _alone)
        processes, stream = self._processes, share.stream
        if processes and stream.modality == "image" and len(stream) >= self._many:
            processes.start(stream.view.embedder)
        ahead = self._threads + 1 + len(stream.view.others)
        return _Reading(share, size, self._pool, ahead, processes)


def _alone() -> None:
    """Of a thread beside others: torch would start as many more in each of them."""
    import torch

    torch.set_num_threads(1)


class _Reading:
    """Some batches of a share that are being read, `ahead` of them at a time."""

    def __init__(
        self, share: Share, size: int, pool: ThreadPoolExecutor, ahead: int, processes: Processes | None
    ) -> None:
        self.share = share
        self._size, self._pool, self._processes = size, pool, processes
        self._parts = share.parts(size)
        self._waiting: deque[tuple[Part, Future[Batch]]] = deque()
        self._submit(ahead)

    def batches(self) -> Iterator[Batch]:
        while self._waiting:
            part, future = self._waiting.popleft()
            try:
                batch = future.result()
            except Warning:  # raised where a test's filters make errors of warnings; ours do not, here
                batch = read(self.share.stream, part.items, self._size)
            batch.ends = part.ends
            self._submit(1)
            yield batch

    def stop(self) -> None:
        for _, future in self._waiting:
            future.cancel()

    def _submit(self, count: int) -> None:
        for part in islice(self._parts, count):
            future = self._pool.submit(read, self.share.stream, part.items, self._size, self._processes)
            self._waiting.append((part, future))


def read(stream: Stream, items: Sequence[Item], size: int, processes: Processes | None = None) -> Batch:
    """Read some items, and prepare them as the model does, where it can do that apart."""
    batch = Batch(items, size)
    embedder = stream.view.embedder
    if processes and processes.ready_for(embedder) and stream.modality == "image":
        files = _files(stream, items)
        prepared = processes.prepare(embedder, files, len(filled(files, size, embedder)))
        if prepared is not None:
            batch.prepared, batch.seconds = prepared
            batch.contents = [None] * len(items)
            return batch
    decoding, preprocessing = Watch(), Watch()
    with decoding.running():
        found = contents(stream, items, embedder)
    readable: list[Item] = []
    for item, content in zip(items, found, strict=True):
        if isinstance(content, Exception):
            batch.failed[item] = content
        else:
            readable.append(item)
            batch.contents.append(content)
    batch.items = readable
    prepare = getattr(embedder, "prepare_images", None)  # an object of other make may lack it
    if prepare and stream.modality == "image" and batch.contents:
        try:
            with preprocessing.running():
                batch.prepared = prepare(filled(batch.contents, size, embedder))
        except Exception:  # of one of them: embedding them one by one tells which
            batch.prepared = None
        else:
            batch.contents = [None] * len(batch.contents) if batch.prepared is not None else batch.contents
    batch.seconds = Seconds(decode=decoding.seconds, preprocess=preprocessing.seconds)
    return batch


def contents(stream: Stream, items: Sequence[Item], embedder: Embedder) -> list[Any]:
    """Each item as the embedder takes it: a picture, a text or both.

    In place of one that cannot be read stands a DatasetError; of one that Pillow cannot convert, what it raises.
    """
    images = _images(stream, items, embedder)
    found: list[Any] = []
    for item in items:
        inputs = stream.inputs[item.inputs]
        image = images.get(item)
        text = None if inputs.texts is None else inputs.texts[item.row]
        if isinstance(image, Exception) or text is None:
            found.append(image)
        else:
            found.append(text if image is None else (image, text))
    return found


def _files(stream: Stream, items: Sequence[Item]) -> list[tuple[Undecoded, Decoding]]:
    found: dict[Item, tuple[Undecoded, Decoding]] = {}
    for images, own in _by_images(stream, items):
        files = images.undecoded([item.row for item in own])
        found.update(zip(own, ((file, images.decoding) for file in files), strict=True))
    return [found[item] for item in items]


def _images(stream: Stream, items: Sequence[Item], embedder: Embedder) -> Mapping[Item, Any]:
    found: dict[Item, Any] = {}
    for images, own in _by_images(stream, items):
        found.update(zip(own, images.read([item.row for item in own]), strict=True))
    return {item: _in_mode(each, embedder.image_mode) for item, each in found.items()}


def _in_mode(image: Image | DatasetError, mode: ImageMode) -> Image | Exception:
    if isinstance(image, DatasetError):
        return image
    try:
        return in_mode(image, mode)
    except Exception as error:  # there is no room, or Pillow knows no way
        return error


def _by_images(stream: Stream, items: Sequence[Item]) -> Iterator[tuple[Images, list[Item]]]:
    for which in dict.fromkeys(item.inputs for item in items):
        if (images := stream.inputs[which].images) is not None:
            yield images, [item for item in items if item.inputs == which]


def filled(items: Sequence[Any], size: int, embedder: Embedder) -> list[Any]:
    """The items, filled up by repeating the last one where an embedding may depend on the size of its batch."""
    if not getattr(embedder, "depends_on_batch", True):
        return list(items)
    return [*items, *[items[-1]] * (size - len(items))]
