"""A store with keys as bytes, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.keys import as_keys
from pytest_mieb.embedding.store import Store


def find(store: Store, keys: Iterable[bytes]) -> dict[bytes, NDArray[np.float32]]:
    """The vectors of those keys that are stored."""
    wanted = list(keys)
    positions = store.lookup(as_keys(wanted))
    there = [(key, place) for key, place in zip(wanted, positions.tolist(), strict=True) if place >= 0]
    vectors = store.take(np.array([place for _, place in there], dtype=np.int64))
    return {key: vector for (key, _), vector in zip(there, vectors, strict=True)}


def add(store: Store, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
    store.add(as_keys(keys), vectors)
