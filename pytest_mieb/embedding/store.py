"""Embeddings on disk, by content key; several processes may read and write the same folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.support import arrays
from pytest_mieb.support.arrays import DamagedError
from pytest_mieb.support.atomic import sweep

KEY_BYTES = 16
# Counted up when a file's pixels come to models in another way, or shards are written in another: what was embedded
# before is another picture's, or cannot be read.
EDITION = 3
SHARD = arrays.SUFFIX
DAMAGED = ".damaged"
_NAME = re.compile(r"\w[\w.-]{0,99}")


def folder_of(cache: Path, name: str, batch_size: int) -> Path:
    """Where the embeddings of a model are kept between runs, as batches of one size give them.

    A name may be any text; one that makes no name of a file, such as the path of a checkpoint, is hashed.
    """
    name = name if _NAME.fullmatch(name) else blake2b(name.encode(), digest_size=16).hexdigest()
    return cache / "embeddings" / f"{name}-{batch_size}-{EDITION}"


@dataclass
class _Trouble:
    """Who is told of trouble, shared by the parts of a store: of a disk that takes nothing more, once."""

    warn: Callable[[str], None]
    full: bool = False


class _Place(NamedTuple):
    shard: str
    row: int


class Store:
    """The embeddings of one model in one folder, in shards that are never changed once they are there.

    A shard is a safetensors file of two arrays: `keys`, uint8 of shape (n, 16), and `vectors`, float32 of shape (n, d);
    its metadata hold a checksum of each. It is written under another name and renamed, so that a reader sees it whole
    or not at all. Two processes that embed the same item both write it; either copy serves.

    A shard that is damaged, or whose vectors have another length than `dimension`, is set aside with a warning: it
    keeps its name with `.damaged` behind it, and its items are embedded again. Keys are checked when a shard is first
    seen, vectors when one is first asked for. Where nothing can be written, the run goes on without storing.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] = print, dimension: int | None = None) -> None:
        self.folder = folder
        self._dimension = dimension
        self._trouble = _Trouble(warn)
        self._places: dict[bytes, _Place] = {}
        self._seen: set[str] = set()
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._unchecked: dict[str, arrays.Mapped] = {}
        sweep(folder)

    def part(self, name: str) -> Store:
        """A store of its own inside this one, for embeddings that the model makes in another way."""
        part = Store(self.folder / name, dimension=self._dimension)
        part._trouble = self._trouble
        return part

    def find(self, keys: Iterable[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """The vectors, shape (d,), of those keys that are stored, by whatever process."""
        self._refresh()
        places = {key: place for key in keys if (place := self._places.get(key))}
        for shard in {place.shard for place in places.values()} & self._unchecked.keys():
            try:
                self._unchecked.pop(shard).check("vectors")
            except DamagedError as error:
                self._set_aside(shard, str(error))
        return {
            key: self._vectors[place.shard][place.row] for key, place in places.items() if place.shard in self._vectors
        }

    def add(self, keys: list[bytes], vectors: NDArray[np.float32]) -> None:
        """Store one vector a key; `vectors` has shape (n, d)."""
        if not keys or self._trouble.full:
            return
        shard = {
            "keys": np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES),
            "vectors": np.ascontiguousarray(vectors, dtype="<f4"),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            arrays.write(self.folder / f"{uuid4().hex}{SHARD}", shard)
        except OSError as error:
            self._trouble.full = True
            self._trouble.warn(
                f"embeddings cannot be stored in {self.folder} ({error.strerror or error}): the run goes on, and what "
                "it embeds from here on is embedded again in the next; make room there, or name another --mieb-cache"
            )

    def _refresh(self) -> None:
        try:
            names = os.listdir(self.folder)
        except OSError:  # not there, or no more: what is mapped already stays readable
            return
        shards = {name.removesuffix(SHARD) for name in names if name.endswith(SHARD) and not name.startswith(".")}
        for shard in sorted(shards - self._seen):
            self._seen.add(shard)
            try:
                self._open(shard)
            except OSError:  # removed meanwhile, or not to be read now
                self._seen.discard(shard)
            except DamagedError as error:
                self._set_aside(shard, str(error))

    def _open(self, shard: str) -> None:
        found = arrays.mapped(self.folder / f"{shard}{SHARD}")
        if found.arrays.keys() != {"keys", "vectors"} or found.arrays["vectors"].dtype != np.dtype("<f4"):
            raise DamagedError("it is not whole")
        keys, vectors = found.arrays["keys"], found.arrays["vectors"]
        if keys.shape != (len(vectors), KEY_BYTES) or vectors.ndim != 2:
            raise DamagedError(f"it holds keys of shape {keys.shape} and vectors of shape {vectors.shape}")
        if self._dimension is not None and vectors.shape[1] != self._dimension:
            raise DamagedError(f"its vectors have {vectors.shape[1]} dimensions, and the model's {self._dimension}")
        found.check("keys")
        self._vectors[shard], self._unchecked[shard] = vectors, found
        for row, key in enumerate(np.array(keys).view(f"V{KEY_BYTES}").ravel().tolist()):
            self._places.setdefault(key, _Place(shard, row))

    def _set_aside(self, shard: str, why: str) -> None:
        """Its items count as not stored, though another shard may hold some of them too."""
        file = self.folder / f"{shard}{SHARD}"
        self._vectors.pop(shard, None)
        self._places = {key: place for key, place in self._places.items() if place.shard != shard}
        aside = file.with_name(f"{file.name}{DAMAGED}")
        with suppress(OSError):
            os.replace(file, aside)
        self._trouble.warn(
            f"stored embeddings are damaged and are set aside: {aside}: {why}; what it held is embedded again"
        )
