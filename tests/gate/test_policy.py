"""Which drop matters, how many chances of a false alarm there are to share, and how a user writes it."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

import pytest

from pytest_mieb.gate.policy import ComparisonFamily, Policy, judged_means, parse_policy, refuse_unknown_tolerances
from pytest_mieb.measurement.baseline import Measurement
from pytest_mieb.suite import CATEGORIES, Task
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.suite.means import means
from tests.gate.builders import zero_shot

SUITE = load_tasks()
LITE = [name for name, task in SUITE.items() if "lite" in task.suites]
ENGLISH = [name for name, task in SUITE.items() if "eng" in task.suites]
ENGLISH_LITE = [name for name in LITE if name in ENGLISH]
RUN, CATEGORY, TASK, FILE = 0.02, 0.03, 0.04, 0.01


@pytest.mark.parametrize(
    ("named", "recorded", "tolerance"),
    [
        ({}, Measurement(0.5), RUN),
        ({"zero_shot_classification": CATEGORY}, Measurement(0.5), CATEGORY),
        ({"clustering": CATEGORY, "Other": TASK, "means": TASK}, Measurement(0.5), RUN),
        ({"zero_shot_classification": CATEGORY}, Measurement(0.5, tolerance=FILE), FILE),
        ({"zero_shot_classification": CATEGORY, "Some": TASK}, Measurement(0.5, tolerance=FILE), TASK),
        ({"Some": 0.0}, Measurement(0.5, tolerance=FILE), 0.0),
        ({}, Measurement(0.5, tolerance=0.0), 0.0),
        ({"zero_shot_classification": 0.0}, Measurement(0.5), 0.0),
        ({}, Measurement(0.5, noise=0.019), RUN),
        ({}, Measurement(0.5, noise=0.021), 0.021),
        ({}, Measurement(0.5, tolerance=FILE, noise=0.05), 0.05),
        ({"Some": TASK, "zero_shot_classification": CATEGORY}, Measurement(0.5, noise=0.05), 0.05),
    ],
)
def test_the_tolerance_of_a_task(named: dict[str, float], recorded: Measurement, tolerance: float) -> None:
    """The command line by name, the baseline, the category, the run; and never below the noise."""
    assert Policy(tolerance=RUN, named=named).tolerance_of(zero_shot("Some"), recorded) == tolerance


@pytest.mark.parametrize(
    ("named", "category", "tolerance"),
    [
        ({}, None, RUN / 2),
        ({}, "clustering", RUN / 2),
        ({"clustering": CATEGORY}, "clustering", CATEGORY / 2),
        ({"clustering": CATEGORY}, "retrieval", RUN / 2),
        ({"clustering": CATEGORY}, None, RUN / 2),
        ({"means": TASK, "clustering": CATEGORY}, "clustering", TASK),
        ({"means": TASK}, None, TASK),
        ({"means": 0.0}, None, 0.0),
    ],
)
def test_the_tolerance_of_a_mean(named: dict[str, float], category: str | None, tolerance: float) -> None:
    policy = Policy(tolerance=RUN, named=named)
    assert policy.tolerance_of_mean(category) == policy.tolerance_of_mean(category, tolerance / 2) == tolerance
    assert policy.tolerance_of_mean(category, tolerance + 0.01) == tolerance + 0.01


@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize(
    "family",
    [
        ComparisonFamily(1),
        ComparisonFamily(130, 90, 12),
        ComparisonFamily(5, 0, 2),
        ComparisonFamily(5, 7, 0),
        ComparisonFamily(2, 3, 1),
        ComparisonFamily.of(LITE, SUITE),
        ComparisonFamily.of(SUITE, SUITE),
    ],
    ids=str,
)
def test_all_levels_of_a_family_add_up_to_alpha(family: ComparisonFamily, alpha: float) -> None:
    levels = (
        family.level("tasks", alpha) * family.tasks,
        family.level("subsets", alpha) * family.subsets,
        family.level("means", alpha) * family.means,
    )
    assert sum(levels) == pytest.approx(alpha)
    assert sum(levels) <= alpha * (1 + 1e-12)
    assert levels[0] == pytest.approx(family.share("tasks", alpha))
    assert levels[0] >= alpha / 2 * (1 - 1e-12)
    for kind in ("subsets", "means"):
        assert family.share(kind, alpha) == pytest.approx(levels[1 if kind == "subsets" else 2])


def test_a_family_without_comparisons_has_levels_all_the_same() -> None:
    assert ComparisonFamily(0).level("tasks", 0.05) == 0.05
    assert ComparisonFamily(3).level("means", 0.05) == 0.0


def cards(*groups: tuple[str, int, tuple[str, ...]]) -> dict[str, Task]:
    """So many tasks of a category in these suites, named by the category's first letter and a number."""
    tasks = {}
    for category, count, suites in groups:
        for number in range(count):
            name = f"{category[0]}{number}{''.join(suite[0] for suite in suites)}"
            tasks[name] = zero_shot(name, category=category, suites=suites)
    return tasks


def test_a_family_counts_tasks_subsets_and_means_of_what_was_selected() -> None:
    tasks = cards(("clustering", 2, ("eng",)), ("retrieval", 2, ("eng",)))
    tasks["c0e"] = zero_shot("c0e", category="clustering", subsets={"en": (), "no": (), "de": ()})
    assert ComparisonFamily.of({"c0e", "c1e", "r0e"}, tasks) == ComparisonFamily(3, 3, 1)
    assert ComparisonFamily.of({"c1e", "r0e"}, tasks) == ComparisonFamily(2, 0, 0)
    assert ComparisonFamily.of(set(tasks), tasks) == ComparisonFamily(4, 3, 4)  # two categories, Mean (en) and Mean (m)
    assert ComparisonFamily.of(LITE, SUITE).tasks == 51
    assert ComparisonFamily.of(SUITE, SUITE).tasks == 130
    assert ComparisonFamily.of(SUITE, SUITE).means == 12


@pytest.mark.parametrize(
    ("selected", "names"),
    [
        (SUITE, {"Mean (en)", "Mean (m)"}),
        (LITE, {"Mean (en)", "Mean (m)"}),
        (ENGLISH, {"Mean (en)"}),
        ({*LITE, *ENGLISH}, {"Mean (en)", "Mean (m)"}),
        (LITE[1:], set()),
        (ENGLISH_LITE, {"Mean (en)"}),
        ({*ENGLISH} - {ENGLISH_LITE[0]}, set()),
    ],
    ids=["all", "lite", "English", "English and lite", "lite less one", "English lite", "English less one"],
)
def test_the_overall_means_need_the_whole_suite_or_lite(selected: Collection[str], names: set[str]) -> None:
    assert {name for name in judged_means(selected, SUITE) if name.startswith("Mean")} == names


def test_the_whole_mean_goes_before_that_of_lite() -> None:
    outside = next(name for name in ENGLISH if name not in LITE)
    assert set(judged_means(ENGLISH, SUITE)["Mean (en)"]) == set(ENGLISH)
    assert set(judged_means({*ENGLISH} - {outside}, SUITE)["Mean (en)"]) == set(ENGLISH_LITE)
    assert set(judged_means(SUITE, SUITE)["Mean (m)"]) == set(SUITE)
    assert set(judged_means({*LITE, *ENGLISH}, SUITE)["Mean (m)"]) == set(LITE)


@pytest.mark.parametrize("selected", [list(SUITE), LITE], ids=["all", "lite"])
def test_the_weights_are_those_of_the_paper(selected: list[str]) -> None:
    own = [SUITE[name] for name in selected]
    chance = random.Random(0)
    scores = {name: chance.random() for name in selected}
    expected, judged = means(own, scores), judged_means(set(selected), SUITE)
    for name, weights in judged.items():
        assert sum(weights.values()) == pytest.approx(1)
        assert sum(weight * scores[task] for task, weight in weights.items()) == pytest.approx(expected[name])
    assert set(CATEGORIES) <= set(judged) <= set(expected)


def test_a_group_of_one_task_has_no_mean() -> None:
    tasks = cards(("clustering", 1, ("eng",)), ("retrieval", 2, ("eng",)), ("retrieval", 2, ("multilingual",)))
    judged = judged_means(set(tasks), tasks)
    assert set(judged) == {"retrieval", "retrieval (multilingual)", "Mean (en)", "Mean (m)"}
    assert judged["retrieval"] == {"r0e": 0.5, "r1e": 0.5}
    assert judged["Mean (en)"] == {"c0e": 0.5, "r0e": 0.25, "r1e": 0.25}
    assert judged["Mean (m)"] == pytest.approx({"c0e": 1 / 3, "r0e": 1 / 6, "r1e": 1 / 6, "r0m": 1 / 6, "r1m": 1 / 6})


def test_an_overall_mean_is_over_its_groups_whatever_suites_a_card_names() -> None:
    tasks = cards(("clustering", 2, ("eng",)), ("retrieval", 2, ("eng", "multilingual")))
    assert judged_means(set(tasks), tasks)["Mean (en)"] == {"c0e": 0.5, "c1e": 0.5}


def test_tasks_of_other_suites_count_in_their_category_only() -> None:
    tasks = cards(("clustering", 2, ("eng",)), ("clustering", 1, ()))
    assert judged_means(set(tasks), tasks) == {
        "clustering": pytest.approx(dict.fromkeys(("c0e", "c1e", "c0"), 1 / 3)),
        "Mean (en)": {"c0e": 0.5, "c1e": 0.5},
        "Mean (m)": {"c0e": 0.5, "c1e": 0.5},
    }
    assert judged_means({"c0"}, tasks) == {}
    assert judged_means({"c0", "c0e"}, tasks) == {"clustering": {"c0e": 0.5, "c0": 0.5}}


# As a user writes it, for the plugin and for the command.


def given(**facts: Any) -> Policy:
    return parse_policy(**{"kind": None, "alpha": None, "tolerances": (), **facts})


@pytest.mark.parametrize(
    ("facts", "policy"),
    [
        ({}, Policy()),
        ({"kind": "non-inferiority"}, Policy("non-inferiority")),
        ({"alpha": "0.1"}, Policy(alpha=0.1)),
        ({"tolerances": ["1", "0.25"]}, Policy(tolerance=0.0025)),
        ({"tolerances": ["STL10=2", "means=0", "STL10=3"]}, Policy(named={"STL10": 0.03, "means": 0.0})),
        ({"strict_context": True}, Policy(strict_context=True)),
    ],
)
def test_what_is_left_out_is_the_default(facts: dict[str, Any], policy: Policy) -> None:
    assert given(**facts) == policy


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"kind": "strict"}, "--mieb-policy=strict: legal are significance, non-inferiority"),
        *(({"alpha": alpha}, f"--mieb-alpha={alpha}: give a share above 0 and up to 0.5") for alpha in ("0", "1", "x")),
        *(
            ({"tolerances": [each]}, f"--mieb-tolerance={each}: give points from 0 to 100")
            for each in ("-1", "101", "nan", "STL10", "STL10=", "=1", "")
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        given(**facts, prefix="--mieb-")


def test_a_tolerance_of_nothing_is_refused_with_near_names() -> None:
    tasks = load_tasks()
    refuse_unknown_tolerances(Policy(named={"STL10": 0.01, "clustering": 0.01, "means": 0.01}), tasks)
    with pytest.raises(ValueError, match=r"^--tolerance=STL1=\.\.\.: no category or task 'STL1'; near are STL10"):
        refuse_unknown_tolerances(Policy(named={"STL1": 0.01}), tasks)
