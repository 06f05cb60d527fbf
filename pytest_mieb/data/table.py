"""One split of a dataset, whose columns are asked for by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.inputs import Images
from pytest_mieb.data.origin import Origin, Place
from pytest_mieb.suite import DatasetRef

if TYPE_CHECKING:
    from datasets import Dataset

    from pytest_mieb.data.sources import Source


@dataclass(frozen=True)
class Table:
    """Rows of a config and split, or of several; a column that is not there raises a DatasetError."""

    dataset: Dataset
    origin: Origin

    @classmethod
    def joined(cls, tables: Sequence[Table], where: str) -> Table:
        """The rows of several splits of a dataset, one after the other; `where` names them in errors."""
        import datasets

        rows = datasets.concatenate_datasets([table.dataset for table in tables])
        return cls(rows, Origin.joined([table.origin for table in tables], where))

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def columns(self) -> list[str]:
        return list(self.dataset.column_names)

    def images(self, column: str, *, reencode: bool = False, in_rgb: bool = False) -> Images:
        """An image column, or one of raw bytes, none of them missing."""
        self._require(column)
        missing = next((row for row, gap in enumerate(self._gaps(column)) if gap), None)
        if missing is not None:
            place = self.place(missing)
            raise self.error(f"column {column!r} holds no image in {place}", place)
        return Images(self.dataset, column, self.origin, reencode=reencode, in_rgb=in_rgb)

    def values(self, column: str) -> list[Any]:
        """The values of a column of texts, numbers or lists."""
        self._require(column)
        return list(self.dataset.with_format(None)[column])

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
        return self.dataset.features[column]

    def take(self, rows: Sequence[int]) -> Table:
        return Table(self.dataset.select(rows), self.origin.take(rows))

    def place(self, row: int) -> Place:
        """Where a row of the table lies in the dataset."""
        return self.origin.place(row)

    def error(self, sentence: str, place: Place | None = None) -> DatasetError:
        return self.origin.error(sentence, place)

    def refusal(self, sentence: str, remedy: str) -> DatasetError:
        """An error with a remedy of its own."""
        return self.origin.error(sentence, remedy=remedy)

    def _require(self, column: str) -> None:
        if column not in self.dataset.column_names:
            raise self.error(f"no column {column!r}, only {', '.join(self.dataset.column_names) or 'none'}")

    def _gaps(self, column: str) -> list[bool]:
        rows = self.dataset.select_columns([column]).with_format("arrow")
        return [
            value is None or (isinstance(value, dict) and value["bytes"] is None and value["path"] is None)
            for batch in rows.iter(batch_size=1000)
            for value in _without_content(batch[column]).to_pylist()
        ]


def _without_content(images: Any) -> Any:
    """An image column with only the length of each picture's bytes, so that looking for gaps reads no pictures."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_struct(images.type):
        return pc.binary_length(images) if pa.types.is_binary(images.type) else images
    combined = images.combine_chunks() if isinstance(images, pa.ChunkedArray) else images
    length = pc.binary_length(pc.struct_field(combined, "bytes"))
    path = pc.struct_field(combined, "path")
    return pa.StructArray.from_arrays([length, path], ["bytes", "path"], mask=combined.is_null())


@dataclass(frozen=True)
class Opener:
    """A source bound to one dataset: what a layout's reader opens tables with."""

    source: Source
    ref: DatasetRef

    def table(self, split: str, config: str | None = None) -> Table:
        where = f"split {split}" if config is None else f"config {config}, split {split}"
        dataset = self.source.load(self.ref, config, split)
        table = Table(dataset, Origin.whole(f"{self.ref.path} (revision {self.ref.revision})", where, len(dataset)))
        if not len(dataset):
            raise table.error("no rows")
        return table

    def files(self, split: str) -> list[Path]:
        """The parquet files of a split of the only config, as far as they are there."""
        return self.source.files(self.ref, None, split)

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
