"""A model that keeps one processor busy for a fixed time an item: `--mieb-model=benchmarks.busy:model`.

It may note what it embeds, so that it can be counted what was embedded twice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from time import thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from pytest_mieb import FunctionEmbedder


def model(milliseconds: str = "2", log: str = "") -> FunctionEmbedder:
    """Each embedding is drawn by the item's content, after so many milliseconds of a processor's time.

    `log` is a file that gets a line for each item of a batch, but for those that only fill it up.
    """
    seconds = float(milliseconds) / 1000

    def embed(contents: Sequence[bytes]) -> NDArray[np.float32]:
        found = np.stack([_busy(content, seconds) for content in contents])
        if log:
            names = dict.fromkeys(blake2b(content, digest_size=8).hexdigest() for content in contents)
            with open(log, "a", encoding="utf-8") as file:
                file.write("".join(f"{name} {os.getpid()}\n" for name in names))
        return found

    def images(pictures: list[Image]) -> Any:
        return embed([picture.resize((8, 8)).tobytes() for picture in pictures])

    return FunctionEmbedder(
        images, lambda texts: embed([text.encode() for text in texts]), dimension=16, fingerprint=f"busy-{milliseconds}"
    )


def _busy(content: bytes, seconds: float) -> NDArray[np.float32]:
    seed = int.from_bytes(blake2b(content, digest_size=8).digest())
    end, noise = thread_time() + seconds, np.ones((64, 64))
    while thread_time() < end:
        noise = np.tanh(noise)
    return np.random.default_rng(seed).standard_normal(16, dtype=np.float32)
