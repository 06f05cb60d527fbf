"""Opening a split as `datasets` would: its types, its rows, and by itself where the others do not fit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mieb.data.columns import ParquetColumns
from pytest_mieb.data.repository import Config
from pytest_mieb.support.hub import fault_in

if TYPE_CHECKING:
    from datasets import Dataset, Features


def by_itself_if_need_be(
    load: Callable[[], Dataset], files: Callable[[], Sequence[Path]], split: str, cache: str | None = None
) -> Dataset:
    """What `load` gives; where it fails, for `datasets` reads all splits as it reads the first, the split by itself."""
    import datasets
    from datasets.exceptions import DatasetGenerationError

    try:
        return load()
    except DatasetGenerationError as error:
        own = [str(file) for file in files() if file.suffix == ".parquet"]
        if fault_in(error) or not own:
            raise
        try:
            return datasets.load_dataset("parquet", data_files={split: own}, split=split, cache_dir=cache)
        except (DatasetGenerationError, FileNotFoundError, ValueError):
            raise error from error.__cause__


def declared_features(config: Config) -> Features | None:
    import datasets

    return datasets.Features.from_dict(dict(config.features)) if config.features else None


def features_in(file: Path) -> Features:
    import datasets
    import pyarrow.parquet as pq

    return datasets.Features.from_arrow_schema(pq.read_schema(file))


def whole(columns: ParquetColumns, split: str, declared: int | None) -> ParquetColumns:
    """Raises ValueError, in the words of `datasets`, where a split has no rows, or not those that are declared."""
    if not len(columns):
        raise ValueError(f"the split {split!r} corresponds to no data")
    if declared is not None and len(columns) != declared:
        raise ValueError(f"the split {split!r} has {len(columns)} rows where the repository declares {declared}")
    return columns
