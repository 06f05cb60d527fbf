"""From the file of a picture to the picture, as `datasets` decodes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

from pytest_mieb.data.rgb import as_rgb, in_8_bits

if TYPE_CHECKING:
    from PIL.Image import Image

# The bytes of a file, or its path; None or both None where there is no picture.
Undecoded = dict[str, Any] | None
_DECODING = RLock()


@dataclass(frozen=True)
class Decoding:
    """How a picture is made of its file: in the mode that the file has, with 8 bits a channel.

    Args:
        reencode: it is decoded and encoded once more, in its own format at Pillow's default quality.
        in_rgb: it comes in RGB, as Pillow makes it.
    """

    reencode: bool = False
    in_rgb: bool = False

    def __call__(self, file: Undecoded) -> Image:
        """The picture. Raises what Pillow or `datasets` raise, and RangeError."""
        image = _opened(file or {"bytes": None, "path": None})
        image = in_8_bits(_opened({"bytes": _encoded_again(image), "path": None}) if self.reencode else image)
        return as_rgb(image) if self.in_rgb else image


def _opened(row: dict[str, Any]) -> Image:
    """The picture as `datasets` decodes it.

    Where its file ends too early that is an error, whatever other code has told Pillow: it would make the rest up.
    """
    import datasets
    from PIL import Image, ImageFile

    decode = datasets.Image().decode_example
    with _strictly(ImageFile):
        try:
            return decode(row)
        except Image.DecompressionBombWarning:  # raised where warnings are errors; what is too large is an error anyway
            with _set(Image, "MAX_IMAGE_PIXELS", None):
                return decode(row)


class _Decoders:
    """How many threads decode now, and what `LOAD_TRUNCATED_IMAGES` was before the first of them."""

    lock, active, before = Lock(), 0, False


@contextmanager
def _strictly(module: Any) -> Iterator[None]:
    """Pillow makes nothing up while any thread decodes; whatever anybody set stands again after the last of them."""
    with _Decoders.lock:
        if not _Decoders.active:
            _Decoders.before, module.LOAD_TRUNCATED_IMAGES = module.LOAD_TRUNCATED_IMAGES, False
        _Decoders.active += 1
    try:
        yield
    finally:
        with _Decoders.lock:
            _Decoders.active -= 1
            if not _Decoders.active:
                module.LOAD_TRUNCATED_IMAGES = _Decoders.before


@contextmanager
def _set(module: Any, name: str, value: object) -> Iterator[None]:
    """Give a global of Pillow a value while a picture is decoded, in one thread at a time."""
    with _DECODING:
        before = getattr(module, name)
        setattr(module, name, value)
        try:
            yield
        finally:
            setattr(module, name, before)


def _encoded_again(image: Image) -> bytes:
    from io import BytesIO

    from datasets.features.image import list_image_compression_formats

    lossless = "PNG" if image.mode in ("1", "L", "LA", "RGB", "RGBA") else "TIFF"
    buffer = BytesIO()
    image.save(buffer, format=image.format if image.format in list_image_compression_formats() else lossless)
    return buffer.getvalue()
