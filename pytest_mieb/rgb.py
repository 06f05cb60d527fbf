"""Any picture as RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def as_rgb(image: Image) -> Image:
    """The picture in RGB, without its transparency; itself where it is RGB."""
    if image.mode == "RGB":
        return image
    if image.mode == "P" and "transparency" in image.info:
        image = image.copy()
        del image.info["transparency"]  # RGB has none; Pillow warns when it drops it
    return image.convert("RGB")
