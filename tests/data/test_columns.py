"""Columns of parquet files: typed as `datasets` types them, read in ranges, and known by their files."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pytest_mieb.data.columns import ArrowColumns, Columns, ParquetColumns, state_of
from tests.data.mirrors import pictures, plain

COLOURS = ("red", "green", "blue", "white", "grey")
FEATURES = datasets.Features(
    {"image": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"]), "words": datasets.Value("string")}
)


def rows(*colours: str | None) -> datasets.Dataset:
    count = len(colours)
    content = {
        "image": pictures(*colours),
        "kind": [n % 2 for n in range(count)],
        "words": [f"w{n}" for n in range(count)],
    }
    return datasets.Dataset.from_dict(content, features=FEATURES)


def written(folder: Path, dataset: datasets.Dataset, *, name: str = "a", group: int = 2, **options: Any) -> Path:
    """A parquet file of several row groups."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{name}.parquet"
    pq.write_table(dataset.data.table, path, row_group_size=group, **options)
    return path


@pytest.fixture(params=["parquet", "prepared"])
def columns(request: pytest.FixtureRequest, tmp_path: Path) -> Columns:
    dataset = rows(*COLOURS)
    if request.param == "prepared":
        return ArrowColumns(dataset)
    first, second = dataset.select(range(3)), dataset.select(range(3, 5))
    paths = [written(tmp_path, first, name="a"), written(tmp_path, second, name="b")]
    return ParquetColumns(paths, FEATURES)


def test_values_are_those_of_all_files_in_order(columns: Columns) -> None:
    assert (len(columns), list(columns.names)) == (5, ["image", "kind", "words"])
    assert columns.values("words") == ["w0", "w1", "w2", "w3", "w4"]
    assert columns.values("kind") == [0, 1, 0, 1, 0]
    assert columns.feature("kind").names == ["cat", "dog"]


@pytest.mark.parametrize("wanted", [[0], [4, 0, 4], [2, 3], [1, 3, 0, 2, 4], []])
def test_pictures_come_in_the_order_that_they_are_asked_in(columns: Columns, wanted: list[int]) -> None:
    found = columns.pictures("image", np.array(wanted, dtype=np.int64))
    assert [each and each["bytes"] for each in found] == [plain(COLOURS[row]) for row in wanted]


def test_a_column_of_raw_bytes_holds_pictures_too(tmp_path: Path) -> None:
    table = pa.table({"img": [plain(colour) for colour in COLOURS]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    columns = ParquetColumns([tmp_path / "a.parquet"], datasets.Features.from_arrow_schema(table.schema))
    assert columns.pictures("img", np.array([3]))[0] == {"bytes": plain("white"), "path": None}
    assert columns.gaps("img").tolist() == []


@pytest.mark.parametrize("statistics", [True, False], ids=["the files count them", "they are looked for"])
def test_gaps_are_the_rows_without_a_picture(tmp_path: Path, statistics: bool) -> None:
    sparse = rows("red", None, "blue", None, "grey")
    path = written(tmp_path, sparse, write_statistics=statistics)
    for columns in (ParquetColumns([path], FEATURES), ArrowColumns(sparse)):
        assert columns.gaps("image").tolist() == [1, 3]
        assert columns.pictures("image", np.array([1, 2]))[1] == {"bytes": plain("blue"), "path": None}
    whole = ParquetColumns([written(tmp_path / "whole", rows(*COLOURS), write_statistics=statistics)], FEATURES)
    assert whole.gaps("image").tolist() == []


def test_no_picture_is_read_where_the_files_count_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = ParquetColumns([written(tmp_path, rows(*COLOURS))], FEATURES)
    monkeypatch.setattr(ParquetColumns, "_read", None)
    assert columns.gaps("image").tolist() == []


def test_a_row_group_is_read_once_for_pictures_that_lie_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = ParquetColumns([written(tmp_path, rows(*COLOURS))], FEATURES)
    read, original = [], ParquetColumns._read

    def count(self: ParquetColumns, file: Any, group: int | None, name: str) -> Any:
        read.append(group)
        return original(self, file, group, name)

    monkeypatch.setattr(ParquetColumns, "_read", count)
    for row in range(5):
        columns.pictures("image", np.array([row]))
    assert read == [0, 1, 2]


def test_threads_get_the_same_pictures(tmp_path: Path) -> None:
    columns = ParquetColumns([written(tmp_path, rows(*COLOURS * 20), group=3)], FEATURES)
    wanted = np.random.default_rng(0).permutation(100)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: columns.pictures("image", np.array([row]))[0], wanted))
    assert [each and each["bytes"] for each in found] == [plain(COLOURS[row % 5]) for row in wanted]


def test_a_column_that_does_not_fit_its_type_has_that_of_the_files(tmp_path: Path) -> None:
    texts = datasets.Dataset.from_dict({"kind": ["cat", "bird"], "words": ["a", "b"]})
    features = datasets.Features({"kind": FEATURES["kind"], "words": FEATURES["words"]})
    columns = ParquetColumns([written(tmp_path, texts)], features)
    assert columns.feature("kind") == datasets.Value("string")
    assert columns.values("kind") == ["cat", "bird"]


def test_numbers_become_texts_where_the_type_says_so(tmp_path: Path) -> None:
    numbers = datasets.Dataset.from_dict({"id": [1, 22]})
    columns = ParquetColumns([written(tmp_path, numbers)], datasets.Features({"id": datasets.Value("string")}))
    assert columns.values("id") == ["1", "22"]


def test_the_state_is_that_of_the_files(tmp_path: Path) -> None:
    path = written(tmp_path, rows(*COLOURS))
    before = ParquetColumns([path], FEATURES).state
    assert before == state_of([path]) is not None
    other = written(tmp_path / "other", rows(*reversed(COLOURS)))
    os.replace(other, path)
    assert ParquetColumns([path], FEATURES).state not in (before, None)
    assert state_of([tmp_path / "gone.parquet"]) is None
    assert ArrowColumns(rows("red")).state is None  # in memory
