"""Embeddings on disk, by content key; several processes may read and write the same folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16
# Counted up when a file's pixels come to models in another way: what was embedded before is another picture's.
EDITION = 2
_NAME = re.compile(r"\w[\w.-]{0,99}")
_KEYS, _VECTORS = ".keys.npy", ".vectors.npy"


def folder_of(cache: Path, fingerprint: str, batch_size: int) -> Path:
    """Where the embeddings of a model are kept between runs, as batches of one size give them.

    A fingerprint may be any text; one that makes no name of a file, such as the path of a checkpoint, is hashed.
    """
    name = fingerprint if _NAME.fullmatch(fingerprint) else blake2b(fingerprint.encode(), digest_size=16).hexdigest()
    return cache / "embeddings" / f"{name}-{batch_size}-{EDITION}"


class _Place(NamedTuple):
    shard: str
    row: int


class Store:
    """The embeddings of one model in one folder, in shards that are never changed once they are there.

    A shard is two arrays: keys of 16 bytes, shape (n,), and float32 vectors, shape (n, d). It is written under another
    name and renamed, the keys last, so that a reader sees it whole or not at all. Two processes that embed the same
    item both write it; either copy serves. A shard that cannot be read is left out: its items are embedded again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[bytes, _Place] = {}
        self._seen: set[str] = set()
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def part(self, name: str) -> Store:
        """A store of its own inside this one, for embeddings that the model makes in another way."""
        return Store(self.folder / name)

    def find(self, keys: Iterable[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """The vectors, shape (d,), of those keys that are stored, by whatever process."""
        self._refresh()
        return {key: self._vectors[place.shard][place.row] for key in keys if (place := self._places.get(key))}

    def add(self, keys: list[bytes], vectors: NDArray[np.float32]) -> None:
        """Store one vector a key; `vectors` has shape (n, d)."""
        if not keys:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        shard = uuid4().hex
        _write(self.folder / f"{shard}{_VECTORS}", np.ascontiguousarray(vectors, dtype=np.float32))
        _write(self.folder / f"{shard}{_KEYS}", np.frombuffer(b"".join(keys), dtype=f"V{KEY_BYTES}"))

    def _refresh(self) -> None:
        if not self.folder.is_dir():
            return
        shards = {name.removesuffix(_KEYS) for name in os.listdir(self.folder) if name.endswith(_KEYS)}
        for shard in sorted(shards - self._seen):
            self._seen.add(shard)
            try:
                keys = np.load(self.folder / f"{shard}{_KEYS}", allow_pickle=False)
                vectors = np.load(self.folder / f"{shard}{_VECTORS}", mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError):
                continue
            if len(keys) != len(vectors):
                continue
            self._vectors[shard] = vectors
            for row, key in enumerate(keys.tolist()):
                self._places.setdefault(key, _Place(shard, row))


def _write(path: Path, array: NDArray[np.generic]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)
    os.replace(temporary, path)
