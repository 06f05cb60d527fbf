"""A model of which every release is as good as the one before: its embeddings differ by rounding.

The first two bytes of a picture's first pixel are its number; classes are three blobs each, which overlap.
`RELEASE` is the number of the release, `SCATTERED` the share of the pictures that it puts anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pytest_mieb import FunctionEmbedder

CLASSES, OF_A_CLASS, DIMENSION = 10, 60, 24
COUNT = CLASSES * OF_A_CLASS
NOISE = 4e-3


def label(number: int) -> int:
    return number % CLASSES


def picture(number: int) -> Image.Image:
    return Image.new("RGB", (1, 1), (number // 256, number % 256, 0))


def release() -> FunctionEmbedder:
    vectors = _vectors(int(os.environ["RELEASE"]), float(os.environ.get("SCATTERED", "0")))

    def look(images: Sequence[Image.Image]) -> NDArray[np.float32]:
        pixels = [np.asarray(image)[0, 0].astype(int) for image in images]
        return vectors[[(256 * pixel[0] + pixel[1]) % COUNT for pixel in pixels]]

    return FunctionEmbedder(look)


def _vectors(number: int, scattered: float) -> NDArray[np.float32]:
    generator = np.random.default_rng(0)
    spectrum = np.arange(1, DIMENSION + 1) ** -0.5
    means = generator.normal(size=(CLASSES, 1, DIMENSION))
    blobs = spectrum * (means + 0.5 * generator.normal(size=(CLASSES, 3, DIMENSION)))
    labels = np.array([label(number) for number in range(COUNT)])
    own = blobs[labels, generator.integers(3, size=COUNT)] + 0.5 * spectrum * generator.normal(size=(COUNT, DIMENSION))
    elsewhere = generator.permutation(COUNT)
    lost = generator.random(COUNT) < scattered
    vectors = np.where(lost[:, None], own[elsewhere], own)
    noise = np.random.default_rng([1, number]).normal(size=vectors.shape)
    return (vectors + NOISE * np.sqrt(np.mean(vectors**2)) * noise).astype(np.float32)
