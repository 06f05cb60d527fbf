"""Two stored measurements as people read them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.stored import Stored, decide_stored, open_stored
from pytest_mieb.measurement.baseline import Acceptance, Baseline, Measurement
from pytest_mieb.measurement.context import Context
from pytest_mieb.report.comparison import markdown, text
from pytest_mieb.report.view import View, of_stored
from pytest_mieb.suite.cards import load_tasks
from tests.stored_runs import a_run

TASKS = load_tasks()
A, B, C, D = "CIFAR10ZeroShot", "DTDZeroShot", "STL10ZeroShot", "Winoground"
WIT = "WITT2IRetrieval"
LANGUAGES = dict.fromkeys(TASKS[WIT].subsets, 0.8)


def view_of(folder: Path, old: Any, new: Any, expression: str | None = None, **facts: Any) -> View:
    a_run(folder / "old", old)
    a_run(folder / "new", new, **facts)
    before, after = (open_stored(str(folder / name), folder, TASKS) for name in ("old", "new"))
    return of_stored(decide_stored(before, after, TASKS, Policy(), expression))


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line)


def published(name: str, scores: dict[str, float]) -> Stored:
    tasks = {task: Measurement(score) for task, score in scores.items()}
    return Stored(name, "published", Path(), Baseline(name, "hub", tasks=tasks, indicative=True))


def test_a_row_has_scores_chance_tolerance_and_the_smallest_detectable_drop(tmp_path: Path) -> None:
    view = view_of(tmp_path, {A: 0.9, D: 0.5}, {A: 0.8, D: 0.6})
    lines = text(view)
    shown = [cells(line) for line in lines if line.startswith(("verdict  ", "regressed  ", "improved  "))]
    heading, dropped, gained = shown[:3]
    assert heading == ["verdict", "name", "old", "new", "change", "drop, 95 %", "p", "tolerance", "detectable"]
    assert dropped[:5] == ["regressed", A, "90.00", "80.00", "-10.00"]
    assert gained[:5] == ["improved", D, "50.00", "60.00", "+10.00"]
    for row, task in zip((dropped, gained), view.tasks, strict=True):
        found = task.compared
        assert found is not None and found.interval is not None
        assert found.p_drop is not None and found.p_gain is not None
        assert row[5] == f"{100 * found.interval.low:.2f} to {100 * found.interval.high:.2f}"
        assert float(row[6]) == pytest.approx(min(found.p_drop, found.p_gain), rel=0.5)
        assert row[7] == "0.50"
        assert float(row[8]) == pytest.approx(100 * (task.detectable or 0), abs=0.006)


def test_a_language_that_regressed_is_named_though_its_task_did_not_change(tmp_path: Path) -> None:
    view = view_of(tmp_path, {WIT: LANGUAGES}, {WIT: LANGUAGES | {"ko": 0.6, "en": 0.99}})
    lines = text(view)
    assert [line.split()[:3] for line in lines if f"{WIT} [" in line] == [
        ["regressed", WIT, "[ko]"],
        ["improved", WIT, "[en]"],
    ]
    named = f"{WIT}: 1 of 11 languages regressed: ko 60.00, baseline 80.00 (-20.00)"
    assert named in lines
    assert f"- {named}" in markdown(view)


def test_where_only_the_mean_of_the_languages_regressed_it_is_said_which_lost_most(tmp_path: Path) -> None:
    """Each lost too little for its own tolerance, which is twice that of the task."""
    less = {name: 0.7925 if name in ("ko", "vi") else 0.7975 for name in LANGUAGES}
    a_run(tmp_path / "old", {WIT: dict.fromkeys(LANGUAGES, 0.8)})
    a_run(tmp_path / "new", {WIT: less})
    old, new = (open_stored(str(tmp_path / name), tmp_path, TASKS) for name in ("old", "new"))
    view = of_stored(decide_stored(old, new, TASKS, Policy(tolerance=0.003)))
    (line,) = (line for line in text(view) if line.startswith(f"{WIT}: "))
    found, _, listed = line.partition(" comes from ")
    assert found == f"{WIT}: no single language regressed; most of the drop"
    assert [each.partition(",")[0] for each in listed.split("; ")[:3]] == ["ko 79.25", "vi 79.25", "ar 79.75"]


@pytest.mark.parametrize("everything", [False, True])
def test_what_is_accepted_is_a_row_of_its_own_and_a_line_with_day_and_reason(everything: bool) -> None:
    until = Acceptance(date(9999, 12, 31), "known | for long")
    old = {name: Measurement(0.8, 0.01, accepted=until) for name in (A, B)} | {D: Measurement(0.8, 0.01)}
    new = {A: Measurement(0.4, 0.01), B: Measurement(0.8, 0.01), D: Measurement(0.4, 0.01)}
    sides = [
        Stored(name, "recorded", Path(), Baseline(name, "hub", tasks=tasks))
        for name, tasks in (("old", old), ("new", new))
    ]
    view = of_stored(decide_stored(sides[0], sides[1], TASKS, Policy()))
    lines = [
        f"{A}: the regression is accepted until 9999-12-31: known | for long",
        f"{B}: the regression that was accepted until 9999-12-31 (known | for long) is gone; remove `accepted` from "
        "the baseline",
        f"zero_shot_classification: {A}, {B} count as unchanged, because their drops are accepted",
    ]
    written, pasted = text(view, everything=everything), markdown(view, everything=everything)
    assert [line for line in written if line in lines] == lines
    assert [line[2:] for line in pasted if line[2:] in lines] == lines
    assert any(line.startswith("accepted   zero_shot_classification, 2 tasks  ") for line in written)
    assert any(line.startswith(f"| accepted | {A} | 80.00 | 40.00 | -40.00 | 38.04 to 41.96 |") for line in pasted)


def test_what_has_no_verdict_is_told_with_its_reason(tmp_path: Path) -> None:
    lines = text(view_of(tmp_path, {A: 0.9, B: 0.7, C: 0.7}, {A: 0.9, D: 0.5}, f"{A},{B},{C},{D}"))
    assert "incomplete: no regression was seen, but 3 of 4 tasks have no verdict" in lines
    assert f"no verdict (2): {B}, {C}: {tmp_path / 'new'} has no score of it" in lines
    assert f"no verdict (1): {D}: no baseline: {tmp_path / 'old'} has no score of it" in lines
    assert any(line.startswith("incomplete  zero_shot_classification, 3 tasks") for line in lines)


def test_what_differs_besides_the_scores_is_told(tmp_path: Path) -> None:
    a_run(tmp_path / "one", {A: 0.9, B: 0.7}, context=Context("f1", {"size": "32x32"}, device="cpu"))
    a_run(tmp_path / "two", {A: 0.9}, context=Context("f2", {"size": "64x64"}, device="H100"))
    one, two = (open_stored(str(tmp_path / name), tmp_path, TASKS) for name in ("one", "two"))
    lines = text(of_stored(decide_stored(one, two, TASKS, Policy())))
    assert lines[2] == "preprocessing differs from the baseline's: size 32x32 -> 64x64"
    assert "warning: the device is H100, the baseline's was cpu" in lines
    assert f"{one.name} has 1 more task, which nobody asked for: {B}; --select names those that must be there" in lines
    assert any(line.endswith("because no outcome differs from the baseline's") for line in lines)


def test_scores_without_any_sampling_error_are_called_so() -> None:
    sides = published("a/b", {A: 0.9, B: 0.8}), published("c/d", {A: 0.7, B: 0.8})
    lines = text(of_stored(decide_stored(*sides, TASKS, Policy())))
    assert any(line.startswith("the verdict is indicative: the scores of a/b and c/d were") for line in lines)
    assert any(line.startswith("no sampling error is known for 1 task, where ") for line in lines)
    assert any(line.endswith("because no sampling error is known") for line in lines)
    (row,) = (line.split() for line in lines if line.startswith(f"regressed  {A}"))
    assert row == ["regressed", A, "90.00", "70.00", "-20.00", "-", "-", "0.50", "-"]


def test_non_inferiority_shows_the_bound_that_it_decides_by(tmp_path: Path) -> None:
    a_run(tmp_path / "old", {A: 0.9})
    a_run(tmp_path / "new", {A: 0.895})
    old, new = (open_stored(str(tmp_path / name), tmp_path, TASKS) for name in ("old", "new"))
    lines = text(of_stored(decide_stored(old, new, TASKS, Policy("non-inferiority"))))
    heading, row = [cells(line) for line in lines if line.startswith(("verdict  ", f"regressed  {A}"))][:2]
    assert heading[5:7] == ["drop, 95 %", "bound"]
    assert float(row[6]) > 0.5


def test_markdown_has_the_same_rows_as_the_terminal(tmp_path: Path) -> None:
    view = view_of(tmp_path, {A: 0.9, B: 0.7}, {A: 0.8, B: 0.7})
    lines = markdown(view)
    assert lines[0] == f"### MIEB: `{tmp_path / 'new'}` against `{tmp_path / 'old'}`"
    assert lines[2] == "**regressed: 1 of 2 tasks and 1 of 1 mean**"
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables} == {10}
    found = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in tables if "---" not in line]
    shown = [line for line in text(view) if line.startswith(("verdict  ", "regressed  "))]
    assert [" ".join(" ".join(row).split()) for row in found] == [" ".join(line.split()) for line in shown]
    assert any(line.startswith("| **regressed** | CIFAR10ZeroShot |") for line in lines)
    assert any(line.startswith("- the verdict rests on significance tests ") for line in lines)
