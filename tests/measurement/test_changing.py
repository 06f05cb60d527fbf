"""Changing a baseline that others change at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from threading import Event, Thread

import pytest

from pytest_mieb.measurement import changing
from pytest_mieb.measurement.baseline import Baseline, BaselineError, Measurement, read, write
from pytest_mieb.measurement.changing import change, exclusive

HELD_UNTIL_IT_DIES = """
import os
import sys
from pathlib import Path
from pytest_mieb.measurement.changing import exclusive

with exclusive(Path(sys.argv[1])):
    os._exit(9)
"""


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "PAUSE", 0.001)


def with_task(path: Path, name: str) -> Callable[[], Baseline]:
    """Adds a task to what stands there."""

    def edit() -> Baseline:
        old = read(path) if path.is_file() else Baseline("m", "hub")
        return old.updated(Baseline("m", "hub", tasks={name: Measurement(0.5)}))

    return edit


def test_the_lock_lies_beside_the_file_and_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "release-3.yaml"
    with exclusive(path):
        assert [each.name for each in tmp_path.iterdir()] == [".release-3.yaml.lock"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="disk is full"), exclusive(path):
        raise OSError("disk is full")
    assert list(tmp_path.iterdir()) == []


def test_who_waits_too_long_is_told_for_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, taken, done = tmp_path / "m.yaml", Event(), Event()

    def hold() -> None:
        with exclusive(path):
            taken.set()
            done.wait(60)

    holder = Thread(target=hold)
    holder.start()
    assert taken.wait(60)
    monkeypatch.setattr(changing, "PATIENCE", 0.1)
    with pytest.raises(BaselineError) as refusal:
        change(path, with_task(path, "A"), lambda: True)
    done.set()
    holder.join()
    assert str(refusal.value) == (
        f"{path}: another --mieb-update has been writing it for 0.1 seconds; wait for it, or where there is none "
        f"remove {tmp_path / '.m.yaml.lock'}, and record again"
    )
    assert not path.exists()


def test_the_lock_of_a_process_that_died_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    assert subprocess.run([sys.executable, "-c", HELD_UNTIL_IT_DIES, str(path)], check=False).returncode == 9
    assert [each.name for each in tmp_path.iterdir()] == [".m.yaml.lock"]
    change(path, with_task(path, "A"), lambda: True)
    assert [each.name for each in tmp_path.iterdir()] == ["m.yaml"]


def test_a_change_is_made_once_where_nobody_interferes(tmp_path: Path) -> None:
    path, calls = tmp_path / "deeper" / "m.yaml", list[str]()

    def edit() -> Baseline:
        calls.append("edit")
        return with_task(path, "A")()

    def held() -> bool:
        calls.append("held")
        return True

    change(path, edit, held)
    assert calls == ["edit", "held"]
    assert set(read(path).tasks) == {"A"}
    assert [each.name for each in path.parent.iterdir()] == ["m.yaml"]


@pytest.mark.parametrize("there", [True, False])
def test_what_others_wrote_after_it_was_read_is_read_again(tmp_path: Path, there: bool) -> None:
    path, others = tmp_path / "m.yaml", iter("XY")
    if there:
        write(with_task(path, "old")(), path)

    def edit() -> Baseline:
        mine = with_task(path, "A")()
        for name in others:
            write(with_task(path, name)(), path)
            break
        return mine

    change(path, edit, lambda: True, lock=nullcontext)
    assert set(read(path).tasks) == {"A", "X", "Y"} | ({"old"} if there else set())


def test_what_others_wrote_over_is_written_again(tmp_path: Path) -> None:
    path, others = tmp_path / "m.yaml", iter("XY")

    def held() -> bool:
        for name in others:
            write(Baseline("m", "hub", tasks={name: Measurement(0.5)}), path)  # what it read before is lost
            break
        return "A" in read(path).tasks

    change(path, with_task(path, "A"), held, lock=nullcontext)
    assert set(read(path).tasks) == {"A", "Y"}


def test_who_is_written_over_each_time_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "TRIES", 3)
    path, calls = tmp_path / "m.yaml", list[int]()

    def edit() -> Baseline:
        calls.append(1)
        path.write_text(f"# {len(calls)}\n")
        return Baseline("m", "hub")

    with pytest.raises(BaselineError) as refusal:
        change(path, edit, lambda: True)
    assert str(refusal.value) == (
        f"{path}: others changed it while it was being written, 3 times in a row; record again when they are done"
    )
    assert (len(calls), path.read_text()) == (3, "# 3\n")
    assert os.listdir(tmp_path) == ["m.yaml"]
