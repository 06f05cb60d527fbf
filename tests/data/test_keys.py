"""Keys of pictures: kept for every state of the files, partly or whole, and never trusted when they are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mieb.data.columns import ParquetColumns
from pytest_mieb.data.keys import as_keys, key_of, of_pictures
from tests.data.mirrors import plain
from tests.data.test_columns import COLOURS, FEATURES, rows, written

EXPECTED = [key_of(b"image", plain(colour)) for colour in COLOURS]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The rows whose pictures were read, one entry a call."""
    seen: list[list[int]] = []
    original = ParquetColumns.pictures

    def noted(self: ParquetColumns, name: str, wanted: Any) -> Any:
        seen.append(wanted.tolist())
        return original(self, name, wanted)

    monkeypatch.setattr(ParquetColumns, "pictures", noted)
    return seen


def keys(path: Path, memory: Path | None, *wanted: int, kind: bytes = b"image") -> list[bytes]:
    columns = ParquetColumns([path], FEATURES)
    found: list[bytes] = of_pictures(columns, "image", np.array(wanted, dtype=np.int64), kind, memory).tolist()
    return found


def test_a_second_process_reads_no_picture(tmp_path: Path, read: list[list[int]]) -> None:
    path = written(tmp_path / "data", rows(*COLOURS))
    assert keys(path, tmp_path / "keys", 0, 1, 2, 3, 4) == EXPECTED
    assert keys(path, tmp_path / "keys", 4, 0, 4) == [EXPECTED[4], EXPECTED[0], EXPECTED[4]]
    assert read == [[0, 1, 2, 3, 4]]


def test_rows_that_were_not_asked_for_are_read_when_they_are(tmp_path: Path, read: list[list[int]]) -> None:
    path = written(tmp_path / "data", rows(*COLOURS))
    for wanted in ((3, 1), (1, 2), (0, 1, 2, 3, 4)):
        assert keys(path, tmp_path / "keys", *wanted) == [EXPECTED[row] for row in wanted]
    assert read == [[1, 3], [2], [0, 4]]


def test_what_is_done_to_a_picture_has_keys_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "data", rows(*COLOURS))
    plainly, again = (keys(path, tmp_path / "keys", 0, kind=kind) for kind in (b"image", b"reencoded"))
    assert plainly != again and keys(path, tmp_path / "keys", 0) == plainly


def test_files_that_are_replaced_have_other_keys(tmp_path: Path) -> None:
    path = written(tmp_path / "data", rows(*COLOURS))
    keys(path, tmp_path / "keys", 0)
    written(tmp_path / "data", rows(*reversed(COLOURS)))
    assert keys(path, tmp_path / "keys", 0) == [EXPECTED[4]]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_keys_are_computed_again(tmp_path: Path, damage: str, read: list[list[int]]) -> None:
    path = written(tmp_path / "data", rows(*COLOURS))
    keys(path, tmp_path / "keys", 0, 1)
    (file,) = (tmp_path / "keys").rglob("*.safetensors")
    content = file.read_bytes()
    flipped = content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]
    file.write_bytes({"cut": content[:-9], "flipped": flipped, "empty": b""}[damage])
    assert keys(path, tmp_path / "keys", 0, 1) == EXPECTED[:2]
    assert keys(path, tmp_path / "keys", 0, 1) == EXPECTED[:2]
    assert read == [[0, 1], [0, 1]]


def test_without_a_memory_or_where_nothing_can_be_written_keys_are_computed(tmp_path: Path) -> None:
    path = written(tmp_path / "data", rows(*COLOURS))
    (tmp_path / "file").write_text("no folder")
    for memory in (None, tmp_path / "file"):
        assert keys(path, memory, 2) == [EXPECTED[2]]


def test_no_keys_are_an_array_too() -> None:
    assert as_keys([]).tolist() == []
