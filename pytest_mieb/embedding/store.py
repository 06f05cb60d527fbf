"""Embeddings by content key, on disk; several processes may read and write the same folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Any, Literal
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.keys import BYTES, Keys
from pytest_mieb.embedding.index import Index, Positions
from pytest_mieb.support import arrays
from pytest_mieb.support.arrays import DamagedError
from pytest_mieb.support.atomic import sweep

# Counted up when a file's pixels come to models in another way, or shards are written in another: what was embedded
# before is another picture's, or cannot be read.
EDITION = 3
EMBEDDINGS = "embeddings"
SHARD = arrays.SUFFIX
DAMAGED = ".damaged"
Precision = Literal["float32", "float16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float16")
# Half a unit in the last place of float16 is 2 ** -11 of a number.
_ROUNDING = 1e-3
_NAME = re.compile(r"\w[\w.-]{0,99}")


def folder_of(cache: Path, name: str, batch_size: int, precision: Precision = "float32") -> Path:
    """Where the embeddings of a model are kept between runs, as batches of one size give them.

    A name may be any text; one that makes no name of a file, such as the path of a checkpoint, is hashed.
    """
    name = name if _NAME.fullmatch(name) else blake2b(name.encode(), digest_size=16).hexdigest()
    kind = "" if precision == "float32" else f"-{precision}"
    return cache / EMBEDDINGS / f"{name}-{batch_size}-{EDITION}{kind}"


@dataclass
class _Trouble:
    """Who is told of trouble, shared by the parts of a store: of a disk that takes nothing more, once."""

    warn: Callable[[str], None]
    full: bool = False


@dataclass
class _Shard:
    """One block of embeddings: `vectors`, shape (n, d), and in which file they lie; "" where they are in memory.

    `unchecked` is there until the vectors were compared with their checksum.
    """

    vectors: NDArray[Any]
    file: str = ""
    unchecked: arrays.Mapped | None = None


class Store:
    """The embeddings of one model in one folder, in shards that are never changed once they are there.

    A shard is a safetensors file of two arrays: `keys`, uint8 of shape (n, 16), and `vectors`, of shape (n, d) in the
    store's precision; its metadata hold a checksum of each. It is written under another name and renamed, so that a
    reader sees it whole or not at all, whenever the writer dies. No lock is taken: two processes that embed the same
    item both write it, and either copy serves.

    A shard that is damaged, or whose vectors have another length than `dimension`, is set aside with a warning: it
    keeps its name with `.damaged` behind it, and its items are embedded again. Keys are checked when a shard is first
    seen, vectors when one is first asked for. Where nothing can be written, and where there is no folder, embeddings
    are kept in memory. `fresh`: what is stored before counts as not stored.

    Threads of one process may use it at the same time.
    """

    def __init__(
        self,
        folder: Path | None,
        warn: Callable[[str], None] = print,
        dimension: int | None = None,
        precision: Precision = "float32",
        *,
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self._fresh = fresh
        self.precision = precision
        self._dtype = np.dtype("<f4" if precision == "float32" else "<f2")
        self._dimension = dimension
        self._trouble = _Trouble(warn)
        self._index = Index()
        self._shards: list[_Shard] = []
        self._starts = np.zeros(1, dtype=np.int64)
        self._seen: set[str] = set()
        self._lock = RLock()
        if folder:
            sweep(folder)
            self._seen |= self._names() if fresh else set()

    def part(self, name: str) -> Store:
        """A store of its own inside this one, for embeddings that the model makes in another way."""
        folder = self.folder and self.folder / name
        part = Store(folder, dimension=self._dimension, precision=self.precision, fresh=self._fresh)
        part._trouble = self._trouble
        return part

    def lookup(self, keys: Keys) -> Positions:
        """Where the embeddings of these keys are, by whatever process they were stored; -1 where there is none.

        Positions are this object's own, and stay what they are.
        """
        with self._lock:
            self._refresh()
            while True:
                found = self._index.find(keys)
                there = np.unique(self._shard_of(found[found >= 0])).tolist()
                sound = [self._is_sound(shard) for shard in there]
                if all(sound):
                    return found

    def take(self, positions: Positions) -> NDArray[np.float32]:
        """The embeddings at these positions, shape (n, d), in order."""
        if not len(positions):
            return np.empty((0, self._dimension or 0), dtype=np.float32)
        shards = self._shard_of(positions)
        taken: NDArray[np.float32] | None = None
        for shard in np.unique(shards).tolist():
            vectors, own = self._shards[shard].vectors, shards == shard
            taken = np.empty((len(positions), vectors.shape[1]), dtype=np.float32) if taken is None else taken
            taken[own] = vectors[positions[own] - self._starts[shard]]
        assert taken is not None
        return taken

    def can_hold(self, vectors: NDArray[np.float32]) -> bool:
        """Whether no vector moves by more than its rounding, a thousandth of its length, when it is stored."""
        if self.precision == "float32":
            return True
        with np.errstate(over="ignore", invalid="ignore"):
            moved = np.linalg.norm(vectors.astype(self._dtype).astype(np.float32) - vectors, axis=1)
        return bool(np.all(moved <= _ROUNDING * np.linalg.norm(vectors, axis=1)))

    def add(self, keys: Keys, vectors: NDArray[np.float32]) -> None:
        """Store one vector a key, at once to be found; `vectors` has shape (n, d)."""
        if not len(keys):
            return
        content = {
            "keys": np.ascontiguousarray(keys).view(np.uint8).reshape(-1, BYTES),
            "vectors": np.ascontiguousarray(vectors, dtype=self._dtype),
        }
        with self._lock:
            name = self._written(content)
            if name:
                self._seen.add(name)
            self._append(content["keys"], _Shard(content["vectors"] if not name else self._mapped(name), name))

    def _mapped(self, name: str) -> NDArray[Any]:
        assert self.folder
        return arrays.mapped(self.folder / name).arrays["vectors"]

    def _written(self, content: dict[str, NDArray[Any]]) -> str:
        """The name of the new file; "" where none was written."""
        if self.folder is None or self._trouble.full:
            return ""
        name = f"{uuid4().hex}{SHARD}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            arrays.write(self.folder / name, content)
        except OSError as error:
            self._trouble.full = True
            self._trouble.warn(
                f"embeddings cannot be stored in {self.folder} ({error.strerror or error}): the run goes on, and what "
                "it embeds from here on is embedded again in the next; make room there, or name another --mieb-cache"
            )
            return ""
        return name

    def _append(self, keys: NDArray[np.uint8], shard: _Shard) -> None:
        first = int(self._starts[-1])
        self._index.add(keys)
        self._shards.append(shard)
        self._starts = np.append(self._starts, first + len(keys))

    def _shard_of(self, positions: Positions) -> Positions:
        return np.searchsorted(self._starts, positions, side="right") - 1

    def _refresh(self) -> None:
        for name in sorted(self._names() - self._seen):
            self._seen.add(name)
            try:
                self._open(name)
            except OSError:  # removed meanwhile, or not to be read now
                self._seen.discard(name)
            except DamagedError as error:
                self._set_aside(name, str(error))

    def _names(self) -> set[str]:
        try:
            names = os.listdir(self.folder) if self.folder else []
        except OSError:  # not there, or no more: what is mapped already stays readable
            return set()
        return {name for name in names if name.endswith(SHARD) and not name.startswith(".")}

    def _open(self, name: str) -> None:
        assert self.folder
        found = arrays.mapped(self.folder / name)
        if found.arrays.keys() != {"keys", "vectors"} or found.arrays["vectors"].dtype != self._dtype:
            raise DamagedError("it is not whole")
        keys, vectors = found.arrays["keys"], found.arrays["vectors"]
        if keys.shape != (len(vectors), BYTES) or vectors.ndim != 2:
            raise DamagedError(f"it holds keys of shape {keys.shape} and vectors of shape {vectors.shape}")
        if self._dimension is not None and vectors.shape[1] != self._dimension:
            raise DamagedError(f"its vectors have {vectors.shape[1]} dimensions, and the model's {self._dimension}")
        found.check("keys")
        self._append(keys, _Shard(vectors, name, found))

    def _is_sound(self, number: int) -> bool:
        """Whether a shard's vectors are those that were written: compared once, and forgotten where they are not."""
        shard = self._shards[number]
        unchecked, shard.unchecked = shard.unchecked, None
        try:
            if unchecked:
                unchecked.check("vectors")
        except DamagedError as error:
            self._index.forget(int(self._starts[number]), int(self._starts[number + 1]))
            self._set_aside(shard.file, str(error))
            return False
        return True

    def _set_aside(self, name: str, why: str) -> None:
        """Its items count as not stored, though another shard may hold some of them too."""
        assert self.folder
        file = self.folder / name
        aside = file.with_name(f"{file.name}{DAMAGED}")
        with suppress(OSError):
            os.replace(file, aside)
        self._trouble.warn(
            f"stored embeddings are damaged and are set aside: {aside}: {why}; what it held is embedded again"
        )
