"""The sentences that the summary of a run and `compare` share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.stored import Stored, decide_stored
from pytest_mieb.measurement.baseline import Baseline, Measurement
from pytest_mieb.report import comparison
from pytest_mieb.report.run import Run
from pytest_mieb.report.summary import summary_lines
from pytest_mieb.report.view import basis_lines, by_reason, listed, of_run, of_stored
from tests.report.builders import BASELINE, TASKS, a_comparison, a_record, a_run

NO_DROP = "no smallest detectable drop can be given, because no outcome differs from the baseline's"
RATE = "the verdict rests on significance tests with a family-wise error rate of 5 %"
INDICATIVE = (
    "the verdict is indicative: the scores of {} were published without outcomes, some of them on earlier revisions of "
    "the data; record a baseline of your own for a verdict to rely on"
)
# Nobody knows the error of published scores.
OLD = Baseline(
    "a/b",
    "hub",
    tasks={name: Measurement(score) for name, score in zip(TASKS, (0.5, 0.4, 0.2, 0.3), strict=True)},
    indicative=True,
    unusable={"CIFAR100Clustering": "older rows", "XFlickr": "older rows"},
)


def test_the_tests_are_named_with_what_they_could_find() -> None:
    view = of_run(a_run({"Fashion": 0.5, "XFlickr": 0.3}))
    assert basis_lines(view) == [f"{RATE} (2 tasks, 2 languages); {NO_DROP}"]
    (line,) = basis_lines(of_run(a_run({"Fashion": 0.501})))
    assert line == f"{RATE} (1 task); the smallest detectable drop of a task is 7.06"
    own = a_comparison("CIFAR10Clustering", 0.3, 0.4)
    own = replace(own, difference=replace(own.difference, standard_error=0.02))
    run = a_run({"Fashion": 0.501, "CIFAR10Clustering": 0.3}, comparisons={"CIFAR10Clustering": own})
    (line,) = basis_lines(of_run(run))
    least, _, largest = line.partition(" lies between ")[2].partition(" and ")
    assert float(least) < float(largest.partition(", with a median of ")[2]) < float(largest.partition(",")[0])
    strict = of_run(a_run({"Fashion": 0.5}, policy=Policy("non-inferiority", alpha=0.01)))
    assert basis_lines(strict) == [f"the verdict rests on non-inferiority tests at 1 % each (1 task); {NO_DROP}"]


def test_a_run_and_compare_say_the_same_of_the_same() -> None:
    """Fashion dropped, the first clustering did not, and of the others a published score tells nothing."""
    new = Baseline("exp7", "hub", tasks={**OLD.tasks, "Fashion": Measurement(0.3)})
    stored = decide_stored(
        Stored("a/b", "published", Path(), OLD), Stored("n", "results", Path(), new), TASKS, Policy()
    )
    records = {name: replace(a_record(name, 0.0), measured=each) for name, each in new.tasks.items()}
    run = Run([], TASKS, OLD, records=records, comparisons=dict(stored.comparisons), selected=set(TASKS))
    run.decide()
    told = [
        "not compared (2): CIFAR100Clustering, XFlickr: older rows",
        f"{RATE} (4 tasks, 2 languages, 3 means); no smallest detectable drop can be given, because no sampling error "
        "is known",
        "no sampling error is known for 1 task, where every drop beyond the tolerance and the known drift is a "
        "regression",
        INDICATIVE.format("a/b"),
    ]
    for lines in (
        summary_lines(of_run(run)),
        comparison.text(of_stored(stored)),
        comparison.markdown(of_stored(stored)),
    ):
        assert [line for line in (each.removeprefix("- ") for each in lines) if line in told] == told


def test_a_new_side_that_was_published_makes_a_verdict_indicative_too() -> None:
    sides = [
        Stored("old", "recorded", Path(), BASELINE),
        Stored(
            "a/b", "published", Path(), replace(OLD, tasks={"Fashion": Measurement(0.5), "XFlickr": Measurement(1)})
        ),
    ]
    view = of_stored(decide_stored(sides[0], sides[1], TASKS, Policy()))
    lines = comparison.text(view)
    assert INDICATIVE.format("a/b") in lines
    assert "not compared (1): XFlickr: older rows" in lines
    both = of_stored(decide_stored(replace(sides[1], name="c/d"), sides[1], TASKS, Policy()))
    assert INDICATIVE.format("a/b and a/b") in basis_lines(both)


def test_where_nothing_is_compared_the_reasons_are_told_and_no_tests() -> None:
    run = a_run({"XFlickr": 0.3}, OLD)
    run.comparisons.clear()
    run.decide()
    lines = summary_lines(of_run(run))
    assert "not compared (1): XFlickr: older rows" in lines
    assert not any("verdict" in line for line in lines)


def test_without_a_baseline_there_is_no_basis() -> None:
    assert basis_lines(of_run(a_run({"Fashion": 0.5}, None))) == []


def test_reasons_are_told_once_with_the_first_of_their_tasks() -> None:
    reasons = {f"T{number}": "gated\n  dataset" for number in range(12)} | {"A": "did not run"}
    assert by_reason("no verdict", reasons) == [
        "no verdict (12): T0, T1, T2, T3, T4, T5, T6, T7, T8, T9 and 2 more: gated dataset",
        "no verdict (1): A: did not run",
    ]
    assert listed(["A", "B", "C"], 2) == "A, B and 1 more"
