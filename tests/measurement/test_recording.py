"""What --mieb-update writes, and what it says."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.gate.comparison import Measured, compare
from pytest_mieb.gate.policy import ComparisonFamily, Policy
from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.verdict import judge
from pytest_mieb.measurement import outcomes
from pytest_mieb.measurement.baseline import Acceptance, BaselineError, Estimate, Measurement, read, write
from pytest_mieb.measurement.changing import Lock, exclusive
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.opening import examples_of
from pytest_mieb.measurement.recording import record
from tests.gate.builders import hits, zero_shot

CONTEXT = Context(fingerprint="abc", dtype="float32", versions={"torch": "2.6"})


def recorded(
    path: Path,
    scores: Mapping[str, Measurement | float],
    context: Context = CONTEXT,
    *,
    day: int = 1,
    revision: str | None = None,
) -> list[str]:
    """Record after a run whose results lie in a folder of their own; outcomes follow the score."""
    results = path.parent / "results"
    results.mkdir(exist_ok=True)
    tasks = {name: each if isinstance(each, Measurement) else Measurement(each) for name, each in scores.items()}
    for name, task in tasks.items():
        outcomes.write(results / f"{name}.npz", {"default": Examples(np.full(4, task.score))})
    return record(
        path,
        tasks,
        context,
        results,
        model="runs/exp7",
        revision=revision,
        data="hub",
        today=date(2026, 1, day),
    )


def test_a_first_recording(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    several = Measurement(0.375, 0.01, subsets={"en": Estimate(0.5, 0.02), "no": Estimate(0.25, 0.03)}, examples="e1")
    lines = recorded(path, {"A": 0.5, "B": several})
    assert lines == ["  A: new, 50.00", "  B: new, 37.50", f"recorded 2 tasks in {path}"]
    found = read(path)
    assert (found.model, found.data, found.revision, found.date) == ("runs/exp7", "hub", "", "2026-01-01")
    assert found.runs == {CONTEXT.name: CONTEXT}
    assert found.context("A") == CONTEXT
    assert found.tasks["B"].subsets == several.subsets
    for name in "AB":
        kept, given = tmp_path / "exp7" / f"{name}.npz", tmp_path / "results" / f"{name}.npz"
        assert kept.read_bytes() == given.read_bytes()
        assert found.tasks[name].outcomes == outcomes.digest(kept)
        assert examples_of(found, name) is not None


def test_a_later_recording_keeps_what_was_not_run_and_says_what_changed(tmp_path: Path) -> None:
    path, later = tmp_path / "exp7.yaml", Context(dtype="float16")
    recorded(path, dict.fromkeys("ABCD", 0.5))
    lines = recorded(path, {"B": 0.5, "C": 0.52, "D": 0.4, "E": 0.1}, later, day=2, revision="v2")
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
    assert found.context("A") == CONTEXT
    assert found.context("B") == later
    for name, value in (("A", 0.5), ("D", 0.4)):
        examples = examples_of(found, name)
        assert examples and examples["default"].outcomes.tolist() == pytest.approx([value] * 4)


def test_a_recording_of_another_part_says_so_in_place_of_a_change(tmp_path: Path) -> None:
    path, part = tmp_path / "exp7.yaml", "30 of 40 rows"
    recorded(path, {"A": 0.5, "B": Measurement(0.5, part=part), "C": Measurement(0.5, part=part)})
    lines = recorded(path, {"A": Measurement(0.6, part=part), "B": 0.5, "C": Measurement(0.6, part=part)})
    assert lines[:3] == [
        "  A: 60.00 on 30 of 40 rows, before 50.00 on the whole",
        "  B: 50.00 on the whole, before 50.00 on 30 of 40 rows",
        "  C: 50.00 -> 60.00 (+10.00)",
    ]
    assert [read(path).tasks[name].part for name in "ABC"] == [part, "", part]


def test_what_a_person_set_and_what_was_calibrated_stays_and_unused_runs_go(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    recorded(path, {"A": 0.5, "B": Measurement(0.5, noise=0.01)})
    path.write_text(path.read_text().replace("A: {score: 0.5,", "A: {score: 0.5, tolerance: 0.03,"))
    assert read(path).tasks["A"].tolerance == 0.03
    recorded(path, {"A": 0.6, "B": 0.6}, Context(dtype="float16"))
    found = read(path)
    assert (found.tasks["A"].score, found.tasks["A"].tolerance) == (0.6, 0.03)
    assert (found.tasks["B"].score, found.tasks["B"].noise) == (0.6, 0.01)
    assert list(found.runs) == [Context(dtype="float16").name]
    recorded(path, {"B": Measurement(0.6, noise=0.002)})
    assert read(path).tasks["B"].noise == 0.002


def test_what_was_accepted_is_in_the_baseline_once_it_is_recorded_and_no_longer_accepted(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    recorded(path, {"A": 0.5, "B": 0.5, "C": 0.5})
    accepted = "accepted: {until: 2027-03-01, reason: known}, "
    path.write_text(path.read_text().replace("{score: 0.5,", f"{{score: 0.5, {accepted}"))
    lines = recorded(path, {"A": 0.4, "B": 0.5, "D": 0.1})
    assert lines[:2] == ["  A: 50.00 -> 40.00 (-10.00)", "  D: new, 10.00"]
    gone = "what was accepted until 2027-03-01 is part of the baseline now, and `accepted` is removed"
    assert lines[2:-1] == [f"  A: {gone}", f"  B: {gone}"]
    known = {name: task.accepted for name, task in read(path).tasks.items()}
    assert known == {"A": None, "B": None, "C": Acceptance(date(2027, 3, 1), "known"), "D": None}


def test_the_same_scores_again_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    recorded(path, {"A": 1 / 3})  # which is rounded in the file
    before = path.read_bytes()
    assert recorded(path, {"A": 1 / 3}) == ["  no score changed", f"recorded 1 task in {path}"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("right", [0, 1, 33, 99, 100])
@pytest.mark.parametrize("tolerance", [0.0, 0.005])
def test_a_run_passes_against_its_own_recording(tmp_path: Path, right: int, tolerance: float) -> None:
    task, results, path = zero_shot(subsets={"en": (), "no": ()}), tmp_path / "results", tmp_path / "m.yaml"
    results.mkdir()
    own = {"en": hits(right, 300), "no": hits(right, 100)}
    marks = {name: Estimate(float(each.outcomes.mean()), 0.01) for name, each in own.items()}
    measured = Measurement(sum(mark.score for mark in marks.values()) / 2, 0.01, subsets=marks, examples="e1")
    outcomes.write(results / "Some.npz", own)
    record(path, {"Some": measured}, CONTEXT, results, model="m", revision=None, data="hub")
    found = read(path)
    old = Measured(found.tasks["Some"], found.context("Some"), examples_of(found, "Some"))
    policy = Policy(tolerance=tolerance)
    verdict = judge(compare(task, old, Measured(measured, CONTEXT, own), policy), policy, ComparisonFamily(1, 2, 0))
    assert verdict.status == "passed"
    assert {each.status for each in verdict.subsets.values()} == {"passed"}


def test_a_baseline_that_cannot_be_read_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "exp7.yaml"
    path.write_text("tasks: [")
    with pytest.raises(BaselineError):
        recorded(path, {"A": 0.5})
    assert path.read_text() == "tasks: ["
    assert not path.with_suffix("").exists()


def test_a_baseline_among_the_results_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "results.yaml"
    with pytest.raises(BaselineError) as refusal:
        recorded(path, {"A": 0.5})
    assert str(refusal.value).startswith(f"{path}: its outcomes would lie among the results in {tmp_path / 'results'}")
    assert "choose another --mieb-baseline" in str(refusal.value)
    assert not path.exists()


def test_an_update_that_stops_between_outcomes_and_scores_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "exp7.yaml"
    recorded(path, {"A": 0.5})

    def full_disk(*_arguments: object) -> bool:
        raise OSError("no space left on device")

    monkeypatch.setattr("pytest_mieb.measurement.changing.write", full_disk)
    with pytest.raises(OSError, match="no space left"):
        recorded(path, {"A": 0.4})
    assert {each.name for each in tmp_path.iterdir()} == {"exp7.yaml", "exp7", "results"}
    with pytest.raises(BaselineError, match="--mieb-update -k A"):
        examples_of(read(path), "A")
    monkeypatch.setattr("pytest_mieb.measurement.changing.write", write)
    recorded(path, {"A": 0.4})
    assert examples_of(read(path), "A") is not None


def unlocked(_path: Path) -> AbstractContextManager[None]:
    """A lock that keeps nobody out."""
    return nullcontext()


PROCESSES, ROUNDS = 3, 3


def record_often(folder: Path, number: int, ready: Barrier, lock: Lock) -> None:
    """In a process of its own: in every round a task of its own and one that all record."""
    results = folder / f"results-{number}"
    results.mkdir()
    for turn in range(ROUNDS):
        scores = dict.fromkeys((f"own-{number}-{turn}", "shared"), (number * ROUNDS + turn + 1) / 20)
        for name, score in scores.items():
            outcomes.write(results / f"{name}.npz", {"default": Examples(np.full(50, score))})
        tasks = {name: Measurement(score) for name, score in scores.items()}
        ready.wait(120)
        context = Context(fingerprint=str(number))
        record(folder / "m.yaml", tasks, context, results, model="m", revision=None, data="hub", lock=lock)


@pytest.mark.parametrize("lock", [exclusive, unlocked])
def test_who_records_at_the_same_time_loses_nothing(tmp_path: Path, lock: Lock) -> None:
    spawned = multiprocessing.get_context("spawn")
    ready = spawned.Barrier(PROCESSES)
    own = [spawned.Process(target=record_often, args=(tmp_path, n, ready, lock)) for n in range(PROCESSES)]
    for process in own:
        process.start()
    for process in own:
        process.join(240)
    assert [process.exitcode for process in own] == [0] * PROCESSES
    found = read(tmp_path / "m.yaml")
    scores = {f"own-{n}-{turn}": (n * ROUNDS + turn + 1) / 20 for n in range(PROCESSES) for turn in range(ROUNDS)}
    assert {name: task.score for name, task in found.tasks.items() if name != "shared"} == scores
    assert set(found.runs) == {Context(fingerprint=str(number)).name for number in range(PROCESSES)}
    for name, task in found.tasks.items():  # also of the one that all recorded
        examples = examples_of(found, name)
        assert examples and examples["default"].outcomes.mean() == pytest.approx(task.score)
    assert {each.name for each in tmp_path.iterdir() if not each.name.startswith("results")} == {"m", "m.yaml"}
    assert {each.name for each in (tmp_path / "m").iterdir()} == {f"{name}.npz" for name in found.tasks}


@pytest.mark.parametrize("lost", ["task", "outcomes", "neither"])
def test_what_another_process_wrote_over_is_recorded_again(tmp_path: Path, lost: str) -> None:
    """The lock lets somebody in who puts back what stood there before."""
    path, times = tmp_path / "m.yaml", list[int]()
    recorded(path, {"A": 0.5, "B": 0.5})
    before, kept = path.read_bytes(), (tmp_path / "m" / "A.npz").read_bytes()

    def interfere(_seconds: float) -> None:
        times.append(1)
        if len(times) > 1:
            return
        if lost == "task":
            path.write_bytes(before)
        elif lost == "outcomes":
            (tmp_path / "m" / "A.npz").write_bytes(kept)

    results = tmp_path / "others"
    results.mkdir()
    outcomes.write(results / "A.npz", {"default": Examples(np.full(4, 0.4))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_mieb.measurement.changing.time.sleep", interfere)
        record(path, {"A": Measurement(0.4)}, CONTEXT, results, model="m", revision=None, data="hub", lock=unlocked)
    assert len(times) == (1 if lost == "neither" else 3)
    found = read(path)
    assert {name: task.score for name, task in found.tasks.items()} == {"A": 0.4, "B": 0.5}
    examples = examples_of(found, "A")
    assert examples and examples["default"].outcomes.tolist() == pytest.approx([0.4] * 4)


def test_what_another_process_recorded_afterwards_stands(tmp_path: Path) -> None:
    path, times = tmp_path / "m.yaml", list[int]()
    recorded(path, {"A": 0.5})

    def later(_seconds: float) -> None:
        times.append(1)
        if len(times) == 1:
            recorded(path, {"A": 0.3}, Context(fingerprint="later"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_mieb.measurement.changing.time.sleep", later)
        outcomes.write(tmp_path / "results" / "A.npz", {"default": Examples(np.full(4, 0.4))})
        record(
            path,
            {"A": Measurement(0.4)},
            CONTEXT,
            tmp_path / "results",
            model="m",
            revision=None,
            data="hub",
            lock=unlocked,
        )
    assert read(path).tasks["A"].score == 0.3
