"""Where keys are stored: a sorted index that finds hundreds of thousands of keys among millions at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.keys import Keys

Positions = NDArray[np.int64]
# A run is merged with the one before it where it is not smaller by this factor, so that there are few.
_FACTOR = 4


@dataclass(frozen=True)
class _Run:
    """Keys with positions from `start` on: their first eight bytes sorted, of which key each is, and the other eight.

    `order` counts keys from `start`; `second` is in the order of the positions, and holds forgotten keys too.
    """

    start: int
    first: NDArray[np.uint64]
    order: NDArray[np.uint32]
    second: NDArray[np.uint64]

    @classmethod
    def of(cls, start: int, first: NDArray[np.uint64], second: NDArray[np.uint64]) -> _Run:
        order = np.argsort(first)
        return cls(start, first[order], order.astype(np.uint32), second)

    def __len__(self) -> int:
        return len(self.second)

    def merged(self, later: _Run) -> _Run:
        first = np.concatenate([self.first, later.first])
        order = np.concatenate([self.order, later.order + np.uint32(len(self))])
        rank = np.argsort(first)
        return _Run(self.start, first[rank], order[rank], np.concatenate([self.second, later.second]))

    def without(self, start: int, stop: int) -> _Run:
        """The same but for the keys of these positions."""
        position = self.order.astype(np.int64) + self.start
        kept = (position < start) | (position >= stop)
        return _Run(self.start, self.first[kept], self.order[kept], self.second)

    def find(self, keys: NDArray[np.uint64]) -> Positions:
        """The position of each key, -1 where it is not there; of a key that is there twice either of the two."""
        place = np.searchsorted(self.first, keys[:, 0])
        found = np.full(len(keys), -1, dtype=np.int64)
        left = np.flatnonzero(place < len(self.first))
        while len(left):
            left = left[self.first[place[left]] == keys[left, 0]]
            own = self.order[place[left]]
            same = self.second[own] == keys[left, 1]
            found[left[same]] = own[same].astype(np.int64) + self.start
            left = left[~same]  # another key with the same first half may follow
            place[left] += 1
            left = left[place[left] < len(self.first)]
        return found


class Index:
    """Positions by key, counted from 0 in the order in which keys are added."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._new: list[NDArray[np.uint64]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, keys: NDArray[np.uint8]) -> None:
        """Keys of shape (n, 16)."""
        self._new.append(_halves(keys))
        self._count += len(keys)

    def find(self, keys: Keys) -> Positions:
        """The position of each key, shape (n,); -1 where it was never added."""
        self._settle()
        wanted = _halves(np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 16))
        order = np.argsort(wanted[:, 0])  # neighbours in the index are looked up one after the other
        wanted = wanted[order]
        found = np.full(len(wanted), -1, dtype=np.int64)
        for run in self._runs:
            left = np.flatnonzero(found < 0)
            if not len(left):
                break
            found[left] = run.find(wanted[left])
        result = np.empty_like(found)
        result[order] = found
        return result

    def forget(self, start: int, stop: int) -> None:
        """Find the keys that were added at these positions no more; others keep theirs."""
        self._settle()
        self._runs = [run.without(start, stop) for run in self._runs]

    def _settle(self) -> None:
        if not self._new:
            return
        first, second = (np.concatenate([keys[:, half] for keys in self._new]) for half in (0, 1))
        self._new.clear()
        run = _Run.of(self._count - len(first), first, second)
        while self._runs and len(self._runs[-1]) < _FACTOR * len(run):
            run = self._runs.pop().merged(run)
        self._runs.append(run)


def _halves(keys: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(keys).view(np.uint64).reshape(-1, 2)
