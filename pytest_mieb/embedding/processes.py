"""Processes that decode and preprocess pictures: threads share one interpreter, which keeps few processors busy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from loky.backend import get_context  # its processes do not import the caller's script again

from pytest_mieb.data.decoding import Decoding, Undecoded
from pytest_mieb.data.rgb import ImageMode, in_mode
from pytest_mieb.support.scratch import Scratch
from pytest_mieb.support.seconds import Seconds, Watch

if TYPE_CHECKING:
    from pytest_mieb.models.embedder import Embedder

Files = Sequence[tuple[Undecoded, Decoding]]


class Processes:
    """`count` processes, which start when they are first asked for; what they prepare comes back through memory.

    Whatever goes wrong in them, or with them, is no error here: the caller prepares those pictures itself, and sees.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self._starting: list[Future[None]] = []
        self._scratch: list[Scratch] = []
        self._preparing: tuple[Embedder, bytes | None] | None = None

    def start(self, embedder: Embedder) -> None:
        """Start them, and return at once: importing takes seconds."""
        preparing = self._pickled(embedder)
        if self._pool is None and preparing is not None:
            self._scratch = [Scratch(in_memory=True), Scratch()]
            self._pool = ProcessPoolExecutor(self._count, get_context("loky"), _begin, (os.getpid(),))
            self._starting = [self._pool.submit(_try, preparing) for _ in range(self._count)]

    def ready_for(self, embedder: Embedder) -> bool:
        """Whether they have started, and can do what this embedder does with pictures."""
        started = self._pool is not None and all(start.done() for start in self._starting)
        return started and self._pickled(embedder) is not None

    def prepare(self, embedder: Embedder, files: Files, size: int) -> tuple[Mapping[str, Any], Seconds] | None:
        """What the embedder's preprocessing makes of pictures, filled up to `size` by repeating the last one.

        Tensors by name, with the time that they took there; None where that is not to be had now.
        """
        from safetensors import safe_open

        preparing = self._pickled(embedder)
        if preparing is None or self._pool is None:
            return None
        folders = [scratch.folder for scratch in self._scratch]
        try:
            path = self._pool.submit(_prepared, preparing, files, embedder.image_mode, size, folders).result()
        except RuntimeError:  # one was killed, or they are being closed
            return None
        if path is None:
            return None
        try:
            with safe_open(path, "pt") as file:
                taken = {stage: float(seconds) for stage, seconds in file.metadata().items()}
                return {name: file.get_tensor(name) for name in file.keys()}, Seconds(**taken)  # noqa: SIM118
        finally:
            path.unlink()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for scratch in self._scratch:
            scratch.remove()
        self._scratch = []

    def _pickled(self, embedder: Embedder) -> bytes | None:
        """The embedder's preprocessing for another process; None where it has none, or none that can be pickled."""
        if self._preparing is None or self._preparing[0] is not embedder:
            self._preparing = embedder, _pickled(embedder)
        return self._preparing[1]


def _pickled(embedder: Embedder) -> bytes | None:
    import cloudpickle

    apart = getattr(embedder, "preparing_apart", None)  # an object of other make may lack it
    preparing = apart() if apart else None
    try:
        pickled: bytes | None = cloudpickle.dumps(preparing) if preparing else None
    except Exception:  # code of others, which holds what cannot be
        return None
    return pickled


def _begin(parent: int) -> None:
    """What every process does first: the interrupt of a terminal is for `parent`, with which it ends."""
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        sleep(1)
    os._exit(1)


def _try(preparing: bytes) -> None:
    """Prepare any picture, so that all is imported. A failure shows where a real one is prepared."""
    from PIL import Image

    with suppress(Exception):
        _unpickled(preparing)([Image.new("RGB", (64, 64), "grey")])


def _prepared(preparing: bytes, files: Files, mode: ImageMode, size: int, folders: Sequence[Path]) -> Path | None:
    """The file that holds what was prepared, in the first folder that has room; None where anything fails."""
    decoding_watch, preprocessing_watch = Watch(), Watch()
    try:
        with decoding_watch.running():
            pictures = [in_mode(decoding(file), mode) for file, decoding in files]
        with preprocessing_watch.running():
            found = _unpickled(preparing)([*pictures, *pictures[-1:] * (size - len(pictures))])
            tensors = {name: each.contiguous() for name, each in found.items()}
    except Exception:  # the caller sees it
        return None
    taken = {"decode": str(decoding_watch.seconds), "preprocess": str(preprocessing_watch.seconds)}
    for folder in folders:
        path = folder / uuid4().hex
        try:
            from safetensors.torch import save_file

            save_file(tensors, path, taken)
        except Exception:  # no room
            with suppress(OSError):
                path.unlink(missing_ok=True)
        else:
            return path
    return None


@lru_cache(maxsize=4)
def _unpickled(preparing: bytes) -> Callable[[Sequence[Any]], Mapping[str, Any]]:
    import pickle

    found: Callable[[Sequence[Any]], Mapping[str, Any]] = pickle.loads(preparing)
    return found
