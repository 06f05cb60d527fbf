"""Models that know eight colours and, in three languages, their names: what the end-to-end tests run.

An image is the mean colours of a 4x4 thumbnail. A text paints the same 4x4 picture from the colours that it names: the
first one on the left, the last one on the right. A model of the tests is `sound`, or it differs in the one thing that
its name says.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

from pytest_mieb import FunctionEmbedder

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}
GERMAN = ("rot", "grün", "blau", "gelb", "türkis", "lila", "schwarz", "weiß")
FRENCH = ("rouge", "vert", "bleu", "jaune", "turquoise", "mauve", "noir", "blanc")
LANGUAGES = {"en": tuple(COLOURS), "de": GERMAN, "fr": FRENCH}
SIDE = 4
HASHED = 16


def sound() -> FunctionEmbedder:
    return FunctionEmbedder(thumbnails, paint, fingerprint="toy-sound")


def noting(log: str, seconds: str = "0.02") -> FunctionEmbedder:
    """Takes its time for every batch, and notes in a file which process embedded what."""

    def note(contents: Sequence[bytes]) -> None:
        time.sleep(float(seconds))
        names = dict.fromkeys(blake2b(content, digest_size=8).hexdigest() for content in contents)
        with open(log, "a", encoding="utf-8") as file:
            file.write("".join(f"{os.getpid()} {name}\n" for name in names))

    def look(images: Sequence[Image]) -> NDArray[np.float32]:
        note([image.tobytes() for image in images])
        return thumbnails(images)

    def read(texts: Sequence[str]) -> NDArray[np.float32]:
        note([text.encode() for text in texts])
        return paint(texts)

    return FunctionEmbedder(look, read, fingerprint="toy-noting")


def unnamed() -> FunctionEmbedder:
    """Without a fingerprint."""
    return FunctionEmbedder(thumbnails, paint)


def swapped_channels() -> FunctionEmbedder:
    """Takes red for blue: an image reader that gives BGR."""
    return FunctionEmbedder(lambda images: thumbnails(images, order=(2, 1, 0)), paint, fingerprint="toy-swapped")


def without_german() -> FunctionEmbedder:
    languages = [names for language, names in LANGUAGES.items() if language != "de"]
    return FunctionEmbedder(thumbnails, lambda texts: paint(texts, languages), fingerprint="toy-without-german")


def vision_only() -> FunctionEmbedder:
    return FunctionEmbedder(thumbnails, fingerprint="toy-vision")


def not_a_number() -> FunctionEmbedder:
    """Its texts are NaN."""
    return FunctionEmbedder(thumbnails, lambda texts: paint(texts) * np.nan, fingerprint="toy-nan")


def dies() -> FunctionEmbedder:
    """Takes its process with it when it sees the texts of ToyZeroShot."""
    return FunctionEmbedder(
        thumbnails,
        lambda texts: os._exit(70) if "a picture in" in texts[0] else paint(texts),
        fingerprint="toy-dies",
    )


def stuck() -> FunctionEmbedder:
    """Embeds a first batch of pictures that are not the package's own, and then takes forever."""
    seen: list[int] = []

    def look(images: Sequence[Image]) -> NDArray[np.float32]:
        if len(images) > 8:
            seen.append(len(images))
        if len(seen) > 1:
            Path("stuck").touch()
            time.sleep(600)
        return thumbnails(images)

    return FunctionEmbedder(look, paint, fingerprint="toy-stuck")


def slow() -> FunctionEmbedder:
    """Takes a while for a batch that is not the package's own, and prints a lot, past Python too."""

    def look(images: Sequence[Image]) -> NDArray[np.float32]:
        if len(images) > 8:
            time.sleep(0.3)
            print("looking " * 50_000)
            os.write(1, b"looking\n" * 50_000)
            os.write(2, b"looking\n" * 50_000)
        return thumbnails(images)

    return FunctionEmbedder(look, paint)


def slow_and_dies() -> FunctionEmbedder:
    return FunctionEmbedder(slow().embed_images, dies().embed_texts)


def choosy() -> FunctionEmbedder:
    """Refuses a picture that is more than 16 times as wide as high, as a processor of Qwen2-VL's kind does."""

    def look(images: Sequence[Image]) -> NDArray[np.float32]:
        for image in images:
            if image.width > 16 * image.height:
                raise ValueError(f"aspect ratio {image.width / image.height:g}")
        return thumbnails(images)

    return FunctionEmbedder(look, paint, fingerprint="toy-choosy")


def grumbles() -> FunctionEmbedder:
    """Warns as it is loaded, and at every batch."""

    def read(texts: Sequence[str]) -> NDArray[np.float32]:
        warnings.warn("read otherwise one day", DeprecationWarning, stacklevel=1)
        warnings.warn("known for long", UserWarning, stacklevel=1)
        return paint(texts)

    warnings.warn("loaded otherwise one day", FutureWarning, stacklevel=1)
    return FunctionEmbedder(thumbnails, read, fingerprint="toy-grumbles")


def lopsided() -> FunctionEmbedder:
    """Its texts have more dimensions than its images."""
    return FunctionEmbedder(lambda images: thumbnails(images)[:, :48], paint, fingerprint="toy-lopsided")


def breaks() -> FunctionEmbedder:
    """Is loaded, and cannot embed."""

    def look(images: Sequence[Image]) -> NDArray[np.float32]:
        raise IndexError("no such layer")

    return FunctionEmbedder(look, fingerprint="toy-breaks")


def raises() -> FunctionEmbedder:
    raise RuntimeError("weights of step 40000 are truncated")


def nothing() -> None:
    """Forgets to return its embedder."""


def thumbnails(images: Sequence[Image], order: Sequence[int] = (0, 1, 2)) -> NDArray[np.float32]:
    small = [np.asarray(image.resize((SIDE, SIDE), Resampling.BOX), dtype=np.float32) for image in images]
    pixels = np.stack(small)[..., list(order)] / 255 - 0.5
    return np.concatenate([pixels.reshape(len(images), -1), np.zeros((len(images), HASHED), np.float32)], axis=1)


def paint(texts: Sequence[str], languages: Sequence[Sequence[str]] = tuple(LANGUAGES.values())) -> NDArray[np.float32]:
    known = {name: rgb for names in languages for name, rgb in zip(names, COLOURS.values(), strict=True)}
    vectors = []
    for text in texts:
        named = [known[word] for word in text.lower().replace(",", " ").split() if word in known]
        picture = np.zeros((SIDE, SIDE, 3), np.float32)
        if named:
            picture[:, : SIDE // 2] = np.asarray(named[0], np.float32) / 255 - 0.5
            picture[:, SIDE // 2 :] = np.asarray(named[-1], np.float32) / 255 - 0.5
        vectors.append(np.concatenate([picture.reshape(-1), _hashed(text)]))
    return np.stack(vectors)


def _hashed(text: str) -> NDArray[np.float32]:
    """Counts of the text's trigrams in few bins: small, so that the colours decide, but never all zero."""
    counts = np.zeros(HASHED, np.float32)
    padded = f" {text} "
    for start in range(len(padded) - 2):
        counts[blake2b(padded[start : start + 3].encode(), digest_size=1).digest()[0] % HASHED] += 1
    return counts / np.float32(100 * max(1, len(text))) + np.float32(1e-4)
