"""The baseline of the miniature, as the package has it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mieb.gate.statistics.influence import contributions
from pytest_mieb.measurement.opening import examples_behind, find, open_baseline
from pytest_mieb.measurement.soundness import ROUNDING
from pytest_mieb.miniature.content import DONE, ensure_mirror, expected
from pytest_mieb.protocols import estimator_of
from pytest_mieb.runtime.evaluator import Evaluator
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.support.packaged import packaged

TASKS = load_tasks()
BASELINE = open_baseline(find("miniature", packaged("baselines")), TASKS)


def drawn_content(data: str, cache: Path) -> dict[str, str | None]:
    evaluator: Any = object.__new__(Evaluator)
    evaluator.settings = SimpleNamespace(data=data, cache=cache)
    return {name: evaluator._drawn_content(task) for name, task in TASKS.items()}


def test_it_is_of_the_recorded_drawings_however_an_image_library_encodes_them(miniature_cache: Path) -> None:
    ensure_mirror(miniature_cache, print)
    content = drawn_content("miniature", miniature_cache)
    assert content == {name: task.examples for name, task in BASELINE.tasks.items()}
    assert len(set(content.values())) == len(expected())


def test_one_dataset_that_is_drawn_otherwise_leaves_the_others_comparable(
    miniature_cache: Path, tmp_path: Path
) -> None:
    drawn = ensure_mirror(miniature_cache, print) / DONE
    (tmp_path / drawn.parent.name).mkdir()
    found = {**json.loads(drawn.read_text()), "mteb/wds_fer2013": "0123456789abcdef" * 4}
    (tmp_path / drawn.parent.name / DONE).write_text(json.dumps(found))
    content = drawn_content("miniature", tmp_path)
    other = {name for name, task in BASELINE.tasks.items() if task.examples != content[name]}
    assert other == {name for name, task in TASKS.items() if task.dataset.path == "mteb/wds_fer2013"}
    assert {content[name] for name in other} == {"0123456789abcdef"}


@pytest.mark.parametrize("data", ["hub", "/a/mirror"])
def test_other_data_is_known_by_its_files(data: str, tmp_path: Path) -> None:
    assert set(drawn_content(data, tmp_path).values()) == {None}


@pytest.mark.parametrize("name", TASKS)
def test_the_outcomes_of_every_task_are_there_and_make_up_its_scores(name: str) -> None:
    """To the last of the six digits, a hundredth of what is told as a contradiction."""
    found, task, recorded = examples_behind(BASELINE, TASKS[name]), TASKS[name], BASELINE.tasks[name]
    assert found and set(found) == set(task.subsets)
    estimator = estimator_of(task)
    assert estimator
    made_up = {subset: contributions(estimator, each).mean() for subset, each in found.items()}
    assert sum(made_up.values()) / len(made_up) == pytest.approx(recorded.score, abs=ROUNDING / 100)
    assert {subset: mark.score for subset, mark in recorded.subsets.items()} == (
        pytest.approx(made_up, abs=ROUNDING / 100) if len(made_up) > 1 else {}
    )
