"""Image processors, corrected where they are wrong, and pictures as they take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.errors import ModelError

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_BACKEND = "torchvision"
INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
# How many times as long as wide a picture may be before it is trimmed, and how many pixels may be made of one.
LONGEST, MOST_PIXELS = 64, 1 << 25
_LEVELS = 5 / 255  # of all that there is: far less than pictures of noise differ by
# `--mieb-model-arg` that every family with a fixed picture size understands.
IMAGE_OPTIONS = ("mean", "std", "size", "interpolation")


def numbers(name: str, value: str) -> list[float]:
    """One or three comma-separated numbers, as three.

    Raises:
        ModelError: they are not.
    """
    try:
        found = [float(part) for part in value.split(",")]
    except ValueError:
        found = []
    if len(found) not in (1, 3):
        raise ModelError(f"--mieb-model-arg={name}={value}: give one number or three, such as {name}=0.5,0.5,0.5")
    return found * (3 // len(found))


def pixels(name: str, value: str) -> int:
    """The side of a square picture."""
    if not value.isdecimal() or int(value) < 1:
        raise ModelError(f"--mieb-model-arg={name}={value}: give the side of the picture in pixels, such as {name}=224")
    return int(value)


def interpolation(value: str) -> str:
    if value not in INTERPOLATIONS:
        raise ModelError(f"--mieb-model-arg=interpolation={value}: legal are {', '.join(INTERPOLATIONS)}")
    return value


def correct(image_processor: Any, options: Mapping[str, str]) -> None:
    """Apply `IMAGE_OPTIONS` to a transformers image processor."""
    if "mean" in options:
        image_processor.image_mean = numbers("mean", options["mean"])
    if "std" in options:
        image_processor.image_std = numbers("std", options["std"])
    if "interpolation" in options:
        image_processor.resample = INTERPOLATIONS.index(interpolation(options["interpolation"]))
    if "size" in options:
        side = pixels("size", options["size"])
        square = {"height": side, "width": side}
        whole = "shortest_edge" in dict(image_processor.size)
        image_processor.size = type_of(image_processor.size)({"shortest_edge": side} if whole else square)
        if getattr(image_processor, "crop_size", None):
            image_processor.crop_size = type_of(image_processor.crop_size)(square)


def type_of(size: Any) -> Any:
    """transformers keeps sizes as dictionaries in some processors, in others as objects made from keywords."""
    return dict if isinstance(size, dict) else lambda content: type(size)(**content)


class Pictures:
    """Pictures, in its `mode`, as an image processor of transformers takes them.

    A very thin one is trimmed where its centre alone is kept, and refused where it would become too large.
    """

    def __init__(self, image_processor: Any) -> None:
        # Nearly all make RGB of any mode, with what is transparent on white. One that does not fails for a picture with
        # alpha, and takes the indices of a palette for levels of grey.
        self.mode: ImageMode = "any" if getattr(image_processor, "do_convert_rgb", None) else "RGB"
        size = dict(getattr(image_processor, "size", None) or {})
        self._edge = int(size.get("shortest_edge") or 0)
        by_edge = not size or (self._edge and not size.get("longest_edge"))
        looked = by_edge and getattr(image_processor, "do_resize", True)
        self._crops, self._grows = _what_counts(image_processor) if looked else (False, False)

    def __call__(self, images: Iterable[Image]) -> list[Image]:
        """The pictures, in order.

        Raises:
            ValueError: more pixels would be made of one than `MOST_PIXELS`.
        """
        if self._crops:
            return [trimmed(image) for image in images]
        taken = list(images)
        for image in taken if self._grows else ():
            width, height = (side * self._edge // min(image.size) for side in image.size)
            if width * height > MOST_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels would be resized to {width}x{height}")
        return taken


def _what_counts(image_processor: Any) -> tuple[bool, bool]:
    """Whether the centre alone of an oblong picture counts; and if not, whether what comes out is as long as it."""
    import numpy as np
    import torch
    from PIL import Image

    whole = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 32, 3), dtype=np.uint8))
    centre = whole.crop((8, 0, 24, 4))
    long, short = (image_processor([image], return_tensors="pt") for image in (whole, centre))
    named = [name for name, value in long.items() if isinstance(value, torch.Tensor) and value.is_floating_point()]
    tensors = [(long[name], short[name]) for name in named]
    if all(one.shape == other.shape for one, other in tensors):
        return all((one - other).abs().max() < _LEVELS * (one.max() - one.min()) for one, other in tensors), False
    return False, any(one.numel() == 2 * other.numel() for one, other in tensors)


def trimmed(image: Image) -> Image:
    """A picture without ends of which nothing is left when it is resized by its shorter edge and its centre cropped.

    To make 224x224 of 2x4000 pixels, 224x448000 would be made first. A picture that is more than 64 times as long as
    wide is cut to about that, on both sides by a multiple of twice its width, which comes to whole pixels. What is left
    is resized and cropped to the same pixels, or within 2 of 255 levels where the longer edge came to no whole number.
    """
    edge, long = sorted(image.size)
    cut = (long - LONGEST * edge) // 2 // (2 * edge) * 2 * edge
    if cut <= 0:
        return image
    wide = image.width > image.height
    return image.crop((cut, 0, long - cut, edge) if wide else (0, cut, edge, long - cut))


def thick_enough(image: Image, side: int) -> Image:
    """A picture so thin that nothing is left of it when its longer edge becomes `side` pixels, as thick as is needed.

    Any other as it is: for resizing by the longer edge, which would fail.
    """
    least = -(-max(image.size) // side)
    return image if min(image.size) >= least else image.resize((max(image.width, least), max(image.height, least)))
