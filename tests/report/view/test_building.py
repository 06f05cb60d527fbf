"""What a run and a stored comparison have to say, as values."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from pytest_mieb.gate.policy import ComparisonFamily, Policy
from pytest_mieb.gate.standing import Rank
from pytest_mieb.gate.stored import Stored, decide_stored
from pytest_mieb.measurement.baseline import Baseline, Estimate, Measurement
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.report.run import Run
from pytest_mieb.report.view import Detectable, MeanRow, MeasurementFacts, TaskRow, View, of_run, of_stored
from pytest_mieb.suite.cards import load_tasks
from tests.report.builders import BASELINE, TASKS, UNTIL, a_comparison, a_pair, a_record, a_run


def task(view: View, name: str) -> TaskRow:
    return next(row for row in view.tasks if row.name == name)


def mean(view: View, name: str) -> MeanRow:
    return next(row for row in (*view.groups, *view.overall) if row.name == name)


def measured(*scores: float, error: float = 0.002) -> dict[str, Measurement]:
    return {name: Measurement(score, error) for name, score in zip(TASKS, scores, strict=False)}


def test_a_run_and_a_stored_comparison_of_the_same_measurements_say_the_same() -> None:
    """Fashion regressed, the first clustering did not change, and the second has no score any more."""
    before, after = measured(0.5, 0.4, 0.2), measured(0.3, 0.4)
    accepted = {"Fashion": replace(before["Fashion"], accepted=replace(UNTIL, until=UNTIL.until.replace(9999)))}
    old = Stored("old", "recorded", Path(), Baseline("exp6", "hub", tasks=before | accepted))
    new = Stored("new", "results", Path(), Baseline("exp7", "hub", tasks=after))
    found = decide_stored(old, new, TASKS, Policy(), ",".join(before))
    records = {name: replace(a_record(name, 0.0), measured=each) for name, each in after.items()}
    run = Run([], TASKS, old.baseline, records=records, comparisons=dict(found.comparisons), selected=set(before))
    run.errors = dict(found.decision.incomplete)
    run.decide()
    seen, told = of_run(run), of_stored(found)
    for part in ("state", "headline", "tasks", "groups", "overall", "judged", "basis", "incomplete"):
        assert getattr(seen, part) == getattr(told, part), part
    statuses = {row.name: row.status for row in (*told.tasks, *told.groups, *told.overall)}
    assert statuses == {
        "Fashion": "accepted",
        "CIFAR10Clustering": "passed",
        "CIFAR100Clustering": "incomplete",
        "retrieval": "measured",
        "clustering": "incomplete",
        "Mean (en)": "incomplete",
        "Mean (m)": "measured",
    }


def test_a_task_has_its_numbers_and_what_they_rest_on() -> None:
    own = a_comparison(
        "Fashion", 0.3, 0.5, drift=0.01, preprocessing="size 1 -> 2", warnings=("the device is cpu",), accepted=UNTIL
    )
    view = of_run(a_run({"Fashion": 0.3}, comparisons={"Fashion": own}))
    row = task(view, "Fashion")
    assert (row.category, row.group, row.status, row.failure) == ("retrieval", "retrieval", "accepted", None)
    assert (row.score, row.baseline, row.tolerance, row.drift) == (0.3, 0.5, 0.005, 0.01)
    assert (row.preprocessing, row.warnings, row.paired) == ("size 1 -> 2", ("the device is cpu",), True)
    assert (row.acceptance, row.acceptance_note) == (
        UNTIL,
        "the regression is accepted until 2027-03-01: a new tokenizer",
    )
    found = row.compared
    assert found and found.interval
    assert (found.drop, found.change) == pytest.approx((0.2, -0.2))
    assert (found.p_drop, found.examples, found.fits, found.bound) == (1e-9, 100, 0, None)
    assert found.interval == pytest.approx((0.2 - 1.959964 * 0.01, 0.2 + 1.959964 * 0.01))
    assert (view.preprocessing, view.state) == (("size 1 -> 2",), "passed")


def test_what_repeated_fits_lost_is_told_beside_the_change_of_the_score() -> None:
    own = a_comparison("CIFAR10Clustering", 0.35, 0.4)
    own = replace(own, difference=replace(own.difference, drop=0.02, fits=16, before=0.5))
    view = of_run(a_run({"CIFAR10Clustering": 0.35}, comparisons={"CIFAR10Clustering": own}))
    found = task(view, "CIFAR10Clustering").compared
    assert found and (found.drop, found.fits) == (0.02, 16)
    assert found.change == pytest.approx(-0.05)
    assert view.basis and len(view.basis.by_fits) == 1


def test_non_inferiority_has_the_bound_that_it_decides_by() -> None:
    row = task(of_run(a_run({"Fashion": 0.499}, policy=Policy("non-inferiority"))), "Fashion")
    assert row.compared and row.compared.bound == pytest.approx(0.001 + 1.644854 * 0.01)


def test_a_language_is_a_row_with_a_verdict_of_its_own_and_those_to_look_at_are_named() -> None:
    lost = a_comparison("XFlickr", 0.3, 0.3, subsets={"en": a_pair(0.5, 0.4), "no": a_pair(0.1, 0.2)})
    row = task(of_run(a_run({"XFlickr": 0.3}, comparisons={"XFlickr": lost})), "XFlickr")
    assert [(each.name, each.title, each.status) for each in row.subsets] == [
        ("en", "XFlickr [en]", "improved"),
        ("no", "XFlickr [no]", "regressed"),
    ]
    assert (row.status, row.languages) == ("passed", ("no",))
    assert row.blame == "1 of 2 languages regressed: no 10.00, baseline 20.00 (-10.00)"
    assert row.failure and str(row.subsets[1].failure).startswith("XFlickr [no] regressed")
    assert (row.tolerance, *(each.tolerance for each in row.subsets)) == (0.005, 0.01, 0.01)


def test_languages_that_were_only_measured_have_their_scores() -> None:
    run = a_run({"XFlickr": 0.3})
    both = Measurement(0.3, subsets={"en": Estimate(0.5), "de": Estimate(0.1)})
    run.records["XFlickr"] = replace(run.records["XFlickr"], measured=both)
    rows = task(of_run(run), "XFlickr").subsets
    assert [(row.name, row.status, row.score, row.baseline) for row in rows] == [
        ("en", "measured", 0.5, 0.4),
        ("de", "measured", 0.1, None),
    ]


def test_a_task_without_a_verdict_says_why() -> None:
    baseline = replace(
        BASELINE, indicative=True, unusable=dict.fromkeys(("Fashion", "CIFAR100Clustering"), "older rows")
    )
    facts: dict[str, Any] = {"errors": {"CIFAR10Clustering": "gated"}, "skipped": {"XFlickr": "no text"}}
    run = a_run({"Fashion": 0.5}, baseline, selected=set(TASKS), **facts)
    del run.comparisons["Fashion"]
    run.decide()
    view = of_run(run)
    assert {row.name: (row.status, row.reason, row.score) for row in view.tasks} == {
        "Fashion": ("not comparable", "older rows", 0.5),
        "CIFAR10Clustering": ("incomplete", "gated", None),
        "CIFAR100Clustering": ("incomplete", "did not run", None),
        "XFlickr": ("incomplete", "not applicable now: no text", None),
    }
    assert list(view.incomplete) == ["CIFAR10Clustering", "CIFAR100Clustering", "XFlickr"]
    assert (view.unusable, view.not_applicable) == ({"Fashion": "older rows"}, {"XFlickr": "no text"})
    assert view.run and (view.run.errors, view.run.not_run, view.run.no_longer_applicable) == (
        ("CIFAR10Clustering",),
        ("CIFAR100Clustering",),
        ("XFlickr",),
    )
    unnamed: dict[str, Any] = {name: {"XFlickr": "x"} for name in facts}
    without = of_run(a_run({}, None, selected=set(TASKS), **unnamed))
    assert without.run and without.run.no_longer_applicable == ()


def test_a_regression_that_only_the_others_make_one_is_marked() -> None:
    scores, p = {"CIFAR10Clustering": 0.3, "CIFAR100Clustering": 0.1}, {"CIFAR100Clustering": 0.02}
    view = of_run(a_run(scores, p=p))
    assert {row.name: (row.status, row.regressed_by_holm) for row in view.tasks} == {
        "CIFAR10Clustering": ("regressed", False),
        "CIFAR100Clustering": ("regressed", True),
    }


def test_compared_with_nothing_there_are_scores_alone() -> None:
    view = of_run(a_run({"Fashion": 0.5}, None, selected={"Fashion", "XFlickr"}, skipped={"XFlickr": "no text"}))
    assert (view.old, view.state, view.basis, view.judged) == (None, None, None, ())
    assert [(row.name, row.status, row.score) for row in view.tasks] == [
        ("Fashion", "measured", 0.5),
        ("XFlickr", "not applicable", None),
    ]


def test_a_group_counts_its_tasks_with_a_score_and_changes_where_all_of_them_have_a_baseline() -> None:
    scores = {"CIFAR10Clustering": 0.3, "CIFAR100Clustering": 0.1, "Fashion": 0.501}
    view = of_run(a_run(scores, selected={*scores, "XFlickr"}))
    rows = [(row.name, row.scored, row.tasks, row.score, row.baseline) for row in view.groups]
    assert rows == [
        ("retrieval", 1, 1, 0.501, 0.5),
        ("clustering", 2, 2, pytest.approx(0.2), pytest.approx(0.3)),
        ("retrieval (multilingual)", 0, 1, None, None),
    ]
    assert mean(view, "retrieval").detectable == task(view, "Fashion").detectable
    lacking = of_run(a_run(scores, errors={"CIFAR100Clustering": "other rows"}))
    assert mean(lacking, "clustering").score == pytest.approx(0.2)
    assert mean(lacking, "clustering").baseline is None


def test_the_score_of_a_verdict_is_to_the_last_bit_the_mean_that_the_table_shows() -> None:
    """Half a hundredth of a point, 46.965 here, must not be rounded one way here and another there."""
    scores = dict(zip(TASKS, (0.5113, 0.4049, 0.7838, 0.3033), strict=True))
    row = mean(of_run(a_run(scores)), "Mean (m)")
    assert row.compared and row.compared.score == row.score


def test_a_judged_mean_has_the_numbers_of_its_verdict() -> None:
    own = {name: a_comparison(name, 0.1, 0.4, accepted=UNTIL) for name in ("CIFAR10Clustering",)}
    run = a_run({"CIFAR10Clustering": 0.1, "CIFAR100Clustering": 0.1}, comparisons=own)
    row = mean(of_run(run), "clustering")
    assert run.decision and row.failure == run.decision.means[0].failure
    assert (row.title, row.status, row.tolerance) == ("clustering, 2 tasks", "regressed", 0.0025)
    assert row.compared and (row.compared.score, row.compared.drop) == pytest.approx((0.1, 0.05))
    assert (row.accepted, row.acceptance_note) == (
        ("CIFAR10Clustering",),
        "CIFAR10Clustering counts as unchanged, because its drop is accepted",
    )


@pytest.mark.parametrize(
    ("names", "english", "all_of_them"),
    [
        (list(TASKS), ("MIEB", 3, 0.5), ("MIEB", 4, 0.5)),
        (["Fashion", "CIFAR10Clustering"], ("MIEB-lite", 2, 0.5), ("MIEB-lite", 3, None)),
        (["Fashion"], ("MIEB-lite", 2, None), ("MIEB-lite", 3, None)),
    ],
    ids=["all", "English lite", "one task"],
)
def test_overall_means_are_of_the_whole_suite_or_of_lite(names: list[str], english: Any, all_of_them: Any) -> None:
    view = of_run(a_run(dict.fromkeys(names, 0.5)))
    assert [row.name for row in view.overall] == ["Mean (en)", "Mean (m)"]
    assert [(row.suite, row.tasks, row.score) for row in view.overall] == [english, all_of_them]


def test_scores_that_were_not_asked_for_are_in_no_mean() -> None:
    sides = [
        Stored(name, "recorded", Path(), Baseline(name, "hub", tasks=measured(0.5, 0.4, 0.2, 0.3)))
        for name in ("old", "new")
    ]
    view = of_stored(decide_stored(sides[0], sides[1], TASKS, Policy(), "CIFAR10Clustering"))
    assert [(row.name, row.score) for row in (*view.groups, *view.overall)] == [
        ("clustering", 0.4),
        ("Mean (en)", None),
        ("Mean (m)", None),
    ]


def test_a_task_of_ones_own_is_in_no_overall_mean() -> None:
    tasks = {"Mine": replace(TASKS["Fashion"], name="Mine", suites=())}
    view = of_run(Run([], tasks, None, records={"Mine": a_record("Mine", 0.5)}, selected={"Mine"}))
    assert ([row.name for row in view.groups], view.overall) == (["retrieval"], ())


def test_the_basis_counts_what_was_compared_and_says_each_warning_once() -> None:
    own = {
        "Fashion": a_comparison("Fashion", 0.4, 0.5, warnings=("device", "dtype")),
        "CIFAR10Clustering": a_comparison("CIFAR10Clustering", 0.4, 0.4, warnings=("device",)),
    }
    basis = of_run(a_run({"Fashion": 0.4, "CIFAR10Clustering": 0.4}, comparisons=own)).basis
    assert basis and basis.detectable
    assert (basis.policy, basis.family) == (Policy(), ComparisonFamily(2, 0, 1))
    assert (basis.compared, basis.error_unknown) == (2, 0)
    assert basis.warnings == ("device", "dtype")
    assert basis.detectable.least == basis.detectable.median == basis.detectable.largest  # the other did not change


def test_the_order_in_which_reports_arrive_changes_nothing() -> None:
    arrived = ["XFlickr", "CIFAR100Clustering", "CIFAR10Clustering", "Fashion"]
    views = []
    for names in (arrived, arrived[::-1]):
        own = {name: a_comparison(name, 0.3, 0.4, preprocessing=name, warnings=(f"of {name}",)) for name in names}
        for name in names:
            own[name] = replace(own[name], difference=replace(own[name].difference, drop=0.01, fits=16))
        run = a_run(dict.fromkeys(names, 0.3), comparisons=own, skipped=dict.fromkeys(names, "no text"))
        run.records = {name: a_record(name, 0.3, noise=0.001, findings=("one",)) for name in names}
        run.comparisons = {name: run.comparisons[name] for name in names}
        views.append(of_run(run))
    assert repr(views[0]) == repr(views[1])
    basis = views[0].basis
    assert basis and basis.warnings == tuple(f"of {name}" for name in TASKS)
    assert (views[0].preprocessing, tuple(views[0].not_applicable)) == (tuple(TASKS), tuple(TASKS))


def test_the_smallest_drops_are_told_by_their_range_and_median() -> None:
    run = a_run({"Fashion": 0.4, "CIFAR10Clustering": 0.3, "CIFAR100Clustering": 0.1})
    for name, error in (("Fashion", 0.02), ("CIFAR10Clustering", 0.03), ("CIFAR100Clustering", inf)):
        known = run.comparisons[name]
        run.comparisons[name] = replace(known, difference=replace(known.difference, standard_error=error))
    run.decide()
    view = of_run(run)
    least, largest = (task(view, name).detectable or 0 for name in ("Fashion", "CIFAR10Clustering"))
    assert task(view, "CIFAR100Clustering").detectable is None
    assert 0 < least < largest
    assert view.basis and view.basis.detectable == Detectable(least, largest, (least + largest) / 2)


def test_the_sides_are_told_apart() -> None:
    view = of_run(a_run({"Fashion": 0.5}, replace(BASELINE, date="2026-01-31"), model_name="exp7"))
    assert view.new == MeasurementFacts("exp7", "run", "exp7", 1, data="hub")
    assert view.old == MeasurementFacts("exp6", "recorded", "exp6", 4, data="hub", date="2026-01-31")
    old = Stored("a/b", "published", Path(), Baseline("a/b", "hub", "abc", tasks=measured(0.5), indicative=True))
    new = Stored("new", "results", Path(), Baseline("exp7", "hub", tasks=measured(0.5)))
    view = of_stored(decide_stored(old, new, TASKS, Policy()))
    assert view.old == MeasurementFacts("a/b", "published", "a/b", 1, "abc", "hub", "", indicative=True)


def test_tasks_that_only_the_old_side_has_are_left_out() -> None:
    old = Stored("old", "recorded", Path(), Baseline("exp6", "hub", tasks=measured(0.5, 0.4)))
    new = Stored("new", "recorded", Path(), Baseline("exp7", "hub", tasks=measured(0.5)))
    view = of_stored(decide_stored(old, new, TASKS, Policy()))
    assert ([row.name for row in view.tasks], view.left_out) == (["Fashion"], ("CIFAR10Clustering",))


def test_a_run_says_what_it_took_and_what_to_do_next() -> None:
    run = a_run({"Fashion": 0.3, "CIFAR10Clustering": 0.4})
    moved = {"Fashion": 0.001, "CIFAR10Clustering": 0.02}
    run.records = {
        name: a_record(name, 0.5, noise=noise, taken_over=name == "Fashion") for name, noise in moved.items()
    }
    run.context, run.spent, run.notes = Context(canary=("pixels",)), {"a": (1.5, 0.25), "b": (0.5, 0.0)}, ["recorded"]
    view = of_run(run)
    facts = view.run
    assert facts and view.notes == ("recorded",)
    assert list(facts.noise.items()) == [("CIFAR10Clustering", 0.02), ("Fashion", 0.001)]
    assert (facts.embedded, facts.reused, facts.taken_over, facts.canary) == (2000, 400, 1, ("pixels",))
    assert list(facts.spent) == [2.0, 0.25]
    assert facts.next_command == "pytest --mieb-model=exp7 -m lite -k Fashion"


SUITE = load_tasks()
LITE = {name: a_record(name, 0.9) for name, each in SUITE.items() if "lite" in each.suites}
PART = replace(LITE["Winoground"], measured=Measurement(0.9, part="30 of 40 rows"))


@pytest.mark.parametrize(
    ("records", "published_data", "model", "expected"),
    [
        (LITE, True, "exp7", (51, Rank(1, 49))),
        (LITE, True, "openai/clip-vit-base-patch32", (51, Rank(1, 48))),  # no rival of itself
        (LITE | {"Winoground": PART}, True, "exp7", (50, None)),
        (LITE, False, "exp7", None),
        ({}, True, "exp7", None),
    ],
    ids=["published data", "a published model", "a part of the data", "other data", "no scores"],
)
def test_a_standing_is_that_of_scores_on_published_data(
    records: dict[str, TaskRecord], published_data: bool, model: str, expected: Any
) -> None:
    run = Run([], SUITE, None, published_data=published_data, model_name=model, records=records, selected=set(LITE))
    facts = of_run(run).run
    assert facts is not None
    assert (facts.standing and (facts.standing.scored, facts.standing.ranks.get("Mean (m)"))) == expected
