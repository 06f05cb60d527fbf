"""The hashes by which the hub knows the content of files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_READ_AT_ONCE = 1 << 20
_KINDS = {40: "git", 64: "sha256"}
_HEXADECIMAL = re.compile("[0-9a-f]+")


@dataclass(frozen=True)
class Digest:
    """The hash of a file's content as the hub lists it: `sha256` of large files, the id that `git` gives to others."""

    kind: str
    value: str

    def of(self, file: Path, size: int, read: Callable[[int], None] = lambda n_bytes: None) -> Digest:
        """The hash of the same kind of a file of `size` bytes; `read` hears of every piece. Raises OSError."""
        hashed = hashlib.sha256() if self.kind == "sha256" else hashlib.sha1(b"blob %d\0" % size)
        with file.open("rb") as stream:
            while piece := stream.read(_READ_AT_ONCE):
                hashed.update(piece)
                read(len(piece))
        return Digest(self.kind, hashed.hexdigest())


def digest_called(name: str) -> Digest | None:
    """The hash that is a name, as files of the hub's own cache have it; None where it is none."""
    kind = _KINDS.get(len(name)) if _HEXADECIMAL.fullmatch(name) else None
    return Digest(kind, name) if kind else None
