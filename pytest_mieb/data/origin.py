"""Where rows lie in their dataset, however they were chosen from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.errors import DatasetError

REMEDY = "check the card against the dataset, or download it again"


class Place(NamedTuple):
    """A row of a split as the dataset's files have it, counted from 0."""

    split: str
    row: int

    def __str__(self) -> str:
        return f"row {self.row}"


@dataclass(frozen=True)
class Origin:
    """Of n rows their dataset, and of each its split and its row there.

    Args:
        dataset: its name, with its revision.
        splits: each with its config, as errors name them.
        where: what errors name that belong to no row.
        split: for each row the place of its split in `splits`, shape (n,).
        row: its number there, shape (n,).
    """

    dataset: str
    splits: tuple[str, ...]
    where: str
    split: NDArray[np.int64]
    row: NDArray[np.int64]

    @classmethod
    def whole(cls, dataset: str, split: str, n: int) -> Origin:
        """All rows of one split."""
        return cls(dataset, (split,), split, np.zeros(n, dtype=np.int64), np.arange(n, dtype=np.int64))

    @classmethod
    def joined(cls, origins: Sequence[Origin], where: str) -> Origin:
        """The rows of one dataset's splits, one split after the other."""
        before = np.cumsum([0, *(len(origin.splits) for origin in origins)])
        return cls(
            dataset=origins[0].dataset,
            splits=tuple(split for origin in origins for split in origin.splits),
            where=where,
            split=np.concatenate([origin.split + first for origin, first in zip(origins, before, strict=False)]),
            row=np.concatenate([origin.row for origin in origins]),
        )

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Origin:
        chosen = np.asarray(indices, dtype=np.int64)
        return Origin(self.dataset, self.splits, self.where, self.split[chosen], self.row[chosen])

    def place(self, index: int) -> Place:
        return Place(self.splits[self.split[index]], int(self.row[index]))

    def sentence(self, what: str, place: Place | None = None, remedy: str = REMEDY) -> str:
        """What is wrong with one row, or with all of them, and what to do."""
        return f"dataset {self.dataset}, {place.split if place else self.where}: {what}; {remedy}"

    def error(self, what: str, place: Place | None = None, remedy: str = REMEDY) -> DatasetError:
        return DatasetError(self.sentence(what, place, remedy))
