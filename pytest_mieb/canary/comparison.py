"""How far each station may lie from its golden values, and how far it does.

Decode: PNG is lossless, so exact; JPEG decoders may round differently, by 2 levels of 255 at most.

Preprocess: torchvision resizes 8-bit pictures in integer arithmetic on every CPU, and kernels may round the last level
differently: 2 levels. Such roundings cancel out, so the mean over a channel of a picture may move by 0.25 levels;
CLIP's published mean instead of the miniature's, at most 0.6 levels away, moves it by 0.55. Another interpolation
moves pixels by 30 levels and more.

Tokenise: exact.

Embeddings: the distance to the golden embedding, as a part of its length. float32 on a CPU lies within 5e-7 of
float64, whatever the threads, the batch and the instruction set, so 5e-5 is 100 times that; GELU's tanh approximation
(1.4e-4) and float16 (6e-4) move it. On any other device 2e-3: TF32, which cuDNN's convolutions use by default, gives
5e-4 (emulated on a CPU, in all products), bfloat16 5e-3. As float16 alone would pass there, a second measure sees it
anywhere: all numbers that come out of half precision are numbers of float16, but of float32's only one in 8192 is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.canary.golden import Golden
from pytest_mieb.canary.report import Deviation, Station
from pytest_mieb.canary.stations import Observed, levels_of

JPEG_LEVELS = 2.0
PREPROCESSED_LEVELS = 2.0
MEAN_LEVELS = 0.25
ON_CPU, ELSEWHERE = 5e-5, 2e-3
HALF_PRECISION = 0.5
WAYS = ("resized", "resized and cropped")


def compare(golden: Golden, now: Observed, *, on_cpu: bool = True) -> tuple[Station, ...]:
    """All stations in order; `on_cpu` says where the embeddings were computed."""
    allowed = ON_CPU if on_cpu else ELSEWHERE
    return (
        Station("decode", decoded(golden.decoded, now.decoded)),
        Station("preprocess", preprocessed(golden, now.pixel_values)),
        Station(
            "tokenise",
            (
                differing("token ids", golden.input_ids, now.input_ids),
                differing("attention mask", golden.attention_mask, now.attention_mask),
            ),
        ),
        Station("image embedding", embedded(golden.image_embeddings, now.image_embeddings, allowed)),
        Station("text embedding", embedded(golden.text_embeddings, now.text_embeddings, allowed)),
    )


def decoded(golden: Mapping[str, NDArray[np.uint8]], now: Mapping[str, NDArray[np.uint8]]) -> tuple[Deviation, ...]:
    """The largest difference of one pixel's channel, file by file."""
    found = []
    for name, before in golden.items():
        if before.shape != now[name].shape:
            found.append(_other_shape(name, before, now[name]))
            continue
        levels = float(np.abs(before.astype(int) - now[name]).max())
        found.append(Deviation(name, levels, JPEG_LEVELS if name.endswith(".jpg") else 0.0, "levels of 255"))
    return tuple(found)


def preprocessed(golden: Golden, now: Sequence[NDArray[np.float32]]) -> tuple[Deviation, ...]:
    """For each way the largest difference of one value, and of the mean over a channel, with the picture it is in."""
    found = []
    for way, before, values in zip(WAYS, golden.levels, now, strict=True):
        if before.shape != values.shape:
            found.append(_other_shape(f"pictures {way}", before, values))
            continue
        moved = levels_of(values, golden.mean, golden.std) - before
        pixels = np.abs(moved).max(axis=(1, 2, 3))
        means = np.abs(moved.mean(axis=(2, 3))).max(axis=1)
        for what, largest, allowed in (("", pixels, PREPROCESSED_LEVELS), ("mean of ", means, MEAN_LEVELS)):
            place = int(largest.argmax())
            name = list(golden.decoded)[place]
            found.append(Deviation(f"{what}{name} {way}", float(largest[place]), allowed, "levels of 255"))
    return tuple(found)


def differing(what: str, golden: NDArray[np.int32], now: NDArray[np.int32]) -> Deviation:
    """How many numbers differ; where the lengths do, what one side lacks differs too."""
    if len(golden) != len(now):
        return _other_shape(what, golden, now)
    width = max(golden.shape[1], now.shape[1])
    before, after = (np.pad(each, ((0, 0), (0, width - each.shape[1])), constant_values=-1) for each in (golden, now))
    return Deviation(what, float((before != after).sum()), 0.0, f"of {before.size} numbers differ")


def embedded(golden: NDArray[np.float32], now: NDArray[np.float32], allowed: float) -> tuple[Deviation, ...]:
    """The largest distance, as a part of the golden embedding's length, and the share of numbers of float16."""
    if golden.shape != now.shape:
        return (_other_shape("embeddings", golden, now),)
    before, after = golden.astype(np.float64), now.astype(np.float64)
    distances = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        half = float((now.astype(np.float16).astype(np.float32) == now).mean())
    return (
        Deviation("distance from the golden embedding", float(distances.max()), allowed, "of its length"),
        Deviation("numbers rounded to half precision", half, HALF_PRECISION, "of all"),
    )


def _other_shape(what: str, golden: NDArray[Any], now: NDArray[Any]) -> Deviation:
    shapes = " instead of ".join("x".join(map(str, each.shape)) for each in (now, golden))
    return Deviation(f"{what} of shape {shapes}", 1.0, 0.0, "shape that differs")
