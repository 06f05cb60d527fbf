"""What --mieb-update writes, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from pytest_mieb.gate.baseline import BaselineError, Mark, TaskBaseline, read
from pytest_mieb.gate.recording import record
from pytest_mieb.gate.verdict import judge
from pytest_mieb.record import TaskRecord


def scored(task: str, subsets: Mapping[str, tuple[float, int]]) -> TaskRecord:
    scores = {name: score for name, (score, _) in subsets.items()}
    counts = {name: count for name, (_, count) in subsets.items()}
    return TaskRecord(task, "accuracy", sum(scores.values()) / len(scores), scores, counts, 3, 4, 0.1)


def recorded(path: Path, *records: TaskRecord, day: int = 1, revision: str | None = None) -> list[str]:
    return record(
        path,
        records,
        model="runs/exp7",
        revision=revision,
        data="hub",
        versions={"torch": "2.6"},
        today=date(2026, 1, day),
    )


def test_a_first_recording(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    lines = recorded(path, scored("A", {"default": (0.5, 100)}), scored("B", {"en": (0.5, 1000), "no": (0.25, 50)}))
    assert lines == ["  A: new, 50.00", "  B: new, 37.50", f"recorded 2 tasks in {path}"]
    found = read(path)
    assert (found.model, found.data, found.revision, found.date) == ("runs/exp7", "hub", "", "2026-01-01")
    assert found.versions == {"torch": "2.6"}
    assert found.tasks == {
        "A": TaskBaseline(0.5, 0.48),  # two of 100 examples; one subset alone is not listed
        # Half a point on 1050 examples; 2 * half a point on 1000, and 2 * two of 50.
        "B": TaskBaseline(0.375, 0.37, {"en": Mark(0.5, 0.49), "no": Mark(0.25, 0.17)}),
    }


def test_a_later_recording_keeps_what_was_not_run_and_says_what_changed(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    recorded(path, *(scored(name, {"default": (0.5, 100)}) for name in "ABCD"))
    lines = recorded(
        path,
        scored("B", {"default": (0.5, 100)}),
        scored("C", {"default": (0.52, 100)}),
        scored("D", {"default": (0.4, 100)}),
        scored("E", {"default": (0.1, 100)}),
        day=2,
        revision="v2",
    )
    assert lines == [
        "  C: 50.00 -> 52.00 (+2.00)",
        "  D: 50.00 -> 40.00 (-10.00)",
        "  E: new, 10.00",
        f"recorded 4 tasks in {path}",
    ]
    found = read(path)
    assert {name: task.score for name, task in found.tasks.items()} == {
        "A": 0.5,
        "B": 0.5,
        "C": 0.52,
        "D": 0.4,
        "E": 0.1,
    }
    assert (found.date, found.revision) == ("2026-01-02", "v2")


def test_the_same_scores_again_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    same = scored("A", {"default": (1 / 3, 100)})  # which is rounded in the file
    recorded(path, same)
    assert recorded(path, same) == ["  no score changed", f"recorded 1 tasks in {path}"]


@pytest.mark.parametrize("score", [0.0, 1 / 3, 0.999_999_9, 1.0, -0.3, -1.0])
@pytest.mark.parametrize("n_examples", [1, 7, 300, 1_000_000])
def test_a_run_passes_against_its_own_recording(tmp_path: Path, score: float, n_examples: int) -> None:
    own = scored("A", {"en": (score, n_examples), "no": (score, n_examples)})
    recorded(tmp_path / "m.yaml", own)
    verdict = judge(own, read(tmp_path / "m.yaml"))
    assert verdict.outcome == "passed"
    assert {each.outcome for each in verdict.subsets.values()} == {"passed"}


def test_a_baseline_that_cannot_be_read_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    path.write_text("tasks: [")
    with pytest.raises(BaselineError):
        recorded(path, scored("A", {"default": (0.5, 100)}))
    assert path.read_text() == "tasks: ["
