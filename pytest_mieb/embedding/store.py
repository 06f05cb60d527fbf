"""Embeddings by content key, on disk; several processes may read and write the same folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Any, Literal
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.keys import BYTES, Keys
from pytest_mieb.embedding.index import Index, Positions
from pytest_mieb.embedding.shared import DAMAGED, SHARD, Shared
from pytest_mieb.support import arrays
from pytest_mieb.support.arrays import DamagedError, Header, Stored
from pytest_mieb.support.atomic import sweep

# Counted up when a file's pixels come to models in another way, or shards are written in another: what was embedded
# before is another picture's, or cannot be read.
EDITION = 3
EMBEDDINGS = "embeddings"
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
    """One block of embeddings: `vectors`, shape (n, d), None until one is asked for, and in which file they lie.

    A shard in memory has no file. `away`: its keys were read in the shared place, and its file may be there only.
    """

    file: str = ""
    vectors: NDArray[Any] | None = None
    header: Header | None = None
    away: bool = False


class Store:
    """The embeddings of one model in one folder, in shards that are never changed once they are there.

    A shard is a safetensors file of two arrays: `keys`, uint8 of shape (n, 16), and `vectors`, of shape (n, d) in the
    store's precision; its metadata hold a checksum of each. It is written under another name and renamed, so that a
    reader sees it whole or not at all, whenever the writer dies. No lock is taken: two processes that embed the same
    item both write it, and either copy serves.

    A shard that is damaged, or whose vectors have another length than `dimension`, is set aside with a warning: it
    keeps its name with `.damaged` behind it, and its items are embedded again. Keys are checked when a shard is first
    seen, vectors when one is first asked for. Where nothing can be written, and where there is no folder, embeddings
    are kept in memory. `fresh`: what is stored before counts as not stored, and so does what others share.

    With `shared`, this folder is the working copy of one that several machines share: of what lies there only, the keys
    are read, and a shard is fetched when one of its vectors is first asked for; what is added here is sent there.

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
        shared: Shared | None = None,
    ) -> None:
        self.folder = folder
        self._shared = shared if folder else None
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
        shared = self._shared and self._shared.part(name)
        part = Store(folder, dimension=self._dimension, precision=self.precision, fresh=self._fresh, shared=shared)
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
                self._fetch(there)
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
            assert vectors is not None  # as nobody has a position that `lookup` did not give
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
            self._append(content["keys"], _Shard(name, self._mapped(name) if name else content["vectors"]))
            if name:
                self._seen.add(name)
                if self._shared and self.folder:
                    self._shared.send(self.folder / name)

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
            assert self.folder
            try:
                self._open(_Shard(name), partial(arrays.mapped, self.folder / name))
            except OSError:  # removed meanwhile, or not to be read now
                self._seen.discard(name)
        for head in self._shared.news(self._seen) if self._shared and not self._fresh else ():
            self._open(_Shard(head.name, away=True), partial(arrays.within, head.content, head.size))

    def _names(self) -> set[str]:
        try:
            names = os.listdir(self.folder) if self.folder else []
        except OSError:  # not there, or no more: what is mapped already stays readable
            return set()
        return {name for name in names if name.endswith(SHARD) and not name.startswith(".")}

    def _open(self, shard: _Shard, read: Callable[[], Stored]) -> None:
        """Find the keys of a shard from now on, or set it aside. Raises OSError."""
        self._seen.add(shard.file)
        try:
            stored = read()
            self._check(stored)
            shard.header = stored.header
            self._append(stored.arrays["keys"], shard)
        except DamagedError as error:
            self._set_aside(shard, str(error))

    def _check(self, stored: Stored) -> None:
        """Look at everything but the vectors. Raises DamagedError."""
        extents = stored.header.extents
        if extents.keys() != {"keys", "vectors"} or extents["vectors"].dtype != self._dtype:
            raise DamagedError("it is not whole")
        keys, vectors = extents["keys"].shape, extents["vectors"].shape
        if len(vectors) != 2 or keys != (vectors[0], BYTES):
            raise DamagedError(f"it holds keys of shape {keys} and vectors of shape {vectors}")
        if self._dimension is not None and vectors[1] != self._dimension:
            raise DamagedError(f"its vectors have {vectors[1]} dimensions, and the model's {self._dimension}")
        stored.check("keys")

    def _fetch(self, numbers: Sequence[int]) -> None:
        """Bring what is asked for for the first time, and lies in the shared place only."""
        if self._shared and self.folder:
            asked = (self._shards[number] for number in numbers)
            sizes = {each.file: each.header.size for each in asked if each.header and each.vectors is None}
            self._shared.fetch({n: size for n, size in sizes.items() if not (self.folder / n).exists()}, self.folder)

    def _is_sound(self, number: int) -> bool:
        """Whether a shard's vectors are those that were written: compared once, and forgotten where they are not."""
        shard = self._shards[number]
        if shard.vectors is not None:
            return True
        assert self.folder
        try:
            stored = arrays.mapped(self.folder / shard.file)
            if stored.header != shard.header:
                raise DamagedError("it is not the one that its keys were read of")
            stored.check("vectors")
        except (OSError, DamagedError) as error:
            self._index.forget(int(self._starts[number]), int(self._starts[number + 1]))
            if isinstance(error, DamagedError):
                self._set_aside(shard, str(error))
            else:  # removed meanwhile, or not to be fetched now
                self._seen.discard(shard.file)
            return False
        shard.vectors = stored.arrays["vectors"]
        return True

    def _set_aside(self, shard: _Shard, why: str) -> None:
        """Its items count as not stored, though another shard may hold some of them too."""
        assert self.folder
        aside = f"{self.folder / shard.file}{DAMAGED}"
        with suppress(OSError):
            os.replace(self.folder / shard.file, aside)
        if shard.away and self._shared:
            self._shared.set_aside(shard.file)
            aside = f"{self._shared.url}/{shard.file}{DAMAGED}"
        self._trouble.warn(
            f"stored embeddings are damaged and are set aside: {aside}: {why}; what it held is embedded again"
        )
