"""What a run can be compared with, as people read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pytest_mieb.gate.stored import open_stored
from pytest_mieb.measurement.baseline import Acceptance, Estimate, read, write
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.opening import open_baseline
from pytest_mieb.measurement.recording import record
from pytest_mieb.report.baseline import catalogue, page
from pytest_mieb.suite.cards import load_tasks
from tests.stored_runs import a_run

TASKS = load_tasks()
A, B, WIT = "CIFAR10ZeroShot", "DTDZeroShot", "WITT2IRetrieval"
LANGUAGES = dict.fromkeys(TASKS[WIT].subsets, 0.8) | {"ko": 0.6}
CONTEXT = Context("f1f1f1f1f1f1f1f1", {"size": [64, 64]}, device="cpu", dtype="float32", batch_size=64)


@pytest.fixture
def baselines(tmp_path: Path) -> Path:
    """A folder with the baseline `mine` of three tasks, one with a tolerance and a noise, one accepted."""
    run = a_run(tmp_path / "run", {A: 0.9, B: 0.7, WIT: LANGUAGES}, context=CONTEXT)
    path = tmp_path / "baselines" / "mine.yaml"
    measured = open_baseline(run, TASKS).tasks
    record(path, measured, CONTEXT, run, model="runs/7", revision="abc", data="hub", today=date(2026, 1, 2))
    baseline = read(path)
    accepted = Acceptance(date(2027, 3, 1), "known")
    tasks = {**baseline.tasks, A: replace(baseline.tasks[A], tolerance=0.02, noise=0.001)}
    tasks[B] = replace(tasks[B], accepted=accepted)
    write(replace(baseline, tasks=tasks), path)
    return path.parent


def row(lines: list[str], name: str) -> list[str]:
    (found,) = (line.split() for line in lines if line.split()[:1] == [name])
    return found


def test_a_recorded_baseline_says_scores_errors_tolerances_and_outcomes(baselines: Path) -> None:
    lines, problems = page(open_stored("mine", baselines, TASKS), TASKS)
    assert problems == []
    assert [row(lines, name)[1] for name in ("model", "revision", "data", "date", "tasks")] == [
        "runs/7", "abc", "hub", "2026-01-02", "3",
    ]  # fmt: skip
    assert "measured      3 tasks by hash f1f1f1f1f1f1 on cpu, float32, batches of 64" in lines
    assert "              inputs: size 64/64" in lines
    assert row(lines, "zero_shot_classification") == ["zero_shot_classification", "2", "80.00"]
    assert row(lines, A) == [A, "90.00", "1.52", "2.00", "0.10", "0123456789ab", "checked"]
    assert row(lines, B)[3:5] == ["-", "-"]
    assert row(lines, "ko")[1] == "60.00"
    assert f"{B}: may regress until 2027-03-01: known" in lines


def test_an_error_that_is_not_known_is_a_dash(baselines: Path) -> None:
    known = read(baselines / "mine.yaml")
    languages = {name: Estimate(each.score) for name, each in known.tasks[WIT].subsets.items()}
    tasks = {WIT: replace(known.tasks[WIT], error=0.0, subsets=languages)}
    write(replace(known, tasks=tasks), baselines / "mine.yaml")
    lines, _ = page(open_stored("mine", baselines, TASKS), TASKS)
    assert [row(lines, name)[2] for name in ("task", WIT, "ko")] == ["error", "-", "-"]


def test_a_part_of_the_data_is_told_beside_the_revision(baselines: Path) -> None:
    baseline = read(baselines / "mine.yaml")
    write(replace(baseline, tasks={A: replace(baseline.tasks[A], part="30 of 40 rows")}), baselines / "mine.yaml")
    lines, _ = page(open_stored("mine", baselines, TASKS), TASKS)
    assert row(lines, A)[5:] == ["0123456789ab,", "30", "of", "40", "rows", "checked"]


def test_outcomes_that_are_not_the_scores_are_told(baselines: Path) -> None:
    (baselines / "mine" / f"{A}.npz").unlink()
    (baselines / "mine" / f"{B}.npz").write_bytes((baselines / "mine" / f"{WIT}.npz").read_bytes())
    lines, problems = page(open_stored("mine", baselines, TASKS), TASKS)
    assert [row(lines, name)[-1] for name in (A, B, WIT)] == ["damaged", "damaged", "checked"]
    assert [problem.partition(":")[0] for problem in problems] == [A, B]
    assert lines[-2:] == problems


def test_a_score_that_its_outcomes_contradict_is_told(baselines: Path) -> None:
    path = baselines / "mine.yaml"
    path.write_text(path.read_text().replace(f"{A}: {{score: 0.9,", f"{A}: {{score: 0.09,"))
    lines, problems = page(open_stored("mine", baselines, TASKS), TASKS)
    assert [row(lines, name)[-1] for name in (A, B, WIT)] == ["damaged", "checked", "checked"]
    (problem,) = problems
    assert problem.startswith(f"{A}: scored 9.00, while its outcomes make up 90.00")
    own = {name: task for name, task in TASKS.items() if name != A}
    assert page(open_stored("mine", baselines, own), own)[1] == []  # without a card its metric is not known


def test_published_scores_say_where_they_come_from_and_what_drift_is_allowed() -> None:
    lines, problems = page(open_stored("openai/clip-vit-base-patch32", Path("none"), TASKS), TASKS)
    assert problems == []
    assert row(lines, "task") == ["task", "score", "mteb", "dataset", "drift"]
    assert row(lines, "HatefulMemesI2TRetrieval") == [
        "HatefulMemesI2TRetrieval", "43.22", "1.14.15", "c9a9a6c3ef07", "4.50",
    ]  # fmt: skip
    assert row(lines, "ROxfordEasyI2IRetrieval")[-2:] == ["not", "comparable"]


def test_the_catalogue_lists_what_is_recorded_and_published(baselines: Path) -> None:
    (baselines / "broken.yaml").write_text("tasks: 1")
    lines = catalogue(baselines)
    assert lines[0] == f"recorded here ({baselines}): 2"
    assert row(lines, "broken")[1:4] == ["cannot", "be", "read"]
    assert row(lines, "mine") == ["mine", "runs/7", "hub", "2026-01-02", "3"]
    assert row(lines, "openai/clip-vit-base-patch32") == ["openai/clip-vit-base-patch32", "3d74acf9a28c", "130"]
    assert "published: 55" in lines
