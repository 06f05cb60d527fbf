"""Keys of pictures: the same for the same bytes, computed once for every state of a dataset's files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.columns import Columns, Rows
from pytest_mieb.support import arrays

BYTES = 16
# One key an item, shape (n,): 16 bytes each, equal where the content is.
Keys = NDArray[np.void]
_DTYPE = np.dtype(f"V{BYTES}")
_ROWS_AT_ONCE = 256


def key_of(kind: bytes, *contents: bytes) -> bytes:
    """The key of what has these contents and is used as `kind` says."""
    digest = blake2b(digest_size=BYTES, person=kind)
    for content in contents:
        digest.update(content)
    return digest.digest()


def as_keys(keys: Iterable[bytes]) -> Keys:
    joined = b"".join(keys)
    return np.frombuffer(joined, dtype=_DTYPE) if joined else np.empty(0, dtype=_DTYPE)


def of_pictures(columns: Columns, column: str, rows: Rows, kind: bytes, memory: Path | None) -> Keys:
    """The keys of some rows of a picture column.

    Args:
        kind: what is done to a picture's bytes before it is shown to a model.
        memory: the folder where keys are kept from run to run; those that are there are not computed, and no picture
            is read for them.
    """
    file = _file(columns, column, kind, memory)
    known = _kept(file, len(columns))
    missing = np.unique(rows[~known[rows].any(axis=1)])
    for start in range(0, len(missing), _ROWS_AT_ONCE):
        some = missing[start : start + _ROWS_AT_ONCE]
        found = as_keys(key_of(kind, _content(picture)) for picture in columns.pictures(column, some))
        known[some] = found.view(np.uint8).reshape(-1, BYTES)
    if file and len(missing):
        with suppress(OSError):  # then they are computed again
            file.parent.mkdir(parents=True, exist_ok=True)
            arrays.write(file, {"keys": known})
    return known[rows].view(_DTYPE).ravel()


def _file(columns: Columns, column: str, kind: bytes, memory: Path | None) -> Path | None:
    state = columns.state if memory else None
    if memory is None or state is None:
        return None
    name = key_of(b"keys of a column", state.encode(), b"\n", column.encode(), b"\n", kind).hex()
    return memory / name[:2] / f"{name}{arrays.SUFFIX}"


def _kept(file: Path | None, count: int) -> NDArray[np.uint8]:
    """The keys of a whole column, shape (count, 16); zero where one is not known."""
    try:
        if file:
            found = arrays.mapped(file)
            found.check("keys")
            if found.arrays["keys"].shape == (count, BYTES):
                return np.array(found.arrays["keys"])
    except (OSError, KeyError, arrays.DamagedError):  # computed again, and written anew
        pass
    return np.zeros((count, BYTES), dtype=np.uint8)


def _content(picture: dict[str, Any] | None) -> bytes:
    if picture is None:
        return b""
    if picture["bytes"] is not None:
        content: bytes = picture["bytes"]
        return content
    try:
        with open(picture["path"], "rb") as file:
            return file.read()
    except OSError:  # said where the picture is asked for, of its row
        return f"no file {picture['path']}".encode()
