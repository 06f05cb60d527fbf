"""Which rows of a view belong together, in which order, and the state in a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mieb.gate.policy import Policy
from pytest_mieb.report.view import View, of_run, with_status
from tests.report.builders import TASKS, UNTIL, a_comparison, a_pair, a_run


def view_of(scores: dict[str, float], *comparisons: Any, **facts: Any) -> View:
    return of_run(a_run(scores, comparisons={each.task: each for each in comparisons}, **facts))


CLUSTERING = {"CIFAR10Clustering": 0.4, "CIFAR100Clustering": 0.2}
LOST = {"CIFAR10Clustering": 0.3, "CIFAR100Clustering": 0.1}


@pytest.mark.parametrize(
    ("view", "headline"),
    [
        (view_of(CLUSTERING), "passed: no regression in 2 tasks"),
        (view_of({"Fashion": 0.6}), "passed: no regression in 1 task"),
        (
            view_of({"Fashion": 0.3}, a_comparison("Fashion", 0.3, 0.5, accepted=UNTIL)),
            "passed: no regression in 1 task, except 1 that is accepted",
        ),
        (
            view_of(LOST, *(a_comparison(name, score, 0.5, accepted=UNTIL) for name, score in LOST.items())),
            "passed: no regression in 2 tasks, except 2 that are accepted",
        ),
        (
            view_of({"Fashion": 0.5}, a_comparison("Fashion", 0.5, 0.5, accepted=UNTIL)),  # it is gone
            "passed: no regression in 1 task",
        ),
        (view_of({"Fashion": 0.3}), "regressed: 1 of 1 task"),
        (view_of(LOST), "regressed: 2 of 2 tasks and 1 of 1 mean"),
        (
            view_of({"Fashion": 0.3}, selected=set(TASKS), errors={"XFlickr": "gated"}),
            "regressed: 1 of 1 task and 0 of 3 means; 3 of 4 tasks have no verdict",
        ),
        (
            view_of({"Fashion": 0.5}, selected={"Fashion", "XFlickr"}),
            "incomplete: no regression was seen, but 1 of 2 tasks have no verdict",
        ),
        (view_of({"Fashion": 0.5}, baseline=None), ""),
    ],
)
def test_the_headline_says_the_state_and_counts(view: View, headline: str) -> None:
    assert view.headline == headline


def test_changes_stand_regressed_first_and_the_largest_first() -> None:
    view = view_of({"CIFAR10Clustering": 0.3, "CIFAR100Clustering": 0.0, "Fashion": 0.6, "XFlickr": 0.3})
    assert [(row.status, row.name) for row in view.changes(everything=False)] == [
        ("regressed", "CIFAR100Clustering"),
        ("regressed", "CIFAR10Clustering"),
        ("improved", "Fashion"),
    ]
    assert [row.name for row in view.changes(everything=True)][3:] == ["XFlickr"]


def test_of_gains_the_largest_comes_first_and_what_passed_keeps_its_place() -> None:
    gained = {"Fashion": 0.6, "CIFAR10Clustering": 0.6}
    passed = {"CIFAR100Clustering": 0.201, "XFlickr": 0.299}
    rows = [(row.status, row.name) for row in view_of(gained | passed).changes(everything=True)]
    assert rows == [
        ("improved", "CIFAR10Clustering"),
        ("improved", "Fashion"),
        ("passed", "CIFAR100Clustering"),
        ("passed", "XFlickr"),
    ]


def test_an_accepted_change_comes_after_the_regressions_however_large_it_is() -> None:
    accepted = a_comparison("Fashion", 0.1, 0.5, accepted=UNTIL)
    view = view_of({"Fashion": 0.1, "CIFAR10Clustering": 0.3}, accepted)
    rows = [(row.status, row.name) for row in view.changes(everything=False)]
    assert rows == [("regressed", "CIFAR10Clustering"), ("accepted", "Fashion")]
    assert ([row.name for row in view.failed], [row.name for row in view.accepted]) == (
        ["CIFAR10Clustering"],
        ["Fashion"],
    )


def test_languages_that_changed_stand_among_the_tasks_and_suspect_ones_only_with_all() -> None:
    """A quarter of 5 % is for two languages, so that 0.02 is suspect and 1e-9 is not."""
    moved = {"en": a_pair(0.5, 0.4), "no": a_pair(0.1, 0.2, 0.02)}
    view = view_of({"XFlickr": 0.3}, a_comparison("XFlickr", 0.3, 0.3, subsets=moved))
    assert [(row.status, row.title) for row in view.changes(everything=False)] == [("improved", "XFlickr [en]")]
    assert [(row.status, row.title) for row in view.changes(everything=True)] == [
        ("suspect", "XFlickr [no]"),
        ("improved", "XFlickr [en]"),
        ("passed", "XFlickr"),
    ]


def test_a_group_of_a_single_task_is_that_task() -> None:
    view = view_of(CLUSTERING | {"Fashion": 0.3}, selected={*CLUSTERING, "Fashion", "XFlickr"})  # the last did not run
    rows = [(row.title, row.status, row.tolerance) for row in view.verdicts_by_group]
    assert rows == [
        ("retrieval, 1 task", "regressed", 0.005),
        ("clustering, 2 tasks", "passed", 0.0025),
        ("Mean (en), 3 tasks", "regressed", 0.0025),
        ("Mean (m), 4 tasks", "incomplete", None),
    ]
    assert [row.name for row in view.judged] == ["clustering", "Mean (en)", "Mean (m)"]


def test_a_mean_without_numbers_has_none_of_its_verdict() -> None:
    view = view_of({"CIFAR10Clustering": 0.4}, selected=set(CLUSTERING))
    (mean,) = view.judged
    assert (mean.status, mean.missing, mean.compared) == ("incomplete", ("CIFAR100Clustering",), None)
    assert with_status(view.judged, "incomplete") == []  # a verdict rests on a comparison


@pytest.mark.parametrize(
    ("score", "p"),
    [(0.4, 1e-9), (0.6, 1e-9), (0.5, 1.0)],
    ids=["worse", "better", "the same"],
)
def test_the_p_value_is_that_of_the_direction(score: float, p: float) -> None:
    (row,) = view_of({"Fashion": score}).tasks
    assert row.p_value == p


@pytest.mark.parametrize("policy", [Policy(), Policy("non-inferiority")])
def test_where_no_error_is_known_there_is_no_number_that_rests_on_one(policy: Policy) -> None:
    """The gate itself counts with 0 there, or with 1."""
    known = a_pair(0.4, 0.5).difference
    unknown = a_comparison("Fashion", 0.4, 0.5)
    unknown = replace(unknown, difference=replace(known, standard_error=0.0, p_drop=0.0, p_gain=1.0))
    view = view_of({"Fashion": 0.4}, unknown, policy=policy)
    (row,) = view.tasks
    assert (row.status, row.p_value, row.detectable) == ("regressed", None, None)
    found = row.compared
    assert found and found.drop == pytest.approx(0.1)
    assert (found.standard_error, found.p_drop, found.p_gain, found.interval, found.bound) == (None,) * 5
    assert view.basis and view.basis.error_unknown == 1
