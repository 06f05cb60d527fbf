"""What is to be embedded: images, texts or both, read lazily, each with a key of its content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from pytest_mieb.data.columns import Part
from pytest_mieb.data.decoding import Decoding, Undecoded
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.keys import BYTES, Keys, as_keys, key_of, of_pictures
from pytest_mieb.data.origin import Origin, Place
from pytest_mieb.data.rgb import RangeError

if TYPE_CHECKING:
    from PIL.Image import Image

Modality = Literal["image", "text", "interleaved"]


class Images(Sequence["Image"]):
    """Pictures of a dataset's column; a picture is decoded when it is asked for, and never kept.

    The column may be an image column or raw bytes of image files. `datasets` decides what a picture is: it turns it as
    its EXIF data says. It comes in the mode that its file has, with 8 bits a channel.

    Args:
        parts: the rows of one or several splits.
        origin: where the rows lie in the dataset, for errors.
        reencode: each picture is decoded and encoded once more, in its own format at Pillow's default quality.
        in_rgb: it comes in RGB, as Pillow makes it.
        memory: the folder where keys are kept from run to run, or None.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        column: str,
        origin: Origin | None = None,
        *,
        reencode: bool = False,
        in_rgb: bool = False,
        memory: Path | None = None,
    ) -> None:
        self._splits = [part.columns for part in parts]
        self._split = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
        self._row = np.concatenate([part.rows for part in parts])
        self._column = column
        self.origin = origin or Origin.whole("without a name", "its only split", len(self._row))
        self.decoding = Decoding(reencode, in_rgb)
        self._memory = memory

    def __len__(self) -> int:
        return len(self._row)

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
        (picture,) = self.read([index])
        if isinstance(picture, DatasetError):
            raise picture from picture.__cause__
        return picture

    def read(self, indices: Sequence[int]) -> list[Image | DatasetError]:
        """Pictures, or why one cannot be shown."""
        return [self._shown(int(index), row) for index, row in zip(indices, self.undecoded(indices), strict=True)]

    def undecoded(self, indices: Sequence[int]) -> list[Undecoded]:
        """What `decoding` makes pictures of: what lies together in a file is read together."""
        chosen = np.asarray(indices, dtype=np.int64)
        found: list[Any] = [None] * len(chosen)
        for number in np.unique(self._split[chosen]):
            places = np.flatnonzero(self._split[chosen] == number)
            rows = self._row[chosen[places]]
            for place, row in zip(places, self._splits[number].pictures(self._column, rows), strict=True):
                found[place] = row
        return found

    def _shown(self, index: int, row: Undecoded) -> Image | DatasetError:
        try:
            return self.decoding(row)
        except Exception as error:  # of a damaged file Pillow's readers make any error there is
            refusal = self._refusal(self.origin.place(index), error)
            refusal.__cause__ = error
            return refusal

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
        rows = np.asarray(indices, dtype=np.int64)
        chosen = object.__new__(Images)
        chosen.__dict__ |= {name: value for name, value in self.__dict__.items() if name != "keys"}
        chosen._split, chosen._row = self._split[rows], self._row[rows]
        chosen.origin = self.origin.take(rows)
        return chosen

    @cached_property
    def keys(self) -> Keys:
        """One key an image, of the bytes of its file and of what is done to them; shape (n,)."""
        how = self.decoding
        kind = (b"reencoded" if how.reencode else b"image") + (b" in RGB" if how.in_rgb else b"")
        found = np.empty(len(self), dtype=f"V{BYTES}")
        for number, split in enumerate(self._splits):
            own = self._split == number
            found[own] = of_pictures(split, self._column, self._row[own], kind, self._memory)
        return found


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

    @cached_property
    def sides(self) -> tuple[Inputs, Inputs]:
        """The images alone and the texts alone, of inputs that have both."""
        return Inputs(images=self.images), Inputs(texts=self.texts)

    def __len__(self) -> int:
        return len(self.images) if self.images is not None else len(self.texts or ())

    def take(self, indices: Sequence[int]) -> Inputs:
        return Inputs(
            None if self.images is None else self.images.take(indices),
            None if self.texts is None else [self.texts[index] for index in indices],
        )

    @cached_property
    def keys(self) -> Keys:
        """One 16-byte key an item, shape (n,): equal keys mean equal content, whatever dataset it comes from."""
        if self.images is None:
            return as_keys(key_of(b"text", text.encode()) for text in self.texts or ())
        if self.texts is None:
            return self.images.keys
        texts = (key_of(b"text", text.encode()) for text in self.texts)
        pairs = zip(self.images.keys.tolist(), texts, strict=True)
        return as_keys(key_of(b"interleaved", *pair) for pair in pairs)

    def __iter__(self) -> Iterator[tuple[Image | None, str | None]]:
        for index in range(len(self)):
            yield (
                None if self.images is None else self.images[index],
                None if self.texts is None else self.texts[index],
            )
