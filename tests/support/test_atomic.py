"""Files are there whole or not at all; what a killed process left of one is swept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mieb.support import atomic as whole
from pytest_mieb.support.atomic import beside, sweep, written


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    path.write_text("old")
    with written(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["scores"]


def test_after_an_error_all_is_as_before(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["scores"]


def test_what_is_not_put_in_place_is_gone(tmp_path: Path) -> None:
    with beside(tmp_path / "scores") as temporary:
        temporary.write_text("unwanted")
    assert os.listdir(tmp_path) == []


DIE = """
import os, sys
from pathlib import Path
from pytest_mieb.support.atomic import written
with written(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os._exit(9)
"""


def test_what_a_dead_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".notes.tmp").write_text("of somebody else")
    subprocess.run([sys.executable, "-W", "ignore", "-c", DIE, str(tmp_path / "scores")], check=False)
    with beside(tmp_path / "mine") as temporary:
        temporary.write_text("being written")
        assert len(os.listdir(tmp_path)) == 3
        sweep(tmp_path)
        assert sorted(os.listdir(tmp_path)) == sorted([temporary.name, ".notes.tmp"])


@pytest.mark.parametrize(("age", "left"), [(3600, 1), (48 * 3600, 0)])
def test_of_another_host_only_what_is_a_day_old_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float, left: int
) -> None:
    monkeypatch.setattr(whole, "_host", lambda: "elsewhere")
    with beside(tmp_path / "scores") as temporary:
        monkeypatch.undo()
        temporary.write_text("half")
        changed = time.time() - age
        os.utime(temporary, (changed, changed))
        sweep(tmp_path)
        assert len(os.listdir(tmp_path)) == left


def test_a_folder_that_is_not_there_has_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path / "none")
    assert not (tmp_path / "none").exists()
