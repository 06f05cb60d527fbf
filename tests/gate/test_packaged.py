"""The baseline of the miniature, as the package has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mieb.evaluator import Evaluator
from pytest_mieb.gate.sides import examples_of, find, open_baseline
from pytest_mieb.miniature.content import expected
from pytest_mieb.suite import load_tasks, packaged

TASKS = load_tasks()
BASELINE = open_baseline(find("miniature", packaged("baselines")), TASKS)


def drawn_content(data: str, *, redrawn: bool = False) -> dict[str, str | None]:
    evaluator: Any = object.__new__(Evaluator)
    evaluator.settings, evaluator._redrawn = SimpleNamespace(data=data), redrawn
    return {name: evaluator._drawn_content(task) for name, task in TASKS.items()}


def test_it_is_of_the_recorded_drawings_however_an_image_library_encodes_them() -> None:
    assert {name: task.examples for name, task in BASELINE.tasks.items()} == drawn_content("miniature")
    assert len(set(drawn_content("miniature").values())) == len(expected())


@pytest.mark.parametrize(("data", "redrawn"), [("miniature", True), ("hub", False), ("/a/mirror", False)])
def test_other_data_is_known_by_its_files(data: str, redrawn: bool) -> None:
    assert set(drawn_content(data, redrawn=redrawn).values()) == {None}


@pytest.mark.parametrize("name", TASKS)
def test_the_outcomes_of_every_task_are_there(name: str) -> None:
    found = examples_of(BASELINE, name)
    assert found and set(found) == set(TASKS[name].subsets)
