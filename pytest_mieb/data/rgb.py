"""Pictures of any mode: with 8 bits a channel, and in RGB.

The reference leaves both to Pillow's `convert`, or to transformers. What comes to a model here has the same pixels but
for these modes:

    I;16    16 bits: Pillow cuts off at 255, and a scan is white all over; here 65535 becomes 255.
    I       32 bits, without a scale of their own: up to 255 as they are, there and here; where a value is above that,
            Pillow cuts off, and here they count as 16 bits.
    F       0 to 255 as they are, without their fractions, there and here; where no value is above 1, Pillow makes them
            black, and here 1 becomes 255.

What lies outside is refused, and so is what is no number: Pillow would cut it to 0 or 255.

What is transparent depends on who makes RGB of a picture. The reference's loader does in two layouts, as Pillow does it
(`as_rgb`); in all others it hands a model the mode of the file, and the model's own preprocessing decides. Here a model
says in which mode it takes pictures, and gets them so (`in_mode`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

ImageMode = Literal["any", "RGB", "RGB on white"]
_KEY = "transparency"


class RangeError(ValueError):
    """A picture whose values mean nothing that is known; the message says where they lie."""


def in_8_bits(image: Image) -> Image:
    """The picture with 8 bits a channel: itself, or in grey, with alpha where one of its levels is transparent.

    Scaled levels are rounded to the nearest, as the PNG standard has it.

    Raises:
        RangeError: its values lie outside of what its mode can mean.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    import numpy as np
    import PIL.Image

    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    legal, most = ("0 to 1 or 0 to 255", 255) if image.mode == "F" else ("0 to 65535", 65535)
    if not 0 <= low <= high <= most:  # false for NaN
        raise RangeError(f"its values, of mode {image.mode}, run from {low:g} to {high:g}, where {legal} can be shown")
    if image.mode == "F":
        levels = values if high > 1 else np.rint(values * 255)
    else:
        levels = values if image.mode == "I" and high <= 255 else (values.astype(np.uint32) * 255 + 32767) // 65535
    grey = PIL.Image.fromarray(levels.astype(np.uint8))
    if isinstance(key := image.info.get(_KEY), int):
        grey.putalpha(PIL.Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def in_mode(image: Image, mode: ImageMode) -> Image:
    """The picture for a model that takes it in `mode`: as it is, `as_rgb` or `on_white`."""
    return MODES[mode](image)


def as_rgb(image: Image) -> Image:
    """The picture in RGB as Pillow converts it: without alpha; a colour that stands for it stays noted in `info`."""
    return image if image.mode == "RGB" else without_alphas(image).convert("RGB")


def on_white(image: Image) -> Image:
    """The picture in RGB as transformers converts it: what is transparent is composed on white."""
    if "A" not in image.getbands() and image.info.get(_KEY) is None:
        return as_rgb(image)
    import PIL.Image

    image = image.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image).convert("RGB")


def without_alphas(image: Image) -> Image:
    """The picture, if with a palette without the colours' alphas, which Pillow drops as well, but with a warning."""
    if image.mode != "P" or not isinstance(image.info.get(_KEY), bytes):
        return image
    image = image.copy()
    del image.info[_KEY]
    return image


def _as_it_is(image: Image) -> Image:
    return image


MODES: Mapping[ImageMode, Callable[[Image], Image]] = {"any": _as_it_is, "RGB": as_rgb, "RGB on white": on_white}
