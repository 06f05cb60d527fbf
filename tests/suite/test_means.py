"""MIEB's two means, over all tasks and over MIEB-lite."""

from __future__ import annotations

import pytest

from pytest_mieb.suite import CATEGORIES, Task
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.suite.means import GROUPS, MEAN_EN, MEAN_M, group_of, means, overall_weights
from tests.builders import a_task


def tasks_of(*facts: tuple[str, str, str]) -> list[Task]:
    return [a_task(name=name, category=category, suites=(suite,)) for name, category, suite in facts]


SMALL = tasks_of(
    ("R1", "retrieval", "eng"),
    ("R2", "retrieval", "eng"),
    ("C1", "clustering", "eng"),
    ("R3", "retrieval", "multilingual"),
    ("V1", "visual_sts", "multilingual"),
)
SCORES = {"R1": 0.2, "R2": 0.4, "C1": 0.9, "R3": 0.5, "V1": 0.1}


def test_a_mean_is_over_the_means_of_the_groups() -> None:
    found = means(SMALL, SCORES)
    assert found[MEAN_EN] == pytest.approx(((0.2 + 0.4) / 2 + 0.9) / 2)
    assert found[MEAN_M] == pytest.approx(((0.2 + 0.4) / 2 + 0.9 + 0.5 + 0.1) / 4)


@pytest.mark.parametrize(
    ("missing", "has_en", "has_m"),
    [("R2", False, False), ("C1", False, False), ("R3", True, False), ("V1", True, False)],
)
def test_an_overall_mean_with_a_score_missing_is_none(missing: str, has_en: bool, has_m: bool) -> None:
    scores = {name: score for name, score in SCORES.items() if name != missing}
    found = means(SMALL, scores)
    assert (MEAN_EN in found, MEAN_M in found) == (has_en, has_m)


def test_a_score_of_0_is_a_score() -> None:
    assert means(SMALL, dict.fromkeys(SCORES, 0.0))[MEAN_EN] == 0


def test_nothing_has_no_means() -> None:
    assert means([], {}) == means([], SCORES) == means(SMALL, {}) == {}


def test_the_weights_give_the_same_mean() -> None:
    weights = overall_weights(SMALL)
    assert sum(weights.values()) == pytest.approx(1)
    weighted = sum(weight * SCORES[name] for name, weight in weights.items())
    assert weighted == pytest.approx(means(SMALL, SCORES)[MEAN_M])


def test_scores_of_other_tasks_do_not_count() -> None:
    assert means(SMALL, SCORES | {"Other": 1.0}) == means(SMALL, SCORES)


def test_group_means_are_of_the_groups_with_a_score() -> None:
    assert means(SMALL, {"R1": 0.2, "R2": 0.4, "R3": 0.5}) == {
        "retrieval": pytest.approx(0.3),
        "retrieval (multilingual)": 0.5,
    }


@pytest.mark.parametrize(("suite", "english", "multilingual", "all_tasks"), [("eng", 125, 5, 130), ("lite", 47, 4, 51)])
def test_the_means_are_over_8_and_10_groups(suite: str, english: int, multilingual: int, all_tasks: int) -> None:
    tasks = [task for task in load_tasks().values() if suite == "eng" or "lite" in task.suites]
    members = [group_of(task) for task in tasks]
    assert len(tasks) == all_tasks
    assert sum(group in CATEGORIES for group in members) == english
    assert sum(group not in CATEGORIES for group in members) == multilingual
    assert set(members) == set(GROUPS)
    assert len(GROUPS) == 10
    # One point for the tasks of one group is an eighth of Mean (en) and a tenth of Mean (m).
    clustering = {task.name: float(task.category == "clustering") for task in tasks}
    found = means(tasks, clustering)
    assert (found[MEAN_EN], found[MEAN_M]) == pytest.approx((1 / 8, 1 / 10))
    translated = {task.name: float(group_of(task) == "retrieval (multilingual)") for task in tasks}
    found = means(tasks, translated)
    assert found[MEAN_EN] == 0 and found[MEAN_M] == pytest.approx(1 / 10)
