"""Named arrays in one safetensors file, with a checksum of each, mapped or read from a part of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from pytest_mieb.support.atomic import written

SUFFIX = ".safetensors"
_CODES: Mapping[str, str] = {"|u1": "U8", "<f2": "F16", "<f4": "F32"}
_TYPES: Mapping[str, np.dtype[Any]] = {code: np.dtype(text) for text, code in _CODES.items()}
LONGEST_HEADER = 4096


class DamagedError(Exception):
    """A file that is not what was written; the message says in what."""


class Extent(NamedTuple):
    """Where an array lies: bytes `start` to `stop` of the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


class Header(NamedTuple):
    """What a file says of its arrays, and the checksum that each had when it was written."""

    extents: dict[str, Extent]
    checksums: dict[str, str]

    @property
    def size(self) -> int:
        """Of the whole file, in bytes."""
        return max((extent.stop for extent in self.extents.values()), default=0)


class Stored(NamedTuple):
    """Arrays of a file, all or some of those that its header tells of."""

    header: Header
    arrays: dict[str, NDArray[Any]]

    def check(self, name: str) -> None:
        """Read an array and compare. Raises DamagedError."""
        if checksum(self.arrays[name]) != self.header.checksums[name]:
            raise DamagedError(f"its {name} are not those that were written")


def checksum(array: NDArray[Any]) -> str:
    return xxhash.xxh3_128(np.ascontiguousarray(array).data).hexdigest()


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays (uint8, float16 or float32, none of them empty), whole or not at all. Raises OSError."""
    with written(path) as temporary, open(temporary, "wb") as file:
        file.write(_header(arrays))
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).data)


def _header(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    content: dict[str, Any] = {"__metadata__": {name: checksum(array) for name, array in arrays.items()}}
    start = 0
    for name, array in arrays.items():
        content[name] = {
            "dtype": _CODES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [start, start + array.nbytes],
        }
        start += array.nbytes
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def header(start: bytes, size: int) -> Header:
    """What the first bytes of a file of `size` bytes say.

    Raises:
        DamagedError: it is none of these files, or not a whole one.
    """
    try:
        length = int.from_bytes(start[:8], "little")
        content: Any = json.loads(start[8 : 8 + length]) if length <= len(start) - 8 else None
        checksums = {str(name): str(each) for name, each in content.pop("__metadata__").items()}
        extents: dict[str, Extent] = {}
        end = 8 + length
        for name, about in content.items():
            dtype = _TYPES[about["dtype"]]
            shape = tuple(map(int, about["shape"]))
            first, last = (8 + length + int(offset) for offset in about["data_offsets"])
            n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            if min(shape) < 1 or first < 0 or last - first != n_bytes or last > size:
                raise DamagedError("it is not whole")
            extents[name] = Extent(dtype, shape, first, last)
            end = max(end, last)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedError("it is not whole") from error
    if end != size or checksums.keys() != extents.keys():
        raise DamagedError("it is not whole")
    return Header(extents, checksums)


def mapped(path: Path) -> Stored:
    """The arrays of a file. No file stays open.

    Raises:
        DamagedError: it is none of these files, or not a whole one.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(LONGEST_HEADER)
    found = header(start, size)
    places = found.extents.items()
    return Stored(
        found,
        {name: np.memmap(path, place.dtype, "r", offset=place.start, shape=place.shape) for name, place in places},
    )


def within(start: bytes, size: int) -> Stored:
    """The arrays that lie whole in the first bytes of a file of `size` bytes. Raises DamagedError."""
    found = header(start, size)
    return Stored(
        found,
        {
            name: np.frombuffer(start[place.start : place.stop], place.dtype).reshape(place.shape)
            for name, place in found.extents.items()
            if place.stop <= len(start)
        },
    )


def check(path: Path) -> None:
    """Read a whole file and compare. Raises DamagedError, OSError."""
    stored = mapped(path)
    for name in stored.arrays:
        stored.check(name)
