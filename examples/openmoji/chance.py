"""A model that knows nothing, to try the example with: `PYTHONPATH=examples/openmoji`, `--mieb-model=chance:model`."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_mieb import FunctionEmbedder

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 6


def ink(images: list[Image]) -> NDArray[np.float64]:
    """How far each picture is from white, in small; shape (n, 108)."""
    return np.array([1 - np.asarray(image.resize((SIDE, SIDE))).ravel() / 255 for image in images])


def noise(texts: list[str]) -> NDArray[np.float64]:
    """Random numbers, the same for the same text in every process; shape (n, 108)."""
    seeds = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") for text in texts]
    return np.array([np.random.default_rng(seed).standard_normal(3 * SIDE * SIDE) for seed in seeds])


def model() -> FunctionEmbedder:
    return FunctionEmbedder(ink, noise)
