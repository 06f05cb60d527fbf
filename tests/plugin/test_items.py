"""Means, and tasks that fail only beside the others, as test reports of their own."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mieb.gate.decision import Decision, MeanVerdict
from pytest_mieb.gate.policy import ComparisonFamily
from pytest_mieb.gate.verdict import Verdict
from pytest_mieb.measurement.baseline import Baseline, Measurement
from pytest_mieb.plugin.items import conclude, reports_of
from pytest_mieb.report.run import Run
from tests.builders import a_task
from tests.report.builders import a_comparison, a_record

DECISION = Decision(
    ComparisonFamily(4, 0, 3),
    {"A": Verdict("regressed", 0.4, failure="A regressed: 40.00"), "B": Verdict("passed", 0.5)},
    (
        MeanVerdict("clustering", 2, "passed"),
        MeanVerdict("retrieval", 2, "regressed", failure="retrieval regressed: 30.00"),
        MeanVerdict("Mean (m)", 4, "incomplete", failure="Mean (m): incomplete", missing=("D",)),
        MeanVerdict("visual_sts", 2, "suspect"),
    ),
    {"D": "gated"},
    regressed_by_holm=("A",),
)


def test_a_mean_is_a_report_that_passes_fails_or_errors_as_a_test_does() -> None:
    reports = [[(each.nodeid, each.when, each.outcome) for each in entry] for entry in reports_of(DECISION)]
    assert reports == [
        [(f"mieb::{name}", when, outcome), (f"mieb::{name}", "teardown", "passed")]
        for name, when, outcome in (
            ("A, by Holm's procedure", "call", "failed"),
            ("clustering", "call", "passed"),
            ("retrieval", "call", "failed"),
            ("Mean (m)", "setup", "failed"),
            ("visual_sts", "call", "passed"),
        )
    ]


def test_a_failing_report_says_why() -> None:
    texts = {entry[0].nodeid: entry[0].longreprtext for entry in reports_of(DECISION)}
    assert texts["mieb::retrieval"] == "retrieval regressed: 30.00"
    assert texts["mieb::Mean (m)"] == "Mean (m): incomplete"
    assert texts["mieb::A, by Holm's procedure"] == "A regressed: 40.00"
    assert texts["mieb::clustering"] == ""


def test_what_a_mean_leaves_out_is_a_property_of_its_report_as_junit_reads_it() -> None:
    mean = MeanVerdict("clustering", 2, "accepted", accepted=("A", "B"))
    decision = replace(DECISION, means=(mean,), regressed_by_holm=())
    (entry,) = reports_of(decision)
    said = "A, B count as unchanged, because their drops are accepted"
    assert [(each.outcome, each.user_properties) for each in entry] == [("passed", [("mieb_accepted", said)])] * 2


class Listener:
    """Where pytest's hooks of a session go, as calls in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, hook: str) -> Any:
        def call(**given: Any) -> None:
            self.calls.append((hook, given["report"].nodeid if "report" in given else given["nodeid"]))

        return call


TASKS = {name: a_task(name=name) for name in ("A", "B")}


@pytest.mark.parametrize("baseline", [None, Baseline("exp6", "hub", tasks=dict.fromkeys(TASKS, Measurement(0.5)))])
def test_whoever_listens_to_the_items_hears_of_the_means_too(baseline: Baseline | None) -> None:
    listener = Listener()
    session: Any = SimpleNamespace(testscollected=2, config=SimpleNamespace(hook=listener))
    comparisons = {name: a_comparison(name, 0.5, 0.5) for name in TASKS}
    records = {name: a_record(name, 0.5) for name in TASKS}
    run = Run([], TASKS, baseline, records=records, comparisons=comparisons, selected=set(TASKS))
    conclude(run, session)
    if baseline is None:
        assert (session.testscollected, listener.calls) == (2, [])
        return
    # Both tasks are all that there is of the category and of the suite.
    names = ["mieb::clustering", "mieb::Mean (en)", "mieb::Mean (m)"]
    assert session.testscollected == 2 + len(names)  # or the progress would go beyond 100 %
    hooks = ("logstart", "logreport", "logreport", "logfinish")
    assert listener.calls == [(f"pytest_runtest_{hook}", name) for name in names for hook in hooks]


def test_scores_that_could_not_be_recorded_are_a_failure() -> None:
    listener, reports = Listener(), list[pytest.TestReport]()
    listener.pytest_runtest_logreport = lambda report: reports.append(report)  # type: ignore[attr-defined]
    session: Any = SimpleNamespace(testscollected=1, config=SimpleNamespace(hook=listener))
    run = Run(
        [], TASKS, None, records={"A": a_record("A", 0.5)}, selected={"A"}, unrecorded="nothing was recorded: full"
    )
    conclude(run, session)
    assert [(each.nodeid, each.outcome) for each in reports] == [
        ("mieb::recording", "failed"),
        ("mieb::recording", "passed"),
    ]
    assert reports[0].longreprtext == "nothing was recorded: full"
    run.errors["B"] = "gated"
    assert not run.only_incomplete
