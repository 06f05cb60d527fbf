"""One split of a dataset, whose columns are asked for by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_mieb.data.columns import Part
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.inputs import Images
from pytest_mieb.data.origin import Origin, Place
from pytest_mieb.suite import DatasetRef

if TYPE_CHECKING:
    from pytest_mieb.data.sources import Source


@dataclass(frozen=True)
class Table:
    """Rows of a split, or of several; a column that is not there raises a DatasetError.

    `memory` is a folder where the keys of pictures are kept from run to run, or None.
    """

    parts: tuple[Part, ...]
    origin: Origin
    memory: Path | None = None

    @classmethod
    def joined(cls, tables: Sequence[Table], where: str) -> Table:
        """The rows of several splits of a dataset, one after the other; `where` names them in errors."""
        parts = tuple(part for table in tables for part in table.parts)
        return cls(parts, Origin.joined([table.origin for table in tables], where), tables[0].memory)

    def __len__(self) -> int:
        return sum(len(part.rows) for part in self.parts)

    @property
    def columns(self) -> list[str]:
        """The names that all parts have."""
        first, *others = (part.columns.names for part in self.parts)
        return [name for name in first if all(name in names for names in others)]

    @property
    def files(self) -> list[Path]:
        """The parquet files that the rows were read from; none where they have another format."""
        return [file for part in self.parts for file in part.columns.paths]

    def images(self, column: str, *, reencode: bool = False, in_rgb: bool = False) -> Images:
        """An image column, or one of raw bytes, none of them missing."""
        self._require(column)
        for row in self._gaps(column):
            place = self.place(row)
            raise self.error(f"column {column!r} holds no image in {place}", place)
        return Images(self.parts, column, self.origin, reencode=reencode, in_rgb=in_rgb, memory=self.memory)

    def values(self, column: str) -> list[Any]:
        """The values of a column of texts, numbers or lists."""
        self._require(column)
        found: list[Any] = []
        for part in self.parts:
            values = part.columns.values(column)
            whole = len(part.rows) == len(values)
            found += values if whole else [values[row] for row in part.rows.tolist()]
        return found

    def texts(self, column: str) -> list[str]:
        values = self.values(column)
        for row, value in enumerate(values):
            if not isinstance(value, str):
                place = self.place(row)
                raise self.error(f"column {column!r} holds {value!r} in {place} where a text should be", place)
        return values

    def lists(self, column: str) -> list[list[str]]:
        """A column of lists of texts."""
        values = self.values(column)
        for row, value in enumerate(values):
            if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
                place = self.place(row)
                raise self.error(f"column {column!r} holds {value!r} in {place} where a list of texts should be", place)
        return values

    def ids(self, column: str) -> list[str]:
        """A column of texts or numbers that names rows, as texts, none of them missing."""
        values = self.values(column)
        missing = next((row for row, value in enumerate(values) if value is None or value != value), None)
        if missing is not None:
            place = self.place(missing)
            raise self.error(f"column {column!r} holds no id in {place}", place)
        return [str(value) for value in values]

    def feature(self, column: str) -> Any:
        """The type of a column, as `datasets` has it."""
        self._require(column)
        return self.parts[0].columns.feature(column)

    def take(self, rows: Sequence[int]) -> Table:
        chosen = np.asarray(rows, dtype=np.int64)
        ends = np.cumsum([len(part.rows) for part in self.parts])
        place = np.searchsorted(ends, chosen, side="right")
        parts = []
        for number in np.unique(place).tolist() if len(chosen) else ():
            own, first = self.parts[number], int(ends[number - 1]) if number else 0
            parts.append(Part(own.columns, own.rows[chosen[place == number] - first]))
        if np.any(np.diff(place) < 0):
            raise ValueError("rows of several splits are taken in the order of the splits")
        return Table(tuple(parts), self.origin.take(rows), self.memory)

    def place(self, row: int) -> Place:
        """Where a row of the table lies in the dataset."""
        return self.origin.place(row)

    def error(self, sentence: str, place: Place | None = None) -> DatasetError:
        return self.origin.error(sentence, place)

    def refusal(self, sentence: str, remedy: str) -> DatasetError:
        """An error with a remedy of its own."""
        return self.origin.error(sentence, remedy=remedy)

    def _require(self, column: str) -> None:
        if column not in self.columns:
            raise self.error(f"no column {column!r}, only {', '.join(self.columns) or 'none'}")

    def _gaps(self, column: str) -> Iterator[int]:
        """Rows that hold no image, as far as they count."""
        before = 0
        for part in self.parts:
            missing = part.columns.gaps(column)
            yield from (before + row for row in np.flatnonzero(np.isin(part.rows, missing)).tolist())
            before += len(part.rows)


class Asked(NamedTuple):
    """A split that a layout reads, by its name, and its config; None is the one that is meant by none."""

    split: str
    config: str | None = None


@dataclass(frozen=True)
class Opener:
    """A source bound to one dataset: what a layout's reader opens tables with."""

    source: Source
    ref: DatasetRef

    def table(self, split: str, config: str | None = None) -> Table:
        where = f"split {split}" if config is None else f"config {config}, split {split}"
        columns = self.source.columns(self.ref, config, split)
        origin = Origin.whole(f"{self.ref.path} (revision {self.ref.revision})", where, len(columns))
        if not len(columns):
            raise origin.error("no rows")
        return Table((Part(columns, np.arange(len(columns), dtype=np.int64)),), origin, self.source.memory)

    def configs(self) -> list[str]:
        return self.source.configs(self.ref)

    def splits(self, config: str | None = None) -> list[str]:
        return self.source.splits(self.ref, config)

    def only_or_test_split(self, config: str) -> str:
        """`test`, or the one split that the config has, whatever it is called."""
        splits = self.splits(config)
        if "test" in splits:
            return "test"
        if len(splits) == 1:
            return splits[0]
        raise DatasetError(
            f"dataset {self.ref.path} (revision {self.ref.revision}), config {config}: no split 'test' among "
            f"{', '.join(splits)}; check the card's layout and revision"
        )
