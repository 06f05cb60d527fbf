"""How long tasks took is known to the next run, in the unit of the cards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mieb.measurement.baseline import Measurement
from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.runtime.timings import FILE, known_seconds, learn_seconds, learnt_seconds
from pytest_mieb.support.seconds import Seconds
from tests.builders import a_task

TASKS = {name: a_task(name=name, seconds=seconds) for name, seconds in {"A": 10.0, "B": 100.0, "C": 40.0}.items()}


def record(task: str, seconds: float, embedded: int = 10, reused: int = 0) -> TaskRecord:
    return TaskRecord(task, "accuracy", Measurement(0.5, 0.1), embedded, reused, Seconds(total=seconds))


RUN = [record("A", 20), record("B", 200), record("C", 160)]


def test_what_makes_all_tasks_slow_is_no_task_s_own() -> None:
    assert learnt_seconds(RUN, TASKS, {}) == pytest.approx({"A": 10, "B": 100, "C": 80})
    slower = [replace(each, seconds=Seconds(total=7 * each.seconds.total)) for each in RUN]
    assert learnt_seconds(slower, TASKS, {}) == pytest.approx({"A": 10, "B": 100, "C": 80})


@pytest.mark.parametrize(
    "other",
    [record("C", 160, embedded=8, reused=2), record("C", 160, embedded=0, reused=0), replace(RUN[2], taken_over=True)],
    ids=["in part", "nothing", "taken over"],
)
def test_a_task_that_embedded_a_part_only_tells_nothing_nor_do_two_tasks(other: TaskRecord) -> None:
    assert learnt_seconds([*RUN[:2], other], TASKS, {}) == {}
    extra = record("D", 20)
    tasks = TASKS | {"D": a_task(name="D", seconds=10.0)}
    assert set(learnt_seconds([*RUN[:2], other, extra], tasks, {})) == {"A", "B", "D"}


def test_what_is_learnt_is_known_on_the_same_data_and_added_to(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    learn_seconds(cache, "hub", RUN, TASKS)
    assert known_seconds(cache, "hub") == pytest.approx({"A": 10, "B": 100, "C": 80})
    assert known_seconds(cache, "miniature") == {}
    tasks = TASKS | {name: a_task(name=name, seconds=10.0) for name in "DEF"}
    learn_seconds(cache, "hub", [record(name, 30) for name in "DEF"], tasks)
    assert known_seconds(cache, "hub") == pytest.approx({"A": 10, "B": 100, "C": 80, "D": 10, "E": 10, "F": 10})


@pytest.mark.parametrize("content", ["", "[]", '{"hub": 3}', '{"hub": {"A": "x", "B": -1, "C": 1e99}}', "\udcff"])
def test_a_damaged_file_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_bytes(content.encode(errors="surrogateescape"))
    assert known_seconds(tmp_path, "hub") == {}
    learn_seconds(tmp_path, "hub", RUN, TASKS)
    assert set(known_seconds(tmp_path, "hub")) == set(TASKS)


def test_where_nothing_can_be_written_nothing_is_learnt(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    learn_seconds(tmp_path / "file", "hub", RUN, TASKS)
    assert known_seconds(tmp_path / "file", "hub") == {}
