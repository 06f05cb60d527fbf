"""What is to be embedded: images, texts or both, read lazily, each with a key of its content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, overload

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.origin import Origin, Place
from pytest_mieb.data.rgb import RangeError, as_rgb, in_8_bits

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL.Image import Image

Modality = Literal["image", "text", "interleaved"]
_ROWS_AT_ONCE = 256
_DECODING = RLock()


class Images(Sequence["Image"]):
    """An image column of a dataset; a picture is decoded when it is asked for, and never kept.

    The column may be an image column or raw bytes of image files. `datasets` decides what a picture is: it turns it as
    its EXIF data says. It comes in the mode that its file has, with 8 bits a channel.

    Args:
        origin: where the rows lie in the dataset, for errors.
        reencode: each picture is decoded and encoded once more, in its own format at Pillow's default quality.
        in_rgb: it comes in RGB, as Pillow makes it.
    """

    def __init__(
        self,
        dataset: Dataset,
        column: str,
        origin: Origin | None = None,
        *,
        reencode: bool = False,
        in_rgb: bool = False,
    ) -> None:
        import datasets

        undecoded = datasets.Image(decode=False)
        self._rows = dataset.select_columns([column]).cast_column(column, undecoded)
        self._column = column
        self.origin = origin or Origin.whole("without a name", "its only split", len(dataset))
        self._reencode = reencode
        self._in_rgb = in_rgb

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | Sequence[Image]:
        """The picture.

        Raises:
            DatasetError: it cannot be decoded, or what its values mean is not known; the message names its row.
        """
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        row = self._rows[index][self._column]
        try:
            image = in_8_bits(self._decoded(row))
            return as_rgb(image) if self._in_rgb else image
        except Exception as error:  # of a damaged file Pillow's readers make any error there is
            raise self._refusal(self.origin.place(index), error) from error

    def _decoded(self, row: dict[str, Any]) -> Image:
        image = _opened(row)
        return _opened({"bytes": _encoded_again(image), "path": None}) if self._reencode else image

    def _refusal(self, place: Place, error: Exception) -> DatasetError:
        from PIL import UnidentifiedImageError
        from PIL.Image import DecompressionBombError

        if isinstance(error, DecompressionBombError):
            return self.origin.error(
                f"column {self._column!r} holds an image in {place} that is larger than Pillow opens ({error})",
                place,
                "make it smaller in a mirror of the dataset, or raise PIL.Image.MAX_IMAGE_PIXELS in a conftest.py",
            )
        if isinstance(error, RangeError):
            return self.origin.error(
                f"column {self._column!r} holds an image in {place} that cannot be shown: {error}",
                place,
                "convert it in a mirror of the dataset",
            )
        said = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):  # its own words name a buffer
            said = "of no format that Pillow knows"
        return self.origin.error(f"column {self._column!r} holds a damaged image in {place} ({said})", place)

    def take(self, indices: Sequence[int]) -> Images:
        chosen = object.__new__(Images)
        chosen.__dict__ |= {name: value for name, value in self.__dict__.items() if name != "keys"}
        chosen._rows = self._rows.select(indices)
        chosen.origin = self.origin.take(indices)
        return chosen

    @cached_property
    def keys(self) -> list[bytes]:
        """One key an image, of the bytes of its file and of what is done to them."""
        kind = (b"reencoded" if self._reencode else b"image") + (b" in RGB" if self._in_rgb else b"")
        keys = []
        for batch in self._rows.with_format("arrow").iter(batch_size=_ROWS_AT_ONCE):
            keys += [_key(kind, _file_bytes(row)) for row in batch[self._column].to_pylist()]
        return keys


def _opened(row: dict[str, Any]) -> Image:
    """The picture as `datasets` decodes it.

    Where its file ends too early that is an error, whatever other code has told Pillow: it would make the rest up.
    """
    import datasets
    from PIL import Image, ImageFile

    feature = datasets.Image()
    with _set(ImageFile, "LOAD_TRUNCATED_IMAGES", False):
        try:
            return feature.decode_example(row)
        except Image.DecompressionBombWarning:  # raised where warnings are errors; what is too large is an error anyway
            with _set(Image, "MAX_IMAGE_PIXELS", None):
                return feature.decode_example(row)


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


def _file_bytes(row: dict[str, Any] | None) -> bytes:
    if row is None:
        return b""
    if row["bytes"] is not None:
        content: bytes = row["bytes"]
        return content
    try:
        with open(row["path"], "rb") as file:
            return file.read()
    except OSError:  # said where the picture is asked for, of its row
        return f"no file {row['path']}".encode()


def _key(kind: bytes, *parts: bytes) -> bytes:
    digest = blake2b(digest_size=16, person=kind)
    for part in parts:
        digest.update(part)
    return digest.digest()


@dataclass(frozen=True)
class Inputs:
    """Items to embed, in order: images, texts, or images each with its text (interleaved)."""

    images: Images | None = None
    texts: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.images is None and self.texts is None:
            raise ValueError("Inputs need images, texts or both")
        if self.images is not None and self.texts is not None and len(self.images) != len(self.texts):
            raise ValueError(f"{len(self.images)} images for {len(self.texts)} texts")

    @property
    def modality(self) -> Modality:
        if self.texts is None:
            return "image"
        return "text" if self.images is None else "interleaved"

    def __len__(self) -> int:
        return len(self.images) if self.images is not None else len(self.texts or ())

    def take(self, indices: Sequence[int]) -> Inputs:
        return Inputs(
            None if self.images is None else self.images.take(indices),
            None if self.texts is None else [self.texts[index] for index in indices],
        )

    @cached_property
    def keys(self) -> list[bytes]:
        """One 16-byte key an item: equal keys mean equal content, whatever dataset it comes from."""
        if self.images is None:
            return [_key(b"text", text.encode()) for text in self.texts or ()]
        if self.texts is None:
            return self.images.keys
        texts = (_key(b"text", text.encode()) for text in self.texts)
        return [_key(b"interleaved", *pair) for pair in zip(self.images.keys, texts, strict=True)]

    def __iter__(self) -> Iterator[tuple[Image | None, str | None]]:
        for index in range(len(self)):
            yield (
                None if self.images is None else self.images[index],
                None if self.texts is None else self.texts[index],
            )
