"""The columns of a split, each read by itself and in ranges: from parquet files, or from what `datasets` prepared."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, Features

Rows = NDArray[np.int64]
_ROWS_AT_ONCE = 1000
# Row groups of one column that stay in memory: two readers may be at work on either side of a border.
_GROUPS_KEPT = 2


class Columns(Protocol):
    """The columns of one split, as `datasets` types them.

    `state` is the same in every process while the files are the same, and another one when they are replaced; None
    where there are no files. `paths` are the parquet files; none where they have another format.
    """

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def state(self) -> str | None: ...
    @property
    def paths(self) -> Sequence[Path]: ...
    def __len__(self) -> int: ...
    def feature(self, name: str) -> Any:
        """The type of a column, as `datasets` has it."""
        ...

    def values(self, name: str) -> list[Any]:
        """All values of a column, as Python has them."""
        ...

    def pictures(self, name: str, rows: Rows) -> list[dict[str, Any] | None]:
        """Undecoded pictures: the bytes of each file, or the path of one; None or both None where there is none."""
        ...

    def tables(self, rows: Rows) -> Iterator[pa.Table]:
        """All columns of rows, which are in order, piece by piece; the schema says how `datasets` types them."""
        ...

    def gaps(self, name: str) -> Rows:
        """The rows that hold no picture, found without reading pictures where the files allow it."""
        ...


class Part(NamedTuple):
    """Some rows of a split."""

    columns: Columns
    rows: Rows


def state_of(files: Sequence[Path]) -> str | None:
    """A digest of where files lie and of their sizes, times and numbers; None where one is gone, or there are none.

    A file that is replaced by one of the same size and time has another number, or another time of its own change.
    """
    digest = blake2b(digest_size=12)
    try:
        for file in files:
            real = file.resolve(strict=True)
            status = real.stat()
            about = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            digest.update(f"{real} {about}\n".encode())
    except OSError:
        return None
    return digest.hexdigest() if files else None


class ArrowColumns:
    """A dataset that is already open."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.paths: Sequence[Path] = ()

    @property
    def names(self) -> Sequence[str]:
        return list(self.dataset.column_names)

    @cached_property
    def state(self) -> str | None:
        return state_of([Path(file["filename"]) for file in self.dataset.cache_files])

    def __len__(self) -> int:
        return len(self.dataset)

    def feature(self, name: str) -> Any:
        return self.dataset.features[name]

    def values(self, name: str) -> list[Any]:
        return [value for batch in self._batches(name) for value in batch.to_pylist()]

    def pictures(self, name: str, rows: Rows) -> list[dict[str, Any] | None]:
        found = self._undecoded(name).with_format("arrow")[np.asarray(rows)][name].to_pylist()
        return [_as_file(each) for each in found]

    def gaps(self, name: str) -> Rows:
        return _joined(map(_missing, self._batches(name)))

    def tables(self, rows: Rows) -> Iterator[pa.Table]:
        from datasets.table import embed_table_storage

        metadata = self.dataset.features.arrow_schema.metadata
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chosen = self.dataset.select(rows[start : start + _ROWS_AT_ONCE].tolist())
            yield embed_table_storage(chosen.with_format("arrow")[:]).replace_schema_metadata(metadata)

    def _batches(self, name: str) -> Iterator[Any]:
        rows = self.dataset.select_columns([name]).with_format("arrow")
        return (batch[name] for batch in rows.iter(batch_size=_ROWS_AT_ONCE))

    def _undecoded(self, name: str) -> Dataset:
        import datasets

        return self.dataset.select_columns([name]).cast_column(name, datasets.Image(decode=False))


class ParquetColumns:
    """Parquet files, of which a row group of a column is the least that is read.

    Args:
        paths: in order.
        features: as `datasets` types the columns. A column that does not fit its type has that of the files, and all
            have where the files hold other columns: then `datasets` would have read this split by itself too.
    """

    def __init__(self, paths: Sequence[Path], features: Features) -> None:
        import datasets
        import pyarrow.parquet as pq

        self.paths: Sequence[Path] = list(paths)
        self._open = [pq.ParquetFile(path, memory_map=True) for path in self.paths]
        own = datasets.Features.from_arrow_schema(self._open[0].schema_arrow)
        self._own = own
        self._features = features if set(features) == set(own) else own
        starts = [0]
        self._groups: list[tuple[int, int]] = []
        for place, file in enumerate(self._open):
            for group in range(file.num_row_groups):
                self._groups.append((place, group))
                starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
        self._starts = np.array(starts)
        self._kept: OrderedDict[tuple[str, int], pa.ChunkedArray] = OrderedDict()
        self._lock = Lock()

    @property
    def names(self) -> Sequence[str]:
        return list(self._features)

    @cached_property
    def state(self) -> str | None:
        return state_of(self.paths)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def feature(self, name: str) -> Any:
        if not _is_picture(self._features[name]):
            self.values(name)  # where its values do not fit, its type is its own
        return self._features[name]

    def values(self, name: str) -> list[Any]:
        tables = [self._read(file, None, name) for file in self._open]
        return [value for column in self._typed(name, tables) for value in column.to_pylist()]

    def pictures(self, name: str, rows: Rows) -> list[dict[str, Any] | None]:
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        found: list[Any] = [None] * len(rows)
        for group in np.unique(groups):
            places = np.flatnonzero(groups == group)
            column = self._group(name, int(group))
            taken = column.take(rows[places] - self._starts[group]).to_pylist()
            for place, each in zip(places, taken, strict=True):
                found[place] = _as_file(each)
        return found

    def gaps(self, name: str) -> Rows:
        if self._says_that_it_is_whole(name):
            return np.empty(0, dtype=np.int64)
        return _joined(_missing(self._group(name, group)) for group in range(len(self._groups)))

    def tables(self, rows: Rows) -> Iterator[pa.Table]:
        schema = self._open[0].schema_arrow
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        for group in np.unique(groups).tolist():
            place, number = self._groups[group]
            chosen = rows[groups == group] - self._starts[group]
            yield self._open[place].read_row_group(number).take(chosen).select(schema.names).cast(schema)

    def _says_that_it_is_whole(self, name: str) -> bool:
        """Whether the files' own statistics count no gap in the column of bytes."""
        for file in self._open:
            paths = [file.schema.column(place).path for place in range(len(file.schema.names))]
            place = next((paths.index(path) for path in (f"{name}.bytes", name) if path in paths), None)
            if place is None:
                return False
            for group in range(file.num_row_groups):
                statistics = file.metadata.row_group(group).column(place).statistics
                if statistics is None or not statistics.has_null_count or statistics.null_count:
                    return False
        return True

    def _group(self, name: str, group: int) -> pa.ChunkedArray:
        with self._lock:
            key = name, group
            if key not in self._kept:
                place, number = self._groups[group]
                (self._kept[key],) = self._typed(name, [self._read(self._open[place], number, name)])
                while len(self._kept) > _GROUPS_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _read(self, file: Any, group: int | None, name: str) -> pa.Table:
        return file.read([name]) if group is None else file.read_row_group(group, [name])

    def _typed(self, name: str, tables: Sequence[pa.Table]) -> list[pa.ChunkedArray]:
        import datasets
        import pyarrow as pa
        from datasets.table import CastError

        try:
            return [_cast(table, name, self._features[name]) for table in tables]
        except (CastError, pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError, ValueError):
            own = self._own[name]
            self._features = datasets.Features({**self._features, name: own})
            return [_cast(table, name, own) for table in tables]


def _cast(table: pa.Table, name: str, feature: Any) -> pa.ChunkedArray:
    import datasets
    from datasets.table import table_cast

    return table_cast(table, datasets.Features({name: feature}).arrow_schema)[name]


def _is_picture(feature: Any) -> bool:
    import datasets

    return isinstance(feature, datasets.Image) or getattr(feature, "dtype", "") in ("binary", "large_binary")


def _as_file(value: Any) -> dict[str, Any] | None:
    """A picture as a column has it: bytes and path, or raw bytes."""
    return {"bytes": value, "path": None} if isinstance(value, bytes) else value


def _joined(masks: Iterable[NDArray[np.bool_]]) -> Rows:
    return np.flatnonzero(np.concatenate(list(masks) or [np.empty(0, dtype=np.bool_)]))


def _missing(column: Any) -> NDArray[np.bool_]:
    """For each row whether it has neither bytes nor a path; of bytes only whether they are there is looked at."""
    import pyarrow as pa
    import pyarrow.compute as pc

    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    missing = pc.is_null(combined)
    if pa.types.is_struct(combined.type):
        lacks = [pc.is_null(pc.struct_field(combined, name)) for name in ("bytes", "path")]
        missing = pc.or_(missing, pc.and_(*lacks))
    return np.asarray(missing.to_numpy(zero_copy_only=False), dtype=np.bool_)
