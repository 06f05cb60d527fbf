"""Baselines: thresholds, and files that people read and edit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from pytest_mieb.gate.baseline import (
    Baseline,
    BaselineError,
    Mark,
    TaskBaseline,
    available,
    find,
    read,
    subset_threshold,
    threshold,
    write,
)


@pytest.mark.parametrize(
    ("score", "n_examples", "expected", "of_a_subset"),
    [
        (0.7, 10_000, 0.7 - 0.005, 0.7 - 0.01),  # half a point
        (0.7, 400, 0.7 - 0.005, 0.7 - 0.01),  # two of 400 examples are half a point
        (0.7, 100, 0.7 - 0.02, 0.7 - 0.04),  # two of 100
        (0.7, 4, 0.7 - 0.5, 0.7 - 1),
        (-0.3, 1000, -0.3 - 0.005, -0.3 - 0.01),  # a correlation may be below 0
        (-0.9, 4, -1, -1),
        (0.5, 0, -1, -1),
    ],
)
def test_thresholds(score: float, n_examples: int, expected: float, of_a_subset: float) -> None:
    assert threshold(score, n_examples) == pytest.approx(expected)
    assert subset_threshold(score, n_examples) == pytest.approx(of_a_subset)


FULL = Baseline(
    model="runs/exp7: the best, #1",
    data="hub",
    revision="no",
    date="2026-01-31",
    versions={"torch": "2.6", "python": "3.11.7"},
    tasks={
        "CIFAR10": TaskBaseline(0.5, 0.495),
        "no": TaskBaseline(-0.25, -0.3),
        "XM3600T2IRetrieval": TaskBaseline(
            0.25, 0.2, {"no": Mark(0.5, 0.4), "on": Mark(0.125, 0.1), "zh": Mark(1, 0.99), "12": Mark(0, 0)}
        ),
    },
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "exp7.yaml"
    write(FULL, path)
    assert read(path) == FULL
    assert list(read(path).tasks["XM3600T2IRetrieval"].subsets) == ["no", "on", "zh", "12"]


def test_a_file_has_one_line_a_task_sorted_and_six_digits(tmp_path: Path) -> None:
    tasks = {"b": TaskBaseline(1 / 3, 0.3), "A": TaskBaseline(0.1 + 0.2, 0.29)}
    write(Baseline("m", "hub", tasks=tasks), tmp_path / "m.yaml")
    lines = (tmp_path / "m.yaml").read_text().splitlines()
    assert lines[0].startswith("# Scores from 0 to 1.")
    assert lines[-2:] == ["  A: {score: 0.3, threshold: 0.29}", "  b: {score: 0.333333, threshold: 0.3}"]


def test_plain_yaml_reads_the_names_no_and_on_as_text(tmp_path: Path) -> None:
    write(FULL, tmp_path / "m.yaml")
    content = yaml.safe_load((tmp_path / "m.yaml").read_text())
    assert set(content["tasks"]) == {"CIFAR10", "no", "XM3600T2IRetrieval"}
    assert set(content["tasks"]["XM3600T2IRetrieval"]["subsets"]) == {"no", "on", "zh", "12"}


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_a_write_that_fails_leaves_the_old_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "m.yaml"
    write(FULL, path)
    before = path.read_bytes()

    def full_disk(*_arguments: object, **_options: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path if step == "write_text" else os, step, full_disk)
    with pytest.raises(OSError, match="no space left"):
        write(Baseline("other", "hub"), path)
    assert path.read_bytes() == before


SOUND = "model: m\ntasks:\n  A: {score: 0.5, threshold: 0.4}\n"
REFUSED = {
    "broken YAML": ("tasks: [", "cannot be read as YAML; correct it, or record it anew with --mieb-update"),
    "a day that is none": ("date: 2024-13-45\n" + SOUND, "cannot be read as YAML"),
    "nothing": ("", "tasks: missing; correct it, or record the baseline anew with --mieb-update"),
    "a list": ("- A\n", "tasks: missing"),
    "no tasks": ("model: m\n", "tasks: missing"),
    "tasks in a list": ("tasks: [A]\n", "tasks: missing"),
    "unknown key": (
        "tolerance: 1\n" + SOUND,
        "tolerance: unknown key; the legal ones are model, data, revision, date, versions, tasks",
    ),
    "versions in a list": ("versions: [torch]\n" + SOUND, "versions: not a mapping"),
    "a bare score": ("tasks: {A: 0.5}\n", "tasks.A: not a mapping with score and threshold"),
    "no threshold": ("tasks: {A: {score: 0.5}}\n", "tasks.A.threshold: None is not a number from"),
    "a score in points": (
        "tasks: {A: {score: 50, threshold: 0.4}}\n",
        "tasks.A.score: 50 is not a number from",
    ),
    "a score that is text": ("tasks: {A: {score: half, threshold: 0}}\n", "tasks.A.score: 'half' is not a number from"),
    "a score that is true": ("tasks: {A: {score: yes, threshold: 0}}\n", "tasks.A.score: True is not a number from"),
    "a score that is no number": (
        "tasks: {A: {score: .nan, threshold: 0}}\n",
        "tasks.A.score: nan is not a number from",
    ),
    "unknown key of a task": (
        "tasks: {A: {score: 0.5, threshold: 0.4, why: x}}\n",
        "tasks.A.why: unknown key; the legal ones are score, threshold, subsets",
    ),
    "subsets in a list": (
        "tasks: {A: {score: 0.5, threshold: 0.4, subsets: [en]}}\n",
        "tasks.A.subsets: not a mapping",
    ),
    "a subset without threshold": (
        "tasks: {A: {score: 0.5, threshold: 0.4, subsets: {en: {score: 0.1}}}}\n",
        "tasks.A.subsets.en.threshold: None is not a number from",
    ),
    "a subset that is no mapping": (
        "tasks: {A: {score: 0.5, threshold: 0.4, subsets: {en: 0.1}}}\n",
        "tasks.A.subsets.en: not a mapping with score and threshold",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_used_is_refused_by_file_key_and_remedy(tmp_path: Path, case: str) -> None:
    text, sentence = REFUSED[case]
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(BaselineError) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}: {sentence}")
    assert str(refusal.value).endswith("with --mieb-update")


def test_other_bytes_than_utf_8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(b"model: \xff\n")
    with pytest.raises(BaselineError, match="cannot be read as YAML"):
        read(tmp_path / "m.yaml")


def test_a_sparse_file_has_defaults(tmp_path: Path) -> None:
    (tmp_path / "exp7.yaml").write_text(SOUND.replace("model: m\n", ""))
    assert read(tmp_path / "exp7.yaml") == Baseline("exp7", "hub", tasks={"A": TaskBaseline(0.5, 0.4)})


def test_updating_keeps_the_tasks_that_were_not_run() -> None:
    old = Baseline("m", "hub", "r1", "2026-01-01", {"torch": "1"}, {"A": TaskBaseline(1, 1), "B": TaskBaseline(1, 1)})
    new = Baseline("m", "hub", "r2", "2026-02-02", {"torch": "2"}, {"B": TaskBaseline(0, 0), "C": TaskBaseline(0, 0)})
    updated = old.updated(new)
    assert {name: task.score for name, task in updated.tasks.items()} == {"A": 1, "B": 0, "C": 0}
    assert (updated.revision, updated.date, updated.versions) == ("r2", "2026-02-02", {"torch": "2"})


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The user's baselines and the package's."""
    mine, packaged = tmp_path / "mine", tmp_path / "packaged"
    for folder, names in ((mine, ("exp7", "both")), (packaged, ("miniature", "both"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.yaml").write_text(SOUND)
    monkeypatch.setattr("pytest_mieb.gate.baseline.packaged", lambda _name: packaged)
    return mine, packaged


def test_a_baseline_is_found_by_its_name_the_users_first(folders: tuple[Path, Path]) -> None:
    mine, packaged = folders
    assert find("exp7", mine) == mine / "exp7.yaml"
    assert find("both", mine) == mine / "both.yaml"
    assert find("miniature", mine) == packaged / "miniature.yaml"
    assert available(mine) == ["both", "exp7", "miniature"]


def test_a_baseline_is_found_by_its_path(folders: tuple[Path, Path], tmp_path: Path) -> None:
    mine, packaged = folders
    assert find(str(packaged / "miniature.yaml"), mine) == packaged / "miniature.yaml"
    with pytest.raises(BaselineError) as refusal:
        find(str(tmp_path / "gone.yml"), mine)
    assert str(refusal.value).startswith(f"no baseline file {tmp_path / 'gone.yml'}; record it with --mieb-update")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("exp8", "Did you mean exp7?"), ("something-else", "There are: both, exp7, miniature.")],
)
def test_a_missing_baseline_names_near_ones_and_how_to_record_it(
    folders: tuple[Path, Path], name: str, hint: str
) -> None:
    mine, _ = folders
    with pytest.raises(BaselineError) as refusal:
        find(name, mine)
    said = str(refusal.value)
    assert said.startswith(f"no baseline {name!r} in {mine} or in the package. {hint} Record it by running")
    assert "--mieb-update" in said and "--mieb-baseline=none" in said
